"""Bringing in outlines that were drawn or corrected in another program: they become a segmentation."""

import tempfile
from collections.abc import Iterable
from pathlib import Path

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from core.errors import InputError
from core.report import read_csv
from core.report.words import count
from core.tables import FAILURES
from core.workspace import Experiment
from pages.parts import address
from pages.parts.receiving import safe_name

TYPES = ("tif", "tiff", "png", "npy", "zip", "roi", "geojson", "json")
_MADE = "outlines-made"  # in the session: the segmentation that the last files became


def add_outlines(experiment: Experiment) -> None:
    """Choose files with ready outlines; they are matched to the phase images by name."""
    with st.expander("Add ready outlines", icon=":material/gesture:"):
        st.caption(
            "Outlines of Senescope, Cellpose (`_seg.npy`), Fiji (ROI zip), QuPath (GeoJSON), COCO (JSON), or label images (TIFF, PNG). "
            "A file is named like its phase image: `field1_labels.tif`, `field1_rois.zip`. A COCO file names the images itself."
        )
        files = st.file_uploader(
            "Files with outlines", list(TYPES), accept_multiple_files=True, key=f"outlines-{experiment.name}", label_visibility="collapsed"
        )
        if files and st.button(f"Add {count(len(files), 'file')} with outlines", type="primary", key="add-outlines"):
            _take(experiment, files)
        _tell(experiment)


def _take(experiment: Experiment, files: Iterable[UploadedFile]) -> None:
    from core.stages.importing import import_labels

    bar = st.progress(0.0, text="Reading outlines …")

    def show(done: float, total: float, item: str) -> None:
        bar.progress(min(1.0, done / max(total, 1)), text=item)

    try:
        with tempfile.TemporaryDirectory() as folder:
            names = [Path(folder) / safe_name(file.name) for file in files]
            for name, file in zip(names, files, strict=True):
                name.write_bytes(file.getbuffer())
            made = import_labels(experiment, [str(name) for name in names], show)
    except InputError as problem:
        st.error(str(problem), icon=":material/error:")
        return
    finally:
        bar.empty()
    st.session_state[_MADE] = str(made)


def _tell(experiment: Experiment) -> None:
    """What became of the last files: how many fields, what was left out or changed."""
    made = Path(st.session_state.get(_MADE, ""))
    if made.parent.parent != experiment.path or not made.is_dir():
        return
    from core.stages.importing import notes_of

    failures = read_csv(made / "failures.csv", FAILURES)
    st.success(f"Outlines of {count(len(list((made / 'labels').glob('*.tif'))), 'field')} were added.", icon=":material/check:")
    address.link("segment", "Look at them", icon=":material/visibility:", experiment=experiment.name, segmentation=made.name)
    told = [(Path(row["file"]).name, row["error"]) for row in failures.to_dict("records")] + [tuple(note.split(": ", 1)) for note in notes_of(made)]
    if told:
        st.warning("Not everything could be taken as it is.", icon=":material/warning:")
        st.table({"File": [file for file, _ in told], "What": [what for _, what in told]}, border="horizontal")
