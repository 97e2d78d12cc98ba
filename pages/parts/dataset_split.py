"""The set of every culture on the Dataset page: proposed, changed by hand, remembered for the session."""

from typing import Any
from zlib import crc32

import pandas as pd
import streamlit as st

from core.dataset.split import LEFT_OUT, SPLITS, group_counts, unit_of
from core.settings import DatasetSettings
from core.stages.splitting import Wanted, assignment_of, lasting_names, settle_split
from core.workspace import Experiment
from pages.parts.dataset_plan import Plan


def edit_split(plan: Plan, settings: DatasetSettings, home: Experiment) -> dict[str, str]:
    """The set of every culture, to be changed in the table; every set where one was changed by hand, else nothing.

    The table alone would forget its changes when a row is added or the user looks at another page, so the session keeps them.
    """
    memory = f"dataset-by-hand-{home.name}-{settings.group}"
    seen = f"{memory}-{settings.seed}-{settings.validation}-{settings.test}"  # other shares propose other sets; what was decided stays
    assignment = assignment_of(plan.cells, settings.group, st.session_state.get(memory, {}), st.session_state.get(seen, {}))
    table = _table(plan, settings, home, assignment)
    key = f"{memory}-{crc32(chr(10).join(table['group']).encode())}-{st.session_state.get(f'{memory}-round', 0)}"
    names = lasting_names(plan.cells, settings.group)
    remembered = (key, memory, seen, table[["set"]].assign(name=table["group"].map(names)))
    st.data_editor(table, hide_index=True, column_config=_columns(settings), key=key, width="stretch", on_change=_remember, args=remembered)
    if assignment:
        st.button("Back to the proposed sets", icon=":material/undo:", on_click=_forget, args=(memory, seen))
    return assignment


def _table(plan: Plan, settings: DatasetSettings, home: Experiment, assignment: dict[str, str]) -> pd.DataFrame:
    wanted = Wanted(plan.paths, home.path, assignment=assignment)
    _, sets = settle_split(plan.cells, wanted, settings, [home, *(one.experiment for one in plan.found)])
    counts = group_counts(plan.cells[plan.cells["reason"] == ""])
    table = counts.assign(set=counts["group"].map(sets))[["group", "set", "n_0", "n_1", "senescent_fraction"]]
    return table.merge(_also(plan, settings.group), on="group")


def _columns(settings: DatasetSettings) -> dict[str, Any]:
    return {
        "group": st.column_config.TextColumn(unit_of(settings.group).capitalize(), disabled=True),
        "set": st.column_config.SelectboxColumn("Set", options=[*SPLITS, LEFT_OUT], required=True),
        "n_0": st.column_config.NumberColumn("Not senescent", disabled=True),
        "n_1": st.column_config.NumberColumn("Senescent", disabled=True),
        "senescent_fraction": st.column_config.NumberColumn("Share", format="percent", disabled=True, help="Of senescent cells."),
        **{name: st.column_config.TextColumn(unit_of(name).capitalize(), disabled=True) for name in ("sample", "passage", "condition", "experiment")},
    }


def _remember(key: str, memory: str, seen: str, table: pd.DataFrame) -> None:
    """Keep what was changed by hand, and the sets that the user saw beside it."""
    changed = {table["name"].iloc[int(row)]: new["set"] for row, new in st.session_state[key]["edited_rows"].items() if "set" in new}
    st.session_state[seen] = {**st.session_state.get(seen, {}), **dict(zip(table["name"], table["set"], strict=True))}
    st.session_state[memory] = {**st.session_state.get(memory, {}), **changed}


def _forget(memory: str, seen: str) -> None:
    for name in (memory, seen):
        st.session_state.pop(name, None)
    st.session_state[f"{memory}-round"] = st.session_state.get(f"{memory}-round", 0) + 1  # a new table, without the changes


def _also(plan: Plan, group: str) -> pd.DataFrame:
    """What else is known of the cells of each group, e.g. the passages of a culture; only what tells groups apart."""
    used = plan.cells[plan.cells["reason"] == ""]
    columns = [c for c in ("sample", "passage", "condition", "experiment") if c != group and used[c].nunique() > 1]
    return used.groupby("group", sort=False)[columns].agg(lambda values: ", ".join(sorted(set(values)))).reset_index()
