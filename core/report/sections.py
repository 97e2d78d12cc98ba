"""What the report of an assessment says beside the calls: other estimates, stain, groups, shapes, galleries, sign-offs. Plain values for the template."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import pandas as pd

from core.report import words

TABLES: Final = ("group_units", "groups", "comparisons", "trend", "shapes", "gallery", "reference")
GALLERIES: Final = {
    "random": ("A random choice", "Drawn from all scored cells, whatever their call: what the outlines and calls are like on the whole."),
    "doubtful": ("Doubtful calls", "The scored cells whose probability lies nearest to the threshold: the first to change sides."),
}


@dataclass(frozen=True)
class Sections:
    """Parts of a report.

    ``words``: as ``evidence.json`` holds them. ``tables``: by name, at least ``TABLES`` and ``cells`` (with ``tables.MARKED_CELLS``). ``pictures``: JPEGs by
    ``cell_id``. ``metadata``: one row a culture, text. ``limits``: the acceptance limits with ``name``, ``time`` and ``version``, {} where
    there are none. ``signoffs``: ``tables.SIGNOFFS``; ``signoff_problems``: what shows that they were changed. ``unused``: how many images
    of the experiment belong to no field, in words.
    """

    words: Mapping[str, Any]
    tables: Mapping[str, pd.DataFrame]
    pictures: Mapping[str, bytes] = field(default_factory=dict)
    metadata: pd.DataFrame = field(default_factory=pd.DataFrame)
    limits: Mapping[str, Any] = field(default_factory=dict)
    signoffs: pd.DataFrame | None = None
    signoff_problems: list[str] = field(default_factory=list)
    unused: str = ""


def section_context(sections: Sections | None, samples: pd.DataFrame) -> dict[str, Any] | None:
    """Values for the template; None where there are no sections (a report of the calls alone)."""
    if sections is None:
        return None
    tables = {name: _records(sections.tables[name]) for name in TABLES}
    return {
        **sections.words,
        **{name: tables[name] for name in ("groups", "comparisons")},
        "rests_on": rests_on(sections.words["totals"], samples),
        "reference_cultures": tables["reference"],
        "reference_totals": _totals(sections.tables["reference"]),
        "samples": _records(samples),
        "estimates": [row for row in _records(samples) if row["n_scored"]],
        "any": {name: bool(samples[name].notna().any()) for name in ("corrected_fraction", "powered_fraction", "stained_fraction", "stained_lower_threshold")},
        "controls": [row for row in _records(samples) if row["role"] not in ("", "sample")],
        "shapes": shape_rows(sections.tables["shapes"]),
        "galleries": list(_galleries(sections)),
        "two_markers": two_markers(sections.tables["cells"]),
        "metadata": {"columns": [c for c in sections.metadata if c != "sample"], "rows": _records(sections.metadata)},
        "limits": dict(sections.limits),
        "verdicts": any(row["verdict"] for row in _records(samples)),
        "signoffs": _records(sections.signoffs) if sections.signoffs is not None else [],
        "signoff_problems": list(sections.signoff_problems),
        "unused": sections.unused,
    }


def rests_on(totals: Mapping[str, int], samples: pd.DataFrame) -> str:
    """ "120 of 340 scored cells are called senescent, in 12 fields of 4 cultures, 4 wells, 2 passages and 2 donors"."""
    parts = [words.count(totals[name], name.removesuffix("s")) for name in ("wells", "passages", "donors") if totals[name]]
    of = " and ".join([", ".join([words.count(totals["cultures"], "culture"), *parts[:-1]]), *parts[-1:]])
    unknown = [name for name in ("wells", "donors") if not totals[name]]
    not_stated = f" ({' and '.join(unknown)} not stated)" if unknown else ""
    scored = words.count(samples["n_scored"].sum(), "scored cell")
    return f"{words.grouped(samples['n_senescent'].sum())} of {scored} are called senescent, in {words.count(totals['fields'], 'field')} of {of}{not_stated}."


def shape_rows(shapes: pd.DataFrame) -> list[dict[str, Any]]:
    """One row a measure over all cultures: median and quartiles of senescent and of other cells side by side."""
    rows: dict[str, dict[str, Any]] = {}
    for row in _records(shapes[shapes["sample"] == ""]):
        rows.setdefault(row["measure"], {"measure": row["measure"], "unit": row["unit"]})[row["call"]] = row
    return [row for row in rows.values() if {"senescent", "not senescent"} <= set(row)]


def two_markers(cells: pd.DataFrame) -> dict[str, Any] | None:
    """How many cells are positive for both, one or no marker; None where no cell is known by two."""
    known = cells[cells["marker_class"].notna() & cells["second_marker_class"].notna()] if "second_marker_class" in cells else cells.iloc[:0]
    if known.empty:
        return None
    first, second = known["marker_class"].astype(int), known["second_marker_class"].astype(int)
    counts = {(a, b): int(((first == a) & (second == b)).sum()) for a in (1, 0) for b in (1, 0)}
    return {"first": known["marker"].iloc[0], "second": known["second_marker"].iloc[0], "counts": counts, "n": len(known)}


def _galleries(sections: Sections) -> Any:
    table = sections.tables["gallery"]
    for name, (title, caption) in GALLERIES.items():
        rows = [row for row in _records(table[table["gallery"] == name]) if row["cell_id"] in sections.pictures]
        if rows:
            shown = [{**row, "address": _address(sections.pictures[row["cell_id"]])} for row in rows]
            yield {"title": title, "caption": caption, "cells": shown}


def _address(picture: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(picture).decode("ascii")


def _totals(reference: pd.DataFrame) -> dict[str, Any]:
    counted = {c: int(reference[c].sum()) for c in ("n_stained", "n_found", "n_unstained", "n_spared")}
    rates = {
        "sensitivity": counted["n_found"] / counted["n_stained"] if counted["n_stained"] else None,
        "specificity": counted["n_spared"] / counted["n_unstained"] if counted["n_unstained"] else None,
    }
    return counted | rates | {"cultures": len(reference)}


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as plain values; unknown is None."""
    return [{str(key): None if pd.isna(value) else value for key, value in row.items()} for row in table.astype(object).to_dict("records")]
