"""ND2 (Nikon), CZI (Zeiss) and LIF (Leica) through optional readers."""

from pathlib import Path

from core.errors import InputError
from core.images.picture import ImageInfo, Picture, Plane


def inspect(path: Path, kind: str) -> ImageInfo:
    raise _missing(path, kind)


def read(path: Path, kind: str, plane: Plane | None) -> Picture:
    raise _missing(path, kind)


def _missing(path: Path, kind: str) -> InputError:
    return InputError(f"{path.name}: {kind} files need an optional reader. Install it with: pip install -r requirements-formats.txt")
