"""Correlation surfaces of tiles: every tile of the phase says for every small shift how well the stain agrees with it.

One set of surfaces holds the answer for all transforms that bend little inside a tile: the agreement of a transform is the
sum over the tiles of their surfaces at the shift it gives each of them. So many transforms are tried without warping again.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from core.registration.features import Feature

TILES_ACROSS = 8
SMALLEST_TILE = 8


@dataclass(frozen=True)
class Surfaces:
    """``values`` float32 (n, 2 * reach + 1, 2 * reach + 1): agreement of tile n at shift (dy, dx) from -reach to reach px.

    ``centres`` float64 (n, 2): (x, y) of the tiles' middles. A shift says where in the stain the tile lies, minus where it
    lies in the phase.
    """

    values: NDArray[np.float32]
    centres: NDArray[np.float64]
    reach: int

    def some(self, chosen: NDArray) -> "Surfaces":
        return Surfaces(self.values[chosen], self.centres[chosen], self.reach)

    def pooled(self) -> NDArray[np.float32]:
        """The sum over the tiles: agreement of pure shifts."""
        total: NDArray[np.float32] = self.values.sum(axis=0)
        return total


def surfaces(phase: Feature, stain: Feature, reach: int, across: int = TILES_ACROSS) -> Surfaces:
    """Correlate every tile of ``phase`` (Y, X) with its surroundings in ``stain`` (Y, X)."""
    side = max(int(np.ceil(np.sqrt(phase.size) / across)), SMALLEST_TILE)
    rows, columns = (max(1, round(n / side)) for n in phase.shape)
    ys, xs = (np.linspace(0, n, k + 1).astype(int) for n, k in zip(phase.shape, (rows, columns), strict=True))
    high, wide = int(np.diff(ys).max()), int(np.diff(xs).max())
    around = np.pad(stain, ((reach, reach + high), (reach, reach + wide)))
    shape = tuple(fft.next_fast_len(n + 2 * reach, real=True) for n in (high, wide))
    values, centres = [], []
    for y0, y1 in pairwise(ys):
        boxes = [(y0, y1, x0, x1) for x0, x1 in pairwise(xs)]
        tiles = np.zeros((len(boxes), high, wide), np.float32)
        for k, (top, bottom, left, right) in enumerate(boxes):
            tiles[k, : bottom - top, : right - left] = phase[top:bottom, left:right]
        windows = np.stack([around[y0 : y0 + high + 2 * reach, x0 : x0 + wide + 2 * reach] for _, _, x0, _ in boxes])
        product = fft.rfft2(windows, shape) * np.conj(fft.rfft2(tiles, shape))
        values.append(fft.irfft2(product, shape)[:, : 2 * reach + 1, : 2 * reach + 1])
        centres += [((x0 + x1 - 1) / 2, (y0 + y1 - 1) / 2) for _, _, x0, x1 in boxes]
    return Surfaces(np.concatenate(values).astype(np.float32), np.array(centres, np.float64), reach)


class Agreement:
    """The surfaces as one smooth function: agreement at any shift of every tile (cubic splines)."""

    def __init__(self, given: Surfaces) -> None:
        side = 2 * given.reach + 1
        smooth = ndimage.spline_filter1d(ndimage.spline_filter1d(given.values, 3, axis=1, mode="mirror"), 3, axis=2, mode="mirror")
        self.mosaic = np.pad(smooth, ((0, 0), (2, 2), (2, 2)), mode="reflect").reshape(-1, side + 4)
        self.first = np.arange(len(given.values)) * (side + 4) + 2 + given.reach
        self.reach = given.reach

    def __call__(self, shifts: NDArray[np.float64]) -> NDArray[np.float64]:
        """Agreement (n,) at ``shifts`` (n, 2) of (dx, dy) px; beyond the reach that of the rim."""
        held = np.clip(shifts, -self.reach, self.reach)
        at = np.stack([self.first + held[:, 1], held[:, 0] + 2 + self.reach])
        values: NDArray[np.float64] = ndimage.map_coordinates(self.mosaic, at, order=3, prefilter=False, mode="nearest")
        return values
