"""Cells as polygons along the edges of their pixels, and back: a label image survives the way there and back exactly.

Convention of every polygon here, as in ImageJ, QuPath and COCO: the pixel in row y and column x covers the square from (x, y)
to (x + 1, y + 1), so corners of pixels have whole coordinates and pixel centres end in .5. A pixel belongs to a polygon if its
centre does, counted by the even-odd rule over all rings of the polygon: a ring inside another one is a hole.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from core.errors import InputError

Ring = np.ndarray  # (N, 2) of (x, y), not closed: the last corner joins the first
Polygon = list[Ring]  # an outer ring, then its holes

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


def cell_polygons(labels: np.ndarray) -> Iterator[tuple[int, list[Polygon]]]:
    """Id and polygons of every cell of a label image (integer (Y, X)), by rising id.

    A polygon is one part of a cell (pixels that share an edge) with its holes; its rings are simple, hold whole numbers and
    only the corners where the outline turns. Outer rings run clockwise on the screen, holes the other way.
    """
    for label, box, mask in cell_masks(labels):
        corner = np.array([box[1].start, box[0].start])
        yield label, [[ring + corner for ring in polygon] for polygon in mask_polygons(mask)]


def cell_masks(labels: np.ndarray) -> Iterator[tuple[int, tuple[slice, slice], np.ndarray]]:
    """Id, bounding box and mask within the box (bool) of every cell, by rising id; ids may have gaps."""
    from scipy import ndimage

    ids, index = np.unique(labels, return_inverse=True)
    if ids.size and ids[0] != 0:
        ids, index = np.insert(ids, 0, 0), index + 1
    dense = index.reshape(labels.shape)
    for number, box in enumerate(ndimage.find_objects(dense), start=1):
        yield int(ids[number]), box, dense[box] == number


def mask_polygons(mask: np.ndarray) -> list[Polygon]:
    """Polygons of a mask, bool (Y, X): one a part, each its outer ring and its holes."""
    outer: dict[int, Polygon] = {}
    holes: list[tuple[int, Ring]] = []
    part = _parts(mask)
    for ring in _rings(mask):
        x, y = ring[np.lexsort((ring[:, 0], ring[:, 1]))[0]]  # top left corner: its pixel is inside the ring
        inside = y < mask.shape[0] and x < mask.shape[1] and mask[y, x]
        if inside:
            outer[int(part[y, x])] = [_turning(ring, 1)]
        else:
            holes.append((int(part[y - 1, x]), _turning(ring, -1)))
    for number, ring in holes:
        outer[number].append(ring)
    return [outer[number] for number in sorted(outer)]


def _parts(mask: np.ndarray) -> np.ndarray:
    from scipy import ndimage

    return np.asarray(ndimage.label(mask)[0])


def _turning(ring: Ring, sign: int) -> Ring:
    x, y = ring[:, 0].astype(np.int64), ring[:, 1].astype(np.int64)
    area = int((x * np.roll(y, -1) - np.roll(x, -1) * y).sum())
    return ring if area * sign > 0 else ring[::-1]


def _rings(mask: np.ndarray) -> list[Ring]:
    """Closed outlines. On every grid line the corners, in order, are joined two by two; a point where two pixels touch
    corner to corner counts as two corners, so that the outline keeps to its own pixel there."""
    around = np.pad(mask, 1).astype(np.int8)
    a, b, c, d = around[:-1, :-1], around[:-1, 1:], around[1:, :-1], around[1:, 1:]  # the pixels around every grid point
    double = (a == d) & (b == c) & (a != b)
    ys, xs = np.nonzero(((a + b + c + d) % 2 == 1) | double)
    twice = double[ys, xs]
    falling = (a[ys, xs] == 1) & twice  # pixels top left and bottom right
    corner = np.repeat(np.arange(len(ys)), 1 + twice)
    copy = np.arange(len(corner)) - np.searchsorted(corner, corner)  # 0 or 1
    ys, xs, flips = ys[corner], xs[corner], (twice & ~falling)[corner]
    # copy 0 ends the edge from the left, copy 1 begins the edge to the right; vertically so from above and to below
    across = _partners(np.lexsort((copy, xs, ys)))
    down = _partners(np.lexsort((np.where(flips, 1 - copy, copy), ys, xs)))
    points = np.stack([xs, ys], axis=1)
    return [points[one] for loop in _loops(across, down) for one in _simple(loop, corner.tolist())]


def _partners(order: np.ndarray) -> list[int]:
    partner = np.empty(len(order), np.int64)
    partner[order[::2]], partner[order[1::2]] = order[1::2], order[::2]
    return list(partner.tolist())


def _loops(across: Sequence[int], down: Sequence[int]) -> Iterator[list[int]]:
    seen = [False] * len(across)
    for start in range(len(across)):
        if seen[start]:
            continue
        loop, node = [], start
        while not seen[node]:
            other = across[node]
            seen[node] = seen[other] = True
            loop += [node, other]
            node = down[other]
        yield loop


def _simple(loop: list[int], corner: Sequence[int]) -> Iterator[list[int]]:
    """Cut a loop at every corner that it visits twice: a part that touches itself corner to corner encloses a hole."""
    path: list[int] = []
    at: dict[int, int] = {}
    for node in loop:
        point = corner[node]
        if point in at:
            cut = at[point]
            yield path[cut:]
            for gone in path[cut + 1 :]:
                del at[corner[gone]]
            del path[cut + 1 :]
        else:
            at[point] = len(path)
            path.append(node)
    yield path


def polygon_mask(polygons: Iterable[Polygon], shape: tuple[int, int]) -> tuple[tuple[slice, slice], np.ndarray]:
    """The pixels (Y, X) of an image of ``shape`` whose centre lies in any of the polygons: a box, and bool within the box."""
    every = list(polygons)
    box = _box([ring for polygon in every for ring in polygon], shape)
    mask = np.zeros((box[0].stop - box[0].start, box[1].stop - box[1].start), bool)
    if mask.size:
        for polygon in every:
            mask |= _filled([np.asarray(ring, float) - (box[1].start, box[0].start) for ring in polygon], mask.shape)
    return box, mask


def _box(rings: Sequence[Ring], shape: tuple[int, int]) -> tuple[slice, slice]:
    points = np.concatenate(rings) if rings else np.zeros((1, 2))
    low, high = np.floor(points.min(axis=0)), np.ceil(points.max(axis=0))
    (x0, y0), (x1, y1) = (np.clip(v, 0, (shape[1], shape[0])).astype(int).tolist() for v in (low, high))
    return slice(y0, y1), slice(x0, x1)


def _filled(rings: Sequence[Ring], shape: tuple[int, ...]) -> np.ndarray:
    """Scan lines through the pixel centres: between its 1st and 2nd, 3rd and 4th ... crossing with the outline a row is filled."""
    height, width = shape
    start = np.concatenate(rings)
    end = np.concatenate([np.roll(ring, -1, axis=0) for ring in rings])
    first = np.clip(np.ceil(np.minimum(start[:, 1], end[:, 1]) - 0.5), 0, height).astype(int)  # rows whose centre the edge crosses
    beyond = np.clip(np.ceil(np.maximum(start[:, 1], end[:, 1]) - 0.5), 0, height).astype(int)
    edge = np.repeat(np.arange(len(first)), beyond - first)
    row = np.arange(len(edge)) - np.repeat(np.cumsum(beyond - first) - (beyond - first), beyond - first) + first[edge]
    (xa, ya), (xb, yb) = start[edge].T, end[edge].T
    x = xa + (row + 0.5 - ya) / (yb - ya) * (xb - xa)
    order = np.lexsort((x, row))
    row, column = row[order], np.clip(np.ceil(x[order] - 0.5), 0, width).astype(int)
    change = np.zeros((height, width + 1), np.int32)
    np.add.at(change, (row[::2], column[::2]), 1)
    np.add.at(change, (row[1::2], column[1::2]), -1)
    return np.asarray(np.cumsum(change, axis=1)[:, :width] > 0)


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
