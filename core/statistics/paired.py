"""Two classifiers on the same cells: by how much one is better, and on which cells they differ."""

from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binomtest, norm, rankdata

from core.errors import InputError
from core.statistics.metrics import NAMES, all_metrics, checked
from core.statistics.resampling import cluster_codes, cluster_draws, stretched_interval
from core.tables import FLIPS, OUTCOMES, PAIRED, typed

Floats = NDArray[np.float64]
SMALLER_IS_BETTER: Final = ("brier", "calibration_error")


def paired_table(
    classes: ArrayLike, first: ArrayLike, second: ArrayLike, thresholds: tuple[float, float], groups: ArrayLike, samples: int = 2000, seed: int = 0
) -> pd.DataFrame:
    """Every metric of both classifiers and its difference, with a 95 % interval by paired cluster bootstrap.

    The same clusters are drawn for both, so what is hard about a culture falls out of the difference.

    Parameters
    ----------
    classes : array-like of 0 and 1, shape (cells,)
    first, second : array-like of float, shape (cells,)
        Probabilities of class 1 by the two classifiers.
    thresholds : (float, float)
        Of each; senescent at or above.
    groups : array-like, shape (cells,)
        The culture of each cell (fields where there is one culture).

    Returns
    -------
    DataFrame
        ``tables.PAIRED``, one row a metric. ``better`` is empty where the interval includes 0 or is unknown (too few clusters).
    """
    truth, one = checked(classes, first)
    _, other = checked(classes, second)
    codes, names = cluster_codes(groups)
    weights = np.vstack([np.ones(len(names)), cluster_draws(len(names), samples, seed)])
    values = [all_metrics(truth, scores, codes, weights, threshold) for scores, threshold in zip((one, other), thresholds, strict=True)]
    rows = [_row(name, values[0][name], values[1][name], len(names)) for name in NAMES]
    return typed(pd.DataFrame(rows), PAIRED, "comparison")


def _row(name: str, first: Floats, second: Floats, clusters: int) -> dict[str, object]:
    gap = second - first
    low, high = stretched_interval(float(gap[0]), gap[1:], clusters, (-2.0, 2.0) if name == "mcc" else (-1.0, 1.0))
    numbers = {"first": first[0], "second": second[0], "difference": gap[0], "ci_low": low, "ci_high": high}
    known = {key: None if np.isnan(value) else float(value) for key, value in numbers.items()}
    return {"metric": name, "name": NAMES[name], **known, "n_clusters": clusters, "better": _better(low, high, name in SMALLER_IS_BETTER)}


def _better(low: float, high: float, smaller: bool) -> str:
    if not (low > 0 or high < 0):
        return ""
    return "second" if (low > 0) != smaller else "first"


def outcomes(classes: ArrayLike, first_called: ArrayLike, second_called: ArrayLike) -> NDArray[np.object_]:
    """For each cell one of ``tables.OUTCOMES``."""
    truth, one, other = (np.asarray(values).astype(bool) for values in (classes, first_called, second_called))
    number = np.where(one == truth, np.where(other == truth, 0, 1), np.where(other == truth, 2, 3))
    return np.array(OUTCOMES, dtype=object)[number]


def flip_table(classes: ArrayLike, first_called: ArrayLike, second_called: ArrayLike) -> pd.DataFrame:
    """How many cells both, one or none of the classifiers call rightly, by class and over all (``tables.FLIPS``).

    References
    ----------
    McNemar Q (1947) Note on the sampling error of the difference between correlated proportions or percentages. Psychometrika 12:153-157.
    """
    truth, found = np.asarray(classes).astype(bool), outcomes(classes, first_called, second_called)
    rows = []
    for name, some in (("all", np.ones(len(truth), bool)), ("senescent", truth), ("not senescent", ~truth)):
        counts = [int((found[some] == outcome).sum()) for outcome in OUTCOMES]
        flipped = counts[1] + counts[2]
        p = float(binomtest(counts[1], flipped).pvalue) if flipped else 1.0
        columns = ("both_right", "only_first_right", "only_second_right", "both_wrong")
        rows.append({"true_class": name, "n_cells": int(some.sum()), **dict(zip(columns, counts, strict=True)), "p_mcnemar": p})
    return typed(pd.DataFrame(rows), FLIPS, "flips")


def delong(classes: ArrayLike, first: ArrayLike, second: ArrayLike, level: float = 0.95) -> tuple[float, float, float]:
    """Difference of the two AUCs (second minus first) with DeLong's interval, which takes cells for independent: a check, too narrow
    where cells of a culture are alike.

    References
    ----------
    DeLong ER, DeLong DM, Clarke-Pearson DL (1988) Comparing the areas under two or more correlated receiver operating characteristic
    curves: a nonparametric approach. Biometrics 44:837-845. Ranks as in Sun X, Xu W (2014) IEEE Signal Process Lett 21:1389-1393.

    Raises
    ------
    InputError
        Fewer than two cells of a class.
    """
    truth, one = checked(classes, first)
    _, other = checked(classes, second)
    m, n = int(truth.sum()), int((~truth).sum())
    if min(m, n) < 2:
        raise InputError(f"DeLong: wanted at least two cells of each class, found {m} senescent and {n} others.")
    above, below = zip(*(_placements(scores[truth], scores[~truth]) for scores in (one, other)), strict=True)
    gap = float(above[1].mean() - above[0].mean())
    variance = float(np.var(above[1] - above[0], ddof=1) / m + np.var(below[1] - below[0], ddof=1) / n)
    half = float(norm.ppf(0.5 + level / 2)) * np.sqrt(variance)
    return gap, gap - half, gap + half


def _placements(positive: Floats, negative: Floats) -> tuple[Floats, Floats]:
    """Share of negatives below each positive, and of positives above each negative; ties count half."""
    every = rankdata(np.concatenate([positive, negative]))
    m, n = len(positive), len(negative)
    return (every[:m] - rankdata(positive)) / n, 1 - (every[m:] - rankdata(negative)) / m


def paired_sentence(table: pd.DataFrame, flips: pd.DataFrame, first: str, second: str, clusters: str) -> str:
    """Which ranks cells better, and which calls more of them rightly, in plain words."""
    rows: dict[str, dict[str, Any]] = {row["metric"]: row for row in table.to_dict("records")}
    every, n = flips.iloc[0], int(rows["auc"]["n_clusters"])
    return (
        f"On the same {every['n_cells']} cells of {n} {clusters}{'' if n == 1 else 's'}: "
        f"{_gap(rows['auc'], first, second, 'ranks cells', 'AUC')} "
        f"At its own threshold each, {second} is right and {first} wrong on {every['only_second_right']} cells, "
        f"and the other way round on {every['only_first_right']}: {_gap(rows['accuracy'], first, second, 'calls cells', 'accuracy')}"
    )


def _gap(row: dict[str, Any], first: str, second: str, does: str, what: str) -> str:
    """One difference in words, from the side of the better one; from the second's where no difference is shown."""
    if pd.isna(row["difference"]):
        return f"the {what} is not defined, as all cells are of one class."
    better, other, values = (first, second, ("first", "second")) if row["better"] == "first" else (second, first, ("second", "first"))
    numbers = f"{what} {row[values[0]]:.3f} against {row[values[1]]:.3f}"
    sign = -1 if row["better"] == "first" else 1
    if pd.isna(row["ci_low"]):
        return f"{better} has {numbers}; there are too few cultures or fields for an interval, so no difference is shown."
    low, high = sorted((sign * row["ci_low"], sign * row["ci_high"]))
    interval = f"95 % interval {low:+.3f} to {high:+.3f}"
    if row["better"]:
        return f"{better} {does} better than {other} by {sign * row['difference']:.3f} ({numbers}; {interval})."
    return f"{better} has {numbers}, a difference of {row['difference']:+.3f} ({interval}); the interval includes zero: no difference is shown."
