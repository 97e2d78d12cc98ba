"""Check and correct: the outlines of a segmentation field by field, suspicious cells first, every correction saved at once."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from core.errors import InputError
from core.images import Plane
from core.options import command
from core.report.words import count
from core.stages.correcting import Corrected, correct, keep, look, overview, ready
from core.workspace import Experiment, Product, fingerprint
from pages.parts import address, media
from pages.parts.field_view import phase_of
from pages.parts.job_panel import current_job, submit
from pages.parts.label_change import labels_change
from pages.parts.viewer import SUSPICIOUS, Editing, Tile, cell_viewer, corrections, field_tile

LISTED = 200  # cells; whoever corrects more needs another model


@st.fragment
def review_panel(experiment: Experiment, product: Product) -> None:
    """Everything about correcting ``product``."""
    key = f"review-{product.id}"
    names = overview(experiment, product)["fov_id"].to_list()
    if not names:
        st.info("There is no field to correct: see what was left out.")
        return
    rater = st.session_state.get("rater", address.read("rater"))
    before = st.session_state.get(f"{key}-heard")
    heard, problem = _hear(experiment, product, key, names, rater)
    edited = before is not None and before[0] != heard
    fields = overview(experiment, product).set_index("fov_id")
    shown = _turn(names, fields)
    try:
        now = look(experiment, product, shown, later=edited)
        at = names.index(shown)
        editing = Editing(_suspects(now), len(now.history.edits), len(now.history.undone), heard, problem, at == 0, at == len(names) - 1)
        tile = _tile(experiment, product, shown, now.labels, now.history.version, now)
        cell_viewer([tile], key=key, legend=SUSPICIOUS, editing=editing, preload=_next(experiment, product, names[at + 1 :]))
        if edited:
            keep(experiment, product, shown)  # after the viewer has been told: writing takes longer than the correction
    except InputError as wrong:
        st.error(str(wrong), icon=":material/error:")
    _finish(experiment, product, fields, shown)


def _hear(experiment: Experiment, product: Product, key: str, names: list[str], rater: str) -> tuple[int, str]:
    """Save what the viewer tells; the number of its last message, and what was wrong with that."""
    memory = f"{key}-heard"
    heard, problem = st.session_state.get(memory, (0, ""))
    for message in corrections(key):
        if message["at"] <= heard:
            continue
        heard, problem = message["at"], ""
        try:
            _obey(experiment, product, message, names, rater)
        except InputError as wrong:
            problem = str(wrong)
    st.session_state[memory] = (heard, problem)
    return heard, problem


def _obey(experiment: Experiment, product: Product, message: dict[str, Any], names: list[str], rater: str) -> None:
    if message["fov_id"] not in names:
        raise InputError(f"{message['fov_id']} is not a field of this segmentation.")
    if message["action"] == "turn":
        at = names.index(message["fov_id"]) + int(message["points"][0][0])
        address.write(field=names[min(max(at, 0), len(names) - 1)])
    else:
        correct(experiment, product, message["fov_id"], message, rater)


def _turn(names: list[str], fields: pd.DataFrame) -> str:
    """The field of the address, changed by previous, next or a pick by name; each name says what was done to it."""
    shown = address.read("field") if address.read("field") in names else names[0]
    at = names.index(shown)
    words = {name: _words(name, fields.loc[name]) for name in names}
    key = f"review-pick-{fingerprint(words)}"  # the browser answers with the words, so other words are another box
    st.session_state[key] = shown
    back, pick, forth = st.columns([1, 6, 1], vertical_alignment="bottom")
    go: dict[str, Any] = {"on_click": address.write, "width": "stretch"}
    back.button("Previous", key="review-previous", disabled=at == 0, kwargs={"field": names[max(0, at - 1)]}, **go)
    forth.button("Next", key="review-next", disabled=at == len(names) - 1, kwargs={"field": names[min(at + 1, len(names) - 1)]}, **go)
    pick.selectbox("Field", names, key=key, format_func=words.__getitem__, on_change=_picked, args=(key,), label_visibility="collapsed")
    return shown


def _picked(key: str) -> None:
    address.write(field=st.session_state[key])


def _words(name: str, row: "pd.Series[Any]") -> str:
    done = [count(int(row["edits"]), "correction")] if row["edits"] else []
    return " · ".join([name, *done, *(["looked at"] if row["looked_at"] else [])])


def _suspects(now: Corrected) -> list[tuple[int, str, bool]]:
    listed = now.cells[now.cells["score"] > 0].head(LISTED)
    return [(int(row["label"]), str(row["reason"]), bool(row["clear"])) for row in listed.to_dict("records")]


def _next(experiment: Experiment, product: Product, names: list[str]) -> list[Tile]:
    """The field that follows, so that turning to it is instant."""
    found = ready(experiment, product, names[0]) if names else None
    return [_tile(experiment, product, names[0], *found)] if found else []


def _tile(experiment: Experiment, product: Product, fov_id: str, labels: Path, version: str, now: Corrected | None = None) -> Tile:
    """A field whose label image may change under the same picture; the clearly suspicious cells are of the first class."""
    image, plane, pixel_size = _phase(experiment, fov_id, media.version(experiment.fields_csv))
    tile = field_tile(fov_id, image, plane, labels=labels, title="", pixel_size_um=pixel_size)
    suspects, change = (_suspects(now), now.change) if now else ([], None)
    return replace(
        tile,
        colours={label: 0 for label, _, clear in suspects if clear},
        texts={label: why for label, why, _ in suspects},
        identity=f"{product.path}|{fov_id}|{media.version(image)}|{plane}",
        labels_version=version,
        labels_change=labels_change(change.since, change.box, change.pixels, media.reduction(tile.height, tile.width)) if change else {},
    )


@st.cache_data(max_entries=256, show_spinner=False, hash_funcs={Experiment: lambda one: str(one.path)})
def _phase(experiment: Experiment, fov_id: str, version: str) -> tuple[Path, Plane, float | None]:
    """As ``phase_of``, which reads the whole table of fields."""
    return phase_of(experiment, fov_id)


def _finish(experiment: Experiment, product: Product, fields: pd.DataFrame, shown: str) -> None:
    """Looked at, by whom, how much there is, publish."""
    edits, looked_at = int(fields["edits"].sum()), int(fields["looked_at"].sum())
    st.session_state["review-looked"] = bool(fields.loc[shown, "looked_at"])
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.checkbox("I have looked through this field", key="review-looked", on_change=_mark, args=(experiment, product, shown))
        st.text_input("Your name", key="rater", value=address.read("rater"), placeholder="kept with each correction", on_change=_named, width=240)
        busy = current_job(experiment, ("review",)) is not None
        if st.button("Publish corrected outlines", type="primary", icon=":material/publish:", disabled=busy or not (edits or looked_at)):
            submit("review", {"experiment": str(experiment.path), "segmentation": product.id}, str(experiment.path))
            st.rerun()
    corrected = int((fields["edits"] > 0).sum())
    st.caption(
        f"{count(edits, 'correction')} in {corrected} of {count(len(fields), 'field')}, {looked_at} looked through. Every correction is saved at once; "
        "publishing makes a new segmentation and leaves this one as it is."
    )
    with st.expander("The same on the command line", icon=":material/terminal:"):
        st.code(command("review", experiment.path, segmentation=product.id), language="bash", wrap_lines=True)
    for wrong in fields.loc[(fields["problem"] != "") & (fields.index != shown), "problem"]:
        st.error(str(wrong), icon=":material/error:")


def _mark(experiment: Experiment, product: Product, fov_id: str) -> None:
    row = {"action": "looked_at", "value": st.session_state["review-looked"]}
    try:
        correct(experiment, product, fov_id, row, st.session_state.get("rater", ""))
    except InputError as wrong:
        st.toast(str(wrong), icon=":material/error:")


def _named() -> None:
    address.write(rater=st.session_state["rater"])
