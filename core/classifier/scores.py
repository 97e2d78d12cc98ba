"""Scores of probabilities against classes that a training needs at every epoch."""

import math

import numpy as np
from numpy.typing import ArrayLike


def roc_auc(classes: ArrayLike, scores: ArrayLike) -> float:
    """Area under the ROC curve: the probability that a senescent cell scores above another, ties counting half.

    By the ranks of Mann and Whitney (1947). NaN where one class is missing.
    """
    truth, value = np.asarray(classes).astype(bool), np.asarray(scores, np.float64)
    positive, negative = int(truth.sum()), int((~truth).sum())
    if not positive or not negative:
        return float("nan")
    _, first, count = np.unique(value, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(count) - (count - 1) / 2)[first]  # equal values share their mean rank
    return float((ranks[truth].sum() - positive * (positive + 1) / 2) / (positive * negative))


def auc_standard_error(auc: float, positive: int, negative: int) -> float:
    """Standard error of an area under the ROC curve of so many cells (Hanley & McNeil 1982, Radiology 143:29)."""
    both_positive, both_negative = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    spread = auc * (1 - auc) + (positive - 1) * (both_positive - auc**2) + (negative - 1) * (both_negative - auc**2)
    return math.sqrt(spread / (positive * negative))


def youden_threshold(classes: ArrayLike, scores: ArrayLike) -> float:
    """The threshold (at or above it is positive) of largest sensitivity + specificity - 1 (Youden 1950), half way to the
    next lower score. 0.5 where one class is missing."""
    truth, value = np.asarray(classes).astype(bool), np.asarray(scores, np.float64)
    if truth.all() or not truth.any():
        return 0.5
    order = np.argsort(-value, kind="stable")
    value, truth = value[order], truth[order]
    gain = np.cumsum(truth) / truth.sum() - np.cumsum(~truth) / (~truth).sum()
    last = np.append(value[1:] != value[:-1], True)  # a threshold cannot separate equal scores
    best = int(np.argmax(np.where(last, gain, -np.inf)))
    below = value[best + 1] if best + 1 < len(value) else value[best]
    return float((value[best] + below) / 2)


def accuracy(classes: ArrayLike, scores: ArrayLike, threshold: float) -> float:
    """Share of cells called rightly at ``threshold``; NaN without cells."""
    truth = np.asarray(classes).astype(bool)
    return float(np.mean((np.asarray(scores) >= threshold) == truth)) if truth.size else float("nan")
