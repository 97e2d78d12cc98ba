"""The cells of a file painted into a label image: whose number, who keeps a pixel that two claim, what was left out."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from core.cells.exchange.outlines import Polygon, Ring, polygon_mask
from core.errors import InputError

STRAY_SHARE = 0.1  # of the outlines; more outside the image mean that they were drawn on another one


@dataclass(frozen=True)
class Shape:
    """One cell of a file. ``name`` is how the file calls it (for messages), ``label`` the id it carries, 0 where it carries none."""

    name: str
    label: int
    polygons: list[Polygon]


@dataclass(frozen=True)
class Outlines:
    """What was read: ``labels`` int32 (Y, X), and in ``notes`` all that was left out or changed, one sentence each."""

    labels: np.ndarray
    notes: list[str] = field(default_factory=list)


def paint(shapes: Sequence[Shape], size: tuple[int, int], what: str, notes: Sequence[str] = ()) -> Outlines:
    """Draw the cells of a file into a label image of ``size`` (Y, X).

    The file's own ids are kept if every cell carries another one; else cells are numbered in the order of the file. A pixel
    that two cells claim stays with the one that comes first in the file. What lies outside the image is cut off. Both are
    counted in the notes, and a cell of which nothing is left is named there.

    Raises
    ------
    InputError
        No cell lies in the image, or so many lie outside that they must belong to another image (``what`` names the file).
    """
    ids, said = _ids(shapes)
    labels = np.zeros(size, np.int32)
    outside, empty, hidden = list[str](), list[str](), list[str]()
    cut = 0
    overlapped: dict[str, int] = {}
    for shape, label in zip(shapes, ids, strict=True):
        box, mask = polygon_mask(shape.polygons, size)
        if not mask.any():
            (empty if _within(shape, size) else outside).append(shape.name)
            continue
        cut += not _within(shape, size)
        free = mask & (labels[box] == 0)
        if taken := int(mask.sum() - free.sum()):
            overlapped[shape.name] = taken
        if not free.any():
            hidden.append(shape.name)
        labels[box][free] = label
    if shapes and (len(outside) == len(shapes) or len(outside) > max(1, STRAY_SHARE * len(shapes))):
        raise InputError(
            f"{what}: {len(outside)} of {_outlines(len(shapes), '')} lie outside the image of {size[1]} × {size[0]} px ({_named(outside)}); "
            "they were drawn on an image of another size."
        )
    said += _counted(outside, "outside the image, left out") + _counted(empty, "smaller than a pixel, left out")
    said += [f"{_outlines(cut, 'crosses', 'cross')} the edge of the image; what lies beyond was cut off."] if cut else []
    if overlapped:
        said.append(
            f"{_outlines(len(overlapped), 'overlaps', 'overlap')} earlier ones in {sum(overlapped.values())} px ({_named(list(overlapped))}); "
            "these pixels stay with the cell that comes first in the file."
        )
    said += _counted(hidden, "wholly under earlier outlines, left out")
    return Outlines(labels, [*notes, *said])


def _ids(shapes: Sequence[Shape]) -> tuple[list[int], list[str]]:
    own = [shape.label for shape in shapes]
    if all(0 < label < 2**31 for label in own) and len(set(own)) == len(own):
        return own, []
    if not any(own):
        return list(range(1, len(own) + 1)), []
    return list(range(1, len(own) + 1)), ["The file's numbers are missing or double in places, so the cells were numbered anew in the order of the file."]


def _within(shape: Shape, size: tuple[int, int]) -> bool:
    points = np.concatenate([ring for polygon in shape.polygons for ring in polygon])
    return bool((points >= 0).all() and (points <= (size[1], size[0])).all())


def _counted(names: Sequence[str], what: str) -> list[str]:
    return [f"{_outlines(len(names), 'is', 'are')} {what}: {_named(names)}."] if names else []


def _outlines(n: int, one: str, many: str = "") -> str:
    return f"1 outline {one}".rstrip() if n == 1 else f"{n} outlines {many}".rstrip()


def _named(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (" …" if len(names) > 5 else "")


def checked_ring(points: object, where: str) -> Ring:
    """A ring of a file as float (N, 2), without the repeated last corner; InputError for anything else."""
    try:
        ring = np.asarray(points, float)
    except (TypeError, ValueError):
        ring = np.empty(0)
    if ring.ndim != 2 or ring.shape[1] < 2 or len(ring) < 3 or not np.isfinite(ring).all() or np.abs(ring).max() > 1e7:
        raise InputError(f"{where}: wanted a ring of at least three corners (x, y), found {str(points)[:60]}.")
    ring = ring[:, :2]
    return ring[:-1] if len(ring) > 3 and (ring[0] == ring[-1]).all() else ring
