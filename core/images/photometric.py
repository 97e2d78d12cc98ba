"""What the values of a TIFF mean as grey or colour (the tag PhotometricInterpretation)."""

from pathlib import Path

import numpy as np
from tifffile import TiffPage

from core.errors import InputError

_MINISWHITE, _MINISBLACK, _RGB, _PALETTE, _MASK, _YCBCR, _LINEAR = 0, 1, 2, 3, 4, 6, 34892
_JPEG = {6, 7, 33007, 34712, 33003, 33005}


def refuse_unknown(path: Path, page: TiffPage) -> None:
    """InputError for CMYK, CIELAB, raw mosaics of cameras and the like."""
    known = {_MINISWHITE, _MINISBLACK, _RGB, _PALETTE, _MASK, _LINEAR}
    if page.photometric in known or (page.photometric == _YCBCR and page.compression in _JPEG):
        return
    name = getattr(page.photometric, "name", page.photometric)
    raise InputError(f"{path.name}: wanted a grey or RGB image, found colour space {name}. Save it as RGB or grey.")


def is_inverted(page: TiffPage) -> bool:
    """Minimum is white; but tifffile marks every mask of 1 bit so, without meaning it: its own reader gives True for True."""
    return page.photometric == _MINISWHITE and not (page.bitspersample == 1 and page.software.startswith("tifffile"))


def inverted(path: Path, pixels: np.ndarray, bits: int) -> np.ndarray:
    """Minimum is black: white is 2**bits - 1; for signed integers the whole range is turned over."""
    if pixels.dtype.kind == "b":
        return ~pixels
    if pixels.dtype.kind == "i":
        return np.bitwise_not(pixels)  # -1 - value: the ends of the range change places
    if pixels.dtype.kind == "u":
        return np.subtract(pixels.dtype.type(2**bits - 1), pixels)
    raise InputError(f'{path.name}: "minimum is white" is not defined for floating point. Save it as "minimum is black".')


def has_colormap(page: TiffPage) -> bool:
    """Whether the values are indices of colours. ImageJ's look-up tables only tint the display: its values are values."""
    return page.photometric == _PALETTE and page.colormap is not None and not page.is_imagej


def coloured(pixels: np.ndarray, colormap: np.ndarray) -> np.ndarray:
    """uint8 (Y, X, 3) of indices (Y, X) into ``colormap`` (3, N)."""
    table = colormap.T if colormap.max() < 256 else colormap.T >> 8  # some writers put 8 bits where 16 belong
    return np.ascontiguousarray(table.astype(np.uint8)[pixels])
