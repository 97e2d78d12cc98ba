"""Small pictures of the fields of an experiment."""

from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st
from PIL import Image

from core.errors import InputError
from core.images import Plane, preview, read
from core.workspace import Experiment

SIDE_PX, ROW, ROWS = 320, 6, 3
MOST_BUTTONS = 10


def thumbnails(experiment: Experiment, table: pd.DataFrame) -> None:
    """The phase images of ``table`` in rows; many of them on several sheets."""
    names, most = list(zip(table["fov_id"], table["phase"], strict=True)), ROW * ROWS
    start = 0
    if len(names) > most:
        sheets = [f"{at + 1}–{min(at + most, len(names))}" for at in range(0, len(names), most)]
        start = most * sheets.index(_chosen(sheets))
    for first in range(start, min(start + most, len(names)), ROW):
        for (fov_id, phase), column in zip(names[first : first + ROW], st.columns(ROW), strict=False):
            with column:
                _one(experiment, fov_id, phase)


def _chosen(sheets: list[str]) -> str:
    """One button a sheet, or a list where they would fill the page."""
    if len(sheets) > MOST_BUTTONS:
        return str(st.selectbox("Fields", sheets, width=200))
    return str(st.segmented_control("Fields", sheets, default=sheets[0], required=True))


def _one(experiment: Experiment, fov_id: str, phase: str) -> None:
    try:
        path, plane = experiment.resolve(phase)
        st.image(_small(path, plane, path.stat().st_mtime_ns), caption=fov_id, alt=f"Phase image of {fov_id}")
    except (InputError, OSError) as problem:
        st.error(f"{fov_id}: {problem}")


@st.cache_data(max_entries=512, show_spinner=False)
def _small(path: Path, plane: Plane, changed: int) -> np.ndarray:
    """``changed`` makes a replaced file a new picture."""
    small = Image.fromarray(preview(read(path, plane).pixels))
    small.thumbnail((SIDE_PX, SIDE_PX))
    return np.asarray(small)
