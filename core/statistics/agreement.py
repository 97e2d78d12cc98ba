"""Does the predicted fraction of a culture agree with the stained one? Tables for a Bland-Altman plot."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import pearsonr, spearmanr
from scipy.stats import t as student

from core.tables import FRACTION_AGREEMENT, typed


def agreement_table(stained: ArrayLike, predicted: ArrayLike) -> pd.DataFrame:
    """Bias, limits of agreement and correlation of predicted and stained fractions over cultures.

    Parameters
    ----------
    stained, predicted : array-like of float, shape (cultures,)
        Fractions; cultures where either is NaN are left out.

    Returns
    -------
    DataFrame
        Columns of ``tables.FRACTION_AGREEMENT``, one row: unknown where there are fewer than 2 cultures (3 for correlations), or no spread.
        The bias is predicted minus stained, its interval Student's; the limits hold 95 % of cultures (bias ± 1.96 SD).

    References
    ----------
    Bland JM, Altman DG (1986) Statistical methods for assessing agreement between two methods of clinical measurement.
    Lancet 327:307-310.
    """
    truth, found = np.asarray(stained, dtype=float), np.asarray(predicted, dtype=float)
    known = np.isfinite(truth) & np.isfinite(found)
    truth, found = truth[known], found[known]
    gap, n = found - truth, int(known.sum())
    row: dict[str, object] = {"n_cultures": n}
    if n:
        row |= {"bias": gap.mean(), "mean_absolute_error": np.abs(gap).mean()}
    if n >= 2:
        spread = float(gap.std(ddof=1))
        half = student.ppf(0.975, n - 1) * spread / np.sqrt(n)
        row |= {"bias_low": gap.mean() - half, "bias_high": gap.mean() + half, "sd": spread}
        row |= {"limit_low": gap.mean() - 1.96 * spread, "limit_high": gap.mean() + 1.96 * spread}
    if n >= 3 and np.ptp(truth) > 0 and np.ptp(found) > 0:
        row |= {"pearson": pearsonr(truth, found).statistic, "spearman": spearmanr(truth, found).statistic}
    return typed(pd.DataFrame([row]), FRACTION_AGREEMENT, "agreement")


def differences(stained: ArrayLike, predicted: ArrayLike) -> pd.DataFrame:
    """The points of a Bland-Altman plot: ``mean`` and ``difference`` (predicted minus stained) of each culture."""
    truth, found = np.asarray(stained, dtype=float), np.asarray(predicted, dtype=float)
    return pd.DataFrame({"mean": (truth + found) / 2, "difference": found - truth})


def agreement_sentence(table: pd.DataFrame) -> str:
    """Bias and limits in plain words."""
    row = table.iloc[0]
    n = int(row["n_cultures"])
    if n < 2:
        return f"Predicted and stained fractions can be compared in {n} culture{'' if n == 1 else 's'} only; that says nothing of agreement."
    way = "more" if row["bias"] > 0 else "fewer"
    text = (
        f"In {n} cultures the model calls {100 * abs(row['bias']):.1f} percentage points {way} cells senescent than the stain on average "
        f"(95 % interval {100 * row['bias_low']:+.1f} to {100 * row['bias_high']:+.1f}); "
        f"a single culture differs by {100 * row['limit_low']:+.0f} to {100 * row['limit_high']:+.0f} points."
    )
    return text if n >= 5 else f"{text} With so few cultures the limits themselves are uncertain."
