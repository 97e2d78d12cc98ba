"""A finished evaluation on the page: the sentence, numbers that follow a slider, charts, cultures, the worst errors, downloads."""

from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from core.report import read_csv, zip_product
from core.report.words import interval, percent, unbroken
from core.tables import BASELINES, ERROR_KINDS, EVALUATED_CULTURES, METRICS, PREDICTIONS
from core.workspace import Experiment, Product, read_json
from pages.parts.charts import show_chart
from pages.parts.evaluation_compare import compare_with
from pages.parts.evaluation_errors import worst_errors
from pages.parts.results import how_made
from pages.parts.words import known

NUMBERS = dict.fromkeys(("threshold", "n_called", "tp", "fp", "fn", "tn", "sensitivity", "specificity", "accuracy", "f1", "ppv", "npv"), "Float64")
CURVES = {
    "roc": dict.fromkeys(("threshold", "false_positive_rate", "sensitivity"), "Float64"),
    "precision_recall": dict.fromkeys(("threshold", "recall", "precision"), "Float64"),
    "calibration": dict.fromkeys(("low", "high", "n_cells", "mean_probability", "senescent_fraction", "ci_low", "ci_high"), "Float64"),
    "thresholds": NUMBERS,
    "metrics": METRICS,
    "baselines": BASELINES,
    "cultures": EVALUATED_CULTURES,
    "predictions": PREDICTIONS,
}
HEADLINE = ("auc", "balanced_accuracy", "sensitivity", "specificity")
ENDS = {"ci_low": "95 % from", "ci_high": "to"}
METRIC_WORDS = {"name": "Metric", "value": "Value", **ENDS, "n_clusters": "Resampled cultures or fields"}
BASELINE_WORDS = {"baseline": "Baseline", "auc": "AUC", "model_auc": "AUC of the model", "difference": "Difference", **ENDS, "verdict": "The model is"}


@st.cache_data(max_entries=8, show_spinner=False)
def read_tables(path: Path) -> dict[str, pd.DataFrame]:
    return {name: read_csv(path / f"{name}.csv", columns) for name, columns in CURVES.items()}


def show_evaluation(experiment: Experiment, product: Product) -> None:
    """Warnings in red, the verdict, headline numbers, tabs."""
    found, tables = read_json(product.path / "metrics.json"), read_tables(product.path)
    for text in found["warnings"]:
        st.error(text, icon=":material/warning:")
    st.markdown(f"#### {unbroken(found['sentence'])}")
    if found["remarks"]:
        st.warning("\n".join(f"- {text}" for text in found["remarks"]))
    _headline(tables["metrics"])
    _downloads(experiment, product)
    names = ["Threshold", "Curves", "Cultures", "Baselines", "Worst errors", "Compare", "All numbers", "How it was made"]
    threshold, curves, cultures, baselines, errors, compared, numbers, made = st.tabs(names)
    with threshold:
        _threshold(found, tables, product.id)
    with curves:
        _curves(found, tables)
    with cultures:
        _cultures(found, tables["cultures"])
    with baselines:
        st.markdown(unbroken(found["baseline_sentence"]))
        _numbers(tables["baselines"], BASELINE_WORDS)
    with errors:
        worst_errors(product, _error_counts(found["confusion"]))
    with compared:
        compare_with(experiment, product)
    with numbers:
        _numbers(tables["metrics"].drop(columns="metric"), METRIC_WORDS)
        st.code(found["classification_report"], language=None)
    with made:
        how_made(product, "evaluation")


def _numbers(table: pd.DataFrame, words: dict[str, str]) -> None:
    """A table with words for its columns, and numbers to three places."""
    floats = [words[name] for name, kind in table.dtypes.items() if kind == "Float64"]
    st.dataframe(table.rename(columns=words), hide_index=True, column_config={c: st.column_config.NumberColumn(format="%.3f") for c in floats})


def _error_counts(confusion: list[dict[str, Any]]) -> dict[str, int]:
    """How many cells of each of ``tables.ERROR_KINDS``, from the confusion matrix."""
    negative, positive = confusion
    return dict(zip(ERROR_KINDS, (int(negative["senescent"]), int(positive["not senescent"])), strict=True))


def _headline(metrics: pd.DataFrame) -> None:
    rows = metrics.set_index("metric")
    for column, name in zip(st.columns(len(HEADLINE)), HEADLINE, strict=True):
        row = rows.loc[name]
        column.metric(str(row["name"]), f"{row['value']:.2f}" if known(row["value"]) else "–", border=True)
        if known(row["ci_low"]):
            column.caption(f"95 % interval {row['ci_low']:.2f} to {row['ci_high']:.2f}")
        elif known(row["value"]):
            column.caption("Too few cultures or fields for an interval")


def _downloads(experiment: Experiment, product: Product) -> None:
    stem = f"{experiment.name} {product.id}"
    with st.container(horizontal=True):
        st.download_button(
            "Everything (ZIP)", data=lambda: zip_product(product.path), file_name=f"{stem}.zip", mime="application/zip", on_click="ignore", type="primary"
        )
        st.download_button("Report (HTML)", data=(product.path / "report.html").read_bytes, file_name=f"{stem}.html", mime="text/html", on_click="ignore")
        for name in ("metrics", "cultures", "predictions"):
            data = (product.path / f"{name}.csv").read_bytes
            st.download_button(f"{name}.csv", data=data, file_name=f"{stem} {name}.csv", mime="text/csv", on_click="ignore")


@st.fragment
def _threshold(found: dict[str, Any], tables: dict[str, pd.DataFrame], id: str) -> None:
    """Counts and rates at any threshold; what the evaluation used stays what it was."""
    own = float(found["threshold"]["value"])
    chosen = st.slider("Decision threshold", 0.0, 1.0, min(own, 1.0), 0.005, key=f"threshold-{id}", help="A look only: the report keeps its threshold.")
    st.caption(f"The evaluation used {own:.3f}: {found['threshold']['why']}.")
    row = _at(tables["predictions"], chosen)
    for column, name in zip(st.columns(5), ("sensitivity", "specificity", "ppv", "npv", "accuracy"), strict=True):
        column.metric(name.upper() if name in ("ppv", "npv") else name.capitalize(), percent(row[name]), border=True)
    matrix = [[row["tn"], row["fp"]], [row["fn"], row["tp"]]]
    st.dataframe(pd.DataFrame(matrix, index=["not stained", "stained"], columns=["called not senescent", "called senescent"]).astype(int), width="content")
    if chosen != own:
        st.caption("Moving the threshold while looking at these cells is choosing it on them: such numbers are flattered.")


def _at(predictions: pd.DataFrame, threshold: float) -> dict[str, Any]:
    called, truth = predictions["senescence_probability"] >= threshold, predictions["class"] == 1
    tp, fp, fn, tn = (int(some.sum()) for some in (called & truth, called & ~truth, ~called & truth, ~called & ~truth))
    shares = {"sensitivity": (tp, tp + fn), "specificity": (tn, tn + fp), "ppv": (tp, tp + fp), "npv": (tn, tn + fn), "accuracy": (tp + tn, len(called))}
    return {"tp": tp, "fp": fp, "fn": fn, "tn": tn} | {name: k / n if n else None for name, (k, n) in shares.items()}


def _curves(found: dict[str, Any], tables: dict[str, pd.DataFrame]) -> None:
    from core.report import evaluation_figures as draw  # brings Plotly

    at = _at(tables["predictions"], float(found["threshold"]["value"]))
    one, two, three = st.columns(3)
    with one:
        st.markdown("**ROC**")
        point = (1 - at["specificity"], at["sensitivity"]) if at["specificity"] is not None and at["sensitivity"] is not None else None
        show_chart(draw.roc_figure(tables["roc"], point), "roc")
    with two:
        st.markdown("**Precision and recall**")
        prevalence = float((tables["predictions"]["class"] == 1).mean())
        point = (at["sensitivity"], at["ppv"]) if at["ppv"] is not None and at["sensitivity"] is not None else None
        show_chart(draw.precision_recall_figure(tables["precision_recall"], prevalence, point), "pr")
    with three:
        st.markdown("**Calibration**")
        show_chart(draw.calibration_figure(tables["calibration"].astype(float)), "calibration")
    st.caption("The blue point is the threshold in use. Calibration: of the cells that get a probability, how many are senescent.")


def _cultures(found: dict[str, Any], cultures: pd.DataFrame) -> None:
    from core.report import evaluation_figures as draw

    st.markdown(unbroken(found["agreement_sentence"]))
    left, right = st.columns(2)
    with left:
        show_chart(draw.agreement_figure(cultures), "agreement")
    with right:
        show_chart(draw.bland_altman_figure(cultures, found["agreement"]), "bland")
    rows = cultures.to_dict("records")
    shown = {
        "Culture": [row["sample"] for row in rows],
        "Fields": cultures["n_fields"],
        "Cells": cultures["n_scored"],
        **{
            words: [f"{percent(row[f'{kind}_fraction'])} ({interval(row[low], row[high])})" for row in rows]
            for words, kind, low, high in (
                ("Stained", "stained", "stained_low", "stained_high"),
                ("Called", "predicted", "predicted_low", "predicted_high"),
                ("Corrected", "corrected", "ci_low", "ci_high"),
            )
        },
        "AUC": cultures["auc"],
        "Sensitivity": cultures["sensitivity"],
        "Specificity": cultures["specificity"],
    }
    st.dataframe(
        pd.DataFrame(shown), hide_index=True, column_config={c: st.column_config.NumberColumn(format="%.2f") for c in ("AUC", "Sensitivity", "Specificity")}
    )
    corrected = "Corrected: with the sensitivity and specificity on the other cultures (Rogan and Gladen 1978); no interval where those are too few."
    st.caption(f"{corrected} {found['interval_sentence']}")
