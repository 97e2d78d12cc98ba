"""Test-only page: two simple fields in the viewer, with controls for everything a page may change."""

import sys
from pathlib import Path

import numpy as np
import streamlit as st

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import pandas as pd

from core.images import write_image, write_labels
from core.workspace import workspace_root
from pages.parts.viewer import CALLS, Tile, cell_viewer, field_tile

SHAPE = (400, 600)


def files(name: str, shift: int) -> tuple[Path, Path]:
    """Three square cells of 100 px: labels 2, 5 and 9, with 5 and 9 touching each other."""
    image, labels = workspace_root() / f"{name}.tif", workspace_root() / f"{name}_labels.tif"
    if not labels.exists():
        truth = np.zeros(SHAPE, np.int32)
        truth[50 + shift : 150 + shift, 50:150] = 2
        truth[200:300, 300:400] = 5
        truth[200:300, 400:500] = 9
        shade = np.random.default_rng(0).normal(1000, 60, SHAPE) + 400 * (truth > 0)
        write_image(image, shade.astype(np.uint16), 0.5)
        write_labels(labels, truth)
    return image, labels


def tile(name: str, shift: int, senescent: int) -> Tile:
    image, labels = files(name, shift)
    cells = pd.DataFrame(
        {
            "label": [2, 5, 9],
            "senescent": pd.array([senescent, 0, pd.NA], "Int64"),
            "senescence_probability": pd.array([0.91, 0.08, pd.NA], "Float64"),
            "exclusion_reason": ["", "", "touches border"],
        }
    )
    return field_tile(name, image, labels=labels, cells=cells, title=f"Field {name}", pixel_size_um=0.5)


st.set_page_config(layout="wide")


def viewer_page() -> None:
    st.title("Viewer")
    with st.sidebar:
        which = st.radio("Show", ["one", "other", "both", "plain", "broken"], key="which")
        senescent = int(st.checkbox("Cell 2 is senescent", value=True))
        ruler = st.number_input("Ruler", 0, 300, 0)
    first, second = tile("A", 0, senescent), tile("B", 40, 0)
    image, labels = files("A", 0)
    tiles = {
        "one": [first],
        "other": [second],
        "both": [first, second],
        "plain": [field_tile("A", image, labels=labels)],
        "broken": [Tile("gone", 100, 100, first.image_url.replace("A", "B"), title="Gone"), Tile("swapped", 90, 90, first.image_url, first.labels_url)],
    }[which]
    runs = st.session_state["runs"] = st.session_state.get("runs", 0) + 1
    click = cell_viewer(tiles, key="viewer", columns=len(tiles), ruler_px=ruler, selected=st.session_state.get("cell"))
    if click:
        st.session_state["clicks"] = [*st.session_state.get("clicks", []), click]
        st.session_state["cell"] = (click.fov_id, click.label)
    st.write(f"runs={runs}")
    clicks = st.session_state.get("clicks", [])
    st.write(f"clicks={len(clicks)}", f"last={clicks[-1] if clicks else None}")


def other_page() -> None:
    st.title("Elsewhere")
    st.write(CALLS[0][0])


st.navigation([st.Page(viewer_page, title="Viewer", default=True), st.Page(other_page, title="Elsewhere")], position="top").run()
