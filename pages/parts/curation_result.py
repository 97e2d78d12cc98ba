"""What the decisions come to: per line before and after, raters and their agreement, what could not be carried over."""

import pandas as pd
import streamlit as st

from core.report.words import count
from core.stages.curating import Curation
from core.stain.agreement import agreement


def show_result(now: Curation, rater: str) -> None:
    """Counts of every line, agreement of two raters, lost decisions."""
    with st.container():
        _lines(now)
    _raters(now, rater)
    _lost(now)


def _lines(now: Curation) -> None:
    table = now.lines()
    shown = pd.DataFrame(
        {
            "Line": table["sample"],
            "Cells": table["cells"],
            "Decided": table["decided"],
            "Left": table["left"],
            "Positive before": table["positive_before"],
            "Positive now": table["positive"],
            "Negative before": table["negative_before"],
            "Negative now": table["negative"],
            "Without class now": table["cells"] - table["positive"] - table["negative"],
            "Changed by people": table["changed"],
        }
    )
    st.subheader("Positive and negative, before and after", anchor=False)
    st.dataframe(shown, hide_index=True, key="curation-lines")
    carried = now.decisions.n_carried
    if carried:
        st.caption(f"{count(carried, 'decision')} came along from other outlines of the same cells.")


def _raters(now: Curation, rater: str) -> None:
    names = now.raters
    if len(names) < 2:
        st.caption("For a second opinion another person enters a name, sets “Not decided by me” and “Blind”, and decides; their agreement appears here.")
        return
    st.subheader("Do two people agree?", anchor=False)
    with st.container(horizontal=True):
        first = st.selectbox("First rater", names, index=names.index(rater) if rater in names else 0, key="curation-first", width=220)
        rest = [name for name in names if name != first]
        second = st.selectbox("Second rater", rest, key="curation-second", width=220)
    found = agreement(now.decisions.rows, now.segmentation, first, second)
    if not found.cells:
        st.info(f"{first} and {second} have decided on no cell in common yet.", icon=":material/group:")
        return
    kappa = "cannot be computed: both always gave the same answer" if found.kappa is None else f"{found.kappa:.2f}"
    st.markdown(f"Both decided on **{count(found.cells, 'cell')}**, alike on {100 * (found.observed or 0):.0f} %. Cohen's kappa: **{kappa}**.")
    table = found.table.rename_axis(index=f"{first} ↓  {second} →").reset_index()
    st.dataframe(table, hide_index=True, key="curation-agreement", width="content")
    if len(found.differing):
        st.caption(f"{count(len(found.differing), 'cell')} they see differently: choose “Raters disagree” above. Of all raters, the latest decision counts.")


def _lost(now: Curation) -> None:
    lost = now.decisions.lost
    if lost.empty:
        return
    st.warning(f"{count(len(lost), 'decision')} on other outlines could not be carried over. They are kept, but do not count here.", icon=":material/warning:")
    names = {
        "fov_id": "Field",
        "label": "Cell",
        "decision": "Decision",
        "rater": "By",
        "reason": "Why",
        "segmentation": "Outlines",
        "x_px": "x (px)",
        "y_px": "y (px)",
    }
    st.dataframe(lost[list(names)].rename(columns=names), hide_index=True, key="curation-lost")
