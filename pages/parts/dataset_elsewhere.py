"""What was made elsewhere: crops in folders, and splits in the files of the original pipeline."""

from pathlib import Path

import streamlit as st

from core.dataset.original import check_split, original_rows
from core.dataset.sentences import split_sentences
from core.errors import InputError
from core.stages.original_files import table_of_bytes
from core.workspace import Experiment, allowed_path, allowed_roots
from pages.parts.dataset_plan import show_warnings
from pages.parts.dataset_zip import ONLY, anything_to_tell, crops_from_zip, intensity, start


def crops_from_elsewhere(experiment: Experiment) -> None:
    """A ZIP from the user's computer, or a folder on the server, with crops by set and class becomes a dataset of this experiment."""
    with st.expander("Take over crops that were cut elsewhere", icon=":material/drive_folder_upload:", expanded=anything_to_tell(experiment)):
        st.markdown(
            "A ZIP of folders: `train`, `val`, `test` (or none of them), in it one folder a class, in it pictures of single cells. "
            "What *Crops as PNG folders (ZIP)* of another dataset gives is taken as it is."
        )
        crops_from_zip(experiment)
        if allowed_roots():
            st.markdown("**Or a folder on this server**, made in the same way:")
            _from_server(experiment)


def _from_server(experiment: Experiment) -> None:
    folder = st.text_input("Folder on this server", placeholder=str(allowed_roots()[0] / "crops"), key="elsewhere-folder")
    left, middle, right = st.columns(3)
    positive = left.text_input("Folder of the senescent class", placeholder="senescent", key="elsewhere-positive")
    only = middle.text_input(ONLY, help="A regular expression; empty: all.", key="elsewhere-only")
    how = right.selectbox(**intensity(), key="elsewhere-intensity")
    if st.button("Take over", disabled=not folder, icon=":material/drive_folder_upload:", key="elsewhere-take"):
        try:
            path = allowed_path(folder)
        except InputError as problem:
            st.error(str(problem), icon=":material/error:")
            return
        start(experiment, path, only, positive, how)


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
