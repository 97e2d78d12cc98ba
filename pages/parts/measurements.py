"""The measurements of the cells of a segmentation, field by field, and all of them as a file."""

from pathlib import Path

import pandas as pd
import streamlit as st

from core.report import read_csv
from core.stages.measuring import MEASURED
from core.tables import MEASUREMENTS
from core.workspace import Experiment, Product
from pages.parts.field_view import turn_fields

UNITS = {"px": "px", "um": "µm", "um2": "µm²"}


def show_measurements(experiment: Experiment, product: Product) -> None:
    """A table of one field; the file holds them all."""
    file = product.path / MEASURED
    table = _read(file) if file.is_file() else pd.DataFrame()
    if table.empty:
        st.info("There are no measurements: no cell was found, or an earlier version of the app made these outlines.", icon=":material/straighten:")
        return
    st.caption("Size, shape, intensity, texture and neighbours of every cell, in pixels and, where the pixel size is known, in µm.")
    shown = turn_fields(table["fov_id"].drop_duplicates().to_list())
    cells = table[table["fov_id"] == shown].drop(columns="fov_id").dropna(axis=1, how="all")
    numbers = {c: st.column_config.NumberColumn(column_words(c), format="%.4g") for c in cells}
    st.dataframe(cells, hide_index=True, column_config=numbers | {"label": st.column_config.NumberColumn("Cell", format="%d", pinned=True)})
    name = f"{experiment.name} {product.id} {MEASURED}"
    st.download_button("All cells of all fields (CSV)", data=file.read_bytes, file_name=name, mime="text/csv", on_click="ignore", icon=":material/table:")


@st.cache_data(max_entries=4, show_spinner=False)
def _read(file: Path) -> pd.DataFrame:
    """A segmentation never changes."""
    return read_csv(file, MEASUREMENTS)


def column_words(column: str) -> str:
    """ "major_axis_um" -> "Major axis (µm)"."""
    name, _, unit = column.rpartition("_")
    if unit not in UNITS:
        return column.replace("_", " ").capitalize()
    unit = "px²" if column == "area_px" else UNITS[unit]
    return f"{name.replace('_', ' ').capitalize()} ({unit})"
