"""Numbers and names as people read them: no false precision, one sentence a culture."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pandas as pd

from core.settings import AcceptanceLimits

SPACE = "\u00a0"  # no-break: a number stays with its unit, and a search for "34 %" finds it
THIN = "\u202f"  # narrow no-break, between groups of digits
UNNAMED = "(unnamed culture)"
ONE_MARKER = (
    "One marker is not senescence: SA-beta-gal, for one, also stains confluent, starved and old but cycling cells. "
    "Take a second one (p16, p21, lamin B1, EdU, Ki-67, a SASP factor) into account before a culture is called senescent."
)


def percent(fraction: Any) -> str:
    """``0.342`` as "34 %"; what is not 0 or 1 is not rounded to them; unknown is an en dash."""
    if pd.isna(fraction):
        return "–"
    return f"{_whole(float(fraction))}{SPACE}%"


def decision_threshold(settings: Mapping[str, Any]) -> float | None:
    """The probability from which a cell was called senescent, out of an assessment's ``settings.json``; None where it does not say."""
    found = ((settings.get("models") or {}).get("classifier") or {}).get("threshold")
    return None if found is None else float(found)


def setting_value(name: str, value: Any) -> Any:
    """The value of a setting as people read it: a decision threshold below 0 stands for the model's own."""
    return "the one stored with the model" if name == "threshold" and isinstance(value, (int, float)) and value < 0 else value


def named(names: Sequence[str], most: int) -> str:
    """The first ``most`` names, and how many more there are: "f01, f02 and 3 more"."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}"


def interval(low: Any, high: Any) -> str:
    """``0.271, 0.423`` as "27–42 %"."""
    if pd.isna(low) or pd.isna(high):
        return "–"
    ends = _whole(float(low)), _whole(float(high))
    return f"{ends[0]}{SPACE}%" if ends[0] == ends[1] else f"{ends[0]}–{ends[1]}{SPACE}%"


def unbroken(text: str) -> str:
    """A sentence whose numbers stay with their "%" where the line ends."""
    return text.replace(" %", f"{SPACE}%")


def probability(value: Any) -> str:
    """A p-value: three places, what is smaller as "<0.001"; unknown is an en dash."""
    return "–" if pd.isna(value) else "<0.001" if value < 0.001 else f"{float(value):.3f}"


def count(number: Any, noun: str) -> str:
    """``1, "field"`` as "1 field", ``3`` as "3 fields"; thousands in groups."""
    return f"{grouped(number)} {noun}{'' if int(number) == 1 else 's'}"


def grouped(number: Any) -> str:
    """``12345`` as "12 345"; unknown is an en dash."""
    return "–" if pd.isna(number) else f"{int(number):,}".replace(",", THIN)


def plain(value: Any) -> str:
    """A number in short, a text as it is, unknown as nothing."""
    return "" if pd.isna(value) else f"{value:g}" if isinstance(value, float) else str(value)


def limits_words(limits: AcceptanceLimits) -> str:
    """A laboratory's acceptance limits in one line."""
    return (
        f"pass up to {percent(limits.pass_up_to)}, fail from {percent(limits.fail_from)}, interval up to {points(limits.widest_interval)} points wide, "
        f"at least {limits.fewest_cells} scored cells in {count(limits.fewest_fields, 'field')}, negative control up to {percent(limits.control_up_to)}"
    )


def culture(row: Mapping[str, Any]) -> str:
    """Name of a culture with its passage, where that is one and not already part of the name."""
    name, passage = str(row["sample"] or UNNAMED), str(row.get("passage") or "")
    if not passage or ";" in passage:
        return name
    passage = f"P{passage}" if passage[0].isdigit() else passage
    return name if passage.lower() in re.split(r"[\W_]+", name.lower()) else f"{name} {passage}"


def counted(row: Mapping[str, Any]) -> str:
    """What the fraction of a culture rests on: "112 of 330 scored cells in 3 fields"."""
    return f"{grouped(row['n_senescent'])} of {count(row['n_scored'], 'scored cell')} in {count(row['n_fields'], 'field')}"


def sentence(row: Mapping[str, Any]) -> str:
    """The result of one culture (a row of ``tables.ASSESSED_SAMPLES``) in one plain sentence."""
    role = f" ({row['role']})" if row.get("role") not in (None, "", "sample") else ""
    if not row["n_scored"]:
        return f"{culture(row)}{role}: no cell could be scored in {count(row['n_fields'], 'field')}."
    between = interval(row["ci_low"], row["ci_high"])
    return f"{culture(row)}{role}: {percent(row['senescent_fraction'])} senescent (95{SPACE}% interval {between}), {counted(row)}."


def reported_sentence(row: Mapping[str, Any]) -> str:
    """The result of one culture by the estimate that is reported (a row of ``tables.REPORTED_SAMPLES``); as ``sentence`` for a plain count."""
    method = str(row.get("reported_method") or "")
    if method in ("", "plain count") or not row["n_scored"] or pd.isna(row["reported_fraction"]):
        return sentence(row)
    role = f" ({row['role']})" if row.get("role") not in (None, "", "sample") else ""
    between = interval(row["reported_low"], row["reported_high"])
    return (
        f"{culture(row)}{role}: {percent(row['reported_fraction'])} senescent (95{SPACE}% interval {between}), {method}; "
        f"called senescent are {percent(row['senescent_fraction'])}, {counted(row)}."
    )


def with_interval(fraction: Any, low: Any, high: Any) -> str:
    """``0.34, 0.27, 0.42`` as "34 % (27–42 %)"; unknown is an en dash."""
    return f"{percent(fraction)} ({interval(low, high)})" if not pd.isna(fraction) else "–"


def signed(fraction: Any) -> str:
    """``0.123`` as "+12.3": a difference in percentage points."""
    return "–" if pd.isna(fraction) else f"{100 * float(fraction):+.1f}".replace("-", "−")


def points(fraction: Any) -> str:
    """``0.123`` as "12.3": a spread in percentage points."""
    return "–" if pd.isna(fraction) else f"{100 * float(fraction):.1f}"


def moment(time: Any) -> str:
    """``2026-01-31T13:05:00+00:00`` as "2026-01-31 13:05 UTC"; anything else as it is."""
    try:
        when = datetime.fromisoformat(str(time))
    except ValueError:
        return str(time or "")
    return f"{when:%Y-%m-%d %H:%M}" + (" UTC" if when.tzinfo is not None and not when.utcoffset() else "")


def measured(value: Any) -> str:
    """A measured number to three digits; thousands in groups."""
    return "–" if pd.isna(value) else grouped(round(float(value))) if abs(float(value)) >= 100 else f"{float(value):.3g}"


def _whole(fraction: float) -> str:
    value = 100 * fraction
    if 0 < value < 0.5:
        return "<1"
    return ">99" if 99.5 < value < 100 else f"{value:.0f}"
