"""How sharp a cell is in its crop."""

import cv2
import numpy as np
from numpy.typing import NDArray

FINE_PX, COARSE_PX = 1.0, 2.0  # standard deviations of the two Gaussians, in pixels of the crop
_MARGIN = 8
TINY = 1e-6  # share of the intensities below which a difference is none


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
    found = with_contrast(crop)
    if found is None:
        return 0.0
    cell, inside, spread = found
    fine = smooth(cell, inside, FINE_PX)
    band = fine - smooth(cell, inside, COARSE_PX)
    return float(band[inside].std(dtype=np.float64)) / max(float(fine[inside].std(dtype=np.float64)), TINY * spread)


def with_contrast(crop: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.bool_], float] | None:
    """The cell of a crop with a margin, float32 (Y, X), its mask, and its standard deviation; None where it has no pixels or no contrast."""
    mask = crop != 0
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    box = tuple(slice(max(int(side[0]) - _MARGIN, 0), int(side[-1]) + _MARGIN + 1) for side in (rows, columns))
    cell, inside = crop[box].astype(np.float32), mask[box]
    spread = float(cell[inside].std(dtype=np.float64))
    return (cell, inside, spread) if spread > TINY * max(1.0, float(np.abs(cell).max())) else None


def smooth(cell: NDArray[np.float32], inside: NDArray[np.bool_], sigma: float) -> NDArray[np.float32]:
    """The cell blurred by a Gaussian of ``sigma`` px that sees its own pixels only."""
    blurred, weight = (cv2.GaussianBlur(one, (0, 0), sigma) for one in (cell, inside.astype(np.float32)))
    return np.asarray(blurred / np.maximum(weight, 1e-6))
