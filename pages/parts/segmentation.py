"""A finished segmentation on the page: its cells, their correction, fine-tuning, exchange, what was left out."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import streamlit as st

from core.report import read_csv, zip_product
from core.report.words import count
from core.tables import CELLS, FAILURES, SEGMENTED_FIELDS
from core.workspace import Experiment, Product
from pages.parts import address
from pages.parts.exchange_panel import exchange_panel
from pages.parts.failures import show_failures
from pages.parts.field_view import browse_fields
from pages.parts.measurements import show_measurements
from pages.parts.results import how_made, show_table
from pages.parts.review import review_panel
from pages.parts.tune_panel import tune_panel


def show_segmentation(experiment: Experiment, product: Product) -> None:
    """A finished segmentation: outlines, counts, what failed, downloads."""
    fields, cells, failures = _tables(product.path)
    if len(failures):
        st.warning(f"{count(len(failures), 'file')} could not be used; see “Left out”.", icon=":material/warning:")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{count(len(cells), 'cell')}** in {count(len(fields), 'field')}")
        st.download_button(
            "Label images and tables (ZIP)", data=lambda: zip_product(product.path), file_name=f"{experiment.name} {product.id}.zip", on_click="ignore"
        )
        if st.button("Assess with these outlines", type="primary"):
            address.open_page("assess", experiment=experiment.name, segmentation=product.id, assessment="new")
    tabs: dict[str, Callable[[], None]] = {
        "Cells in the picture": lambda: browse_fields(experiment, product, fields, cells),
        "Check and correct": lambda: review_panel(experiment, product),
        "Fine-tune": lambda: tune_panel(experiment, product),
        "Fields": lambda: show_table(fields.round({"diameter_px": 1})),
        "Measurements": lambda: show_measurements(experiment, product),
        "Export": lambda: exchange_panel(experiment, product),
        "Left out": lambda: _left_out(failures),
        "How it was made": lambda: how_made(product, "segmentation"),
    }
    for tab, content in zip(st.tabs(list(tabs), key="tab", bind="query-params"), tabs.values(), strict=True):
        if tab.open:  # only what is seen is computed
            with tab:
                content()


@st.cache_data(max_entries=8, show_spinner=False)
def _tables(path: Path) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Fields, cells and failures of a segmentation; it never changes, so they are read once (a second for 500 fields)."""
    return read_csv(path / "fields.csv", SEGMENTED_FIELDS), read_csv(path / "cells.csv", CELLS), read_csv(path / "failures.csv", FAILURES)


def _left_out(failures: pd.DataFrame) -> None:
    if len(failures):
        show_failures(failures)
    else:
        st.success("Every field was segmented.", icon=":material/check:")
