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
    y, x = np.nonzero(mask)
    if not y.size:
        return (float("nan"),) * len(SHAPE)
    # A pixel is a square, not a point: 1/12 is the variance of its side, and keeps a line of pixels from an infinite ratio.
    moments = np.cov(np.stack([y, x]).astype(float), bias=True) + np.eye(2) / 12
    short, long = np.sqrt(np.linalg.eigvalsh(moments))
    box = (np.ptp(y) + 1) * (np.ptp(x) + 1)
    both = mask[:, 1:] & mask[:, :-1]
    steps = np.abs(np.diff(values.astype(np.float64), axis=1))[both]
    return float(long / short), float(y.size / box), float(values[mask].std(dtype=np.float64)), float(steps.mean()) if steps.size else 0.0
