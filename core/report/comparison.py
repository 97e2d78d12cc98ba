"""The report of a comparison of two classifiers: one HTML file that opens anywhere, offline."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from core.report.evaluation import _figure, galleries, judged_context
from core.report.html import _template


def comparison_report(path: Path, about: Mapping[str, Any], found: Mapping[str, Any], tables: Mapping[str, pd.DataFrame]) -> None:
    """Write the report to ``path``.

    Parameters
    ----------
    about : mapping
        The comparison's ``settings.json``.
    found : mapping
        Its ``comparison.json``: ``sentence, warnings, remarks, check, first, second, n_cells, intervals_over``.
    tables : mapping of name to DataFrame
        ``metrics`` (``tables.PAIRED``), ``flips``, ``roc``, ``cells`` and ``disagreements``; pictures that the last names lie beside ``path``.
    """
    from core.report.evaluation_figures import roc_comparison_figure

    names = found["first"]["name"], found["second"]["name"]
    figure = _figure("roc", roc_comparison_figure(tables["roc"], names, tables["flips"]), "Both ROC curves; the points are the thresholds in use.")
    shown = tables["disagreements"]
    context = judged_context(about, found, {name: table for name, table in tables.items() if name != "cells"}) | {
        "title": f"{names[0]} and {names[1]}",
        "figures": [figure] if len(tables["roc"]) else [],
        "galleries": galleries(Path(path).parent, shown[shown["picture"] != ""], "kind", ("picture",)),
        "kinds": {"only first right": f"Only {names[0]} is right", "only second right": f"Only {names[1]} is right"},
        "signed": _signed,
    }
    Path(path).write_text(_template("comparison.html").render(context), encoding="utf-8", newline="\n")


def _signed(value: Any) -> str:
    """A difference to three places with its sign; unknown is an en dash."""
    return "–" if value is None or pd.isna(value) else f"{float(value):+.3f}"
