"""Validation cells with the probability that a run's best epoch gives them."""

from pathlib import Path

import pandas as pd
import streamlit as st

from core.dataset.folders import picture_of
from core.errors import InputError
from core.report import read_csv
from core.stages.datasets import open_dataset
from core.tables import VALIDATED_CELLS

SHOWN = 8


def show_examples(dataset: Path, run: Path) -> None:
    """Cells of both classes, from the least to the most senescent in the eyes of the network."""
    try:
        cells, data = read_csv(run / "validation.csv", VALIDATED_CELLS), open_dataset(dataset)
    except InputError as problem:  # just being written or published, or the dataset is gone
        st.caption(str(problem))
        return
    st.markdown("**Validation cells with the probability of being senescent**, at the best epoch so far")
    for column, (label, words) in zip(st.columns(2, gap="medium"), ((1, "Senescent"), (0, "Not senescent")), strict=True):
        some = spread(cells[cells["class"] == label])
        with column:
            st.caption(f"{words} by the stain")
            pictures = [picture_of(data.crops, int(i), bits=8) for i in some["crop"]]
            st.image(pictures, caption=[f"{p:.2f}" for p in some["senescence_probability"]], width=88)


def spread(cells: pd.DataFrame) -> pd.DataFrame:
    """Some of the cells, evenly spread over their probabilities."""
    ordered = cells.sort_values("senescence_probability", kind="stable")
    if len(ordered) <= SHOWN:
        return ordered
    return ordered.iloc[[round(k * (len(ordered) - 1) / (SHOWN - 1)) for k in range(SHOWN)]]
