"""The cells that the classifier is most wrong about, as pictures, with what it looked at."""

from pathlib import Path

import pandas as pd
import streamlit as st

from core.report import read_csv
from core.tables import ERRORS
from core.workspace import Product

WIDTH_PX = 118
COLUMNS = {"cell_id": "Cell", "sample": "Culture", "senescence_probability": "Probability"}


def worst_errors(product: Product, counts: dict[str, int]) -> None:
    """Cells called senescent with the highest probability that are not, and the other way round; ``counts``: how many there are of each kind."""
    if not (product.path / "errors.csv").is_file():
        st.info("This evaluation was made by an earlier version, which kept no pictures. Evaluate again to see them.", icon=":material/image:")
        return
    _galleries(product.path, read_csv(product.path / "errors.csv", ERRORS), counts)


@st.fragment
def _galleries(folder: Path, errors: pd.DataFrame, counts: dict[str, int]) -> None:
    heat = st.toggle(
        "Show what the model looked at",
        key=f"heat-{folder.name}",
        help="Orange places speak for senescent, blue ones against it. The contributions of all places add up to what the model says (heat_maps.csv).",
    )
    for column, (kind, count) in zip(st.columns(2, gap="medium"), counts.items(), strict=True):
        with column:
            st.markdown(f"**{kind.capitalize()}**: {count} cells")
            some = errors[errors["kind"] == kind]
            if some.empty:
                st.caption("None.")
                continue
            picture_row(folder, some, "heat_map" if heat else "picture", "senescence_probability")
            shown = some[list(COLUMNS)].rename(columns=COLUMNS)
            st.dataframe(shown, hide_index=True, column_config={"Probability": st.column_config.NumberColumn(format="%.3f")})
    st.caption(
        "The worst first, with the probability of being senescent. A place of a heat map is about 32 px of the crop wide and also sees what lies around it. "
        "One marker is not the truth: some of these may be errors of the stain, its alignment or its threshold."
    )


def picture_row(folder: Path, cells: pd.DataFrame, column: str, value: str) -> None:
    """Pictures side by side, each with a number under it."""
    with st.container(horizontal=True, gap="small"):
        for name, number, cell in zip(cells[column], cells[value], cells["cell_id"], strict=True):
            st.image((folder / name).read_bytes(), caption=f"{number:.2f}", width=WIDTH_PX, alt=f"Cell {cell}")
