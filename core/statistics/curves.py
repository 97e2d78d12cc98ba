"""Curves and reports of a classifier as tables; scikit-learn computes them (it is imported where it is used)."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from core.statistics.intervals import wilson
from core.statistics.metrics import checked

CLASS_NAMES = ("not senescent", "senescent")


def roc_table(classes: ArrayLike, probability: ArrayLike) -> pd.DataFrame:
    """ROC curve: ``threshold, false_positive_rate, sensitivity`` (scikit-learn's ``roc_curve``); empty without both classes."""
    from sklearn.metrics import roc_curve

    truth, scores = checked(classes, probability)
    if truth.all() or not truth.any():
        return pd.DataFrame({"threshold": [], "false_positive_rate": [], "sensitivity": []}, dtype=float)
    false, true, threshold = roc_curve(truth, scores)
    return pd.DataFrame({"threshold": np.minimum(threshold, 1.0), "false_positive_rate": false, "sensitivity": true})


def precision_recall_table(classes: ArrayLike, probability: ArrayLike) -> pd.DataFrame:
    """Precision-recall curve: ``threshold, recall, precision`` (scikit-learn's ``precision_recall_curve``); empty without class 1."""
    from sklearn.metrics import precision_recall_curve

    truth, scores = checked(classes, probability)
    if not truth.any():
        return pd.DataFrame({"threshold": [], "recall": [], "precision": []}, dtype=float)
    precision, recall, threshold = precision_recall_curve(truth, scores)
    return pd.DataFrame({"threshold": np.append(threshold, 1.0), "recall": recall, "precision": precision})


def calibration_table(classes: ArrayLike, probability: ArrayLike, bins: int = 10) -> pd.DataFrame:
    """Stated against true share in bins of equal width: ``low, high, n_cells, mean_probability, senescent_fraction, ci_low, ci_high``.

    Bins without a cell are left out. The intervals are Wilson's and take the cells of a bin for independent.
    """
    truth, scores = checked(classes, probability)
    place = np.minimum((scores * bins).astype(int), bins - 1)
    rows = []
    for number in np.unique(place):
        inside = place == number
        n, k = int(inside.sum()), int(truth[inside].sum())
        low, high = wilson(k, n)
        row = {"low": number / bins, "high": (number + 1) / bins, "n_cells": n, "mean_probability": float(scores[inside].mean())}
        rows.append(row | {"senescent_fraction": k / n, "ci_low": low, "ci_high": high})
    return pd.DataFrame(rows)


def confusion_table(classes: ArrayLike, probability: ArrayLike, threshold: float) -> pd.DataFrame:
    """Counts: one row a true class, one column a called class."""
    truth, scores = checked(classes, probability)
    called = scores >= threshold
    counts = [[int(((truth == row) & (called == column)).sum()) for column in (False, True)] for row in (False, True)]
    return pd.DataFrame([{"true_class": name, **dict(zip(CLASS_NAMES, row, strict=True))} for name, row in zip(CLASS_NAMES, counts, strict=True)])


def classification_report(classes: ArrayLike, probability: ArrayLike, threshold: float) -> str:
    """scikit-learn's classification report as text: what the original notebook printed."""
    from sklearn.metrics import classification_report as report

    truth, scores = checked(classes, probability)
    called = scores >= threshold
    return str(report(truth.astype(int), called.astype(int), labels=[0, 1], target_names=list(CLASS_NAMES), digits=3, zero_division=0.0))
