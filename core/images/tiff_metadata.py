"""Pixel size, bit depth, channel names and times out of the metadata that microscopes and ImageJ leave in a TIFF."""

import json
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

from tifffile import TiffFile, TiffPage, TiffPageSeries

from core.images import depth
from core.images.units import hours, micrometres, plausible_um, square

_NIKON_PIXEL_SIZE = 65326  # µm, float64
_MICRO_MANAGER = 51123
_MAX_SAMPLE_VALUE = 281


@dataclass(frozen=True)
class About:
    pixel_size_um: float | None = None
    bits: int | None = None
    channels: tuple[str, ...] | None = None
    times_h: tuple[float, ...] | None = None


def of(tif: TiffFile, series: TiffPageSeries) -> About:
    """What the metadata of one series say; the most explicit source of each value wins."""
    page = series.keyframe
    told = [_ome(tif, series), _imagej(tif), _vendor(tif, page), _plain(page)]
    return About(
        pixel_size_um=next((t.pixel_size_um for t in told if t.pixel_size_um), None),
        bits=next((t.bits for t in told if t.bits), None),
        channels=next((t.channels for t in told if t.channels), None),
        times_h=next((t.times_h for t in told if t.times_h), None),
    )


def _ome(tif: TiffFile, series: TiffPageSeries) -> About:
    if not tif.is_ome or not tif.ome_metadata:
        return About()
    try:
        root = ElementTree.fromstring(tif.ome_metadata)
    except ElementTree.ParseError:
        return About()
    images = [element for element in root if _tag(element) == "Image"]
    if not images:
        return About()
    number = tif.series.index(series) if len(tif.series) == len(images) and series in tif.series else 0
    pixels = next((element for element in images[number] if _tag(element) == "Pixels"), None)
    if pixels is None:
        return About()
    sides = [micrometres(pixels.get(f"PhysicalSize{axis}"), pixels.get(f"PhysicalSize{axis}Unit", "µm")) for axis in "XY"]
    names = tuple(element.get("Name", "") for element in pixels if _tag(element) == "Channel")
    step = hours(pixels.get("TimeIncrement"), pixels.get("TimeIncrementUnit", "s"))
    count = int(pixels.get("SizeT", "1"))
    return About(
        pixel_size_um=square(*sides),
        bits=_whole(pixels.get("SignificantBits")),
        channels=names if any(names) else None,
        times_h=tuple(step * t for t in range(count)) if step and count > 1 else None,
    )


def _imagej(tif: TiffFile) -> About:
    if not tif.is_imagej:
        return About()
    meta = tif.imagej_metadata or {}
    unit = str(meta.get("unit", ""))
    sides = [micrometres(1 / per_unit, unit) if per_unit else None for per_unit in _per_unit(tif.pages.first)]
    step, count = hours(meta.get("finterval"), str(meta.get("tunit", "s"))), int(meta.get("frames", 1))
    names = tuple(str(name) for name in meta.get("Labels", []))
    return About(
        pixel_size_um=square(*sides),
        bits=depth.stated_in(str(meta.get("Info", ""))),
        channels=names if len(names) > 1 and len(names) == meta.get("channels") else None,
        times_h=tuple(step * t for t in range(count)) if step and count > 1 else None,
    )


def _vendor(tif: TiffFile, page: TiffPage) -> About:
    nikon = page.tags.get(_NIKON_PIXEL_SIZE)
    if nikon is not None and plausible_um(_number(nikon.value)):
        return About(pixel_size_um=_number(nikon.value))
    plane_info = _mapping(tif.metaseries_metadata if tif.is_metaseries else None).get("PlaneInfo")
    if plane_info:
        unit = str(plane_info.get("spatial-calibration-units", "um"))
        sides = [micrometres(plane_info.get(f"spatial-calibration-{axis}"), unit) for axis in "xy"]
        return About(pixel_size_um=square(*sides))
    if tif.is_lsm:
        meta = _mapping(tif.lsm_metadata)
        return About(pixel_size_um=square(micrometres(meta.get("VoxelSizeX"), "m"), micrometres(meta.get("VoxelSizeY"), "m")))
    if tif.is_sis:
        meta = _mapping(tif.sis_metadata)
        return About(pixel_size_um=square(micrometres(meta.get("pixelsizex"), "m"), micrometres(meta.get("pixelsizey"), "m")))
    if tif.is_stk:
        meta = _mapping(tif.stk_metadata)
        unit = str(meta.get("CalibrationUnits", "um"))
        return About(pixel_size_um=square(micrometres(meta.get("XCalibration"), unit), micrometres(meta.get("YCalibration"), unit)))
    return _micro_manager(page)


def _micro_manager(page: TiffPage) -> About:
    tag = page.tags.get(_MICRO_MANAGER)
    if tag is None:
        return About()
    try:
        meta = _mapping(tag.value if isinstance(tag.value, Mapping) else json.loads(tag.value))
    except (TypeError, ValueError):
        return About()
    size = _number(meta.get("PixelSizeUm"))
    return About(pixel_size_um=size if plausible_um(size) else None, bits=_whole(meta.get("BitDepth")))


def _plain(page: TiffPage) -> About:
    """Baseline tags. Resolutions of screens and printers (72, 96, 300 dpi) are no microscope's: see ``plausible_um``."""
    unit = {2: "inch", 3: "cm"}.get(int(page.resolutionunit), "") if "XResolution" in page.tags else ""
    sides = [micrometres(1 / per_unit, unit) if per_unit else None for per_unit in _per_unit(page)]
    highest = page.tags.get(_MAX_SAMPLE_VALUE)
    bits = depth.of_maximum([int(v) for v in _listed(highest.value)]) if highest is not None else None
    description = page.description if not page.is_ome else ""
    return About(pixel_size_um=square(*sides), bits=bits or depth.stated_in(description))


def _per_unit(page: TiffPage) -> tuple[float, float]:
    """Pixels a unit along X and Y; 0 where unknown."""

    def resolution(name: str) -> float:
        tag = page.tags.get(name)
        value = tag.value if tag is not None else (0, 1)
        return value[0] / value[1] if isinstance(value, tuple) and len(value) == 2 and value[1] else 0.0

    return resolution("XResolution"), resolution("YResolution")


def _tag(element: ElementTree.Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _whole(value: Any) -> int | None:
    text = str(value).strip()
    return int(text) if re.fullmatch(r"\d{1,2}", text) and 1 <= int(text) <= 64 else None


def _number(value: Any) -> float | None:
    if isinstance(value, bytes) and len(value) == 8:
        value = struct.unpack("<d", value)[0]
    if isinstance(value, tuple) and value:
        value = value[0]
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, tuple) else [value]


def _mapping(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}
