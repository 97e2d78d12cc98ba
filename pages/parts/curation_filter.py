"""Which cells the gallery shows. The choice is made once: a cell that is decided on keeps its place until the choice changes."""

from dataclasses import dataclass

import pandas as pd
import streamlit as st

from core.stages.curating import KEY, Curation
from core.workspace import fingerprint

EVERY = "All"
UNDECIDED, NOT_BY_ME, BY_ME, DISPUTED = "Undecided", "Not decided by me", "Decided by me", "Raters disagree"
WHICH = ("Every cell", UNDECIDED, NOT_BY_ME, BY_ME, DISPUTED)
AUTOMATIC = {"Automatic: positive": 1, "Automatic: negative": 0}
DECIDED = {"Now: positive": 1, "Now: negative": 0}
NO_CLASS = "Now: no class"
DONE = {
    UNDECIDED: "Every cell of this choice is decided.",
    NOT_BY_ME: "You have decided every cell of this choice.",
    BY_ME: "You have not decided any cell yet.",
    DISPUTED: "No cell is seen differently by two raters.",
}


@dataclass(frozen=True)
class Shown:
    """``cells``: rows of ``Curation.cells`` to be shown, in order; ``blind``: without what the app and others say; ``empty``: words for none."""

    cells: pd.DataFrame
    blind: bool
    empty: str


def choose_cells(now: Curation, rater: str, key: str) -> Shown:
    """Boxes for the filters, one after the other where the caller stands, and the cells that they let through."""
    cells = now.cells
    which = st.selectbox("Cells", WHICH, index=1, key=f"{key}-which", persist_state="page", width=170)
    line = st.selectbox("Line", [EVERY, *dict.fromkeys(cells["sample"])], key=f"{key}-line", persist_state="page", width=130)
    of_line = cells if line == EVERY else cells[cells["sample"] == line]
    field = st.selectbox("Field", [EVERY, *sorted(set(of_line["fov_id"]))], key=f"{key}-field", persist_state="page", width=170)
    known = st.selectbox("Class", [EVERY, *AUTOMATIC, *DECIDED, NO_CLASS], key=f"{key}-class", persist_state="page", width=180)
    fragile = st.checkbox("Only fragile", key=f"{key}-fragile", persist_state="page", help="The class changes within the error of the alignment.")
    blind = st.checkbox("Blind", key=f"{key}-blind", persist_state="page", help="Hides what the app and other people say, for an independent second opinion.")
    choice = fingerprint({"filters": [which, line, field, known, fragile], "rater": rater if which in (NOT_BY_ME, BY_ME) else ""})
    memory = f"{key}-choice"
    if st.session_state.get(memory, ("", None))[0] != choice:
        kept = of_line if field == EVERY else of_line[of_line["fov_id"] == field]
        kept = _of_class(kept, known)
        kept = kept[kept["fragile"].fillna(False)] if fragile else kept
        st.session_state[memory] = (choice, _decided(now, kept, which, rater)[KEY].reset_index(drop=True))
        st.session_state[f"{key}-page"] = 0
    chosen = st.session_state[memory][1].merge(cells, on=KEY, how="inner")
    return Shown(chosen, blind, DONE.get(which, "No cell is like that.") if known == EVERY and not fragile else "No cell is like that.")


def _of_class(cells: pd.DataFrame, known: str) -> pd.DataFrame:
    if known in AUTOMATIC:
        return cells[(cells["automatic_class"] == AUTOMATIC[known]).fillna(False)]
    if known in DECIDED:
        return cells[(cells["class"] == DECIDED[known]).fillna(False)]
    return cells[cells["class"].isna()] if known == NO_CLASS else cells


def _decided(now: Curation, cells: pd.DataFrame, which: str, rater: str) -> pd.DataFrame:
    if which == UNDECIDED:
        return cells[cells["decision"] == ""]
    if which in (NOT_BY_ME, BY_ME):
        mine = _among(cells, now.of(rater))
        return cells[mine if which == BY_ME else ~mine]
    return cells[_among(cells, now.disputed)] if which == DISPUTED else cells


def _among(cells: pd.DataFrame, some: pd.DataFrame) -> "pd.Series[bool]":
    known = set(some[KEY].itertuples(index=False, name=None))
    return pd.Series([pair in known for pair in cells[KEY].itertuples(index=False, name=None)], index=cells.index, dtype=bool)
