"""ND2 (Nikon), CZI (Zeiss) and LIF (Leica) through optional readers, see ``requirements-formats.txt``."""

from contextlib import AbstractContextManager
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np

from core.errors import InputError
from core.images import depth, leica, nikon, zeiss
from core.images.container import Container
from core.images.files import check_size, guarded
from core.images.picture import GUESS_LIMIT, ImageInfo, Picture, Plane, choose, plane_bytes

_READERS = {"ND2": ("nd2", nikon.opened), "CZI": ("pylibCZIrw.czi", zeiss.opened), "LIF": ("liffile", leica.opened)}

_MAKERS = {"ND2": "Nikon", "CZI": "Zeiss", "LIF": "Leica"}


def inspect(path: Path, kind: str) -> ImageInfo:
    """Describe an ND2, CZI or LIF; pixels of one plane are read only where the file does not state its bit depth."""
    with guarded(path), _opened(path, kind) as container:
        layouts, dtype = container.layouts, container.dtype
        bits, guessed = (0, False) if dtype.kind == "f" else (container.bits or dtype.itemsize * 8, not container.bits and dtype.itemsize > 1)
        if guessed and plane_bytes(layouts[0], dtype) <= GUESS_LIMIT:
            bits, guessed = depth.true_bits(_pixels(path, container, 0, dict.fromkeys("CZT", 0)), None)
        return ImageInfo(kind, dtype.name, layouts, bits, guessed, container.pixel_size_um, container.channels, container.times_h)


def read(path: Path, kind: str, plane: Plane | None) -> Picture:
    """Read one plane: pixels (Y, X) or (Y, X, 3) in the order red, green, blue."""
    with guarded(path), _opened(path, kind) as container:
        position, index = choose(path.name, container.layouts, plane)
        pixels = _pixels(path, container, position, index)
        bits, guessed = depth.true_bits(pixels, container.bits)
        return Picture(pixels, bits, container.pixel_size_um, guessed)


def _pixels(path: Path, container: Container, position: int, index: dict[str, int]) -> np.ndarray:
    layout = container.layouts[position]
    height, width = layout.plane_shape[:2]
    check_size(path, height, width, plane_bytes(layout, container.dtype))
    pixels = np.array(container.pixels(position, index), order="C")  # a copy: readers lend views of the open file
    if pixels.shape != layout.plane_shape:
        raise ValueError(f"a plane has the shape {pixels.shape}, {layout.plane_shape} was announced")
    return pixels.astype(pixels.dtype.newbyteorder("="), copy=False)


def _opened(path: Path, kind: str) -> AbstractContextManager[Container]:
    module, opened = _READERS[kind]
    return opened(path, _library(path, kind, module))


def _library(path: Path, kind: str, module: str) -> ModuleType:
    package = module.partition(".")[0]
    try:
        return import_module(module)
    except ModuleNotFoundError:
        found = "is not installed on the computer that runs Senescope"
    except ImportError as error:  # installed, but a part of it does not work on this machine
        found = f"does not start ({error})"
    raise InputError(
        f"{path.name}: {_MAKERS[kind]} {kind} files need the reader {package}, which {found}. "
        "Install it with: pip install -r requirements-formats.txt, or save the images as TIFF."
    )
