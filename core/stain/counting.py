"""Stained area of every cell at any threshold by look-up, and the threshold at which a cell changes its class."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numba import njit

from core.errors import InputError
from core.stain.quantisation import Quantisation

NEVER: Final = -np.inf
"""Critical threshold of a cell that no threshold makes positive: too little of it was seen."""


@dataclass(frozen=True)
class CellCounts:
    """The stain signal of the cells of one field as cumulative histograms; one row a cell, by rising label.

    ``labels, area, covered`` int64 (N,): id, pixels, pixels that the stain image covers. ``mean_signal`` float64 (N,): over
    the covered pixels, before spots were removed; NaN where none is covered. Cell k owns the entries
    ``starts[k]:starts[k + 1]`` of ``levels`` (uint16, rising: the codes that occur in it) and of ``above`` (int32: how many
    of its pixels have this code or a higher one).
    """

    labels: np.ndarray
    area: np.ndarray
    covered: np.ndarray
    mean_signal: np.ndarray
    starts: np.ndarray
    levels: np.ndarray
    above: np.ndarray
    scale: Quantisation

    def __len__(self) -> int:
        return len(self.labels)


def count_cells(opened: np.ndarray, labels: np.ndarray, scale: Quantisation, codes: np.ndarray | None = None, covered: np.ndarray | None = None) -> CellCounts:
    """Histogram of the opened stain signal in every cell, in two passes over the field.

    Parameters
    ----------
    opened : uint8 or uint16 (Y, X)
        Codes of the stain signal after area opening (``opening.area_opening``).
    labels : integer (Y, X)
        Label image, 0 is background; ids may have gaps.
    scale : Quantisation
        Of the codes.
    codes : uint8 or uint16 (Y, X), optional
        Codes before opening, for ``mean_signal``; without them the opened ones are averaged.
    covered : bool (Y, X), optional
        Where the stain image reaches; elsewhere a pixel belongs to its cell but is never stained. None: everywhere.

    Raises
    ------
    InputError
        Sizes differ, or ``labels`` is no label image.
    """
    _check(opened, labels, codes, covered)
    dense = _dense(labels)
    size = int(dense.max(initial=0)) + 1
    seen = np.ones((1, 1), bool) if covered is None else np.ascontiguousarray(covered)
    area, inside, total = _totals(dense, _codes(opened if codes is None else codes), seen, size)
    values = _gathered(dense, _codes(opened), seen, np.cumsum(inside) - inside, int(inside.sum()))
    kept = np.flatnonzero(area)
    area, inside, total = area[kept], inside[kept], total[kept]
    levels, above, used = _histograms(values, np.concatenate([[0], np.cumsum(inside)]))
    mean = np.full(len(kept), np.nan)
    np.divide(total, inside, out=mean, where=inside > 0)
    starts = np.concatenate([[0], np.cumsum(used)])
    return CellCounts(_ids(labels, dense, kept), area, inside, scale.value(mean), starts, levels, above, scale)


def stained_area(counts: CellCounts, threshold: float) -> np.ndarray:
    """Stained pixels of every cell, int64 (N,): signal above ``threshold`` (signal units) in spots that are large enough."""
    code = counts.scale.code_of(threshold)
    low, end = counts.starts[:-1].copy(), counts.starts[1:]
    high = end.copy()
    while (open_ := low < high).any():  # bisection in all cells at once: the first level above the threshold
        middle = (low + high) // 2
        higher = np.zeros(len(low), bool)
        higher[open_] = counts.levels[middle[open_]] > code
        high = np.where(open_ & higher, middle, high)
        low = np.where(open_ & ~higher, middle + 1, low)
    out = np.zeros(len(counts), np.int64)
    found = low < end
    out[found] = counts.above[low[found]]
    return out


def classes(stained: np.ndarray, area: np.ndarray, min_fraction: float) -> np.ndarray:
    """Class of every cell, int64 (N,): 1 where ``stained / area >= min_fraction``, else 0. A cell without stain is 0, always."""
    return ((stained > 0) & (np.divide(stained, area) >= min_fraction)).astype(np.int64)


def critical_threshold(counts: CellCounts, min_fraction: float) -> np.ndarray:
    """The threshold below which a cell is positive, float64 (N,) in signal units: one number a cell answers every threshold.

    The stained area falls as the threshold rises, so with k the smallest count that is at least ``min_fraction`` of the
    cell's area (and at least 1) the cell is positive as long as its k-th highest value lies above the threshold. Hence
    ``threshold < critical_threshold(counts, f)`` equals ``classes(stained_area(counts, threshold), counts.area, f) == 1``
    for every threshold. ``NEVER`` (minus infinity) where less than k pixels were seen.
    """
    needed = needed_pixels(counts.area, min_fraction)
    out = np.full(len(counts), NEVER)
    low, high = counts.starts[:-1].copy(), counts.starts[1:].copy()
    while (open_ := low < high).any():  # the first level that fewer than k pixels reach
        middle = (low + high) // 2
        enough = np.zeros(len(low), bool)
        enough[open_] = counts.above[middle[open_]] >= needed[open_]
        low = np.where(open_ & enough, middle + 1, low)
        high = np.where(open_ & ~enough, middle, high)
    found = low > counts.starts[:-1]
    out[found] = counts.scale.value(counts.levels[low[found] - 1])
    return out


def needed_pixels(area: np.ndarray, min_fraction: float) -> np.ndarray:
    """The smallest number of stained pixels, at least 1, with ``number / area >= min_fraction`` in floating point; int64."""
    if not 0 <= min_fraction <= 1:
        raise InputError(f"Smallest stained part of a cell: wanted 0 to 1, found {min_fraction}.")
    needed = np.ceil(min_fraction * area).astype(np.int64)
    needed += np.divide(needed, area) < min_fraction
    needed -= np.divide(needed - 1, area) >= min_fraction
    return np.maximum(needed, 1)


def stained_pixels(stained: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One pass for a ready stain mask: (ids, area, stained area), each int64 (N,), by rising id.

    ``stained`` bool or integer (Y, X), 0 is unstained; ``labels`` integer (Y, X), 0 is background.
    """
    _check(stained, labels, None, None)
    dense = _dense(labels)
    mask = np.ascontiguousarray(stained if stained.dtype == bool else stained != 0).view(np.uint8)
    area, _, total = _totals(dense, mask, np.ones((1, 1), bool), int(dense.max(initial=0)) + 1)
    kept = np.flatnonzero(area)
    return _ids(labels, dense, kept), area[kept], total[kept]


def _check(opened: np.ndarray, labels: np.ndarray, codes: np.ndarray | None, covered: np.ndarray | None) -> None:
    if labels.ndim != 2 or labels.dtype.kind not in "iu" or (labels.size and labels.min() < 0):
        raise InputError(f"Label image: wanted whole numbers from 0 (Y, X), found {labels.dtype} of shape {labels.shape}.")
    for name, array in (("stain signal", opened), ("stain signal", codes), ("covered part", covered)):
        if array is not None and array.shape != labels.shape:
            raise InputError(f"The {name} has the size {array.shape}, the label image {labels.shape}: align the stain to the phase image first.")


def _codes(signal: np.ndarray) -> np.ndarray:
    if signal.dtype not in (np.uint8, np.uint16):
        raise InputError(f"Counting stain: wanted a signal of 8 or 16 bits, found {signal.dtype}.")
    return np.ascontiguousarray(signal, np.uint16)


def _dense(labels: np.ndarray) -> np.ndarray:
    """``labels`` as int32 with ids small enough for a table over all numbers: as they are, or numbered by rank if they are huge."""
    highest = int(labels.max()) if labels.size else 0
    if highest <= 4 * labels.size + 65536:
        return np.ascontiguousarray(labels, np.int32)
    ids, index = np.unique(labels, return_inverse=True)
    return (index.reshape(labels.shape) + int(ids[0] != 0)).astype(np.int32)


def _ids(labels: np.ndarray, dense: np.ndarray, present: np.ndarray) -> np.ndarray:
    """The ids as in ``labels`` of the dense ids ``present``, int64, rising."""
    if dense.max(initial=0) == labels.max(initial=0):
        return present
    ids = np.unique(labels).astype(np.int64)
    return ids[ids != 0]


@njit(cache=True, nogil=True)
def _totals(labels: np.ndarray, codes: np.ndarray, covered: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pixels, covered pixels and sum of the codes of every id below ``size``; ``covered`` of one pixel means everywhere.

    Counted in runs of one id along a row: neighbours would else wait for the same counter.
    """
    area, inside, total = np.zeros(size, np.int64), np.zeros(size, np.int64), np.zeros(size, np.int64)
    everywhere = covered.size == 1
    for y in range(labels.shape[0]):
        row, values, seen = labels[y], codes[y], covered[0 if everywhere else y]
        x, width = 0, len(row)
        while x < width:
            label, start, count, added = row[x], x, 0, np.int64(0)
            if label == 0:
                while x < width and row[x] == 0:
                    x += 1
                continue
            while x < width and row[x] == label:
                if everywhere or seen[x]:
                    count += 1
                    added += values[x]
                x += 1
            area[label] += x - start
            inside[label] += count
            total[label] += added
    return area, inside, total


@njit(cache=True, nogil=True)
def _gathered(labels: np.ndarray, opened: np.ndarray, covered: np.ndarray, free: np.ndarray, size: int) -> np.ndarray:
    """The codes of all covered cell pixels, id after id; ``free`` int64: where each id begins (moved on in place)."""
    values = np.empty(size, np.uint16)
    everywhere = covered.size == 1
    for y in range(labels.shape[0]):
        row, codes, seen = labels[y], opened[y], covered[0 if everywhere else y]
        for x in range(len(row)):
            label = row[x]
            if label != 0 and (everywhere or seen[x]):
                values[free[label]] = codes[x]
                free[label] += 1
    return values


@njit(cache=True, nogil=True)
def _radix_sort(values: np.ndarray, other: np.ndarray) -> None:
    """Sort uint16 in place, lower byte then upper byte; ``other`` is room of the same size."""
    for shift in (0, 8):
        place = np.zeros(257, np.int64)
        for value in values:
            place[((value >> shift) & 255) + 1] += 1
        for k in range(256):
            place[k + 1] += place[k]
        for value in values:
            byte = (value >> shift) & 255
            other[place[byte]] = value
            place[byte] += 1
        values[:] = other


@njit(cache=True, nogil=True)
def _histograms(values: np.ndarray, first: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rising codes of every cell, how many of its pixels reach each, and how many codes a cell has."""
    cells = len(first) - 1
    levels, above, used = np.empty(len(values), np.uint16), np.empty(len(values), np.int32), np.zeros(cells, np.int64)
    room = np.empty(len(values), np.uint16)
    at = 0
    for cell in range(cells):
        start, end = first[cell], first[cell + 1]
        ordered = values[start:end]
        _radix_sort(ordered, room[start:end])
        for k in range(len(ordered)):
            if k == 0 or ordered[k] != ordered[k - 1]:
                levels[at], above[at] = ordered[k], len(ordered) - k
                at += 1
                used[cell] += 1
    return levels[:at].copy(), above[:at].copy(), used
