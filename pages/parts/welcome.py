"""The first page while nothing is chosen: two ways to begin, and the earlier experiments."""

from datetime import date

import streamlit as st

from core.errors import InputError
from core.workspace import Experiment, checked_name, create_experiment, experiment_path, list_experiments
from pages.parts import address
from pages.parts.job_panel import submit

DEMO = "demo"


def welcome() -> None:
    st.title("What fraction of your cells is senescent?")
    st.markdown(
        "Senescope outlines every cell in phase-contrast images and estimates which are senescent, without a stain. All of it happens on this computer."
    )
    mine, demo = st.columns(2, gap="medium")
    with mine.container(border=True, height="stretch"):
        st.subheader("Assess my images", anchor=False)
        st.markdown("Drop 3–40 phase-contrast images of a culture: TIFF, PNG, JPEG or BMP.")
        name = st.text_input("Name of the experiment", value=free_name(date.today().isoformat()))
        if st.button("Assess my images", type="primary", width="stretch", icon=":material/upload:"):
            begin(name)
    with demo.container(border=True, height="stretch"):
        st.subheader("Try it with the demo experiment", anchor=False)
        st.markdown("Three simulated cultures, young and old, assessed in about a minute. Good for looking around; the numbers mean nothing for real cells.")
        if st.button("Open the demo experiment", width="stretch", icon=":material/science:"):
            begin_demo()
    if earlier := list_experiments():
        st.subheader("Go on with an experiment", anchor=False)
        with st.container(horizontal=True):
            for experiment in earlier:
                address.link("assess", experiment.name, icon=":material/folder:", experiment=experiment.name)


def free_name(stem: str) -> str:
    """``stem``, or ``stem_2`` and so on where an experiment has that name already."""
    taken = {experiment.name for experiment in list_experiments()}
    return next(name for name in (stem, *(f"{stem}_{n}" for n in range(2, 1000))) if name not in taken)


def begin(name: str) -> None:
    try:
        experiment = create_experiment(checked_name(name.strip(), "experiment name"))
    except InputError as problem:
        st.error(str(problem), icon=":material/error:")
        return
    address.write(experiment=experiment.name, job=None)
    st.rerun()


def begin_demo() -> None:
    experiment = Experiment(experiment_path(DEMO))
    address.write(experiment=DEMO)
    if not (experiment.exists and experiment.products("assessments")):
        submit("demo", {"experiment": str(experiment.path)}, str(experiment.path))
    st.rerun()
