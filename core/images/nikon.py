"""Nikon ND2 (reader: nd2, BSD)."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from core.errors import InputError
from core.images import axes
from core.images.container import Container
from core.images.picture import Layout
from core.images.units import hours, micrometres, square


@contextmanager
def opened(path: Path, library: ModuleType) -> Iterator[Container]:
    with library.ND2File(str(path)) as file:
        sizes = dict(file.sizes)
        samples = sizes.get("S", 1)
        if samples not in (1, 3):
            raise InputError(f"{path.name}: wanted grey or RGB pixels, found {samples} samples a pixel.")
        height, width, channels = sizes.get("Y", 1), sizes.get("X", 1), sizes.get("C", 1)
        lead = axes.named([(axis, size) for axis, size in sizes.items() if axis not in ("Y", "X", "S", "C")])
        keep = [*axes.kept(lead), *([("C", channels)] if channels > 1 else []), ("Y", height), ("X", width), *([("S", 3)] if samples == 3 else [])]
        shape = tuple(size for _, size in keep)
        places = axes.places(lead)
        names = _position_names(file, len(places))

        def pixels(position: int, index: dict[str, int]) -> np.ndarray:
            number = axes.flat(lead, places[position], index)
            _check_recorded(path, file, number)
            frame = np.asarray(file.read_frame(number)).reshape(channels, height, width, samples)[index["C"]]
            return frame[..., 0] if samples == 1 else frame if file.is_legacy else frame[..., ::-1]  # stored blue first

        about = _metadata(file)
        yield Container(
            layouts=tuple(Layout("".join(axis for axis, _ in keep), shape, name) for name in names),
            dtype=np.dtype(file.dtype),
            pixels=pixels,
            bits=file.attributes.bitsPerComponentSignificant or None,
            pixel_size_um=_pixel_size(about),
            channels=tuple(c.channel.name for c in about) if len(about) == channels > 1 else None,
            times_h=_times(file),
        )


def _check_recorded(path: Path, file: Any, number: int) -> None:
    """The library fills frames that are not in the file with zeros; that must not pass as an image."""
    offsets = getattr(getattr(file, "_rdr", None), "_frame_offsets", None)
    if not isinstance(offsets, dict):
        return
    if number not in offsets:
        raise InputError(f"{path.name}: this plane is not in the file (it was never recorded).")
    about = file.attributes
    end = offsets[number] + (about.heightPx * (about.widthBytes or 0) if about.compressionType != "lossless" else 1)
    if end > path.stat().st_size:
        raise EOFError(f"plane {number} should end at byte {end}, the file ends before")


def _metadata(file: Any) -> list[Any]:
    """Descriptions of the channels; none where the library cannot make sense of them, which leaves the pixels readable."""
    try:
        return list(file.metadata.channels or [])
    except Exception:  # raised are errors of all kinds, for filters or probes that the library does not know
        return []


def _pixel_size(about: list[Any]) -> float | None:
    """An uncalibrated ND2 says 1 µm a pixel, and that it is not calibrated."""
    if not about or not all(about[0].volume.axesCalibrated[:2]):
        return None
    return square(*(micrometres(size, "um") for size in about[0].volume.axesCalibration[:2]))


def _position_names(file: Any, count: int) -> list[str]:
    loop = next((loop for loop in file.experiment if loop.type == "XYPosLoop"), None)
    names = [point.name or "" for point in loop.parameters.points] if loop else []
    return names if len(names) == count else [""] * count


def _times(file: Any) -> tuple[float, ...] | None:
    loop = next((loop for loop in file.experiment if loop.type == "TimeLoop"), None)
    step = hours(loop.parameters.periodMs, "ms") if loop else None
    return tuple(step * t for t in range(loop.count)) if loop and step else None
