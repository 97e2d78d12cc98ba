"""The table of fields on the page: edited in place and saved at once, exported and imported as CSV, read from file names."""

from typing import Any

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.errors import InputError
from core.field_edits import Clash, carried_over
from core.fields import merge_metadata, parse_name
from core.metadata_csv import metadata_table
from core.name_template import pattern_of
from core.report.words import count
from core.same_images import same_image_words
from core.tables import FIELDS, ROLES, typed
from core.workspace import Experiment

COLUMNS = {
    "fov_id": st.column_config.TextColumn("Field", disabled=True, help="Unique name of the field of view", pinned=True),
    "sample": st.column_config.TextColumn("Culture", help="Fields of one culture are counted together: cell line or donor, passage, condition"),
    "role": st.column_config.SelectboxColumn("Role", options=ROLES, required=True, help="Controls are reported apart"),
    "passage": st.column_config.TextColumn("Passage"),
    "condition": st.column_config.TextColumn("Condition"),
    "donor": st.column_config.TextColumn("Donor", help="Where cultures of one donor are compared: they are not independent of each other"),
    "well": st.column_config.TextColumn("Well"),
    "time_h": st.column_config.NumberColumn("Time (h)", format="%g"),
    "pixel_size_um": st.column_config.NumberColumn(
        "µm per px", min_value=1e-6, format="%g", help="Needed for areas in µm², and to bring cells to the classifier's scale"
    ),
    "phase": st.column_config.TextColumn("Phase image", disabled=True),
    "stain": st.column_config.TextColumn("Stain image", disabled=True),
    "colour": st.column_config.TextColumn("Colour image", disabled=True),
}
IF_USED = ("stain", "colour")
DONOR = "donor"  # not a column of every table: it is there once a donor is stated
EXAMPLE = "automatic – or for example {sample}_P{passage}_{condition}_f{field}_*"
HELP = (
    "Leave it empty and words such as P4, C7, 48h, ctrl, phase are recognised. Or write how your names are built: "
    "{sample} {role} {passage} {condition} {well} {time_h} become columns, {field} and {kind} are read over, * is anything. "
    "A regular expression with named groups works too."
)
DESCRIPTION = ("sample", "role", "passage", "condition", "well", "time_h")


def edit_fields(experiment: Experiment, page: str) -> pd.DataFrame:
    """Show the table; what the user changes is saved at once. Returns the table as it stands on disk.

    ``page``: where it is shown, for the editor of one page knows nothing of what was typed on another.
    """
    key = f"fields-{page}-{experiment.path}"
    state = st.session_state.setdefault(key, None)
    if state is None or f"{key}-{state['version']}" not in st.session_state:  # Streamlit forgets what was typed once the page is left
        state = _begin(experiment, key, _described(experiment))
    place = st.empty()
    before = state["saved"]
    changed = typed(_editor(place, state, key), FIELDS)
    if _stamp(experiment) != state["stamp"]:
        changed = _with_changes_of_others(experiment, key, changed)
        _editor(place, st.session_state[key], key)
    elif not changed.equals(before):
        _save(experiment, changed)
        st.session_state[key] |= {"saved": changed, "stamp": _stamp(experiment)}
        if len(changed) < len(before):
            st.rerun()  # what stands above the table lists the files that are no field now
    st.caption("Changes are saved at once. A row that you delete leaves the table; its image file stays.")
    if same := same_image_words(experiment, changed["phase"]):
        st.warning(same, icon=":material/content_copy:")
    unknown = int(changed["pixel_size_um"].isna().sum())
    if unknown:
        st.caption(f":orange[The pixel size of {count(unknown, 'field')} is unknown.] Fill in the column µm per px: cells are then scored at the right scale.")
    return changed


def _editor(place: DeltaGenerator, state: dict[str, Any], key: str) -> pd.DataFrame:
    table = state["start"]
    return place.data_editor(
        table,
        key=f"{key}-{state['version']}",
        num_rows="delete",
        hide_index=True,
        placeholder="",
        column_config=COLUMNS,
        column_order=[c for c in COLUMNS if c not in IF_USED or (table[c] != "").any()],
    )


def _begin(experiment: Experiment, key: str, table: pd.DataFrame) -> dict[str, Any]:
    """An editor that starts from ``table``, which is what the file holds."""
    version = 1 + (st.session_state[key]["version"] if st.session_state[key] else 0)
    state = {"stamp": _stamp(experiment), "start": table, "saved": typed(table, FIELDS), "version": version}
    st.session_state[key] = state
    return state


def _with_changes_of_others(experiment: Experiment, key: str, changed: pd.DataFrame) -> pd.DataFrame:
    """The file was changed elsewhere (another tab, the command line): what was changed here goes onto what it holds now."""
    now = typed(_described(experiment), FIELDS)
    both, clashes = carried_over(st.session_state[key]["saved"], changed, now)
    if clashes:
        st.warning(
            "The table was changed elsewhere meanwhile. Not saved here:\n" + "".join(f"\n- {_clash_words(one)}" for one in clashes),
            icon=":material/sync_problem:",
        )
    if not both.equals(now):
        _save(experiment, both)
    return _begin(experiment, key, _described(experiment))["saved"]


def _clash_words(one: Clash) -> str:
    if not one.column:
        return f"{one.fov_id} was not deleted, for its row was changed elsewhere."
    name = COLUMNS[one.column]["label"] if one.column in COLUMNS else one.column
    stays = f"it is {one.elsewhere!r} now" if one.elsewhere else "the field or its value is no longer there"
    return f"{one.fov_id}, {name}: {one.here!r}; {stays}."


def _stamp(experiment: Experiment) -> int:
    return experiment.fields_csv.stat().st_mtime_ns


def _described(experiment: Experiment) -> pd.DataFrame:
    """The table on disk, with a place for donors."""
    table = experiment.fields()
    return table if DONOR in table else table.assign(**{DONOR: ""})


def _save(experiment: Experiment, table: pd.DataFrame) -> None:
    try:
        _write(experiment, table)
    except InputError as problem:
        st.error(f"Not saved. {problem}", icon=":material/error:")


def _write(experiment: Experiment, table: pd.DataFrame) -> None:
    stated = DONOR in experiment.fields() or (table[DONOR].fillna("") != "").any()
    experiment.save_fields(table if stated else table.drop(columns=DONOR))


def describe_fields(experiment: Experiment, table: pd.DataFrame) -> None:
    """Fill in many rows at once: one value for all, values from the file names, or a CSV table."""
    for_all, from_names, from_csv = st.tabs(["One value for all", "From file names", "CSV table"])
    with for_all:
        _one_value(experiment, table)
    with from_names:
        _from_names(experiment, table)
    with from_csv:
        _from_csv(experiment, table)


def _one_value(experiment: Experiment, table: pd.DataFrame) -> None:
    columns = {"pixel_size_um": "Pixel size (µm per px)", "sample": "Culture", "passage": "Passage", "condition": "Condition", DONOR: "Donor"}
    left, middle, right = st.columns([2, 2, 1], vertical_alignment="bottom")
    column = left.selectbox("Column", list(columns), format_func=columns.__getitem__)
    value = middle.text_input("Value", placeholder="0.65" if column == "pixel_size_um" else "")
    everywhere = st.checkbox("Also where there is a value already")
    rows = table if everywhere else table[table[column].isna() | (table[column].astype("str") == "")]
    if right.button(f"Set for {count(len(rows), 'field')}", disabled=not value or rows.empty):
        _merge(experiment, table, pd.DataFrame({"fov_id": rows["fov_id"], column: value}))


def _from_names(experiment: Experiment, table: pd.DataFrame) -> None:
    text = st.text_input("How names are built", placeholder=EXAMPLE, live=True, help=HELP, key=f"pattern-{experiment.name}")
    try:
        pattern = pattern_of(text)
        found = [parse_name(phase, pattern) for phase in table["phase"]]
    except InputError as problem:
        st.error(str(problem))
        return
    rows = pd.DataFrame([{k: v for k, v in values.items() if k in DESCRIPTION} for values in found])
    if rows.empty or not len(rows.columns):
        st.info("This pattern reads nothing from these file names.")
        return
    rows.insert(0, "fov_id", table["fov_id"].to_list())
    st.dataframe(rows.head(8), hide_index=True, placeholder="", column_config=COLUMNS)
    st.caption(f"What the pattern reads from the first {min(8, len(rows))} of {len(rows)} names.")
    if st.button("Write these values into the table"):
        _merge(experiment, table, rows)


def _from_csv(experiment: Experiment, table: pd.DataFrame) -> None:
    st.caption("A table with a column fov_id (or phase) and the columns to fill in. Download this one, edit it in Excel, and load it again.")
    st.download_button(
        "Download the table", data=experiment.fields_csv.read_bytes(), file_name=f"{experiment.name} fields.csv", mime="text/csv", on_click="ignore"
    )
    file = st.file_uploader("Load a CSV table", type=["csv", "txt", "tsv"], key=f"csv-{experiment.name}")
    if file is None:
        return
    try:
        rows = metadata_table(file.getvalue(), file.name)
    except InputError as problem:
        st.error(str(problem), icon=":material/error:")
        return
    st.dataframe(rows.head(8), hide_index=True)
    if st.button(f"Write {count(len(rows), 'row')} into the table", disabled=rows.empty):
        _merge(experiment, table, rows)


def _merge(experiment: Experiment, table: pd.DataFrame, rows: pd.DataFrame) -> None:
    """Fill ``rows`` into the table on disk and show it again."""
    try:
        _write(experiment, merge_metadata(table, rows))
    except InputError as problem:
        st.error(str(problem), icon=":material/error:")
    else:
        st.rerun()
