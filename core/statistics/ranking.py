"""Area under the ROC curve and average precision, also under many weightings of the clusters at once.

The cells are sorted once. A resampling of clusters only changes how much each cluster counts, so the area is a ratio of
two forms in the clusters' weights, and the average precision a sum over the sorted scores.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_CELLS_AT_ONCE = 4_000_000  # 32 MB an array


def cumulative_counts(truth: NDArray[np.bool_], scores: Floats, codes: NDArray[np.int64], clusters: int) -> tuple[Floats, Floats]:
    """Cells of each cluster with at least each distinct score, from the highest down.

    Returns
    -------
    (positives, negatives) : float64 arrays of shape (distinct scores, clusters)
    """
    _, rank = np.unique(-scores, return_inverse=True)
    levels = int(rank.max()) + 1 if rank.size else 0
    counted = [np.bincount(rank[some] * clusters + codes[some], minlength=levels * clusters).reshape(levels, clusters) for some in (truth, ~truth)]
    return counted[0].cumsum(axis=0, dtype=float), counted[1].cumsum(axis=0, dtype=float)


def areas(positives: Floats, negatives: Floats, weights: Floats) -> Floats:
    """Area under the ROC curve for every row of ``weights`` (B, clusters): (B,); ties count half; NaN without one of the classes."""
    if not len(positives):
        return np.full(len(weights), np.nan)
    new = np.diff(positives, axis=0, prepend=0)
    below = negatives[-1] - negatives + np.diff(negatives, axis=0, prepend=0) / 2
    pairs = new.T @ below  # pairs won by a positive of one cluster over a negative of another
    every = (weights @ positives[-1]) * (weights @ negatives[-1])
    return _ratio(np.einsum("bi,ij,bj->b", weights, pairs, weights, optimize=True), every)


def areas_within(positives: Floats, negatives: Floats, weights: Floats) -> Floats:
    """Area under the ROC curve over pairs of cells of the same cluster only: blind to differences between clusters."""
    if not len(positives):
        return np.full(len(weights), np.nan)
    below = negatives[-1] - negatives + np.diff(negatives, axis=0, prepend=0) / 2
    won = (np.diff(positives, axis=0, prepend=0) * below).sum(axis=0)
    return _ratio(weights @ won, weights @ (positives[-1] * negatives[-1]))


def average_precisions(positives: Floats, negatives: Floats, weights: Floats) -> Floats:
    """Average precision for every row of ``weights``: sum over the scores of precision times the gain of recall (as scikit-learn)."""
    out = np.full(len(weights), np.nan)
    if not len(positives):
        return out
    step = max(1, _CELLS_AT_ONCE // len(positives))
    for start in range(0, len(weights), step):
        some = weights[start : start + step].T
        hits, false = positives @ some, negatives @ some
        gain = np.diff(hits, axis=0, prepend=0)
        called = np.maximum(hits + false, 1e-300)
        out[start : start + step] = _ratio((gain * hits / called).sum(axis=0), hits[-1])
    return out


def _ratio(top: Floats, bottom: Floats) -> Floats:
    return np.divide(top, bottom, out=np.full(len(top), np.nan), where=bottom > 0)
