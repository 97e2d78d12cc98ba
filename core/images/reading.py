"""One reader for every microscope file: describe it, read one plane of it, write an image.

What a user may give: TIFF (OME, ImageJ, BigTIFF, tiled), PNG, JPEG, BMP, and with ``requirements-formats.txt`` ND2, CZI
and LIF. The format is told by the content, not by the name. Nothing is cut silently: a file with several planes is read
only with a full choice, transparency that hides something and values that are no numbers are refused.
"""

from pathlib import Path

import numpy as np
import tifffile

from core.errors import InputError
from core.images import formats, plain, tiff
from core.images.files import guarded, kind_of, replacing
from core.images.picture import ImageInfo, Layout, Picture, Plane, full_scale, grey, planes

IMAGE_SUFFIXES: tuple[str, ...] = (".tif", ".tiff", ".ome.tif", ".ome.tiff", ".png", ".jpg", ".jpeg", ".bmp", ".nd2", ".czi", ".lif")


def inspect(path: str | Path) -> ImageInfo:
    """Describe an image file; reads pixels only where the bit depth must be guessed.

    Raises
    ------
    InputError
        The file is missing, empty, damaged, of another format, or its optional reader is not installed.
    """
    path = Path(path)
    kind = kind_of(path)
    if kind == "TIFF":
        return tiff.inspect(path)
    if kind in ("PNG", "JPEG", "BMP"):
        return plain.inspect(path, kind)
    return formats.inspect(path, kind)


def read(path: str | Path, plane: Plane | None = None) -> Picture:
    """Read one plane of an image file.

    Parameters
    ----------
    path : the file, without a "#C=0" fragment (``core.fields.split_reference`` takes it off)
    plane : the choice in a file with several channels, focal planes, times or positions; indices from 0

    Returns
    -------
    Picture : pixels (Y, X) or (Y, X, 3) of the stored dtype and in stored orientation. RGB with three equal samples is
        grey; constant transparency is dropped; "minimum is white" is inverted; 1 bit is uint8 0 and 1;
        float16 becomes float32.

    Raises
    ------
    InputError
        As for ``inspect``; a choice is missing or wrong; transparency varies; values are complex, NaN or infinite.
    """
    path = Path(path)
    kind = kind_of(path)
    if kind == "TIFF":
        picture = tiff.read(path, plane)
    elif kind in ("PNG", "JPEG", "BMP"):
        picture = plain.read(path, kind, plane)
    else:
        picture = formats.read(path, kind, plane)
    with guarded(path):
        pixels = _real(picture.pixels, path.name)
        pixels = _grey_if_equal(_without_alpha(pixels, path.name))
        _refuse_not_finite(pixels, path.name)
        return Picture(pixels, picture.bits, picture.pixel_size_um, picture.bits_guessed)


def write_image(path: str | Path, pixels: np.ndarray, pixel_size_um: float | None = None, bits: int | None = None) -> None:
    """Write pixels (Y, X) or (Y, X, 3) as a lossless TIFF that appears complete or not at all.

    ``pixel_size_um`` is stored as a resolution a centimetre, a true bit depth ``bits`` as MaxSampleValue; ``read`` finds both.
    """
    if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] != 3):
        raise InputError(f"{Path(path).name}: wanted pixels (Y, X) or (Y, X, 3), found shape {pixels.shape}.")
    per_cm = 1e4 / pixel_size_um if pixel_size_um else None
    with replacing(Path(path)) as temporary:
        tifffile.imwrite(
            temporary,
            np.ascontiguousarray(pixels),
            compression="zlib",
            predictor=pixels.dtype.kind in "iu",
            photometric="rgb" if pixels.ndim == 3 else "minisblack",
            resolution=(per_cm, per_cm) if per_cm else None,
            resolutionunit="CENTIMETER" if per_cm else None,
            metadata=None,
            extratags=[(281, 3, 1, 2**bits - 1, True)] if bits and bits <= 16 and pixels.ndim == 2 else (),
        )


def _real(pixels: np.ndarray, name: str) -> np.ndarray:
    if pixels.dtype.kind not in "uif":
        raise InputError(f"{name}: wanted whole or decimal numbers, found {pixels.dtype} pixels.")
    return pixels.astype(np.float32) if pixels.dtype == np.float16 else pixels


def _without_alpha(pixels: np.ndarray, name: str) -> np.ndarray:
    if pixels.ndim == 2 or pixels.shape[-1] == 3:
        return pixels
    alpha = pixels[..., -1]
    if alpha.min() != alpha.max():
        raise InputError(f"{name}: wanted an opaque image, found transparency that varies. Flatten it (save without alpha channel).")
    opaque = pixels[..., :-1]
    return np.ascontiguousarray(opaque[..., 0] if opaque.shape[-1] == 1 else opaque)


def _grey_if_equal(pixels: np.ndarray) -> np.ndarray:
    if pixels.ndim == 3 and np.array_equal(pixels[..., 0], pixels[..., 1]) and np.array_equal(pixels[..., 0], pixels[..., 2]):
        return np.ascontiguousarray(pixels[..., 0])
    return pixels


def _refuse_not_finite(pixels: np.ndarray, name: str) -> None:
    if pixels.dtype.kind != "f":
        return
    bad = int(pixels.size - np.count_nonzero(np.isfinite(pixels)))
    if bad:
        raise InputError(f"{name}: wanted a number in every pixel, found NaN or infinity in {bad} of {pixels.size}. Repair or re-export the image.")


__all__ = ["IMAGE_SUFFIXES", "ImageInfo", "Layout", "Picture", "Plane", "full_scale", "grey", "inspect", "planes", "read", "write_image"]
