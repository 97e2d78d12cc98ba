"""Two models on the same cells: choose the other evaluation, compare, see by how much one is better and where they disagree."""

from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from core.errors import InputError
from core.report import read_csv, zip_product
from core.report.words import probability, unbroken
from core.settings import CompareSettings
from core.tables import DISAGREEMENTS, FLIPS, OUTCOMES, PAIRED
from core.workspace import Experiment, Product, read_json
from pages.parts.charts import show_chart
from pages.parts.evaluation_errors import WIDTH_PX
from pages.parts.words import known, product_words

ROC = {"threshold": "Float64", "false_positive_rate": "Float64", "sensitivity": "Float64", "model": "str"}


def compare_with(experiment: Experiment, product: Product) -> None:
    """Compare the model of ``product`` with that of another evaluation of the experiment."""
    others = {one.id: one for one in experiment.products("evaluations") if one.id != product.id}
    if not others:
        st.info("This is the only evaluation of the experiment so far. Evaluate another model on the same cells to compare the two.", icon=":material/info:")
        return
    left, right = st.columns([4, 1], vertical_alignment="bottom")
    with left:
        other = st.selectbox("Compare with", list(others), format_func=lambda one: product_words(others[one]), key=f"compare-{product.id}")
    wanted = right.button("Compare", type="primary", icon=":material/compare_arrows:", width="stretch")
    made = _made(experiment, other, product.id)
    if wanted and made is None:
        from core.stages.comparing import compare  # brings the statistics, which the page can do without

        try:
            with st.spinner("Differences and their intervals …"):
                compare(experiment.path, other, product.id)
        except InputError as problem:  # said here: the other tabs stay
            st.error(str(problem), icon=":material/error:")
            return
        made = _made(experiment, other, product.id)
    if made is not None:
        show_comparison(experiment, made)
    else:
        st.caption("Both models must have judged the same cells of one dataset. Cultures are resampled for both together: what is hard about one falls out.")


def _made(experiment: Experiment, first: str, second: str) -> Product | None:
    """The comparison of the two evaluations with the usual settings, where it was made before."""
    wanted = {"first": first, "second": second}
    for one in experiment.products("comparisons"):
        record = one.settings
        if record["settings"] == vars(CompareSettings()) and {key: record["upstream"].get(key) for key in wanted} == wanted:
            return one
    return None


def show_comparison(experiment: Experiment, product: Product) -> None:
    from core.report.evaluation_figures import roc_comparison_figure  # brings Plotly

    found = read_json(product.path / "comparison.json")
    tables = {name: read_csv(product.path / f"{name}.csv", columns) for name, columns in {"metrics": PAIRED, "flips": FLIPS, "roc": ROC}.items()}
    names = found["first"]["name"], found["second"]["name"]
    for text in found["warnings"]:
        st.error(text, icon=":material/warning:")
    st.markdown(f"#### {unbroken(found['sentence'])}")
    if found["remarks"]:
        st.warning("\n".join(f"- {text}" for text in found["remarks"]))
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown(f"**Differences** ({names[1]} minus {names[0]})")
        st.dataframe(_differences(tables["metrics"], names), hide_index=True)
        st.caption(f"{found['check']} Of the Brier score and the calibration error, less is better.")
        st.markdown("**Which cells flip**")
        st.dataframe(_flips(tables["flips"], names), hide_index=True)
        st.caption("McNemar's exact p takes cells for independent: too small where cells of a culture are alike. The intervals of the differences count.")
    with right:
        st.markdown("**ROC curves**")
        show_chart(roc_comparison_figure(tables["roc"], names, tables["flips"]), f"roc-{product.id}")
    _disagreements(product.path, names)
    _downloads(experiment, product)
    st.code(product.settings["command"], language="bash", wrap_lines=True)


def _differences(metrics: pd.DataFrame, names: tuple[str, str]) -> pd.DataFrame:
    rows = metrics.to_dict("records")
    interval = [f"{row['ci_low']:+.3f} to {row['ci_high']:+.3f}" if known(row["ci_low"]) else "–" for row in rows]
    better = {"first": names[0], "second": names[1], "": "not shown"}
    shown = {"Metric": metrics["name"], names[0]: _short(metrics["first"]), names[1]: _short(metrics["second"])}
    return pd.DataFrame(shown | {"Difference": _short(metrics["difference"], "+"), "95 % interval": interval, "Better": metrics["better"].map(better)})


def _short(values: pd.Series, sign: str = "") -> list[str]:
    return [f"{value:{sign}.3f}" if known(value) else "–" for value in values]


def _flips(flips: pd.DataFrame, names: tuple[str, str]) -> pd.DataFrame:
    words = {"true_class": "By the stain", "n_cells": "Cells", "both_right": "Both right", "both_wrong": "Both wrong", "p_mcnemar": "McNemar p"}
    words |= {"only_first_right": f"Only {names[0]}", "only_second_right": f"Only {names[1]}"}
    return flips.assign(p_mcnemar=flips["p_mcnemar"].map(probability)).rename(columns=words)


def _disagreements(folder: Path, names: tuple[str, str]) -> None:
    cells = read_csv(folder / "disagreements.csv", DISAGREEMENTS)
    st.markdown("**Where they disagree**")
    if cells.empty:
        st.caption("Both make the same calls.")
        return
    for column, kind, name in zip(st.columns(2, gap="medium"), OUTCOMES[1:3], names, strict=True):
        with column:
            st.markdown(f"Only {name} is right")
            some = cells[cells["kind"] == kind]
            with st.container(horizontal=True, gap="small"):
                for row in some[some["picture"] != ""].to_dict("records"):
                    _picture(folder, row)
            stained = some["class"].map({1: "stained", 0: "not stained"})
            shown = {"Cell": some["cell_id"], "Culture": some["sample"], "By the stain": stained}
            shown |= {one: _short(some[f"{which}_probability"]) for which, one in zip(("first", "second"), names, strict=True)}
            st.dataframe(pd.DataFrame(shown), hide_index=True)
    st.caption(f"Under each cell the probability of being senescent by {names[0]} and by {names[1]}; those that differ most come first.")


def _picture(folder: Path, row: dict[str, Any]) -> None:
    words = f"{row['first_probability']:.2f} · {row['second_probability']:.2f}"
    st.image((folder / row["picture"]).read_bytes(), caption=words, width=WIDTH_PX, alt=f"Cell {row['cell_id']}")


def _downloads(experiment: Experiment, product: Product) -> None:
    stem = f"{experiment.name} {product.id}"
    with st.container(horizontal=True):
        packed, name = lambda: zip_product(product.path), f"{stem}.zip"
        st.download_button("Comparison (ZIP)", data=packed, file_name=name, mime="application/zip", on_click="ignore", key=f"zip-{product.id}")
        for label, name, mime in (
            ("Comparison (HTML)", "report.html", "text/html"),
            ("Differences (CSV)", "metrics.csv", "text/csv"),
            ("Cells (CSV)", "cells.csv", "text/csv"),
        ):
            data = (product.path / name).read_bytes
            st.download_button(label, data=data, file_name=f"{stem} {name}", mime=mime, on_click="ignore", key=f"{name}-{product.id}")
