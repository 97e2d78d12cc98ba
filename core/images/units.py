"""Lengths and times as files state them, in micrometres and hours."""

import math
import unicodedata
from typing import Any

_IN_MICROMETRES = {
    "um": 1.0, "micron": 1.0, "microns": 1.0, "micrometer": 1.0, "micrometre": 1.0, "micrometers": 1.0, "micrometres": 1.0,
    "nm": 1e-3, "nanometer": 1e-3, "pm": 1e-6, "å": 1e-4, "mm": 1e3, "millimeter": 1e3, "cm": 1e4, "centimeter": 1e4,
    "m": 1e6, "meter": 1e6, "metre": 1e6, "in": 25400.0, "inch": 25400.0, "inches": 25400.0,
}  # fmt: skip
_IN_HOURS = {
    "ns": 1e-9 / 3600, "us": 1e-6 / 3600, "ms": 1e-3 / 3600, "msec": 1e-3 / 3600, "s": 1 / 3600, "sec": 1 / 3600, "second": 1 / 3600,
    "seconds": 1 / 3600, "min": 1 / 60, "minute": 1 / 60, "minutes": 1 / 60, "h": 1.0, "hour": 1.0, "hours": 1.0, "d": 24.0, "day": 24.0,
    "days": 24.0,
}  # fmt: skip

LARGEST_UM, SMALLEST_UM = 20.0, 0.005


def plausible_um(size: float | None) -> bool:
    """Whether a pixel can have this size under a microscope.

    A resolution of 72, 96 or 300 dpi is one of screens and printers (85 to 350 µm a pixel) and says nothing of the cells.
    """
    return size is not None and math.isfinite(size) and SMALLEST_UM <= size <= LARGEST_UM


def micrometres(value: Any, unit: str) -> float | None:
    """A pixel size in µm; None for an unknown unit ("pixel"), no number, or no size of a microscope's pixel."""
    size = _scaled(value, _IN_MICROMETRES.get(_plain(unit)))
    return size if plausible_um(size) else None


def hours(value: Any, unit: str) -> float | None:
    """A time step in hours; None for an unknown unit or a step that is not positive."""
    step = _scaled(value, _IN_HOURS.get(_plain(unit)))
    return step if step is not None and step > 0 else None


def square(x: float | None, y: float | None) -> float | None:
    """The side of a square pixel; None where the sides differ by more than 1 %, so that nobody computes areas from one."""
    if x is None or y is None:
        return x or y
    return x if abs(x - y) <= 0.01 * x else None


def _scaled(value: Any, factor: float | None) -> float | None:
    try:
        scaled = float(value) * factor if factor else None
    except (TypeError, ValueError):
        return None
    return float(f"{scaled:.9g}") if scaled is not None and math.isfinite(scaled) else None  # a TIFF keeps no more digits


def _plain(unit: str) -> str:
    """Lower case, both Greek mu and the micro sign as u; ImageJ writes the latter as an escape."""
    text = unit.strip().strip("\0").replace("\\u00B5", "u").replace("\\u00b5", "u")
    return unicodedata.normalize("NFKC", text).lower().replace("μ", "u")
