"""A network over a field of any size in overlapping tiles, as in ``cellpose.core.run_net`` but a row of tiles at a time.

Cellpose keeps all tiles, their outputs and the sums of the whole field; here a band as high as one tile is enough, with the
same sums in the same order and precision (float32 sums of float64 products), so that the result is the same to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from typing import Final

import numpy as np
from numba import njit

from core.progress import Progress, silent

TILE: Final = 224  # px at the working scale, as in training
OVERLAP: Final = 0.1  # of a tile
OUTPUTS: Final = 3  # flow along y, flow along x, logit of being inside a cell

Stream = Callable[[Iterable[np.ndarray]], Generator[np.ndarray, None, None]]
"""Tiles float32 (C, h, w) in, outputs float32 (3, h, w) out, in order."""


def flows_in_tiles(image: np.ndarray, channels: int, stream: Stream, progress: Progress = silent, tile: int = TILE) -> np.ndarray:
    """Outputs of the network averaged over tiles with tapered edges, float32 (3, Y, X).

    ``image`` is float32 (Y, X) at the working scale and goes into the first of ``channels``, the others are 0. ``progress``
    is told a fraction of 1.
    """
    from cellpose.transforms import _taper_mask, get_pad_yx

    top, bottom, left, right = get_pad_yx(*image.shape)
    padded = (image.shape[0] + top + bottom, image.shape[1] + left + right)
    ys, xs, size = corners(padded, tile)
    taper = np.ascontiguousarray(_taper_mask(*size), np.float64)
    total = np.zeros((OUTPUTS, size[0], padded[1]), np.float32)
    weight = np.zeros((size[0], padded[1]))
    out = np.empty((OUTPUTS, *image.shape), np.float32)
    tiles = (_cut(image, y - top, x - left, size, channels) for y in ys for x in xs)
    with closing(stream(tiles)) as outputs:  # also where the progress raises Cancelled
        for row, (y, below) in enumerate(zip(ys, [*ys[1:], ys[-1] + size[0]], strict=True)):
            for column, x in enumerate(xs):
                progress((row * len(xs) + column) / (len(ys) * len(xs)), 1.0, "looking for cells")
                _add(total, weight, next(outputs), taper, x)
            _hand_out(total, weight, below - y, out, y - top, left)
    return out


def corners(shape: tuple[int, int], tile: int = TILE) -> tuple[list[int], list[int], tuple[int, int]]:
    """First rows and first columns of evenly spread tiles that overlap by about a tenth, and the size of a tile."""
    size = (min(tile, shape[0]), min(tile, shape[1]))
    counts = [1 if n <= tile else int(np.ceil((1 + 2 * OVERLAP) * n / tile)) for n in shape]
    ys, xs = ([int(v) for v in np.linspace(0, n - t, count).astype(int)] for n, t, count in zip(shape, size, counts, strict=True))
    return ys, xs, size


def _cut(image: np.ndarray, y: int, x: int, size: tuple[int, int], channels: int) -> np.ndarray:
    """One tile whose corner may lie outside of the image; 0 there."""
    out = np.zeros((channels, *size), np.float32)
    rows, columns = slice(max(y, 0), min(y + size[0], image.shape[0])), slice(max(x, 0), min(x + size[1], image.shape[1]))
    out[0, rows.start - y : rows.stop - y, columns.start - x : columns.stop - x] = image[rows, columns]
    return out


def _hand_out(total: np.ndarray, weight: np.ndarray, ready: int, out: np.ndarray, y: int, left: int) -> None:
    """Divide the first ``ready`` rows of the band, which no later tile touches, into ``out`` from row ``y`` on; move the rest up."""
    first, last = max(0, -y), min(ready, out.shape[1] - y)
    if last > first:
        columns = slice(left, left + out.shape[2])
        np.divide(total[:, first:last, columns], weight[first:last, columns], out=out[:, y + first : y + last], casting="same_kind")
    for band in (total, weight):
        kept = band.shape[-2] - ready
        band[..., :kept, :] = band[..., ready:, :].copy()
        band[..., kept:, :] = 0


@njit(nogil=True, cache=True)
def _add(total: np.ndarray, weight: np.ndarray, output: np.ndarray, taper: np.ndarray, x: int) -> None:
    """Add one tapered tile at column ``x`` of the band."""
    for k in range(output.shape[0]):
        for i in range(output.shape[1]):
            for j in range(output.shape[2]):
                total[k, i, x + j] = np.float32(np.float64(total[k, i, x + j]) + np.float64(output[k, i, j]) * taper[i, j])
    for i in range(taper.shape[0]):
        for j in range(taper.shape[1]):
            weight[i, x + j] += taper[i, j]
