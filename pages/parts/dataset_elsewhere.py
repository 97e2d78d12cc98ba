"""What was made elsewhere: crops in folders, and splits in the files of the original pipeline."""

import shlex
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import streamlit as st

from core.dataset.original import check_split, original_rows
from core.dataset.sentences import split_sentences
from core.errors import InputError
from core.settings import DatasetSettings
from core.stages.crop_folders import checked_pattern
from core.stages.original_files import table_of_bytes
from core.workspace import Experiment, allowed_path, allowed_roots
from pages.parts.dataset_plan import show_warnings
from pages.parts.job_panel import submit

ONLY = "Only files whose path matches"


def crops_from_elsewhere(experiment: Experiment) -> None:
    """A folder on the server with crops by set and class becomes a dataset of this experiment."""
    with st.expander("Take over crops that were cut elsewhere", icon=":material/drive_folder_upload:"):
        st.markdown("A folder with `train`, `val`, `test` (or none of them), in it one folder a class, in it pictures of single cells.")
        if not allowed_roots():
            st.caption("The server names no folder that may be read (SENESCOPE_ROOTS). On the command line:")
            st.code(f"python -m core dataset --from-folder FOLDER --out {shlex.quote(experiment.name)} --crop-size 0", language="bash")
            return
        folder = st.text_input("Folder on this server", placeholder=str(allowed_roots()[0] / "crops"), key="elsewhere-folder")
        left, middle, right = st.columns(3)
        positive = left.text_input("Folder of the senescent class", placeholder="senescent", key="elsewhere-positive")
        intensity = right.selectbox(**_intensity(), key="elsewhere-intensity")
        only = middle.text_input(ONLY, help="A regular expression; empty: all.", key="elsewhere-only")
        if st.button("Take over", disabled=not folder, icon=":material/drive_folder_upload:"):
            try:
                path = allowed_path(folder)
                checked_pattern(only, ONLY)
            except InputError as problem:
                st.error(str(problem), icon=":material/error:")
                return
            settings = asdict(DatasetSettings(crop_px=0, intensity=intensity))
            params = {"folder": str(path), "out": str(experiment.path), "settings": settings, "only": only, "positive": positive}
            submit("import_crops", params, str(experiment.path))
            st.rerun()


def _intensity() -> dict[str, Any]:
    """How grey values become intensities, in the words of the settings."""
    about = next(one for one in fields(DatasetSettings) if one.name == "intensity").metadata
    return {"label": about["label"], "options": list(about["choices"]), "help": about["help"]}


def split_from_elsewhere() -> None:
    """How much a train file and a test file of the original pipeline share."""
    with st.expander("Check a split that was made elsewhere", icon=":material/rule:"):
        st.markdown("Files of the original pipeline: *file name, mask name, mask number, class*.")
        columns = st.columns(2)
        files = {s: c.file_uploader(f"{s.capitalize()} file (CSV)", type="csv", key=f"elsewhere-{s}") for s, c in zip(("train", "test"), columns, strict=True)}
        if not all(files.values()):
            return
        try:
            sets = {split: original_rows(table_of_bytes(file.getvalue(), Path(file.name)), file.name) for split, file in files.items() if file}
        except InputError as problem:
            st.error(str(problem), icon=":material/error:")
            return
        show_warnings(split_sentences(check_split(sets)))
