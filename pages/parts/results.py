"""An assessment on the page: headline, warnings, plots, tables, what was left out, downloads."""

from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from core.errors import InputError
from core.report import zip_product
from core.report.cautions import cautions
from core.report.words import setting_value
from core.stages.assessed import Assessed, open_assessment
from core.stages.outdated import newer_words
from core.stages.outlined import diameter_words
from core.stages.reporting import EVIDENCE
from core.stages.signing import current_limits, logs_to_export
from core.statistics.acceptance import verdict_table
from core.tables import ACCEPTANCE, ESTIMATES
from core.workspace import Experiment, Product, read_json
from pages.parts import address
from pages.parts.choose import NEW
from pages.parts.failures import show_failures
from pages.parts.field_view import browse_fields
from pages.parts.quality import usual_ranges
from pages.parts.result_estimates import show_estimates
from pages.parts.result_groups import show_groups
from pages.parts.result_headline import show_headline, show_warnings
from pages.parts.result_report import report_tab, shown_report
from pages.parts.result_signoff import signoff_line, signoff_tab
from pages.parts.words import known

SHARES = (
    *("senescent_fraction", "ci_low", "ci_high", "confluence"),
    *("fraction_uncertain_low", "fraction_uncertain_high", "excluded_fraction", "brightness"),
)
LABELS = {
    "fov_id": "Field",
    "flags": "Doubtful",
    "sample": "Culture",
    "role": "Role",
    "senescent_fraction": "Senescent",
    "ci_low": "95 % from",
    "ci_high": "to",
    "n_senescent": "Senescent cells",
    "n_uncertain": "Uncertain cells",
    "fraction_uncertain_low": "Senescent if they were not",
    "fraction_uncertain_high": "if they were",
    "n_scored": "Scored cells",
    "n_excluded": "Not scored",
    "n_cells": "Outlined cells",
    "n_fields": "Fields",
    "n_unlike": "Cells unlike training",
    "n_flagged": "Doubtful fields",
    "training_distance": "Distance from training",
    "confluence": "Confluence",
    "excluded_fraction": "Share left out",
    "brightness": "Brightness",
    "focus": "Fine detail",
    "contrast": "Contrast",
    "noise": "Noise",
    "image_distance": "Image, distance from training",
    "image_traits": "Image, what differs",
    "median_area": "Median cell area",
    "diameter_px": "Diameter (px)",
}
BESIDE = {*ESTIMATES, *ACCEPTANCE} - {"n_wells"}  # columns that have a table of their own


@st.cache_data(max_entries=16, show_spinner=False)
def read_assessed(experiment: Path, kind: str, id: str) -> Assessed:
    """Everything of a finished assessment or report; it never changes, so it is read once."""
    home = Experiment(experiment)
    return open_assessment(home, home.product(kind, id))


def read_words(product: Product) -> dict[str, Any]:
    """``evidence.json``; nothing where an earlier version made the assessment."""
    file = product.path / EVIDENCE
    return read_json(file) if file.is_file() else {}


def show_assessment(experiment: Experiment, product: Product) -> None:
    """Alarm, cautions, headline, downloads; the rest in tabs."""
    report = shown_report(experiment, product)
    shown = report or product
    assessed, words = read_assessed(experiment.path, shown.kind, shown.id), read_words(shown)
    limits, version = current_limits()
    samples = verdict_table(assessed.samples, limits, version, assessed.simulated)
    signoff_line(experiment, product)
    found = [*cautions(product.settings, samples, assessed.fields, assessed.cells, assessed.failures, assessed.notes), *words.get("remarks", ())]
    show_warnings(found)
    if int(samples["n_scored"].sum()):
        show_headline(samples)
    else:
        _nothing_scored(experiment, assessed)
    _downloads(experiment, product, report, assessed)
    left_out = f"Left out ({len(assessed.failures)})" if len(assessed.failures) else "Left out"
    names = ["Cells in the picture", "Plots", "Cultures", "Groups", "Fields", left_out, "Report", "Sign-off", "How it was made"]
    picture, plots, cultures, groups, fields, missing, again, signing, made = st.tabs(
        names, key=f"result-tabs-{product.id}"
    )  # stays open when lines above come and go
    with picture:
        browse_fields(experiment, product, assessed.fields, assessed.cells)
    with plots:
        _plots(assessed, samples)
    with cultures:
        show_estimates(samples, words)
        show_table(samples[[c for c in samples if c not in BESIDE]])
    with groups:
        show_groups(assessed, words)
    with fields:
        show_table(assessed.fields)
        usual_ranges(product.settings)
    with missing:
        _left_out(assessed)
    with again:
        report_tab(experiment, product, assessed)
    with signing:
        signoff_tab(experiment, product, report, samples)
    with made:
        how_made(product, "assessment")


def _nothing_scored(experiment: Experiment, assessed: Assessed) -> None:
    if len(assessed.cells):
        st.error("No cell could be scored: all that were outlined are left out; “Left out” says why.", icon=":material/error:")
        return
    st.error("No cell was found. The model or the cell diameter may not suit these images; try them on one field.", icon=":material/error:")
    address.link("segment", "Try on one field", icon=":material/gesture:", experiment=experiment.name, segmentation=NEW)


def _downloads(experiment: Experiment, product: Product, report: Product | None, assessed: Assessed) -> None:
    """The ZIP holds the assessment, the report that is shown, and the audit log; the other buttons give what is shown."""
    stem, shown = f"{experiment.name} {product.id}", report or product

    def everything() -> BytesIO:
        return zip_product(product.path, *([report.path] if report else []), extra=logs_to_export(experiment, product.id, assessed.decimal_comma))

    with st.container(horizontal=True):
        st.download_button("Everything (ZIP)", data=everything, file_name=f"{stem}.zip", mime="application/zip", on_click="ignore", type="primary")
        st.download_button("Report (HTML)", data=(shown.path / "report.html").read_bytes, file_name=f"{stem}.html", mime="text/html", on_click="ignore")
        for name in ("samples", "fields", "cells"):
            data = (shown.path / f"{name}.csv").read_bytes
            st.download_button(f"{name}.csv", data=data, file_name=f"{stem} {name}.csv", mime="text/csv", on_click="ignore")
    if newer := _newer(product, assessed):
        st.info(newer, icon=":material/update:")


def _newer(product: Product, assessed: Assessed) -> str:
    try:
        return newer_words(product.id, assessed)
    except InputError:  # a damaged log; the alarm above says so
        return ""


def _plots(assessed: Assessed, samples: pd.DataFrame) -> None:
    from core.report import figures  # brings Plotly, which the first page can do without

    st.plotly_chart(figures.fractions_by_sample(samples, assessed.fields))
    left, right = st.columns(2)
    left.plotly_chart(figures.probability_histogram(assessed.cells, assessed.threshold))
    right.plotly_chart(figures.area_against_probability(assessed.cells, assessed.threshold))
    left.plotly_chart(figures.fraction_against_confluence(assessed.fields))


def show_table(table: pd.DataFrame) -> None:
    """A table with the result first; columns that hold nothing are left out (the CSV has them all)."""
    used = [c for c in table.columns if any(known(v) and v != "" for v in table[c])]
    first = [c for c in LABELS if c in used]
    config = {c: st.column_config.NumberColumn(LABELS[c], format="percent") if c in SHARES else LABELS[c] for c in LABELS}
    st.dataframe(table, hide_index=True, column_config=config, column_order=[*first, *(c for c in used if c not in first)])


def _left_out(assessed: Assessed) -> None:
    if len(assessed.failures):
        st.markdown("**Fields that could not be assessed**")
        show_failures(assessed.failures)
    else:
        st.success("Every field of the table was assessed.", icon=":material/check:")
    _unused(assessed.experiment)
    reasons = assessed.cells.loc[assessed.cells["excluded"], "exclusion_reason"].value_counts()
    if len(reasons):
        st.markdown("**Cells that were outlined but not scored**")
        st.dataframe(reasons.rename_axis("Reason").rename("Cells").reset_index(), hide_index=True, width="content")
        st.caption("A cell that touches the border is cut off, so its shape cannot be judged.")


def _unused(experiment: Experiment) -> None:
    from core.stages.unused import unused_words  # reads images, which the first page can do without

    if said := unused_words(experiment):
        st.warning(said, icon=":material/help:")
        address.link("experiments", "See these images", icon=":material/folder_open:", experiment=experiment.name)


def how_made(product: Product, name: str) -> None:
    """Command, models and settings of a product; ``name`` is what the address calls it."""
    settings = product.settings
    st.markdown("**The command that does the same**")
    st.code(settings.get("command", ""), language="bash", wrap_lines=True)
    for kind, model in settings.get("models", {}).items():
        st.markdown(f"**{kind.capitalize()}**: {model.get('name', '')} · SHA-256 `{str(model.get('sha256', ''))[:16]}…` · {model.get('licence', '')}")
    if words := diameter_words(product):
        st.markdown(f"**Cell diameter**: {words}")
    if settings.get("engines"):
        st.markdown(f"**Computed by**: {'; '.join(settings['engines'])}")
    st.button("Begin a new one with these settings", on_click=address.write, kwargs={name: NEW, "like": product.id, "segmentation": NEW})
    chosen = {name: setting_value(name, value) for name, value in (settings.get("settings") or {}).items()}
    st.json({"settings": chosen, **{k: settings.get(k) for k in ("upstream", "versions", "created")}}, expanded=2)
