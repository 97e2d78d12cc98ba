"""All estimates of a culture's senescent fraction side by side, and which one is reported."""

from collections.abc import Callable, Iterable
from typing import Any, Final

import numpy as np
import pandas as pd

from core.statistics.estimators import CORRECTED, PLAIN, POWERED, Estimate, Rate, best_estimate, corrected_fraction, plain_count, reason, why_not_corrected
from core.statistics.powered import LEAST_STAINED, prediction_powered
from core.tables import ESTIMATES, JOIN, REFERENCE_CULTURES, typed

STAINED: Final = "count of stained cells"
CONTROL: Final = "negative control"
STEP: Final = 0.10
"""The decision threshold is moved by this share of itself, down and up."""

Rates = Callable[[str], tuple[Rate, Rate] | None]

_STEPS: Final = {"stained_lower_threshold": "marker_class_lower", "stained_higher_threshold": "marker_class_higher"}
_MORE_WHY: Final = {  # what the note of a culture says -> what the reader is told of all with such a note
    CONTROL: "Negative controls are among these cultures: they may not have been stained, so their stain says nothing and no senescent cell is counted by it.",
    "not corrected": "Where the classifier's errors are known from one culture only, that does not show how it errs in others: the calls are not corrected.",
}


def estimate_table(samples: pd.DataFrame, fields: pd.DataFrame, cells: pd.DataFrame, rates: Rates, threshold: float | None = None) -> pd.DataFrame:
    """``samples`` with the columns of ``tables.ESTIMATES``: the other estimates beside the plain count, and the one that is reported.

    Reported is the count of stained cells where every scored field of the culture is stained, else what ``best_estimate`` takes. A field
    that is a negative control counts as unstained, whatever was annotated: a dish without stain shows none, senescent or not.

    Parameters
    ----------
    samples, fields, cells : DataFrame
        ``tables.ASSESSED_SAMPLES``, ``ASSESSED_FIELDS`` (for their ``role``) and ``ASSESSED_CELLS``. Of a cell also ``marker_class`` (1 or 0 from the stain,
        empty where not known; ``marker_class_lower`` and ``_higher`` at another stain threshold) and ``learned`` (bool: the classifier
        learned from its field), where there is a stain.
    rates : callable
        From the name of a culture to the sensitivity and specificity that hold for it, or None where nothing is known.
    threshold : float, optional
        The decision threshold, for the fractions at a lower and a higher one.
    """
    cells = _with_stain(cells, fields)
    of_fields, of_cells = (dict(list(table.groupby("sample", sort=False))) for table in (fields, cells))
    empty = cells.iloc[:0]
    rows = [
        _row(row, of_fields.get(row["sample"], fields.iloc[:0]), of_cells.get(row["sample"], empty), rates(row["sample"]), threshold)
        for row in samples.to_dict("records")
    ]
    found = pd.DataFrame(rows, columns=list(ESTIMATES), index=samples.index)
    return typed(samples.drop(columns=[c for c in ESTIMATES if c in samples]).join(typed(found, ESTIMATES, "estimates")), {}, "samples")


def with_reported(samples: pd.DataFrame) -> pd.DataFrame:
    """``samples`` whose reported fraction is the plain count where nothing says otherwise (tables of earlier versions)."""
    out = typed(samples, ESTIMATES, "samples")
    plain = out["reported_method"] == ""
    for column, source in (("reported_fraction", "senescent_fraction"), ("reported_low", "ci_low"), ("reported_high", "ci_high")):
        out.loc[plain, column] = out.loc[plain, source].astype("Float64")
    out.loc[plain, "reported_method"] = PLAIN
    return out[samples.columns.append(out.columns.difference(samples.columns, sort=False))]


def why_reported(method: str, notes: Iterable[str] = ()) -> str:
    """Why an estimate with this method is the one that is reported: one sentence, and one more for what ``notes`` of its cultures say."""
    if method == STAINED:
        why = "Every field of this culture is stained: its stained cells are counted, and no classifier is relied on."
    else:
        why = reason(Estimate(np.nan, np.nan, np.nan, method, 0, 0))
    said = JOIN.join(notes)
    return " ".join([why, *(more for word, more in _MORE_WHY.items() if word in said)])


def control_fields(fields: pd.DataFrame) -> set[str]:
    """``fov_id`` of the fields that are negative controls: what their stain says is used for no number."""
    return set(fields.loc[fields["role"] == CONTROL, "fov_id"]) if "role" in fields else set()


def reference_table(cells: pd.DataFrame) -> pd.DataFrame:
    """``tables.REFERENCE_CULTURES`` from annotated cells (``sample, class, called``)."""
    rows = []
    for name, group in cells.groupby("sample", sort=False):
        truth, called = group["class"].to_numpy(dtype=bool), group["called"].to_numpy(dtype=bool)
        found, spared = int((truth & called).sum()), int((~truth & ~called).sum())
        stained, unstained = int(truth.sum()), int((~truth).sum())
        row = {"sample": name, "n_stained": stained, "n_found": found, "n_unstained": unstained, "n_spared": spared}
        rows.append(row | {"sensitivity": found / stained if stained else None, "specificity": spared / unstained if unstained else None})
    return typed(pd.DataFrame(rows, columns=list(REFERENCE_CULTURES)), REFERENCE_CULTURES, "reference")


def called_at(cells: pd.DataFrame, threshold: float) -> float | None:
    """Share of the scored cells that would be called senescent at another threshold; None where none is scored."""
    scored = cells.loc[cells["senescent"].notna(), "senescence_probability"].dropna().to_numpy(dtype=float)
    return float((scored >= min(threshold, 1.0)).mean()) if scored.size else None


def _with_stain(cells: pd.DataFrame, fields: pd.DataFrame) -> pd.DataFrame:
    """``cells`` with ``marker_class``, ``learned``, and ``unused``: whether there is a class that is not used, for it is of a control."""
    known = {name: (cells[name] if name in cells else pd.Series(pd.NA, index=cells.index)).astype("Int64") for name in ("marker_class", *_STEPS.values())}
    learned = cells["learned"] if "learned" in cells else pd.Series(False, index=cells.index)
    unused = cells["fov_id"].isin(control_fields(fields)) & known["marker_class"].notna()
    return cells.assign(**{name: classes.mask(unused) for name, classes in known.items()}, learned=learned.fillna(False).astype(bool), unused=unused)


def _row(plain: dict[str, Any], fields: pd.DataFrame, cells: pd.DataFrame, rates: tuple[Rate, Rate] | None, threshold: float | None) -> dict[str, Any]:
    k, n = (fields[c].fillna(0).to_numpy(dtype="int64") for c in ("n_senescent", "n_scored"))
    scored = cells[cells["senescent"].notna()]
    count = plain_count(k, n)
    too_few = why_not_corrected(*rates) if rates and n.sum() else ""
    corrected = corrected_fraction(k, n, *rates) if rates and n.sum() and not too_few else None
    powered, note = _powered(scored)
    stained, called = _side_by_side(scored)
    reported = best_estimate(count, corrected, powered)
    if stained is not None and set(scored.loc[scored["marker_class"].isna(), "fov_id"]) <= set(scored.loc[scored["marker_class"].notna(), "fov_id"]):
        reported = stained
    # The plain count keeps the interval of the sample table, which knows of many fields too.
    numbers = (plain["senescent_fraction"], plain["ci_low"], plain["ci_high"]) if reported is count else (reported.fraction, reported.low, reported.high)
    row: dict[str, Any] = {"n_wells": len(set(fields["well"]) - {""}) or None, "reported_method": _name(reported, stained)}
    row |= dict(zip(("reported_fraction", "reported_low", "reported_high"), numbers, strict=True))
    notes = [*_of_controls(fields, scored), *reported.notes, note if reported is not stained else "", too_few if reported is count else ""]
    row |= {"reported_notes": JOIN.join(dict.fromkeys(filter(None, notes)))}
    row |= _three("corrected", corrected) | _three("powered", powered) | _three("stained", stained) | _three("called_where_stained", called)
    row |= {"n_stained_fields": stained.n_fields if stained else None, "n_stained_cells": stained.n_cells if stained else None}
    row |= _stain_steps(scored)
    if threshold is not None:
        row |= {"fraction_lower_threshold": called_at(cells, threshold * (1 - STEP)), "fraction_higher_threshold": called_at(cells, threshold * (1 + STEP))}
    return {key: None if isinstance(value, float) and np.isnan(value) else value for key, value in row.items()}


def _of_controls(fields: pd.DataFrame, scored: pd.DataFrame) -> list[str]:
    """What is said of a stain that is not used."""
    if not scored["unused"].any():
        return []
    whole = control_fields(fields) >= set(scored["fov_id"])
    return [f"{CONTROL}: its stain says nothing and is not used" if whole else f"the stain of its fields that are a {CONTROL} says nothing and is not used"]


def _name(reported: Estimate, stained: Estimate | None) -> str:
    if not reported.n_cells:
        return ""
    return STAINED if reported is stained else reported.method


def _three(name: str, estimate: Estimate | None) -> dict[str, Any]:
    fraction = name if name == "called_where_stained" else f"{name}_fraction"
    values = (estimate.fraction, estimate.low, estimate.high) if estimate else (None, None, None)
    return dict(zip((fraction, f"{name}_low", f"{name}_high"), values, strict=True))


def _side_by_side(scored: pd.DataFrame) -> tuple[Estimate | None, Estimate | None]:
    """Stained and called fraction of the very same cells: those that are scored and have a class from the stain."""
    known = scored[scored["marker_class"].notna()]
    if known.empty:
        return None, None
    by_field = known.groupby("fov_id", sort=False)
    n = by_field.size().to_numpy()
    stained, called = (by_field[column].sum().to_numpy(dtype="int64") for column in ("marker_class", "senescent"))
    return plain_count(stained, n), plain_count(called, n)


def _stain_steps(scored: pd.DataFrame) -> dict[str, float]:
    """Stained fraction at other stain thresholds, of the very cells of ``_side_by_side``, so that it lies around that; nothing where one is unknown."""
    known = scored.loc[scored["marker_class"].notna(), list(_STEPS.values())]
    return {} if known.empty or known.isna().any(axis=None) else {name: float(known[column].mean()) for name, column in _STEPS.items()}


def _powered(scored: pd.DataFrame) -> tuple[Estimate | None, str]:
    """Prediction-powered, from the fields that the classifier did not learn from; None and why where that is not possible."""
    if scored["marker_class"].isna().all():
        return None, ""
    fresh = scored[~scored["learned"]]
    known = fresh[fresh["marker_class"].notna()]
    others = fresh[~fresh["fov_id"].isin(set(known["fov_id"]))]
    fields = known["fov_id"].nunique()
    note = "the classifier learned from some of its fields, which are left out" if len(fresh) < len(scored) else ""
    if others.empty:
        return None, note
    if fields < LEAST_STAINED:
        new = " that the classifier did not learn from" if note else ""
        return None, f"{fields} stained field{'' if fields == 1 else 's'}{new}: the stain corrects from {LEAST_STAINED} on"
    truth, calls, other = (part.to_numpy(dtype=float) for part in (known["marker_class"], known["senescent"], others["senescent"]))
    return prediction_powered(truth, calls, known["fov_id"].to_numpy(), other, others["fov_id"].to_numpy()), note


__all__ = [
    "CORRECTED",
    "PLAIN",
    "POWERED",
    "STAINED",
    "STEP",
    "called_at",
    "control_fields",
    "estimate_table",
    "reference_table",
    "why_reported",
    "with_reported",
]
