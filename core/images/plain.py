"""PNG, JPEG and BMP (readers: Pillow; imagecodecs for 16-bit colour, which Pillow would cut to 8 bits).

The pixels come as stored: the EXIF orientation of a JPEG is not applied, so that coordinates agree with Fiji and Cellpose.
"""

import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
from PIL.BmpImagePlugin import BmpImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from core.errors import InputError
from core.images import depth
from core.images.files import broken, check_size, guarded
from core.images.picture import ImageInfo, Layout, Picture, Plane, choose
from core.images.units import micrometres, square

_OPENERS: dict[str, Callable[[IO[bytes]], ImageFile]] = {"PNG": PngImageFile, "JPEG": JpegImageFile, "BMP": BmpImageFile}
"""Opened directly: Image.open would refuse large images by Pillow's own limit; ours is in ``files.check_size``."""

_SAMPLES = {"1": 1, "L": 1, "P": 1, "I;16": 1, "I;16B": 1, "I": 1, "F": 1, "LA": 2, "RGB": 3, "RGBA": 4}


def inspect(path: Path, kind: str) -> ImageInfo:
    """Describe a PNG, JPEG or BMP; pixels are read only where a 16-bit PNG does not state its bit depth."""
    with _opened(path, kind) as image:
        layout = _layout(path, image)
        dtype, stated = _dtype(image), _stated(path, image)
        guessed = False
        if dtype.itemsize > 1 and not stated:
            stated, guessed = depth.true_bits(_pixels(path, image), None)
        bits = stated or (1 if image.mode == "1" else 8)
        return ImageInfo(kind, dtype.name, (layout,), bits, guessed, _pixel_size(image))


def read(path: Path, kind: str, plane: Plane | None, as_stored: bool = False) -> Picture:
    """Read the image: pixels (Y, X) or (Y, X, samples), uint8 or uint16; 1 bit becomes uint8 0 and 1.

    ``as_stored``: the indices of a palette are kept as numbers (label images) in place of its colours.
    """
    with _opened(path, kind) as image:
        choose(path.name, (_layout(path, image),), plane)
        stated, size = _stated(path, image), _pixel_size(image)
        pixels = _pixels(path, image, as_stored)
        bits, guessed = depth.true_bits(pixels, stated)
        return Picture(pixels.view(np.uint8) if pixels.dtype == bool else pixels, bits, size, guessed)


@contextmanager
def _opened(path: Path, kind: str) -> Iterator[ImageFile]:
    with guarded(path), path.open("rb") as file:
        image = _OPENERS[kind](file)
        width, height = image.size
        check_size(path, height, width, height * width * _SAMPLES.get(image.mode, 4) * _dtype(image).itemsize)
        yield image


def _layout(path: Path, image: ImageFile) -> Layout:
    if image.mode not in _SAMPLES:
        raise InputError(f"{path.name}: wanted a grey or RGB image, found colour space {image.mode}. Save it as RGB or grey.")
    samples = len(image.palette.mode) if image.mode == "P" and image.palette else _SAMPLES[image.mode]
    if image.mode in ("P", "L", "RGB") and "transparency" in image.info:
        samples = 4 if samples == 3 else 2
    width, height = image.size
    return Layout("YX", (height, width)) if samples == 1 else Layout("YXS", (height, width, samples))


def _dtype(image: ImageFile) -> np.dtype:
    return np.dtype("uint16" if image.mode.startswith("I") or _is_deep_colour(image) else "uint8")


def _is_deep_colour(image: ImageFile) -> bool:
    """A PNG with 16 bits a sample and more than one sample: Pillow's mode does not show it."""
    return isinstance(image, PngImageFile) and image.mode in ("LA", "RGB", "RGBA") and _header(image)[0] == 16


def _header(image: PngImageFile) -> tuple[int, int]:
    """Bit depth and colour type of a PNG."""
    start = _start(image)
    return start[24], start[25]


def _start(image: ImageFile) -> bytes:
    file = image.fp
    assert file is not None
    where = file.tell()
    file.seek(0)
    start: bytes = file.read(4096)
    file.seek(where)
    return start


def _stated(path: Path, image: ImageFile) -> int | None:
    """The significant bits that a PNG states in its sBIT chunk."""
    if not isinstance(image, PngImageFile):
        return None
    start, at = _start(image), 8
    while at + 12 <= len(start):
        length, name = struct.unpack(">I4s", start[at : at + 8])
        if name == b"sBIT" and length:
            return max(start[at + 8 : at + 8 + min(length, 3)]) or None
        if name == b"IDAT":
            break
        at += 12 + length
    return None


def _pixels(path: Path, image: ImageFile, as_stored: bool = False) -> np.ndarray:
    if _is_deep_colour(image):
        return _deep_colour(path)
    mode = image.mode
    if mode == "P" and not as_stored:
        mode = "RGBA" if "transparency" in image.info else "RGB"
    elif mode in ("L", "RGB") and "transparency" in image.info and not as_stored:
        mode = "LA" if mode == "L" else "RGBA"
    pixels = np.array(image if mode == image.mode else image.convert(mode))
    if pixels.dtype.kind == "b":
        pixels = pixels.view(np.uint8) != 0  # Pillow fills the bytes of True with 255
    if pixels.dtype.kind == "i":
        pixels = pixels.astype(np.uint16)  # mode "I": a 16-bit PNG in older versions of Pillow
    return pixels.astype(pixels.dtype.newbyteorder("="), copy=False)


def _deep_colour(path: Path) -> np.ndarray:
    from imagecodecs import png_decode

    pixels = np.asarray(png_decode(path.read_bytes()))
    if pixels.dtype != np.uint16:
        raise broken(path, "16-bit colour announced, other pixels found")
    return pixels


def _pixel_size(image: ImageFile) -> float | None:
    """Out of a resolution in the file, where it is one of a microscope."""
    dpi = image.info.get("dpi")
    if not isinstance(dpi, tuple) or len(dpi) != 2 or not all(dpi):
        return None
    return square(micrometres(1 / dpi[0], "inch"), micrometres(1 / dpi[1], "inch"))
