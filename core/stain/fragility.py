"""Cells whose class hangs on the alignment: it would change if the stain lay as far off as the alignment may be wrong."""

from collections.abc import Sequence
from math import ceil, sqrt

import numpy as np

from core.errors import InputError
from core.stain.counting import count_cells, critical_threshold
from core.stain.quantisation import Quantisation


def critical_range(
    opened: np.ndarray,
    labels: np.ndarray,
    scale: Quantisation,
    residual_px: float,
    min_fraction: float,
    covered: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest critical threshold of every cell with the stain as aligned and moved by the residual in 8 directions.

    A cell is fragile at every threshold with ``low <= threshold < high``: positive with one of the nine positions, negative
    with another. Two numbers a cell thus answer every threshold, as in ``counting.critical_threshold``.

    Parameters
    ----------
    opened, labels, scale, covered
        As in ``counting.count_cells``; opening and moving may be exchanged, so the opened signal is moved.
    residual_px : float
        How far the stain may be off, px. Moves are whole pixels, rounded up: rather one cell too many than one too few.
        Diagonal moves have this length too. 0: nothing is fragile.
    min_fraction : float
        Smallest stained part of a cell, 0..1.

    Returns
    -------
    (low, high) : float64 (N,) in signal units, by rising label.

    Raises
    ------
    InputError
        The residual is negative or not finite; or as ``count_cells``.
    """
    low, high = critical_ranges(opened, labels, scale, residual_px, [min_fraction], covered)
    return low[0], high[0]


def critical_ranges(
    opened: np.ndarray,
    labels: np.ndarray,
    scale: Quantisation,
    residual_px: float,
    min_fractions: Sequence[float],
    covered: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """``critical_range`` for several smallest stained parts at once, (F, N) each: the stain is moved and counted only once for all."""
    if not np.isfinite(residual_px) or residual_px < 0:
        raise InputError(f"Residual of the alignment: wanted pixels from 0, found {residual_px}.")
    low = high = None
    for down, right in [(0, 0), *_moves(residual_px)]:
        seen = None if covered is None else _moved(covered, down, right)
        counts = count_cells(_moved(opened, down, right), labels, scale, covered=seen)
        found = np.stack([critical_threshold(counts, fraction) for fraction in min_fractions])
        low, high = (found, found) if low is None or high is None else (np.minimum(low, found), np.maximum(high, found))
    assert low is not None  # the stain as it lies is always counted
    assert high is not None
    return low, high


def fragile(
    opened: np.ndarray,
    labels: np.ndarray,
    scale: Quantisation,
    threshold: float,
    residual_px: float,
    min_fraction: float,
    covered: np.ndarray | None = None,
) -> np.ndarray:
    """Whether each cell changes its class at ``threshold`` within the residual, bool (N,), by rising label: see ``critical_range``."""
    low, high = critical_range(opened, labels, scale, residual_px, min_fraction, covered)
    return (low <= threshold) & (threshold < high)


def _moves(residual_px: float) -> list[tuple[int, int]]:
    straight, slanted = ceil(residual_px), ceil(residual_px / sqrt(2))
    return [(y * s, x * s) for y in (-1, 0, 1) for x in (-1, 0, 1) if y or x for s in [slanted if y and x else straight]] if straight else []


def _moved(image: np.ndarray, down: int, right: int) -> np.ndarray:
    """``image`` (Y, X) moved by whole pixels; what comes in at the border repeats the border."""
    rows, columns = (np.clip(np.arange(size) - by, 0, size - 1) for size, by in zip(image.shape, (down, right), strict=True))
    return image[rows[:, None], columns]
