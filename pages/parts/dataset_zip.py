"""Crops that were cut elsewhere, as a ZIP from the user's computer: dropped, looked into, taken over."""

from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import streamlit as st

from core.errors import InputError
from core.report.words import count
from core.settings import DatasetSettings
from core.stages.crop_archives import UPLOADS, Contents, look_into, remove, waiting
from core.stages.crop_folders import checked_pattern
from core.workspace import Experiment
from pages.parts.dataset_plan import SETS
from pages.parts.job_panel import submit
from pages.parts.upload import uploader

ONLY = "Only files whose path matches"


def crops_from_zip(experiment: Experiment) -> None:
    """The drop zone, and the ZIPs that were uploaded and not taken over yet."""
    refused_before = f"zip-refused-{experiment.name}"
    done = uploader(
        experiment,
        key=f"zip-{experiment.name}",
        label="Drop the ZIP here",
        suffixes=(".zip",),
        folder=UPLOADS,
        whole_folders=False,
        added="received",  # whether it can be used is said below
    )
    if done:
        st.session_state[refused_before] = _refused(experiment, done.references)
        st.session_state.pop(f"zip-chosen-{experiment.name}", None)  # the new one is meant
    for why in st.session_state.get(refused_before, []):
        st.error(why, icon=":material/error:")
    if found := waiting(experiment):
        _choose(experiment, found)


def anything_to_tell(experiment: Experiment) -> bool:
    """Whether a ZIP waits here or was refused a moment ago."""
    return bool(waiting(experiment) or st.session_state.get(f"zip-refused-{experiment.name}"))


def _refused(experiment: Experiment, references: Sequence[str]) -> list[str]:
    """Why some of the uploaded ZIPs cannot be used; these are removed at once."""
    reasons = []
    for reference in references:
        path = experiment.path / reference
        try:
            look_into(path)
        except InputError as problem:
            reasons.append(str(problem))
            remove(path)
    return reasons


def _choose(experiment: Experiment, found: Sequence[Path]) -> None:
    """One ZIP, what is in it, and how it is to be taken."""
    path = found[0]
    if len(found) > 1:
        path = st.selectbox("ZIP", found, format_func=lambda p: p.name, key=f"zip-chosen-{experiment.name}")
    try:
        inside = _inside(path, path.stat().st_mtime_ns)
    except (InputError, OSError) as problem:
        st.error(str(problem), icon=":material/error:")
        _remove_button(path)
        return
    sets = ", ".join(SETS[one].lower() for one in inside.sets) or "none, they are drawn"
    st.success(f"**{path.name}** · {count(inside.pictures, 'picture')} · classes: {', '.join(inside.classes)} · sets: {sets}", icon=":material/folder_zip:")
    left, middle, right = st.columns(3)
    positive = _senescent(left, inside, path.name)
    only = middle.text_input(ONLY, help="A regular expression; empty: all.", key="zip-only")
    how = right.selectbox(**intensity(), key="zip-intensity")
    with st.container(horizontal=True):
        if st.button("Take over", type="primary", disabled=positive is None, icon=":material/drive_folder_upload:", key="zip-take"):
            st.session_state.pop(f"zip-refused-{experiment.name}", None)  # read by now
            start(experiment, path, only, "" if positive == inside.positive else str(positive), how)
        _remove_button(path)
    if positive is None:
        st.caption("Choose first which of the folders holds the senescent cells.")


def _senescent(place: Any, inside: Contents, name: str) -> str | None:
    known = inside.classes.index(inside.positive) if inside.positive else None
    chosen: str | None = place.selectbox("Folder of the senescent class", inside.classes, index=known, placeholder="Choose", key=f"zip-positive-{name}")
    return chosen


def _remove_button(path: Path) -> None:
    st.button("Remove this ZIP", icon=":material/delete:", on_click=remove, args=(path,), key="zip-remove")


def start(experiment: Experiment, source: Path, only: str, positive: str, intensity: str) -> None:
    """Begin to take over a folder or a ZIP."""
    try:
        checked_pattern(only, ONLY)
    except InputError as problem:
        st.error(str(problem), icon=":material/error:")
        return
    settings = asdict(DatasetSettings(crop_px=0, intensity=intensity))
    params = {"folder": str(source), "out": str(experiment.path), "settings": settings, "only": only, "positive": positive}
    submit("import_crops", params, str(experiment.path))
    st.rerun()


def intensity() -> dict[str, Any]:
    """How grey values become intensities, in the words of the settings."""
    about = next(one for one in fields(DatasetSettings) if one.name == "intensity").metadata
    return {"label": about["label"], "options": list(about["choices"]), "help": about["help"]}


@st.cache_data(max_entries=16, show_spinner=False)
def _inside(path: Path, changed: int) -> Contents:
    return look_into(path)
