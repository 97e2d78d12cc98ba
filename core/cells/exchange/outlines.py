"""Cells as polygons along the edges of their pixels, and back: a label image survives the way there and back exactly.

Convention of every polygon here, as in ImageJ, QuPath and COCO: the pixel in row y and column x covers the square from (x, y)
to (x + 1, y + 1), so corners of pixels have whole coordinates and pixel centres end in .5. A pixel belongs to a polygon if its
centre does, counted by the even-odd rule over all rings of the polygon: a ring inside another one is a hole.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

Ring = np.ndarray  # (N, 2) of (x, y), not closed: the last corner joins the first
Polygon = list[Ring]  # an outer ring, then its holes


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
