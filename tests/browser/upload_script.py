"""Test-only page: the drop zone over one experiment, and what it reports."""

import sys
from pathlib import Path

import streamlit as st

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from core.workspace import Experiment, create_experiment, experiment_path
from pages.parts.upload import uploader

st.set_page_config(layout="wide")


def upload_page() -> None:
    st.title("Upload")
    experiment = Experiment(experiment_path("drop"))
    if not experiment.exists:
        create_experiment("drop")
    st.checkbox("Something else on the page")
    done = uploader(experiment, key="upload")
    if done:
        st.session_state["reports"] = [*st.session_state.get("reports", []), done]
    reports = st.session_state.get("reports", [])
    st.write(f"reports={len(reports)}")
    if reports:
        st.write("stored=" + "; ".join(sorted(reports[-1].references)), "failed=" + "; ".join(name for name, _ in reports[-1].failed))


def other_page() -> None:
    st.title("Elsewhere")


st.navigation([st.Page(upload_page, title="Upload", default=True), st.Page(other_page, title="Elsewhere")], position="top").run()
