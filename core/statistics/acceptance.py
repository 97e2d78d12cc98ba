"""The verdict on a culture by a laboratory's acceptance limits: pass, review or fail."""

from typing import Any

import pandas as pd

from core.errors import InputError
from core.settings import AcceptanceLimits
from core.tables import ACCEPTANCE, typed

CONTROLS = ("negative control", "positive control")


def checked_limits(limits: AcceptanceLimits) -> AcceptanceLimits:
    """The limits, if they make sense together.

    Raises
    ------
    InputError
        A culture could pass and fail at once.
    """
    if not limits.pass_up_to < limits.fail_from:
        raise InputError(f"Acceptance limits: wanted 'pass up to' below 'fail from', found {limits.pass_up_to:g} and {limits.fail_from:g}.")
    return limits


def verdict_table(samples: pd.DataFrame, limits: AcceptanceLimits | None, version: int | None = None, simulated: bool = False) -> pd.DataFrame:
    """``samples`` (with ``reported_fraction, reported_low, reported_high``) with the columns of ``tables.ACCEPTANCE``.

    A control gets no verdict; without limits nobody does. Too few cells or fields, or a negative control above its limit, leave nothing
    better than "review", because the number itself is in doubt; so does an interval that is too wide or reaches into the fail band, a classifier
    that was trained on ``simulated`` cells, or a culture (``n_flagged``) every field of which is doubtful. A "fail" stays one.
    """
    found = [("", "")] * len(samples)
    if limits is not None:
        doubt = _controls(samples, limits)
        found = [_doubted(row, simulated, *_verdict(row, limits, doubt)) for row in samples.to_dict("records")]
    columns = {"verdict": [v for v, _ in found], "verdict_reasons": [r for _, r in found], "limits_version": [version if v else None for v, _ in found]}
    added = typed(pd.DataFrame(columns, index=samples.index), ACCEPTANCE, "verdicts")
    return samples.drop(columns=[c for c in ACCEPTANCE if c in samples]).join(added)


def _controls(samples: pd.DataFrame, limits: AcceptanceLimits) -> str:
    high = samples[(samples["role"] == "negative control") & (samples["reported_fraction"] > limits.control_up_to).fillna(False)]
    named = ", ".join(f"{row['sample']} {100 * row['reported_fraction']:.0f} %" for row in high.to_dict("records"))
    return f"negative control above {100 * limits.control_up_to:g} %: {named}" if named else ""


def _doubted(row: dict[str, Any], simulated: bool, verdict: str, reasons: str) -> tuple[str, str]:
    """A number that nobody should rely on passes nothing, however low it is."""
    if verdict not in ("pass", "review"):
        return verdict, reasons
    flagged = row.get("n_flagged")  # unknown where the classifier does not say what it learned
    said = [reasons] if reasons else []
    if simulated:
        said.append("the classifier was trained on simulated cells, so its numbers are no measurement")
    if flagged is not None and pd.notna(flagged) and 0 < row["n_fields"] <= flagged:
        said.append("every field is doubtful: see its flags")
    return ("review", "; ".join(said)) if said else (verdict, reasons)


def _verdict(row: dict[str, Any], limits: AcceptanceLimits, doubt: str) -> tuple[str, str]:
    if row["role"] in CONTROLS:
        return "", ""
    if not row["n_scored"] or pd.isna(row["reported_fraction"]):
        return "review", "no scored cell"
    fraction, low, high = (float(row[f"reported_{name}"]) if pd.notna(row[f"reported_{name}"]) else None for name in ("fraction", "low", "high"))
    assert fraction is not None
    few = [
        f"{row['n_scored']} scored cells of at least {limits.fewest_cells}" if row["n_scored"] < limits.fewest_cells else "",
        f"{row['n_fields']} of at least {limits.fewest_fields} fields" if row["n_fields"] < limits.fewest_fields else "",
        doubt,
    ]
    if said := [text for text in few if text]:
        return "review", "; ".join(said)
    if fraction >= limits.fail_from:
        return "fail", f"{100 * fraction:.0f} % is {100 * limits.fail_from:g} % or more"
    said = [f"{100 * fraction:.0f} % lies above {100 * limits.pass_up_to:g} %"] if fraction > limits.pass_up_to else []
    if low is None or high is None:
        said.append("the interval is not known")
    else:
        if high - low > limits.widest_interval:
            said.append(f"the interval is {100 * (high - low):.0f} points wide, at most {100 * limits.widest_interval:g} are allowed")
        if high >= limits.fail_from:
            said.append(f"the interval reaches {100 * high:.0f} %, into the band that fails")
    return ("review", "; ".join(said)) if said else ("pass", "")
