"""Axes along which a file lists its planes, and where one chosen plane stands in that list."""

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np

Lead = tuple[tuple[str, int], ...]
"""Axes over planes with their sizes, slowest first: "C", "Z", "T" once at most, "P" for everything else."""


def named(axes: Sequence[tuple[str, int]], taken: str = "") -> Lead:
    """Call every axis that is not C, Z or T (or stands there a second time, or is in ``taken``) a position."""
    out: list[tuple[str, int]] = []
    for axis, size in axes:
        used = taken + "".join(name for name, _ in out)
        out.append((axis if axis in ("C", "Z", "T") and axis not in used else "P", size))
    return tuple(out)


def places(lead: Lead) -> list[tuple[int, ...]]:
    """The index along the "P" axes of every position, last axis fastest; one empty tuple where there is none."""
    return list(product(*(range(size) for axis, size in lead if axis == "P")))


def along(lead: Lead, place: Sequence[int], index: Mapping[str, int]) -> tuple[int, ...]:
    """The index along every axis of ``lead`` of the plane ``index`` (C, Z, T) at ``place``."""
    rest = iter(place)
    return tuple(next(rest) if axis == "P" else index[axis] for axis, _ in lead)


def flat(lead: Lead, place: Sequence[int], index: Mapping[str, int]) -> int:
    """The number of that plane in the list of all planes."""
    where = along(lead, place, index)
    return int(np.ravel_multi_index(where, [size for _, size in lead])) if where else 0


def kept(lead: Lead) -> list[tuple[str, int]]:
    """The axes C, Z, T with more than one plane, as they stand in a ``Layout``."""
    return [(axis, size) for axis, size in lead if axis != "P" and size > 1]
