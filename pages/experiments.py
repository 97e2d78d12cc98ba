"""Experiments: what there is, its images and their description, what was made of them."""

import streamlit as st

from core.errors import InputError
from core.report.words import count
from core.same_images import same_image_words
from core.workspace import KINDS, Experiment, checked_name, create_experiment, list_experiments
from pages.parts import address
from pages.parts.add_images import add_images
from pages.parts.choose import choose_experiment
from pages.parts.fields_table import describe_fields, edit_fields
from pages.parts.job_panel import current_job, job_panel
from pages.parts.thumbnails import thumbnails
from pages.parts.words import product_words

SHOWN_ON = {"segmentations": ("segment", "segmentation"), "assessments": ("assess", "assessment")}
FORM_OPEN = "new-experiment-open"


def page() -> None:
    st.title("Experiments")
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    with left:
        experiment = choose_experiment()
    with right.popover("New experiment", icon=":material/add:", key=FORM_OPEN, on_change="rerun"):
        create()
    if experiment is None:
        overview()
        return
    job = current_job(experiment, ("add", "simulate", "demo"))
    if job and job.state != "done":
        job_panel(job)
    if experiment.exists and not (job and job.active):
        show(experiment)


def create() -> None:
    """A name; Enter creates the experiment and folds the form away."""
    with st.form("new-experiment-form", border=False):
        st.text_input("Name", key="new-experiment", placeholder="MSC donor 3, passage 4")
        st.form_submit_button("Create", type="primary", on_click=_create)
    if problem := st.session_state.pop("new-experiment-problem", ""):
        st.error(problem, icon=":material/error:")


def _create() -> None:
    try:
        made = create_experiment(checked_name(st.session_state["new-experiment"].strip(), "experiment name"))
    except InputError as problem:
        st.session_state["new-experiment-problem"] = str(problem)
        return
    address.write(experiment=made.name, job=None)
    st.session_state.update({FORM_OPEN: False, "new-experiment": ""})


def overview() -> None:
    experiments = list_experiments()
    if not experiments:
        st.info("There is no experiment yet. Create one, then add images; or try the demo.", icon=":material/folder_open:")
        address.link("assess", "Try the demo experiment", icon=":material/science:")
        return
    widths = [4, 1, 1, 1, 1]
    for words, column in zip(("Experiment", "Fields", "Cultures", "Segmentations", "Assessments"), st.columns(widths), strict=True):
        column.caption(words)
    for experiment in experiments:
        columns = st.columns(widths, vertical_alignment="center")
        with columns[0]:
            address.link("experiments", experiment.name, icon=":material/folder:", experiment=experiment.name)
        try:
            table = experiment.fields()
        except InputError as problem:
            st.error(str(problem), icon=":material/error:")
            continue
        numbers = (len(table), table["sample"].nunique(), *(len(experiment.products(kind)) for kind in SHOWN_ON))
        for number, column in zip(numbers, columns[1:], strict=True):
            column.markdown(str(number))


def show(experiment: Experiment) -> None:
    table = experiment.fields()
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"{count(len(table), 'field')} in `{experiment.path}`", width="content")
        if len(table):
            address.link("segment", "Outline the cells", icon=":material/gesture:", experiment=experiment.name)
            address.link("assess", "Assess", icon=":material/biotech:", experiment=experiment.name)
    images, described, made = st.tabs(["Images", "Table of fields", "What was made"])
    with images:
        add_images(experiment)
        if same := same_image_words(experiment, table["phase"]):
            st.warning(same, icon=":material/content_copy:")
        thumbnails(experiment, table)
    with described:
        if table.empty:
            st.info("Add images first; then describe them here.", icon=":material/table:")
        else:
            table = edit_fields(experiment, "experiments")
            with st.expander("Fill in many fields at once", icon=":material/edit_note:"):
                describe_fields(experiment, table)
    with made:
        products(experiment)


def products(experiment: Experiment) -> None:
    found = [product for kind in KINDS for product in experiment.products(kind)]
    if not found:
        st.info("Nothing yet. Assess the images, or segment them first.", icon=":material/play_arrow:")
        address.link("assess", "Assess", icon=":material/biotech:", experiment=experiment.name)
    for product in found:
        with st.expander(f"{product.kind.removesuffix('s').capitalize()} {product_words(product)}"):
            if product.kind in SHOWN_ON:
                target, name = SHOWN_ON[product.kind]
                address.link(target, "Open", icon=":material/open_in_new:", experiment=experiment.name, **{name: product.id})
            st.caption(str(product.path))
            st.json(product.settings, expanded=1)


page()
