"""How good a classifier is on cells of known class, each number with an interval over cultures."""

from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from core.errors import InputError
from core.statistics.intervals import wilson
from core.statistics.ranking import areas, areas_within, average_precisions, cumulative_counts
from core.statistics.resampling import cluster_codes, cluster_draws, hardly_differ, stretched_interval
from core.tables import METRICS, typed

Floats = NDArray[np.float64]
_SHARES: Final = ("auc", "auc_within", "average_precision", "accuracy", "balanced_accuracy", "sensitivity", "specificity", "ppv", "npv", "f1")
BINS: Final = 10  # of the expected calibration error
NAMES: Final = {
    "auc": "Area under the ROC curve",
    "auc_within": "AUC within cultures",  # over pairs of cells of one culture: blind to how cultures differ
    "average_precision": "Average precision",
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "ppv": "Positive predictive value",
    "npv": "Negative predictive value",
    "f1": "F1",
    "mcc": "Matthews correlation",
    "brier": "Brier score",
    "calibration_error": "Expected calibration error",
}


def metric_table(
    classes: ArrayLike, probability: ArrayLike, groups: ArrayLike, threshold: float, *, prevalence: float | None = None, samples: int = 2000, seed: int = 0
) -> pd.DataFrame:
    """Every metric with its 95 % interval by cluster bootstrap over ``groups``.

    Parameters
    ----------
    classes : array-like of 0 and 1, shape (cells,)
        1 is senescent.
    probability : array-like of float, shape (cells,)
        Probability of class 1.
    groups : array-like, shape (cells,)
        The culture of each cell; the field where there is one culture (``cluster_of``).
    threshold : float
        Senescent at or above this probability.
    prevalence : float, optional
        Share of senescent cells at which PPV and NPV are wanted, where the cells are a selection (balanced classes). Without it
        that of the cells themselves.
    samples, seed : int
        Resamplings of clusters, and their seed.

    Returns
    -------
    DataFrame
        Columns of ``tables.METRICS``, one row a metric in the order of ``NAMES``. Unknown where a class is missing; intervals are
        unknown with too few clusters, or where these hardly differ, and wide with few (``resampling.stretched_interval``).

    Raises
    ------
    InputError
        Lengths differ, a class is not 0 or 1, a probability is not within 0..1, or there is no cell.
    """
    truth, scores = checked(classes, probability)
    codes, names = cluster_codes(groups)
    if len(codes) != len(truth):
        raise InputError(f"Metrics: wanted one group a cell ({len(truth)}), found {len(codes)}.")
    draws = cluster_draws(len(names), samples, seed)
    weights = np.vstack([np.ones(len(names)), draws])
    values = all_metrics(truth, scores, codes, weights, threshold, prevalence)
    rows = [{"metric": name, "name": NAMES[name], **_with_interval(found, name, len(names)), "n_clusters": len(names)} for name, found in values.items()]
    return typed(pd.DataFrame(rows), METRICS, "metrics")


def all_metrics(
    truth: NDArray[np.bool_], scores: Floats, codes: NDArray[np.int64], weights: Floats, threshold: float, prevalence: float | None = None
) -> dict[str, Floats]:
    """Every metric of ``NAMES`` for every row of ``weights`` (B, clusters): arrays (B,), NaN where not defined."""
    clusters = weights.shape[1]
    sorted_counts = cumulative_counts(truth, scores, codes, clusters)
    called = scores >= threshold
    tp, fp, fn, tn = (weights @ np.bincount(codes[some], minlength=clusters) for some in (called & truth, called & ~truth, ~called & truth, ~called & ~truth))
    return {
        "auc": areas(*sorted_counts, weights),
        "auc_within": areas_within(*sorted_counts, weights),
        "average_precision": average_precisions(*sorted_counts, weights),
        **from_confusion(tp, fp, fn, tn, prevalence),
        "brier": _divide(weights @ np.bincount(codes, (scores - truth) ** 2, clusters), weights @ np.bincount(codes, minlength=clusters)),
        "calibration_error": _calibration_error(truth, scores, codes, weights),
    }


def from_confusion(tp: Floats, fp: Floats, fn: Floats, tn: Floats, prevalence: float | None = None) -> dict[str, Floats]:
    """Metrics that depend on the counts of true and false calls only (float64 arrays of one shape)."""
    sensitivity, specificity = _divide(tp, tp + fn), _divide(tn, tn + fp)
    ppv, npv = _divide(tp, tp + fp), _divide(tn, tn + fn)
    if prevalence is not None:
        ppv = _divide(sensitivity * prevalence, sensitivity * prevalence + (1 - specificity) * (1 - prevalence))
        npv = _divide(specificity * (1 - prevalence), specificity * (1 - prevalence) + (1 - sensitivity) * prevalence)
    product = np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    return {
        "accuracy": _divide(tp + tn, tp + fp + fn + tn),
        "balanced_accuracy": (sensitivity + specificity) / 2,
        "sensitivity": sensitivity,
        "specificity": specificity,
        "ppv": ppv,
        "npv": npv,
        "f1": _divide(2 * tp, 2 * tp + fp + fn),
        "mcc": np.where(product > 0, (tp * tn - fp * fn) / np.maximum(product, 1e-300), 0.0),  # 0 where undefined, as scikit-learn
    }


def cluster_of(samples: ArrayLike, fields: ArrayLike) -> tuple[NDArray[np.object_], str]:
    """What intervals are taken over: cultures, or the fields where all cells are of one culture; and its word."""
    cultures, fov = np.asarray(samples, dtype=object), np.asarray(fields, dtype=object)
    several = len(set(cultures)) > 1
    return (cultures, "culture") if several else (fov, "field")


def checked(classes: ArrayLike, probability: ArrayLike) -> tuple[NDArray[np.bool_], Floats]:
    """Classes as bool and probabilities as float64; InputError where they are none."""
    truth, scores = np.asarray(classes, dtype=float), np.asarray(probability, dtype=float)
    if truth.shape != scores.shape or truth.ndim != 1:
        raise InputError(f"Metrics: wanted one probability a cell, found shapes {truth.shape} and {scores.shape}.")
    if not truth.size:
        raise InputError("Metrics: wanted cells of known class, found none.")
    if not np.isin(truth, (0, 1)).all():
        raise InputError("Metrics: wanted the classes 0 and 1, found others.")
    if not ((scores >= 0) & (scores <= 1)).all():
        raise InputError("Metrics: wanted probabilities from 0 to 1, found others.")
    return truth.astype(bool), scores


def _with_interval(found: Floats, name: str, clusters: int) -> dict[str, float | None]:
    bounds = (-1.0, 1.0) if name == "mcc" else (0.0, 1.0)
    low, high = stretched_interval(float(found[0]), found[1:], clusters, bounds)
    if low == high and found[0] in (0.0, 1.0) and name in _SHARES:
        low, high = wilson(found[0] * clusters, clusters)  # no cluster erred: resampling them shows nothing of how often one would
    elif hardly_differ(found[1:]):
        low, high = np.nan, np.nan
    return {key: None if np.isnan(value) else value for key, value in (("value", float(found[0])), ("ci_low", low), ("ci_high", high))}


def _calibration_error(truth: NDArray[np.bool_], scores: Floats, codes: NDArray[np.int64], weights: Floats) -> Floats:
    """Mean distance of stated and true share over bins of equal width, weighted by their cells (Guo et al. 2017, ICML, equation 3)."""
    clusters = weights.shape[1]
    place = np.minimum((scores * BINS).astype(int), BINS - 1) * clusters + codes
    gap = np.bincount(place, scores - truth, BINS * clusters).reshape(BINS, clusters)
    return _divide(np.abs(gap @ weights.T).sum(axis=0), weights @ np.bincount(codes, minlength=clusters))


def _divide(top: Floats, bottom: Floats) -> Floats:
    top, bottom = np.asarray(top, float), np.asarray(bottom, float)
    return np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom > 0)
