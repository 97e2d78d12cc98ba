"""Threshold: from stain images to a class for every cell. Align, tune over many fields at once, curate, read the result."""

import streamlit as st

from core.workspace import Experiment
from pages.parts import address
from pages.parts.align_tab import align_tab
from pages.parts.choose import choose_experiment, no_experiment
from pages.parts.curation_tab import curation_tab
from pages.parts.job_panel import current_job, job_panel
from pages.parts.threshold_summary import choose_annotation, summary_tab
from pages.parts.threshold_tab import threshold_tab

ALIGN, TUNE, CURATE, SUMMARY = TABS = ("Align", "Threshold", "Curate", "Summary")


def page() -> None:
    st.title("Threshold")
    experiment = choose_experiment()
    if experiment is None:
        no_experiment()
        return
    job = current_job(experiment, ("stain", "annotate"))
    if job and job.state == "done":
        finished(job.stage, job.result.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1])
        job = None
    if address.read("tab") in TABS:
        st.session_state["threshold-tab"] = address.read("tab")
    place = st.container()  # there without a job too, so that the tabs keep their place and what is drawn in them
    tabs = st.tabs(TABS, default=TUNE, key="threshold-tab", on_change=follow)
    st.session_state["annotate-job-shown"] = bool(job)
    if job:
        with place:  # above the fields, which fill more than a screen
            job_panel(job)
    for name, tab in zip(TABS, tabs, strict=True):
        if tab.open:  # the others would only cost time
            with tab:
                show(name, experiment, busy=bool(job and job.active))


def follow() -> None:
    address.write(tab=st.session_state["threshold-tab"])


def finished(stage: str, made: str) -> None:
    """A job is done: show what it made."""
    if stage == "stain":
        address.write(job=None, stain=made, tab=TUNE)
    else:
        address.write(job=None, annotation=made, tab=CURATE if address.read("tab") == CURATE else SUMMARY)


def show(name: str, experiment: Experiment, busy: bool) -> None:
    if name == ALIGN:
        align_tab(experiment)
    elif name == TUNE:
        threshold_tab(experiment, busy)
    elif name == SUMMARY:
        summary_tab(experiment)
    elif annotation := choose_annotation(experiment):
        curation_tab(experiment, annotation)


page()
