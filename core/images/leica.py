"""Leica LIF (reader: liffile, BSD). Each image of the project is a position."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from core.errors import InputError
from core.images import axes
from core.images.container import Container
from core.images.picture import Layout
from core.images.units import micrometres, square

_FRAMES = (("Y", "X"), ("Y", "X", "S"))


@dataclass(frozen=True)
class _Source:
    image: Any
    dims: tuple[str, ...]  # the library's names of the axes in ``lead``
    lead: axes.Lead
    place: tuple[int, ...]
    layout: Layout


@contextmanager
def opened(path: Path, library: ModuleType) -> Iterator[Container]:
    with library.LifFile(str(path)) as file:
        sources = [source for image in file.images for source in _of_image(image)]
        if not sources:
            raise InputError(f"{path.name}: wanted images with axes Y and X, found none among the {len(file.images)} entries of the project.")
        first = sources[0].image
        yield Container(
            layouts=tuple(source.layout for source in sources),
            dtype=np.dtype(first.dtype).newbyteorder("="),
            pixels=lambda position, index: _plane(sources[position], index),
            bits=_bits(first),
            pixel_size_um=_pixel_size(first),
            channels=_channels(first),
        )


def _of_image(image: Any) -> list[_Source]:
    sizes = dict(image.sizes)
    if not {"Y", "X"} <= sizes.keys() or image.is_flim or sizes.get("S", 3) != 3:
        return []  # scans along a line or in depth, lifetimes
    dims = tuple(dim for dim in sizes if dim not in ("Y", "X", "S"))
    lead = axes.named([(dim, sizes[dim]) for dim in dims])
    keep = [*axes.kept(lead), *((dim, sizes[dim]) for dim in ("Y", "X", "S") if dim in sizes)]
    layout = Layout("".join(axis for axis, _ in keep), tuple(size for _, size in keep), image.name)
    return [_Source(image, dims, lead, place, layout) for place in axes.places(lead)]


def _plane(source: _Source, index: dict[str, int]) -> np.ndarray:
    where = dict(zip(source.dims, axes.along(source.lead, source.place, index), strict=True))
    if hasattr(source.image, "frame") and source.image.frames.frame_dims in _FRAMES:
        return np.asarray(source.image.frame(**where))
    whole = source.image.asarray()  # older versions of the library, unusual order of axes
    names = list(source.image.sizes)
    plane = whole[tuple(where.get(name, slice(None)) for name in names)]
    left = [name for name in names if name not in where]
    return np.transpose(plane, [left.index(name) for name in ("Y", "X", "S") if name in left])


def _pixel_size(image: Any) -> float | None:
    """From the positions of the first and last pixel, in metres."""
    steps = []
    for axis in ("X", "Y"):
        at = image.coords.get(axis, ())
        steps.append(micrometres(abs(float(at[-1] - at[0])) / (len(at) - 1), "m") if len(at) > 1 else None)
    return square(*steps)


def _bits(image: Any) -> int | None:
    depths = {int(c.get("Resolution", "0")) for c in image.xml_element.findall("./Data/Image/ImageDescription/Channels/ChannelDescription")}
    return depths.pop() or None if len(depths) == 1 else None


def _channels(image: Any) -> tuple[str, ...] | None:
    if image.sizes.get("C", 1) < 2 or "S" in image.sizes:
        return None
    names = tuple(c.get("LUTName", "") for c in image.xml_element.findall("./Data/Image/ImageDescription/Channels/ChannelDescription"))
    return names if len(names) == image.sizes["C"] and any(names) else None
