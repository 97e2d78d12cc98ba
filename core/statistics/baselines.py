"""What simple numbers reach without a network, and whether the model beats them by more than chance."""

from collections.abc import Hashable, Mapping
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from core.errors import InputError
from core.statistics.metrics import checked
from core.statistics.ranking import areas, cumulative_counts
from core.statistics.resampling import cluster_codes, cluster_draws, stretched_interval
from core.tables import BASELINES, typed

Floats = NDArray[np.float64]
CULTURE: Final = "culture only"
SEEN_CULTURE: Final = "culture only, from the training cells"
NUMBERS: Final = {"cell area only": "area_um2", "mean intensity only": "mean_intensity"}
MORPHOLOGY: Final = "morphology"
_ENOUGH: Final = 10  # cells of each class to fit a regression on


def culture_scores(train_groups: ArrayLike, train_classes: ArrayLike, groups: ArrayLike) -> Floats:
    """Score of a cell that is known by its culture alone: the senescent fraction of that culture among the training cells.

    A culture that was not trained on gets the fraction of all training cells, so on held-out cultures this baseline
    cannot rank at all (AUC 0.5): no honest predictor knows the prevalence of a culture it has not seen. It bites where a culture
    lies in training and test both, which is what it is there to show.
    """
    truth = np.asarray(train_classes, dtype=float)
    known = pd.Series(truth).groupby(np.asarray(train_groups, dtype=object)).mean()
    overall = truth.mean() if truth.size else 0.5
    return pd.Series(np.asarray(groups, dtype=object)).map(known).fillna(overall).to_numpy(dtype=float)


def best_culture_scores(groups: ArrayLike, classes: ArrayLike) -> Floats:
    """The senescent fraction of each cell's own culture: what could be reached at most by telling cultures apart, and nothing else.

    It is told the answer for the very cultures it is judged on, so a model may honestly lie below it; a model that is not above it
    has not been shown to see cells rather than cultures.
    """
    return pd.Series(np.asarray(classes, dtype=float)).groupby(np.asarray(groups, dtype=object)).transform("mean").to_numpy(dtype=float)


def regression_scores(train: pd.DataFrame, train_classes: ArrayLike, table: pd.DataFrame) -> Floats:
    """Probability of class 1 by logistic regression on the columns of ``train``, standardised, classes weighted alike.

    Unknown values take the training median; columns without a known or a varying value are left out.

    Raises
    ------
    InputError
        Fewer than 10 training cells of a class, or no column that varies.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    truth = np.asarray(train_classes, dtype=int)
    if min((truth == 0).sum(), (truth == 1).sum()) < _ENOUGH:
        raise InputError(f"Baseline: wanted at least {_ENOUGH} training cells of each class, found {(truth == 0).sum()} and {(truth == 1).sum()}.")
    numbers = train.astype("Float64").astype(float)
    columns = [c for c in numbers if numbers[c].nunique() > 1]
    if not columns:
        raise InputError(f"Baseline: wanted a number that differs between training cells, found none in {', '.join(map(str, train.columns))}.")
    middle = numbers[columns].median()
    model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=1000))
    model.fit(numbers[columns].fillna(middle).to_numpy(), truth)
    return np.asarray(model.predict_proba(table[columns].astype("Float64").astype(float).fillna(middle).to_numpy())[:, 1])


def baseline_table(
    classes: ArrayLike, probability: ArrayLike, baselines: dict[str, Floats], groups: ArrayLike, samples: int = 2000, seed: int = 0
) -> pd.DataFrame:
    """AUC of each baseline and of the model minus it, on the same cells, with a paired cluster bootstrap.

    Parameters
    ----------
    classes, probability : array-like of shape (cells,)
        Known class and the model's probability.
    baselines : mapping of name to scores (cells,)
    groups : array-like of shape (cells,)
        What is resampled: the cultures, or the fields of one culture.

    Returns
    -------
    DataFrame
        ``tables.BASELINES``: the AUCs, the difference with its 95 % interval, and ``verdict``: "better" where the whole interval lies
        above 0, "worse" where it lies below, else "not shown to be better".
    """
    truth, scores = checked(classes, probability)
    codes, names = cluster_codes(groups)
    weights = np.vstack([np.ones(len(names)), cluster_draws(len(names), samples, seed)])
    model = areas(*cumulative_counts(truth, scores, codes, len(names)), weights)
    rows = []
    for name, values in baselines.items():
        found = areas(*cumulative_counts(truth, np.asarray(values, dtype=float), codes, len(names)), weights)
        gap = model - found
        low, high = stretched_interval(float(gap[0]), gap[1:], len(names), (-1.0, 1.0))
        row = {"baseline": name, "auc": found[0], "model_auc": model[0], "difference": gap[0], "ci_low": low, "ci_high": high}
        rows.append({key: None if isinstance(value, float) and np.isnan(value) else value for key, value in row.items()} | {"verdict": _verdict(low, high)})
    return typed(pd.DataFrame(rows, columns=list(BASELINES)), BASELINES, "baselines")


def _verdict(low: float, high: float) -> str:
    return "better" if low > 0 else "worse" if high < 0 else "not shown to be better"


def baseline_sentence(table: pd.DataFrame) -> str:
    """Whether the model beats every baseline by more than the interval, in plain words; names those it does not beat."""
    if table.empty:
        return "The model was compared with no baseline."
    short = table[table["verdict"] != "better"]
    if short.empty:
        return f"The model ranks cells better than every baseline ({', '.join(table['baseline'])}), by more than the uncertainty."
    named = "; ".join(_named(row) for row in short.to_dict("records"))
    return f"By more than the uncertainty, the model is not better than {named}. What it adds to so simple a number has not been shown."


def _named(row: dict[Hashable, Any]) -> str:
    name, gap, low, high = row["baseline"], row["difference"], row["ci_low"], row["ci_high"]
    if pd.isna(gap):
        return f"{name} (AUC not defined on these cells)"
    between = "interval unknown" if pd.isna(low) else f"95 % interval {low:+.2f} to {high:+.2f}"
    which = ", which is better by more than the uncertainty" if row["verdict"] == "worse" else ", which has the higher AUC" if round(gap, 2) < 0 else ""
    return f"{name}{which} (its AUC {row['auc']:.2f}, the model's {row['model_auc']:.2f}; the model's minus this {gap:+.2f}, {between})"


def outdone(model_auc: float | None, simple: Mapping[str, float | None]) -> list[str]:
    """A warning where predictors that know one simple thing of a cell rank cells better than the model; nothing where none does.

    Parameters
    ----------
    model_auc : float or None
        Of the model; None where it is not defined.
    simple : mapping of what the predictor knows ("cell area", "culture") to its AUC on the same cells, None where it is not defined

    Returns
    -------
    list of str
        One sentence that names all of them, or none. AUCs that are the same to two places count as the same.
    """
    if model_auc is None or pd.isna(model_auc):
        return []
    better = {name: auc for name, auc in simple.items() if auc is not None and not pd.isna(auc) and round(auc, 2) > round(model_auc, 2)}
    if len(better) == 1:
        [(name, auc)] = better.items()
        return [f"{_capital(name)} alone tells the classes apart better than this model (AUC {auc:.2f} against {model_auc:.2f})."]
    if not better:
        return []
    *first, last = [f"{name} alone (AUC {auc:.2f})" for name, auc in better.items()]
    return [f"{_capital(', '.join(first))} and {last} tell the classes apart better than this model (AUC {model_auc:.2f})."]


def outdone_by(table: pd.DataFrame) -> list[str]:
    """``outdone`` for ``tables.BASELINES``; what is known of cultures from the training cells is never above the best that cultures can tell."""
    rows = table[table["baseline"] != SEEN_CULTURE]
    simple = {name.removesuffix(" only"): auc for name, auc in zip(rows["baseline"], rows["auc"], strict=True)}
    return outdone(None if table.empty else table["model_auc"].iloc[0], simple)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
