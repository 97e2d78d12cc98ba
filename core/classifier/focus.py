"""How sharp a cell is in its crop."""

import cv2
import numpy as np
from numpy.typing import NDArray

FINE_PX, COARSE_PX = 1.0, 2.0  # standard deviations of the two Gaussians, in pixels of the crop
_MARGIN = 8


def sharpness(crops: NDArray[np.float32]) -> NDArray[np.float64]:
    """Share of a cell's contrast that lies in fine detail: (N,), 0 for a cell without contrast or without pixels.

    The standard deviation of the difference of two Gaussians, over that of the finer one. Detail still finer is left to the
    noise of the camera, which defocus does not touch; dividing makes it independent of the exposure and of the thickness of
    the cell. The Gaussians see the cell only (normalised convolution, Knutsson & Westin 1993), so that the
    black around it is no edge.

    Parameters
    ----------
    crops : (N, S, S) float32, normalised; pixels that are exactly 0 do not belong to the cell.
    """
    return np.array([_sharpness(crop) for crop in crops], np.float64).reshape(len(crops))


def _sharpness(crop: NDArray[np.float32]) -> float:
    mask = crop != 0
    box = cell_box(mask)
    cell, inside = crop[box].astype(np.float32), mask[box]
    if not inside.any():
        return 0.0
    spread = float(cell[inside].std(dtype=np.float64))
    if not spread > 1e-6 * max(1.0, float(np.abs(cell).max())):
        return 0.0
    fine = smooth(cell, inside, FINE_PX)
    band = fine - smooth(cell, inside, COARSE_PX)
    return float(band[inside].std(dtype=np.float64)) / max(float(fine[inside].std(dtype=np.float64)), 1e-6 * spread)


def cell_box(mask: NDArray[np.bool_]) -> tuple[slice, slice]:
    """Rows and columns of a crop in which its cell lies, with a margin; none of either where it has no pixels."""
    sides = [np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0)]
    rows, columns = (slice(max(int(one[0]) - _MARGIN, 0), int(one[-1]) + _MARGIN + 1) if len(one) else slice(0, 0) for one in sides)
    return rows, columns


def smooth(cell: NDArray[np.float32], inside: NDArray[np.bool_], sigma: float) -> NDArray[np.float32]:
    """The cell blurred by a Gaussian of ``sigma`` px that sees its own pixels only."""
    blurred, weight = (cv2.GaussianBlur(one, (0, 0), sigma) for one in (cell, inside.astype(np.float32)))
    return np.asarray(blurred / np.maximum(weight, 1e-6))
