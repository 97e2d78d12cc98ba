"""The report of an evaluation: one HTML file that opens anywhere, offline."""

import base64
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from core.report import words
from core.report.html import _command, _date, _models, _plotly_script, _script_safe, _template
from core.report.overlay import jpeg

CLASS_NAMES = ("not senescent", "senescent")
PICTURE_PX = 192  # longer side of a cell's picture in the report


def evaluation_report(path: Path, about: Mapping[str, Any], found: Mapping[str, Any], tables: Mapping[str, pd.DataFrame]) -> None:
    """Write the report to ``path``.

    Parameters
    ----------
    about : mapping
        The evaluation's ``settings.json``.
    found : mapping
        Its ``metrics.json``: ``sentence, remarks, baseline_sentence, agreement_sentence, threshold, temperature, split, n_cells,
        classification_report, intervals_over``.
    tables : mapping of name to DataFrame
        ``metrics, baselines, agreement, cultures, roc, precision_recall, calibration, confusion, errors`` as they lie in the folder;
        the pictures that ``errors`` names lie beside ``path``.
    """
    context = judged_context(about, found, tables) | {
        "title": str(about.get("experiment") or about.get("id") or "Evaluation"),
        "figures": list(_figures(found, tables)),
        "galleries": galleries(Path(path).parent, tables["errors"], "kind", ("picture", "heat_map")),
    }
    Path(path).write_text(_template("evaluation.html").render(context), encoding="utf-8", newline="\n")


def judged_context(about: Mapping[str, Any], found: Mapping[str, Any], tables: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    """What the template ``judged.html`` needs beside ``title``, ``figures`` and ``galleries``."""
    return {
        "about": about,
        "found": found,
        "tables": {name: table.astype(object).where(table.notna(), None).to_dict("records") for name, table in tables.items()},
        "models": _models(about.get("models")),
        "date": _date(about.get("created")),
        "command": _command(about.get("command")),
        "plotly": _plotly_script(),
        "words": words,
        "number": _number,
    }


def galleries(folder: Path, cells: pd.DataFrame, by: str, pictures: Sequence[str]) -> list[dict[str, Any]]:
    """The cells by the value of a column, each with the addresses of its pictures (columns that name files in ``folder``)."""
    rows = cells.astype(object).where(cells.notna(), None).to_dict("records")
    with_pictures = [row | {f"{name}_address": _address(folder / row[name]) for name in pictures} for row in rows]
    return [{"words": words_of, "cells": [row for row in with_pictures if row[by] == words_of]} for words_of in dict.fromkeys(row[by] for row in rows)]


def _address(file: Path) -> str:
    """A small JPEG of the picture as a data address."""
    pixels = cv2.imdecode(np.frombuffer(file.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    assert pixels is not None  # written by us a moment ago
    return "data:image/jpeg;base64," + base64.b64encode(jpeg(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), PICTURE_PX)).decode("ascii")


def _figures(found: Mapping[str, Any], tables: Mapping[str, pd.DataFrame]) -> Iterator[dict[str, Any]]:
    from core.report import evaluation_figures as draw

    true_negative, false_positive, false_negative, true_positive = tables["confusion"][list(CLASS_NAMES)].to_numpy(dtype=float).ravel()
    positive, negative, called = true_positive + false_negative, true_negative + false_positive, true_positive + false_positive
    if len(tables["roc"]):
        point: tuple[float, float] | None = (false_positive / negative, true_positive / positive)
        yield _figure("roc", draw.roc_figure(tables["roc"], point), "ROC curve; the blue point is the threshold in use.")
    if len(tables["precision_recall"]):
        point = (true_positive / positive, true_positive / called) if called else None
        curve = draw.precision_recall_figure(tables["precision_recall"], positive / (positive + negative), point)
        yield _figure("pr", curve, "Precision-recall curve on these cells, at their own prevalence.")
    yield _figure(
        "calibration", draw.calibration_figure(tables["calibration"]), "Of the cells that get a probability, how many are senescent. Bars: Wilson 95 %."
    )
    if tables["cultures"]["stained_fraction"].notna().any():
        yield _figure("agreement", draw.agreement_figure(tables["cultures"]), "Predicted against stained fraction of each culture, with 95 % intervals.")
        agreement = tables["agreement"].iloc[0].to_dict()
        yield _figure("bland", draw.bland_altman_figure(tables["cultures"], agreement), "Bland–Altman: difference against mean; bias and limits of agreement.")


def _figure(name: str, figure: Any, caption: str) -> dict[str, Any]:
    return {"name": name, "caption": caption, "height": figure.layout.height, "json": _script_safe(figure.to_json())}


def _number(value: Any, digits: int = 3) -> str:
    """A number to three places; unknown is an en dash."""
    return "–" if value is None or pd.isna(value) else f"{float(value):.{digits}f}"
