"""How well found outlines agree with true ones, per field: AP at several IoU, F1, merges and splits.

AP (average precision) is Cellpose's: TP / (TP + FP + FN) after an optimal one-to-one matching (``cellpose.metrics``;
Stringer et al. 2021, doi 10.1038/s41592-020-01018-x), averaged from 0.5 to 0.95 as in the COCO benchmark.
"""

from dataclasses import dataclass
from math import nan
from typing import Final

import numpy as np

from core.cells.labels import checked_labels
from core.errors import InputError

IOUS: Final = tuple(round(0.5 + 0.05 * k, 2) for k in range(10))  # 0.5, 0.55 ... 0.95
LEAST_PART: Final = 0.1  # of the whole; a speck inside a cell is a false cell, not a split


@dataclass(frozen=True)
class Agreement:
    """Agreement of one field; a row of ``tables.AGREEMENT``. AP and F1 are NaN where both label images are empty."""

    true_cells: int
    found_cells: int
    ap50: float
    ap75: float
    ap_mean: float  # over IoU 0.5, 0.55 ... 0.95
    f1_50: float
    merges: int  # found cells that hold two or more true cells
    splits: int  # true cells that were found in two or more parts


def agreement(truth: np.ndarray, found: np.ndarray) -> Agreement:
    """Compare two label images, int32 (Y, X) with any ids (gaps are fine), 0 is background.

    A merge is a found cell that holds more than half of each of two or more true cells; a split is the same with the
    roles exchanged. A part smaller than a tenth of the whole does not count.

    Raises
    ------
    InputError
        The sizes differ, or one is not a label image (`core.cells.labels.checked_labels`).
    """
    truth, found = _renumbered(truth, found)
    counts = int(truth.max(initial=0)), int(found.max(initial=0))
    overlap = _overlap(truth, found, counts)
    if not any(counts):
        return Agreement(0, 0, nan, nan, nan, nan, merges=0, splits=0)
    from cellpose import metrics

    ap, tp, fp, fn = metrics.average_precision(truth, found, threshold=list(IOUS))
    f1 = 2 * tp[0] / (2 * tp[0] + fp[0] + fn[0])
    ap75 = ap[IOUS.index(0.75)]
    return Agreement(counts[0], counts[1], float(ap[0]), float(ap75), float(ap.mean()), float(f1), _joined(overlap), _joined(overlap.T))


def _renumbered(*labels: np.ndarray) -> list[np.ndarray]:
    """Ids 1..N without gaps, int32: Cellpose counts the largest id as the number of cells."""
    checked = [checked_labels(one) for one in labels]
    shapes = [one.shape for one in checked]
    if len(set(shapes)) > 1:
        raise InputError(f"Agreement: wanted two label images of the same size, found {' and '.join(map(str, shapes))}.")
    return [_compact(one) for one in checked]


def _compact(labels: np.ndarray) -> np.ndarray:
    ids, place = np.unique(labels, return_inverse=True)
    rank = np.cumsum(ids > 0) * (ids > 0)
    return rank[place].reshape(labels.shape).astype(np.int32)


def _overlap(truth: np.ndarray, found: np.ndarray, counts: tuple[int, int]) -> np.ndarray:
    """Shared pixels of every pair, int (n_true + 1, n_found + 1) with the background first."""
    width = counts[1] + 1
    pairs = truth.astype(np.int64).ravel() * width + found.ravel()
    return np.bincount(pairs, minlength=(counts[0] + 1) * width).reshape(-1, width)


def _joined(overlap: np.ndarray) -> int:
    """Columns (cells) that hold more than half of each of two or more rows (cells)."""
    row_area, column_area = overlap.sum(1, keepdims=True), overlap.sum(0, keepdims=True)
    held = (2 * overlap > row_area) & (overlap >= LEAST_PART * column_area)
    return int((held[1:, 1:].sum(0) >= 2).sum())


def changed_cells(before: np.ndarray, after: np.ndarray) -> int:
    """How many cells a person changed: those of either image without an identical twin in the other, the larger of the two numbers.

    A removed, drawn or reshaped cell counts as one, a merge of two cells and a split into two as two. Label images as in `agreement`.
    """
    before, after = _renumbered(before, after)
    counts = int(before.max(initial=0)), int(after.max(initial=0))
    overlap = _overlap(before, after, counts)
    twins = (overlap == overlap.sum(1, keepdims=True)) & (overlap == overlap.sum(0, keepdims=True)) & (overlap > 0)
    return max(counts) - int(twins[1:, 1:].sum())
