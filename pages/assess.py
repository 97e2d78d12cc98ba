"""Assess: phase-contrast images in, senescent fraction of every culture out."""

from dataclasses import asdict

import streamlit as st

from core.options import ASSESS_RENAMED, command
from core.report.words import count
from core.settings import AssessSettings, SegmentSettings
from core.workspace import Experiment
from pages.parts import address
from pages.parts.add_images import add_images
from pages.parts.choose import choose_experiment, choose_outlines, choose_product, settings_like
from pages.parts.fields_table import describe_fields, edit_fields
from pages.parts.job_panel import current_job, job_panel, submit
from pages.parts.results import show_assessment
from pages.parts.settings_form import settings_form
from pages.parts.thumbnails import thumbnails
from pages.parts.welcome import welcome

STAGES = ("assess", "demo", "add", "report")


def page() -> None:
    if not address.read("experiment"):
        welcome()
        return
    st.title("Assess")
    left, right, new = st.columns([5, 5, 2], vertical_alignment="bottom")
    with left:
        experiment = choose_experiment()
    new.button("New experiment", on_click=address.write, kwargs={"experiment": None, "assessment": None, "job": None}, icon=":material/add:", width="stretch")
    if experiment is None:
        return
    job = current_job(experiment, STAGES)
    if job and job.state == "done":
        arrive(job.stage, job.result)
        job = None
    with right:
        product = choose_product(experiment, "assessments", "assessment", "Assessment", "New assessment …")
    if job:
        job_panel(job)
    if (job and job.active) or not experiment.exists:
        waiting(experiment)
    elif product is not None:
        show_assessment(experiment, product)
    else:
        prepare(experiment)


@st.fragment(run_every=5)
def waiting(experiment: Experiment) -> None:
    """Below the progress: the images that are being worked on, as soon as there are some."""
    if experiment.exists:
        thumbnails(experiment, experiment.fields())


def arrive(stage: str, result: str) -> None:
    """A job has just ended well: the address forgets it and names its product."""
    address.write(job=None)
    if stage != "add" and result:
        address.write(**{"report" if stage == "report" else "assessment": result.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]})


def prepare(experiment: Experiment) -> None:
    """Images, settings, run."""
    st.subheader("1 · Images", anchor=False)
    add_images(experiment)
    if experiment.fields().empty:
        return
    table = edit_fields(experiment, "assess")
    with st.expander("Fill in many fields at once", icon=":material/edit_note:"):
        describe_fields(experiment, table)
    st.subheader("2 · Settings", anchor=False)
    outlines = choose_outlines(experiment)
    kinds = {"Scoring": AssessSettings} if outlines else {"Outlines": SegmentSettings, "Scoring": AssessSettings}
    *segment, assess = settings_form(kinds, f"assess-{address.read('like')}", settings_like(experiment, "assessments"))
    st.subheader("3 · Run", anchor=False)
    ready = bool(assess.classifier) and all(one.model for one in segment)
    if st.button(f"Assess {count(len(table), 'field')}", type="primary", disabled=not ready, icon=":material/play_arrow:"):
        new = {"segment": asdict(segment[0])} if segment else {"segmentation": outlines.id if outlines else None}
        submit("assess", {"experiment": str(experiment.path), "settings": asdict(assess), **new}, str(experiment.path))
        st.rerun()
    with st.expander("The same on the command line", icon=":material/terminal:"):
        extra = {"segmentation": outlines.id} if outlines else {}
        st.code(command("assess", experiment.path, assess, *segment, renamed=ASSESS_RENAMED, **extra), language="bash", wrap_lines=True)


page()
