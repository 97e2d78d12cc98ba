"""Comparing passages, conditions or donors: the culture is the unit, never the cell.

A thousand cells of one culture are one observation of its donor and passage. So every culture enters with its fraction, and
the intervals come from how much cultures of one group differ.
"""

from itertools import combinations
from typing import Final

import numpy as np
import pandas as pd
from natsort import natsorted, ns
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln
from scipy.stats import linregress
from scipy.stats import t as student

from core.errors import InputError
from core.tables import COMPARISONS, GROUPS, TRENDS, typed

FEW: Final = 3
Floats = NDArray[np.float64]


def group_table(fractions: ArrayLike, groups: ArrayLike) -> pd.DataFrame:
    """Mean fraction of the cultures of each group with Student's 95 % interval (``tables.GROUPS``), in natural order of the name.

    Parameters
    ----------
    fractions : array-like of float, shape (cultures,)
        Senescent fraction of each culture; NaN (nothing scored) is left out.
    groups : array-like of str, shape (cultures,)
        The passage, condition or donor of each; "" (not known) is left out.
    """
    rows = [_described(name, values) for name, values in _grouped(fractions, groups).items()]
    return typed(pd.DataFrame(rows, columns=list(GROUPS)), GROUPS, "groups")


def compare_groups(fractions: ArrayLike, groups: ArrayLike, reference: str | None = None) -> pd.DataFrame:
    """Difference of means between groups, with Welch's interval and Hedges' g (``tables.COMPARISONS``).

    ``reference`` names the group that all others are compared with; without it every pair is, the earlier name first.
    Intervals and p-values are those of single comparisons; ``p_holm`` is corrected for their number. Unknown where
    a group has a single culture.

    Raises
    ------
    InputError
        The reference is no group.

    References
    ----------
    Welch BL (1947) Biometrika 34:28-35. Hedges LV (1981) J Educ Stat 6:107-128. Holm S (1979) Scand J Stat 6:65-70.
    """
    values = _grouped(fractions, groups)
    if reference is not None and reference not in values:
        raise InputError(f"Comparison: wanted one of {', '.join(map(repr, values))} as the reference, found {reference!r}.")
    pairs = combinations(values, 2) if reference is None else ((reference, other) for other in values if other != reference)
    rows = [{"group": second, "reference": first, **_difference(values[first], values[second])} for first, second in pairs]
    table = pd.DataFrame(rows, columns=[c for c in COMPARISONS if c != "p_holm"])
    table["p_holm"] = _holm(table["p"].to_numpy(dtype=float))
    return typed(table, COMPARISONS, "comparisons")


def trend(fractions: ArrayLike, doses: ArrayLike) -> pd.DataFrame:
    """Slope of the fraction over a dose or passage number, by least squares over cultures (``tables.TRENDS``, one row).

    Parameters
    ----------
    fractions, doses : array-like of float, shape (cultures,)
        Cultures where either is NaN are left out. Unknown with fewer than 3 cultures or one dose.
    """
    x, y = np.asarray(doses, dtype=float), np.asarray(fractions, dtype=float)
    known = np.isfinite(x) & np.isfinite(y)
    x, y = x[known], y[known]
    row: dict[str, object] = {"n_cultures": len(x), "n_doses": len(set(x))}
    if len(x) >= 3 and len(set(x)) >= 2:
        line = linregress(x, y)
        half = student.ppf(0.975, len(x) - 2) * line.stderr
        row |= {"slope": line.slope, "ci_low": line.slope - half, "ci_high": line.slope + half, "p": line.pvalue, "intercept": line.intercept}
    return typed(pd.DataFrame([row]), TRENDS, "trend")


def passage_number(text: str) -> float:
    """4 from "P4", "p4", "4"; 6 from "p4+2" (four in one laboratory, two in the next); NaN where there is no number."""
    parts = str(text).strip().lower().removeprefix("passage").strip().removeprefix("p").split("+")
    try:
        return float(sum(float(part) for part in parts))
    except ValueError:
        return float("nan")


def few_replicates(groups: pd.DataFrame, of: str = "culture") -> str:
    """A warning that names the groups with fewer than three observations; "" where there is none. ``groups``: ``group_table``."""
    short = groups[groups["n_cultures"] < FEW]
    if short.empty:
        return ""
    named = ", ".join(f"{row['group']} ({row['n_cultures']})" for row in short.to_dict("records"))
    return f"Fewer than {FEW} {of}s in {named}: a difference may be one of donors or wells. Cells and fields do not replace cultures."


def comparison_sentence(row: dict[str, object], of: str = "culture") -> str:
    """One row of ``compare_groups`` in plain words; ``of``: what one observation is."""
    gap, low, high = (row[name] for name in ("difference", "ci_low", "ci_high"))
    if pd.isna(low) or pd.isna(high):
        return f"{row['group']} against {row['reference']}: too few {of}s for an interval."
    points = [100 * float(value) for value in (gap, low, high)]  # type: ignore[arg-type]
    said = "no difference is shown" if points[1] <= 0 <= points[2] else "a difference beyond the uncertainty"
    numbers = f"{points[0]:+.1f} percentage points (95 % interval {points[1]:+.1f} to {points[2]:+.1f}; Hedges g {row['hedges_g']:.1f})"
    return f"{row['group']} against {row['reference']}: {numbers}, {said}; {row['n_group']} and {row['n_reference']} {of}s."


def trend_sentence(table: pd.DataFrame, unit: str = "passage", of: str = "culture") -> str:
    """``trend`` in plain words; ``of``: what one observation is."""
    row = table.iloc[0]
    if pd.isna(row["slope"]):
        return f"No trend over {unit}: at least 3 {of}s at 2 different values are needed, {int(row['n_cultures'])} at {int(row['n_doses'])} are known."
    low, high = 100 * row["ci_low"], 100 * row["ci_high"]
    said = "no trend is shown" if low <= 0 <= high else "a trend beyond the uncertainty"
    return f"{100 * row['slope']:+.1f} percentage points a {unit} (95 % interval {low:+.1f} to {high:+.1f}), {said}; {int(row['n_cultures'])} {of}s."


def _grouped(fractions: ArrayLike, groups: ArrayLike) -> dict[str, Floats]:
    values, names = np.asarray(fractions, dtype=float), np.asarray(groups, dtype=object)
    if values.shape != names.shape:
        raise InputError(f"Comparison: wanted one group a culture, found {names.shape} for {values.shape}.")
    known = np.isfinite(values) & (names != "")
    return {name: values[known & (names == name)] for name in natsorted(set(names[known]), alg=ns.IGNORECASE)}


def _described(name: str, values: Floats) -> dict[str, object]:
    row: dict[str, object] = {"group": name, "n_cultures": len(values), "mean": values.mean()}
    if len(values) > 1:
        spread = values.std(ddof=1)
        half = student.ppf(0.975, len(values) - 1) * spread / np.sqrt(len(values))
        row |= {"sd": spread, "ci_low": max(0.0, values.mean() - half), "ci_high": min(1.0, values.mean() + half)}
    return row


def _difference(first: Floats, second: Floats) -> dict[str, object]:
    m, n = len(first), len(second)
    gap = float(second.mean() - first.mean())
    row: dict[str, object] = {"n_group": n, "n_reference": m, "difference": gap}
    if min(m, n) < 2:
        return row
    parts = first.var(ddof=1) / m, second.var(ddof=1) / n
    error = float(np.sqrt(sum(parts)))
    if error == 0:  # groups without any spread: nothing to measure the difference by
        return row
    freedom = error**4 / (parts[0] ** 2 / (m - 1) + parts[1] ** 2 / (n - 1))
    half = float(student.ppf(0.975, freedom)) * error
    pooled = np.sqrt(((m - 1) * first.var(ddof=1) + (n - 1) * second.var(ddof=1)) / (m + n - 2))
    row |= {"ci_low": gap - half, "ci_high": gap + half, "p": 2 * float(student.sf(abs(gap) / error, freedom))}
    return row | {"hedges_g": _unbiased(m + n - 2) * gap / float(pooled)}


def _unbiased(freedom: int) -> float:
    """Hedges' exact correction of the standardised difference for small samples."""
    return float(np.exp(gammaln(freedom / 2) - gammaln((freedom - 1) / 2)) / np.sqrt(freedom / 2))


def _holm(p: Floats) -> list[float | None]:
    known = np.flatnonzero(np.isfinite(p))
    order = known[np.argsort(p[known])]
    out: list[float | None] = [None] * len(p)
    largest = 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, float(p[place]) * (len(known) - rank)))
        out[place] = largest
    return out
