"""An assessment on the page: headline, warnings, plots, tables, what was left out, downloads."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import streamlit as st

from core.report import read_csv, zip_product
from core.report.cautions import cautions
from core.report.doubts import uncertain_words
from core.report.words import counted, culture, decision_threshold, interval, percent
from core.tables import ASSESSED_CELLS, ASSESSED_FIELDS, ASSESSED_SAMPLES, FAILURES
from core.workspace import Experiment, Product
from pages.parts import address
from pages.parts.choose import NEW
from pages.parts.field_view import browse_fields
from pages.parts.quality import usual_ranges
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
    "median_area": "Median cell area",
    "diameter_px": "Diameter (px)",
}
CARDS = 4  # more cultures than this are read off the plot and the table


@dataclass(frozen=True)
class Tables:
    """The tables and notes of an assessment."""

    samples: pd.DataFrame
    fields: pd.DataFrame
    cells: pd.DataFrame
    failures: pd.DataFrame
    notes: list[str]


@st.cache_data(max_entries=16, show_spinner=False)
def read_tables(path: Path) -> Tables:
    """Everything of a finished assessment; it never changes, so it is read once."""
    columns = {"samples": ASSESSED_SAMPLES, "fields": ASSESSED_FIELDS, "cells": ASSESSED_CELLS, "failures": FAILURES}
    notes = path / "notes.txt"
    lines = notes.read_text(encoding="utf-8").splitlines() if notes.is_file() else []
    return Tables(**{name: read_csv(path / f"{name}.csv", wanted) for name, wanted in columns.items()}, notes=[n for n in lines if n])


def show_assessment(experiment: Experiment, product: Product) -> None:
    tables = read_tables(product.path)
    found = cautions(product.settings, tables.samples, tables.fields, tables.cells, tables.failures, tables.notes)
    if found:
        st.warning("**Before you use these numbers**\n" + "\n".join(f"- {one}" for one in found), icon=":material/warning:")
    if int(tables.samples["n_scored"].sum()):
        _headline(tables.samples)
    else:
        _nothing_scored(experiment, tables)
    _downloads(experiment, product)
    left_out = f"Left out ({len(tables.failures)})" if len(tables.failures) else "Left out"
    picture, plots, cultures, fields, missing, made = st.tabs(["Cells in the picture", "Plots", "Cultures", "Fields", left_out, "How it was made"])
    with picture:
        browse_fields(experiment, product, tables.fields, tables.cells)
    with plots:
        _plots(tables, decision_threshold(product.settings))
    with cultures:
        show_table(tables.samples)
    with fields:
        show_table(tables.fields)
        usual_ranges(product.settings)
    with missing:
        _left_out(tables)
    with made:
        how_made(product, "assessment")


def _headline(samples: pd.DataFrame) -> None:
    shown = samples.head(CARDS)
    for column, row in zip(st.columns(max(2, len(shown))), shown.to_dict("records"), strict=False):
        with column.container(border=True):
            role = f" · {row['role']}" if row["role"] not in ("", "sample") else ""
            st.metric(culture(row) + role, f"{percent(row['senescent_fraction'])} senescent")
            lines = [f"95 % interval {interval(row['ci_low'], row['ci_high'])}", f"{counted(row)}, {row['n_excluded']} not scored", uncertain_words(row)]
            st.caption("  \n".join(line for line in lines if line))
    if len(samples) > CARDS:
        st.caption(f"{len(samples) - CARDS} more cultures in the plot and the tables below.")


def _nothing_scored(experiment: Experiment, tables: Tables) -> None:
    if len(tables.cells):
        st.error("No cell could be scored: all that were outlined are left out; “Left out” says why.", icon=":material/error:")
        return
    st.error("No cell was found. The model or the cell diameter may not suit these images; try them on one field.", icon=":material/error:")
    address.link("segment", "Try on one field", icon=":material/gesture:", experiment=experiment.name, segmentation=NEW)


def _downloads(experiment: Experiment, product: Product) -> None:
    stem = f"{experiment.name} {product.id}"
    with st.container(horizontal=True):
        st.download_button(
            "Everything (ZIP)", data=lambda: zip_product(product.path), file_name=f"{stem}.zip", mime="application/zip", on_click="ignore", type="primary"
        )
        st.download_button("Report (HTML)", data=(product.path / "report.html").read_bytes, file_name=f"{stem}.html", mime="text/html", on_click="ignore")
        for name in ("samples", "fields", "cells"):
            st.download_button(
                f"{name}.csv", data=(product.path / f"{name}.csv").read_bytes, file_name=f"{stem} {name}.csv", mime="text/csv", on_click="ignore"
            )


def _plots(tables: Tables, threshold: float | None) -> None:
    from core.report import figures  # brings Plotly, which the first page can do without

    st.plotly_chart(figures.fractions_by_sample(tables.samples, tables.fields))
    left, right = st.columns(2)
    left.plotly_chart(figures.probability_histogram(tables.cells, threshold))
    right.plotly_chart(figures.area_against_probability(tables.cells, threshold))
    left.plotly_chart(figures.fraction_against_confluence(tables.fields))


def show_table(table: pd.DataFrame) -> None:
    """A table with the result first; columns that hold nothing are left out (the CSV has them all)."""
    used = [c for c in table.columns if any(known(v) and v != "" for v in table[c])]
    first = [c for c in LABELS if c in used]
    config = {c: st.column_config.NumberColumn(LABELS[c], format="percent") if c in SHARES else LABELS[c] for c in LABELS}
    st.dataframe(table, hide_index=True, column_config=config, column_order=[*first, *(c for c in used if c not in first)])


def _left_out(tables: Tables) -> None:
    if len(tables.failures):
        st.markdown("**Fields that could not be assessed**")
        st.dataframe(tables.failures, hide_index=True)
    else:
        st.success("Every field was assessed.", icon=":material/check:")
    reasons = tables.cells.loc[tables.cells["excluded"], "exclusion_reason"].value_counts()
    if len(reasons):
        st.markdown("**Cells that were outlined but not scored**")
        st.dataframe(reasons.rename_axis("Reason").rename("Cells").reset_index(), hide_index=True, width="content")
        st.caption("A cell that touches the border is cut off, so its shape cannot be judged.")


def how_made(product: Product, name: str) -> None:
    """Command, models and settings of a product; ``name`` is what the address calls it."""
    settings = product.settings
    st.markdown("**The command that does the same**")
    st.code(settings.get("command", ""), language="bash", wrap_lines=True)
    for kind, model in settings.get("models", {}).items():
        st.markdown(f"**{kind.capitalize()}**: {model.get('name', '')} · SHA-256 `{str(model.get('sha256', ''))[:16]}…` · {model.get('licence', '')}")
    if settings.get("engines"):
        st.markdown(f"**Computed by**: {'; '.join(settings['engines'])}")
    st.button("Begin a new one with these settings", on_click=address.write, kwargs={name: NEW, "like": product.id, "segmentation": NEW})
    st.json({k: settings.get(k) for k in ("settings", "upstream", "versions", "created")}, expanded=2)
