"""The decision threshold, chosen on cells of known class that are not those it is judged on."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from core.errors import InputError
from core.statistics.metrics import checked, from_confusion

RULES: Final = ("youden", "accuracy", "f1", "sensitivity", "specificity", "model")  # "model": the one stored with the model


@dataclass(frozen=True)
class Threshold:
    """Senescent at or above ``value``; ``why`` says in words how it was found."""

    value: float
    rule: str
    why: str


def choose_threshold(classes: ArrayLike, probability: ArrayLike, rule: str = "youden", target: float = 0.9) -> Threshold:
    """The threshold that a rule picks, half way between two neighbouring probabilities.

    Parameters
    ----------
    classes, probability : array-like of shape (cells,)
        Known class (1 senescent) and probability of the cells to choose on.
    rule : str
        "youden": largest sensitivity + specificity - 1 (Youden 1950, Cancer 3:32). "accuracy", "f1": largest. "sensitivity",
        "specificity": the other one is largest while this is at least ``target``.
    target : float
        For the last two rules.

    Raises
    ------
    InputError
        An unknown rule, a class is missing.
    """
    if rule not in RULES or rule == "model":
        raise InputError(f"Threshold rule: wanted one of {', '.join(RULES[:-1])}; found {rule!r}.")
    table = every_threshold(classes, probability)
    if table["sensitivity"].isna().any() or table["specificity"].isna().any():
        raise InputError("Threshold: wanted cells of both classes to choose it on, found only one class.")
    best = _best(table, rule, target)
    row = table.iloc[best]
    shown = f"sensitivity {row['sensitivity']:.3f}, specificity {row['specificity']:.3f} there"
    return Threshold(float(row["threshold"]), rule, f"{_words(rule, target)} ({shown})")


def every_threshold(classes: ArrayLike, probability: ArrayLike) -> pd.DataFrame:
    """Counts and metrics at every threshold that makes a difference, from the highest down.

    Returns
    -------
    DataFrame
        ``threshold, n_called, tp, fp, fn, tn, sensitivity, specificity, accuracy, f1, ppv, npv``; the first row calls no cell.
    """
    truth, scores = checked(classes, probability)
    values, rank = np.unique(-scores, return_inverse=True)
    tp = np.append(0, np.bincount(rank[truth], minlength=len(values)).cumsum()).astype(float)
    fp = np.append(0, np.bincount(rank[~truth], minlength=len(values)).cumsum()).astype(float)
    found = from_confusion(tp, fp, tp[-1] - tp, fp[-1] - fp)
    counts = {"tp": tp, "fp": fp, "fn": tp[-1] - tp, "tn": fp[-1] - fp}
    columns = ("sensitivity", "specificity", "accuracy", "f1", "ppv", "npv")
    return pd.DataFrame({"threshold": _between(-values), "n_called": tp + fp, **counts, **{name: found[name] for name in columns}})


def thin(table: pd.DataFrame, rows: int = 501) -> pd.DataFrame:
    """At most ``rows`` rows of ``table``, first and last among them: a curve of 20,000 points looks the same with 500."""
    keep = np.unique(np.linspace(0, len(table) - 1, min(rows, len(table))).round().astype(int))
    return table.iloc[keep].reset_index(drop=True)


def _between(descending: NDArray[np.float64]) -> NDArray[np.float64]:
    """Thresholds that separate the probabilities: above all, half way between neighbours, and 0, which calls every cell."""
    top = np.nextafter(descending[0], 2)
    halves = (descending[:-1] + descending[1:]) / 2
    # Neighbours one bit apart have no number between them; the higher one then separates them, as calls are made at or above.
    halves = np.where(halves <= descending[1:], descending[:-1], halves)
    return np.concatenate([[min(top, 1.0) if descending[0] < 1 else top], halves, [min(descending[-1], 0.0)]])


def _best(table: pd.DataFrame, rule: str, target: float) -> int:
    values = {name: table[name].to_numpy(dtype=float) for name in ("sensitivity", "specificity", "accuracy", "f1")}
    if rule in ("sensitivity", "specificity"):
        other = values["specificity" if rule == "sensitivity" else "sensitivity"]
        return int(np.argmax(np.where(values[rule] >= target - 1e-12, other, -1)))
    wanted = values["sensitivity"] + values["specificity"] if rule == "youden" else np.nan_to_num(values[rule], nan=-1)
    ties = np.flatnonzero(wanted >= wanted.max() - 1e-12)
    return int(ties[len(ties) // 2])  # the middle of equally good thresholds is the least accidental


def _words(rule: str, target: float) -> str:
    if rule in ("sensitivity", "specificity"):
        other = "specificity" if rule == "sensitivity" else "sensitivity"
        return f"{rule} of at least {target:g}, and of those the largest {other}"
    return {"youden": "largest sensitivity + specificity − 1 (Youden)", "accuracy": "highest accuracy", "f1": "highest F1"}[rule]
