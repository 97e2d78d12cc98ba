"""Label images: integer (Y, X), 0 is background, one number a cell. The numbers are kept, gaps and all."""

from pathlib import Path

import numpy as np
import tifffile

from core.errors import InputError
from core.images import plain, tiff
from core.images.files import guarded, kind_of, replacing

_LARGEST = 2**31 - 1


def read_labels(path: str | Path) -> np.ndarray:
    """Read a label image from a TIFF or PNG.

    Returns
    -------
    int32 array (Y, X); the label numbers as stored (in a PNG with a palette: its indices).

    Raises
    ------
    InputError
        Floating point, colour, several planes, negative numbers or numbers over 2147483647, or a file that cannot be read.
    """
    path = Path(path)
    kind = kind_of(path)
    if kind not in ("TIFF", "PNG", "BMP"):
        raise InputError(f"{path.name}: wanted a label image as TIFF or PNG, found {kind}, which does not keep label numbers.")
    picture = tiff.read(path, None, as_stored=True) if kind == "TIFF" else plain.read(path, kind, None, as_stored=True)
    with guarded(path):
        return _checked(_single(picture.pixels, path.name), path.name)


def write_labels(path: str | Path, labels: np.ndarray) -> None:
    """Write ``labels`` (integer (Y, X), 0 is background) as a compressed TIFF: uint16, or uint32 where a number needs it.

    The file appears complete or not at all. Raises InputError for anything but such an array.
    """
    path = Path(path)
    labels = _checked(np.asarray(labels), path.name)
    dtype = np.uint16 if labels.size == 0 or int(labels.max()) < 2**16 else np.uint32
    with replacing(path) as temporary:
        tifffile.imwrite(temporary, labels.astype(dtype), compression="zlib", photometric="minisblack", metadata=None)


def _single(pixels: np.ndarray, name: str) -> np.ndarray:
    if pixels.ndim == 2:
        return pixels
    if pixels.shape[-1] == 3 and (pixels == pixels[..., :1]).all():
        return pixels[..., 0]
    raise InputError(f"{name}: wanted a label image (one integer a pixel), found {pixels.shape[-1]} samples a pixel (a colour image).")


def _checked(labels: np.ndarray, name: str) -> np.ndarray:
    if labels.ndim != 2 or labels.size == 0:
        raise InputError(f"{name}: wanted a label image (Y, X) with pixels, found shape {labels.shape}.")
    if labels.dtype.kind not in "biu":
        raise InputError(f"{name}: wanted integer labels (0 background, one number a cell), found {labels.dtype}. Save it as 16-bit.")
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high > _LARGEST:
        raise InputError(f"{name}: wanted label numbers from 0 to {_LARGEST}, found {low} to {high}.")
    return labels.astype(np.int32)
