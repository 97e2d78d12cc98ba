"""The cells that the classifier is most wrong about, as pictures."""

from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st

from core.dataset.folders import picture_of
from core.stages.datasets import open_dataset
from core.workspace import Experiment, Product
from pages.parts.dataset_pictures import contact_sheet

SHOWN = 12


def worst_errors(experiment: Experiment, product: Product, predictions: pd.DataFrame, threshold: float) -> None:
    """Cells called senescent with the highest probability that are not, and the other way round."""
    folder = experiment.path / "datasets" / str(product.settings.get("upstream", {}).get("dataset", ""))
    for column, (words, rows) in zip(st.columns(2, gap="medium"), _wrong(predictions, threshold), strict=True):
        with column:
            st.markdown(f"**{words}**: {len(rows)} cells")
            if rows.empty:
                st.caption("None.")
            elif not (folder / "manifest.csv").is_file():
                st.caption("The dataset with their pictures is no longer there.")
            else:
                worst = rows.head(SHOWN)
                st.image(sheet(folder, tuple(worst["cell_id"])), width="stretch", alt=words)
                st.dataframe(worst[["cell_id", "sample", "senescence_probability"]], hide_index=True)
    st.caption("The worst first, row by row. One marker is not the truth: some of these may be errors of the stain, its alignment or its threshold.")


def _wrong(predictions: pd.DataFrame, threshold: float) -> list[tuple[str, pd.DataFrame]]:
    called, truth = predictions["senescence_probability"] >= threshold, predictions["class"] == 1
    false = predictions[called & ~truth].sort_values("senescence_probability", ascending=False)
    missed = predictions[~called & truth].sort_values("senescence_probability")
    return [("Called senescent, not stained", false), ("Stained, not called senescent", missed)]


@st.cache_data(max_entries=16, show_spinner=False)
def sheet(folder: Path, cells: tuple[str, ...]) -> np.ndarray:
    """Pictures of the cells on one sheet, uint8 (Y, X)."""
    dataset = open_dataset(folder)
    places = {cell: i for i, cell in enumerate(dataset.manifest["cell_id"])}
    return contact_sheet([picture_of(dataset.crops, places[cell], bits=8) for cell in cells if cell in places], row=4)
