"""A few numbers of a cell's shape and texture from its crop, for the morphology baseline."""

from typing import Final

import numba
import numpy as np
from numpy.typing import NDArray

SHAPE: Final = ("elongation", "extent", "intensity_spread", "edge_contrast")


def cell_shape(values: NDArray[np.float32], mask: NDArray[np.bool_]) -> tuple[float, ...]:
    """``SHAPE`` of one cell: intensities (Y, X) before normalisation and its bool mask.

    Elongation is the ratio of the axes of the ellipse of equal second moments; extent the share of the bounding box that is cell;
    spread the standard deviation of intensity; edge contrast the mean absolute step between horizontal neighbours. NaN for an
    empty mask.
    """
    area, y, x, value, box, steps, neighbours = _first(values, mask)
    if not area:
        return (float("nan"),) * len(SHAPE)
    along, across, both, square = _second(values, mask, y / area, x / area, value / area)
    # A pixel is a square, not a point: 1/12 is the variance of its side, and keeps a line of pixels from an infinite ratio.
    along, across, both = along / area + 1 / 12, across / area + 1 / 12, both / area
    root = np.hypot((along - across) / 2, both)
    elongation = np.sqrt(((along + across) / 2 + root) / ((along + across) / 2 - root))
    return float(elongation), float(area / box), float(np.sqrt(square / area)), float(steps / neighbours) if neighbours else 0.0


@numba.njit(cache=True, nogil=True)
def _first(values: np.ndarray, mask: np.ndarray) -> tuple[float, ...]:
    """Over the cell: pixels, sums of y, x and value; pixels of its bounding box; sum and number of steps between horizontal neighbours."""
    n, sum_y, sum_x, total, steps, neighbours = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    top, left, bottom, right = mask.shape[0], mask.shape[1], -1, -1
    for y in range(mask.shape[0]):
        for x in range(mask.shape[1]):
            if not mask[y, x]:
                continue
            value = float(values[y, x])
            n, sum_y, sum_x, total = n + 1, sum_y + y, sum_x + x, total + value
            top, left, bottom, right = min(top, y), min(left, x), max(bottom, y), max(right, x)
            if x and mask[y, x - 1]:
                steps += abs(value - float(values[y, x - 1]))
                neighbours += 1
    return n, sum_y, sum_x, total, float((bottom - top + 1) * (right - left + 1)), steps, neighbours


@numba.njit(cache=True, nogil=True)
def _second(values: np.ndarray, mask: np.ndarray, y0: float, x0: float, value0: float) -> tuple[float, ...]:
    """Sums over the cell about its means: y squared, x squared, y times x, value squared."""
    along, across, both, square = 0.0, 0.0, 0.0, 0.0
    for y in range(mask.shape[0]):
        for x in range(mask.shape[1]):
            if mask[y, x]:
                along += (y - y0) ** 2
                across += (x - x0) ** 2
                both += (y - y0) * (x - x0)
                square += (float(values[y, x]) - value0) ** 2
    return along, across, both, square
