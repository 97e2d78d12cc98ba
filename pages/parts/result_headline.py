"""The headline of an assessment: what to beware of, and one card a culture."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from core.report.doubts import uncertain_words
from core.report.headline import headline
from core.report.words import counted, culture, interval, percent
from core.statistics.cultures import PLAIN
from pages.parts.result_signoff import BADGES

A_ROW = 4
WARNED = 3  # more warnings than this push the numbers off the screen


def show_warnings(found: Sequence[str]) -> None:
    """The gravest, which come first; the others folded away, so that the numbers are seen without scrolling."""
    if not found:
        return
    first, others = found[:WARNED], found[WARNED:]
    st.warning("**Before you use these numbers**\n" + "\n".join(f"- {one}" for one in first), icon=":material/warning:")
    if others:
        with st.expander(f"{len(others)} more to know before you use these numbers", icon=":material/warning:"):
            st.markdown("\n".join(f"- {one}" for one in others))


def show_headline(samples: pd.DataFrame) -> None:
    """Cards in rows of four; below them what they leave out."""
    shown, rest = headline(samples)
    rows = shown.to_dict("records")
    wide = min(A_ROW, max(2, len(rows)))  # the same in every row, so that cards stand below each other
    for first in range(0, len(rows), A_ROW):
        for column, row in zip(st.columns(wide), rows[first : first + A_ROW], strict=False):
            with column.container(border=True):
                _card({str(key): value for key, value in row.items()})
    if rest:
        st.caption(rest)


def _card(row: Mapping[str, Any]) -> None:
    role = f" · {row['role']}" if row["role"] not in ("", "sample") else ""
    st.metric(culture(row) + role, f"{percent(row['reported_fraction'])} senescent")
    badge = f"{BADGES[row['verdict']]} " if row["verdict"] else ""
    plain = row["reported_method"] in ("", PLAIN)
    how, before = ("", "") if plain else (f", {row['reported_method']}", "Called: ")
    spread = f"{badge}95 % interval {interval(row['reported_low'], row['reported_high'])}{how}"
    called = f"{before}{counted(row)}, {row['n_excluded']} not scored"
    lines = [spread, called, uncertain_words(row)]
    st.caption("  \n".join(line for line in lines if line))
