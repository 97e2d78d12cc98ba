"""A few numbers of a cell's shape and texture from its crop, for the morphology baseline."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

SHAPE: Final = ("elongation", "extent", "intensity_spread", "edge_contrast")


def cell_shape(values: NDArray[np.float32], mask: NDArray[np.bool_]) -> tuple[float, ...]:
    """``SHAPE`` of one cell: intensities (Y, X) before normalisation and its bool mask.

    Elongation is the ratio of the axes of the ellipse of equal second moments; extent the share of the bounding box that is cell;
    spread the standard deviation of intensity; edge contrast the mean absolute step between horizontal neighbours. NaN for an
    empty mask.
    """
    rows, columns = mask.sum(axis=1, dtype=np.float64), mask.sum(axis=0, dtype=np.float64)
    area = rows.sum()
    if not area:
        return (float("nan"),) * len(SHAPE)
    y, x = np.arange(len(rows)) - np.arange(len(rows)) @ rows / area, np.arange(len(columns)) - np.arange(len(columns)) @ columns / area
    # A pixel is a square, not a point: 1/12 is the variance of its side, and keeps a line of pixels from an infinite ratio.
    along, across, both = y**2 @ rows / area + 1 / 12, x**2 @ columns / area + 1 / 12, y @ (mask @ x) / area
    root = np.hypot((along - across) / 2, both)
    elongation = np.sqrt(((along + across) / 2 + root) / ((along + across) / 2 - root))
    box = np.ptp(np.flatnonzero(rows)) + 1, np.ptp(np.flatnonzero(columns)) + 1
    steps = np.abs(values[:, 1:] - values[:, :-1])[mask[:, 1:] & mask[:, :-1]]
    spread = values[mask].std(dtype=np.float64)
    return float(elongation), float(area / (box[0] * box[1])), float(spread), float(steps.mean()) if steps.size else 0.0
