"""A job on the page: progress, time left, cancel, what went wrong and how to go on.

The job lives in the store and in its own process; the panel only looks. It survives a refresh (the address names the
job), a second tab and a restart of the app.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import streamlit as st

from core.jobs import Job, JobStore
from core.workspace import Experiment
from pages.parts import address
from pages.parts.words import duration

TITLES = {
    "simulate": "Simulating",
    "demo": "Preparing the demo",
    "add": "Adding images",
    "segment": "Outlining cells",
    "review": "Publishing corrected outlines",
    "register": "Aligning stain images",
    "stain": "Measuring the stain",
    "annotate": "Saving the annotation",
    "assess": "Assessing",
    "report": "Making the report",
    "dataset": "Building the dataset",
    "evaluate": "Evaluating",
    "compare": "Comparing",
    "import_crops": "Taking over crops",
    "download": "Downloading",
    "tune": "Fine-tuning",
    "train": "Training",
}


KEPT = "What was finished is kept."


@st.cache_resource
def job_store() -> JobStore:
    """The one store of this server; jobs whose process died with an earlier server are marked as interrupted."""
    store = JobStore()
    store.reconcile()
    return store


def submit(stage: str, params: Mapping[str, Any], experiment: str = "") -> None:
    """Start a job and put it into the address. The caller goes on; the panel shows it at the next run."""
    address.write(job=job_store().submit(stage, params, experiment))


def current_job(experiment: Experiment | None, stages: tuple[str, ...]) -> Job | None:
    """The job of the address if it belongs here, else one that is under way for this experiment.

    That one is put into the address, so that its end is told too: a page that was opened without it would fall silent.
    """
    named = job_store().get(address.read("job")) if address.read("job") else None
    if named and named.stage in stages and (experiment is None or named.experiment == str(experiment.path)):
        return named
    found = next((job for job in job_store().active(str(experiment.path) if experiment else None) if job.stage in stages), None)
    if found and not (named and named.active):
        address.write(job=found.id)
    return found


def job_panel(job: Job, again: bool = True) -> None:
    """Show ``job``; while it is under way look every second, and rerun the page once when it ends.

    ``again``: offer to go on with a job that ended early; False where the page offers that itself.
    """
    active = job.active

    @st.fragment(run_every=1 if active else None)
    def look() -> None:
        now = job_store().get(job.id)
        if now is not None and active and not now.active:
            st.rerun()
        with st.container(border=True, key="job-panel"):
            _show(now or job, again)

    look()


def _show(job: Job, again: bool) -> None:
    title = TITLES.get(job.stage, job.stage)
    if job.active:
        _under_way(job, title)
    elif job.state == "failed":
        st.error(f"**{title} failed.** {job.error}", icon=":material/error:")
        then = "try again" if again else "go on below"
        _again(job, again, "Try again", f"Correct what the message names, then {then}. {KEPT if job.experiment else ''}")
    elif job.state == "interrupted":
        st.warning(f"**{title} was interrupted**, most likely because the computer was switched off.", icon=":material/power_off:")
        _again(job, again, "Resume", KEPT)
    elif job.state == "cancelled":
        st.info(f"**{title} was cancelled.**", icon=":material/cancel:")
        _again(job, again, "Resume", KEPT)


def _under_way(job: Job, title: str) -> None:
    share = min(1.0, job.done / job.total) if job.total else 0.0
    left = f" · about {duration(job.seconds_left)} left" if job.state == "running" and job.seconds_left is not None else ""
    ahead = job_store().ahead(job.id)
    bar, button = st.columns([6, 1], vertical_alignment="center")
    bar.progress(share, text=f"**{title}{left}**")
    bar.caption(f"Waiting for its turn: {_in_words(ahead[0])} is under way." if ahead else job.message or "Starting …")
    if button.button("Stopping …" if job.cancelling else "Cancel", key=f"cancel-{job.id}", disabled=job.cancelling, width="stretch"):
        job_store().cancel(job.id)
        st.rerun()


def _in_words(other: Job) -> str:
    """“training” in the experiment “donor 3”."""
    where = f" in the experiment “{Path(other.experiment).name}”" if other.experiment else ""
    return f"“{TITLES.get(other.stage, other.stage)}”{where}"


def _again(job: Job, offered: bool, label: str, hint: str) -> None:
    st.caption(hint)
    with st.container(horizontal=True):
        if offered and st.button(label, key=f"again-{job.id}", type="primary"):
            submit(job.stage, job.params, job.experiment)
            st.rerun()
        if st.button("Close", key=f"close-{job.id}"):
            address.write(job=None)
            st.rerun()
