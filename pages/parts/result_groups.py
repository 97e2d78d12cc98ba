"""Groups of cultures on the page of an assessment: choose what to compare, see the difference and its interval, take the tables along."""

from dataclasses import replace
from typing import Any

import pandas as pd
import streamlit as st

from core.errors import InputError
from core.report import csv_bytes
from core.report.words import count, interval, measured, percent, signed
from core.settings import ReportSettings
from core.stages.assessed import Assessed
from core.stages.grouping import chosen_column, compare, described_fields, donors_shared, group_columns
from core.stages.reporting import Evidence, gather_again
from core.statistics.comparing import EVERY, UNITS, Comparison

TOGETHER = "All cultures together"


@st.fragment
def show_groups(assessed: Assessed, words: dict[str, Any]) -> None:
    """Column, unit and reference to choose; figure, sentences, tables, downloads."""
    described = described_fields(assessed)
    columns = group_columns(described)
    first = chosen_column(described, "auto") or TOGETHER
    id = str(assessed.about.get("id", ""))
    left, middle, right = st.columns(3)
    offered = [*columns, TOGETHER]
    column = left.selectbox("Compare", offered, index=offered.index(first), key=f"group-by-{id}", help="Columns of the field table in which cultures differ.")
    units = [one for one in UNITS if one == "culture" or (one in described and (described[one] != "").any())]
    unit = middle.selectbox("One observation is a", units, key=f"group-unit-{id}", help="Never a cell: cells of one culture are alike.")
    settings = ReportSettings(group_by="none" if column == TOGETHER else column, unit=unit)
    try:
        evidence = gather_again(assessed, words) if unit == "well" else Evidence(cells=assessed.cells)  # wells are estimated anew
        found = _compared(assessed, evidence, settings)
        names = [name for name in found.groups["group"] if name != EVERY]
        reference = right.selectbox("Reference", ["every pair", *names], key=f"group-reference-{id}-{column}") if len(names) > 1 else "every pair"
        if reference != "every pair":
            found = _compared(assessed, evidence, replace(settings, reference=reference))
    except InputError as problem:
        st.error(str(problem), icon=":material/error:")
        return
    _show(found, donors_shared(described, unit, found.column), assessed)


def _compared(assessed: Assessed, evidence: Evidence, settings: ReportSettings) -> Comparison:
    rates = evidence.reference.rates if evidence.reference else lambda _: None
    return compare(assessed, assessed.samples, evidence.cells, rates, settings)


def _show(found: Comparison, shared: str, assessed: Assessed) -> None:
    from core.report.group_figures import groups_figure  # brings Plotly

    if found.groups.empty:
        st.info("No culture with a scored cell can be compared.", icon=":material/info:")
        return
    for text in filter(None, (*found.warnings, shared)):
        st.warning(text, icon=":material/warning:")
    for text in found.sentences:
        st.markdown(f"- {text}")
    st.plotly_chart(groups_figure(found.groups, found.units, found.unit), key=f"groups-{assessed.about.get('id', '')}")
    what = count(len(found.groups), "group")
    st.caption(f"{what}; mean of the {found.unit}s with the 95 % interval between them. Compared is the fraction by one estimator for all: {found.method}.")
    _tables(found)
    _downloads(found, assessed)


def _downloads(found: Comparison, assessed: Assessed) -> None:
    """Named and written as the tables of the assessment are."""
    id, tables = str(assessed.about.get("id", "")), {"groups": found.groups, "comparisons": found.comparisons, "trend": found.trend, "group_units": found.units}
    with st.container(horizontal=True):
        for name, table in tables.items():
            data, file = csv_bytes(table, assessed.decimal_comma), f"{assessed.experiment.name} {id} {name}.csv"
            st.download_button(f"{name}.csv", data=data, file_name=file, mime="text/csv", on_click="ignore", key=f"take-{name}-{id}")


def _tables(found: Comparison) -> None:
    rows = found.groups.to_dict("records")
    shown = {"Group": [r["group"] for r in rows], f"{found.unit.capitalize()}s": [r["n_cultures"] for r in rows]}
    shown |= {"Mean": [percent(r["mean"]) for r in rows], "95 % interval": [interval(r["ci_low"], r["ci_high"]) for r in rows]}
    st.dataframe(pd.DataFrame(shown), hide_index=True, width="content")
    pairs = found.comparisons.to_dict("records")
    if pairs:
        columns = {
            "Group": [r["group"] for r in pairs],
            "against": [r["reference"] for r in pairs],
            "Difference (points)": [signed(r["difference"]) for r in pairs],
        }
        columns |= {"95 % interval": [f"{signed(r['ci_low'])} to {signed(r['ci_high'])}" for r in pairs], "Hedges g": [measured(r["hedges_g"]) for r in pairs]}
        columns |= {"p": [measured(r["p"]) for r in pairs], "p (Holm)": [measured(r["p_holm"]) for r in pairs]}
        st.dataframe(pd.DataFrame(columns), hide_index=True, width="content")
