"""What a hand has drawn on a field, as pixels.

Points are (x, y) in px, x to the right and y down, pixel (0, 0) covers 0 to 1; a pixel belongs to a polygon where its
centre does.
"""

import itertools
from collections.abc import Sequence

import numpy as np

from core.errors import InputError

Points = Sequence[Sequence[float]]
Box = tuple[slice, slice]
SMALLEST_PART = 4
"""px²; a split leaves no part below this, and nothing smaller can be drawn."""
_STEADY_PX = 5.0  # the end of a drawn line has the direction of this last stretch


def cutting_line(mask: np.ndarray, points: Points, box: Box) -> np.ndarray:
    """Pixels of a drawn line over a cell: bool like ``mask`` (the cell within ``box``).

    An end that lies in the cell is prolonged straight until it leaves it. No way of 4-neighbours leads across the line.
    """
    far = float(np.linalg.norm(mask.shape))
    drawn = np.array(points, float)[:, ::-1] - 0.5 - [box[0].start, box[1].start]
    drawn = np.concatenate([_prolonged(mask, drawn[::-1], far)[None], drawn, _prolonged(mask, drawn, far)[None]])
    out = np.zeros(mask.shape, bool)
    corners = np.round(np.clip(drawn, -2 * far, 3 * far)).astype(int).tolist()
    for (y0, x0), (y1, x1) in itertools.pairwise(corners):
        steps = max(abs(y1 - y0), abs(x1 - x0)) + 1
        rows, columns = np.linspace((y0, x0), (y1, x1), steps).round().astype(int).T
        seen = (rows >= 0) & (rows < mask.shape[0]) & (columns >= 0) & (columns < mask.shape[1])
        out[rows[seen], columns[seen]] = True
    return out


def _prolonged(mask: np.ndarray, points: np.ndarray, far: float) -> np.ndarray:
    """The last of ``points``, or, where that lies in the cell, one beyond it in the direction of the line."""
    end = points[-1]
    row, column = np.round(end).astype(int)
    within = 0 <= row < mask.shape[0] and 0 <= column < mask.shape[1] and mask[row, column]
    lengths = np.hypot(*(end - points).T)
    if not within or lengths.max() == 0:
        return np.asarray(end)
    start = points[np.flatnonzero(lengths >= min(_STEADY_PX, lengths.max()))[-1]]
    return np.asarray(end + (end - start) * (far / float(np.hypot(*(end - start)))))


def polygon_pixels(points: Points, shape: tuple[int, ...]) -> tuple[Box, np.ndarray]:
    """Rows and columns of a polygon within a field of ``shape``, and its pixels there as bool.

    The polygon closes by itself; what a hand encircles twice or leaves out inside counts as well. Raises InputError for a
    polygon with less than ``SMALLEST_PART`` in the field.
    """
    from scipy import ndimage

    corners = np.array(points, float)
    low, high = np.floor(corners.min(axis=0)).astype(int)[::-1], np.ceil(corners.max(axis=0)).astype(int)[::-1]
    start, stop = np.maximum(low, 0), np.minimum(high, shape)
    if (high <= 0).any() or (low >= shape).any():
        raise InputError("The drawn outline lies outside of the field.")
    height, width = (int(side) for side in np.maximum(stop - start, 1))
    mask = ndimage.binary_fill_holes(_winding(corners - start[::-1], height, width) != 0)
    if np.count_nonzero(mask) < SMALLEST_PART:
        raise InputError("The drawn outline has no area in the field. Draw around the whole cell.")
    return (slice(int(start[0]), int(start[0]) + height), slice(int(start[1]), int(start[1]) + width)), np.asarray(mask)


def _winding(corners: np.ndarray, height: int, width: int) -> np.ndarray:
    """How often the polygon (x, y) goes round every pixel centre: each edge counts right of where it crosses a row."""
    turns = np.zeros((height, width + 1), np.int32)
    for (x0, y0), (x1, y1) in itertools.pairwise([*corners.tolist(), corners[0].tolist()]):
        first, last = (int(np.clip(np.ceil(y - 0.5), 0, height)) for y in sorted((y0, y1)))
        rows = np.arange(first, last)
        if len(rows):
            crossed = x0 + (rows + 0.5 - y0) / (y1 - y0) * (x1 - x0)
            turns[rows, np.clip(np.ceil(crossed - 0.5), 0, width).astype(int)] += 1 if y1 > y0 else -1
    return np.cumsum(turns[:, :width], axis=1)
