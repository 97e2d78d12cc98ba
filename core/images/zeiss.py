"""Zeiss CZI (reader: pylibCZIrw, LGPL, by Zeiss). A scene is a position; the tiles of a scene are put together."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

import numpy as np

from core.errors import InputError
from core.images.container import Container
from core.images.picture import Layout
from core.images.units import hours, micrometres, square

_DTYPES = {"Gray8": "uint8", "Gray16": "uint16", "Gray32Float": "float32", "Bgr24": "uint8", "Bgr48": "uint16", "Bgr96Float": "float32"}


@contextmanager
def opened(path: Path, library: ModuleType) -> Iterator[Container]:
    with library.open_czi(str(path)) as file:
        box = {axis: end - start for axis, (start, end) in file.total_bounding_box_no_pyramid.items()}
        other = {axis: size for axis, size in box.items() if axis not in "TZCYX" and size > 1}
        if other:
            raise InputError(f"{path.name}: wanted axes T, Z, C, Y, X and scenes, found also {other}. Export it as OME-TIFF.")
        types = set(file.pixel_types.values())
        if len(types) != 1 or not types <= _DTYPES.keys():
            raise InputError(f"{path.name}: wanted channels of one pixel type ({', '.join(_DTYPES)}), found {', '.join(sorted(types))}.")
        colour = next(iter(types)).startswith("Bgr")
        scenes: list[int | None] = sorted(file.scenes_bounding_rectangle_no_pyramid) or [None]
        lead = [(axis, box[axis]) for axis in "TZC" if box[axis] > 1]

        def layout(scene: int | None, name: str) -> Layout:
            area = file.total_bounding_rectangle_no_pyramid if scene is None else file.scenes_bounding_rectangle_no_pyramid[scene]
            keep = [*lead, ("Y", area.h), ("X", area.w), *([("S", 3)] if colour else [])]
            return Layout("".join(axis for axis, _ in keep), tuple(size for _, size in keep), name)

        def pixels(position: int, index: dict[str, int]) -> np.ndarray:
            scene = scenes[position]
            _check_recorded(path, file, index, scene)
            area = file.total_bounding_rectangle_no_pyramid if scene is None else file.scenes_bounding_rectangle_no_pyramid[scene]
            plane = file.read(roi=tuple(area), plane=index, scene=scene)
            return plane[..., ::-1] if colour else plane[..., 0]

        told = _Told(file.raw_metadata)
        yield Container(
            layouts=tuple(layout(scene, name) for scene, name in zip(scenes, told.scene_names(len(scenes)), strict=True)),
            dtype=np.dtype(_DTYPES[next(iter(types))]),
            pixels=pixels,
            bits=told.bits(),
            pixel_size_um=told.pixel_size_um(),
            channels=told.channels(box["C"]),
            times_h=told.times_h(box["T"]),
        )


def _check_recorded(path: Path, file: Any, index: dict[str, int], scene: int | None) -> None:
    """A plane without tiles would come back black."""
    found = []

    def tile(_: int, info: Any) -> bool:
        found.append(info)
        return False

    area = None if scene is None else tuple(file.scenes_bounding_rectangle_no_pyramid[scene])
    file.enumerate_subblocks_subset(tile, plane=dict(index), roi=area, only_layer0=True)
    if not found:
        raise InputError(f"{path.name}: this plane is not in the file (it was never recorded).")


class _Told:
    """The XML metadata of a CZI."""

    def __init__(self, xml: str) -> None:
        try:
            self._root = ElementTree.fromstring(xml)
        except ElementTree.ParseError:
            self._root = ElementTree.Element("nothing")

    def pixel_size_um(self) -> float | None:
        return square(*(micrometres(self._text(f".//Scaling/Items/Distance[@Id='{axis}']/Value"), "m") for axis in "XY"))

    def bits(self) -> int | None:
        text = self._text(".//Information/Image/ComponentBitCount") or ""
        return int(text) if text.isdigit() and 1 <= int(text) <= 64 else None

    def channels(self, count: int) -> tuple[str, ...] | None:
        names = tuple(element.get("Name", "") for element in self._root.findall(".//Information/Image/Dimensions/Channels/Channel"))
        return names if count > 1 and len(names) == count and any(names) else None

    def scene_names(self, count: int) -> list[str]:
        names = [element.get("Name", "") for element in self._root.findall(".//Information/Image/Dimensions/S/Scenes/Scene")]
        return names if len(names) == count else [""] * count

    def times_h(self, count: int) -> tuple[float, ...] | None:
        step = hours(self._text(".//Information/Image/Dimensions/T/Positions/Interval/Increment"), "s")
        return tuple(step * t for t in range(count)) if step and count > 1 else None

    def _text(self, where: str) -> str | None:
        return self._root.findtext(where)
