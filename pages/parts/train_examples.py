"""Validation cells with the probability that a run's best epoch gives them."""

from pathlib import Path

import pandas as pd
import streamlit as st

from core.dataset.folders import picture_of
from core.errors import InputError
from core.stages.datasets import open_dataset
from core.stages.training_cells import validated_cells

SHOWN = 8


def show_examples(dataset: Path, run: Path) -> None:
    """Cells of both classes, from the least to the most senescent in the eyes of the network."""
    try:
        (cells, threshold), data = validated_cells(run), open_dataset(dataset)
    except InputError as problem:  # just being written or published, or the dataset is gone
        st.caption(str(problem))
        return
    st.markdown(f"**Validation cells with the probability of being senescent**, at the best epoch{' so far' if run.name.endswith('.partial') else ''}")
    st.caption(f"Called senescent from {threshold:.2f} on: those in **bold**.")
    for column, (label, words) in zip(st.columns(2, gap="medium"), ((1, "senescent"), (0, "not senescent")), strict=True):
        some = spread(cells[cells["class"] == label])
        with column:
            st.caption(f"Annotated as {words}")
            with st.container(horizontal=True, gap="small"):
                for i, probability in zip(some["crop"], some["senescence_probability"], strict=True):
                    mark = "**" if probability >= threshold else ""
                    st.image(picture_of(data.crops, int(i), bits=8), caption=f"{mark}{probability:.2f}{mark}", width=112)


def spread(cells: pd.DataFrame) -> pd.DataFrame:
    """Some of the cells, evenly spread over their probabilities."""
    ordered = cells.sort_values("senescence_probability", kind="stable")
    if len(ordered) <= SHOWN:
        return ordered
    return ordered.iloc[[round(k * (len(ordered) - 1) / (SHOWN - 1)) for k in range(SHOWN)]]
