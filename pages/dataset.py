"""Dataset: annotated cells become crops, split by culture."""

from dataclasses import asdict

import pandas as pd
import streamlit as st

from core.dataset.sizes import advised_crop_px
from core.dataset.split import unit_of
from core.errors import InputError
from core.options import settings_from
from core.report.words import count
from core.settings import DatasetSettings
from core.stages.collecting import dataset_command
from core.stages.splitting import Wanted
from core.workspace import Experiment
from pages.parts import address
from pages.parts.choose import choose_experiment, choose_product, no_experiment, settings_like
from pages.parts.dataset_elsewhere import crops_from_elsewhere, split_from_elsewhere
from pages.parts.dataset_plan import (
    Plan,
    annotated_experiments,
    choose_annotations,
    choose_controls,
    choose_crop_size,
    forecast,
    read_plan,
    show_counts,
    show_samples,
    show_warnings,
    splits_of,
)
from pages.parts.dataset_result import show_dataset
from pages.parts.dataset_split import edit_split
from pages.parts.job_panel import current_job, job_panel, submit
from pages.parts.settings_form import settings_form


def page() -> None:
    st.title("Dataset")
    left, right = st.columns(2, vertical_alignment="bottom")
    with left:
        experiment = choose_experiment()
    if experiment is None:
        no_experiment()
        return
    job = current_job(experiment, ("dataset", "import_crops"))
    if job and job.state == "done":
        address.write(job=None, dataset=job.result.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1])
        job = None
    with right:
        product = choose_product(experiment, "datasets", "dataset", "Dataset", "New dataset …")
    if job:
        job_panel(job)
    if job and job.active:
        return
    if product is not None:
        show_dataset(experiment, product)
    else:
        prepare(experiment)


def prepare(experiment: Experiment) -> None:
    """Annotations, crop size, split, warnings, a look at the crops, build."""
    if annotated_experiments():
        plan_and_build(experiment)
    else:
        nothing_annotated(experiment)
    st.divider()
    crops_from_elsewhere(experiment)
    split_from_elsewhere()


def nothing_annotated(experiment: Experiment) -> None:
    st.info(
        "A dataset is made of cells with a class, and no experiment of this workspace has an annotation yet. "
        "Outline the cells, then decide with the stain image which are senescent.",
        icon=":material/label:",
    )
    with st.container(horizontal=True):
        address.link("segment", "1 · Outline the cells", icon=":material/gesture:", experiment=experiment.name)
        if (address.PAGES / "threshold.py").is_file():
            address.link("threshold", "2 · Set the stain threshold", icon=":material/tune:", experiment=experiment.name)


def plan_and_build(experiment: Experiment) -> None:
    st.subheader("1 · Annotations", anchor=False)
    chosen = choose_annotations(experiment)
    if not chosen:
        st.info("Choose one or more annotated experiments.", icon=":material/label:")
        return
    like = settings_like(experiment, "datasets")
    elsewhere = {"crop_px": int(like.get("crop_px", DatasetSettings.crop_px)), "controls": True}  # asked for below, beside what they change
    key = f"dataset-{experiment.name}-{address.read('like')}"
    [settings] = settings_form({"Dataset": DatasetSettings}, key, like, fixed=elsewhere, kept="session")
    above, below = st.container(), st.container()
    try:
        settings = settings_from(DatasetSettings, asdict(settings))
        with below:
            settings = choose_controls(chosen, settings, experiment, bool(like.get("controls", DatasetSettings.controls)))
        plan = read_plan(chosen, settings)
    except InputError as problem:
        st.error(str(problem), icon=":material/error:")
        return
    with above:
        assignment, settings, extent = choose_split_and_size(plan, settings, experiment)
    crop_px = settings.crop_px or advised_crop_px(extent)
    outlook = forecast(plan, splits_of(plan, settings, experiment, assignment), extent, crop_px, settings.group)
    with below:
        show_counts(outlook["counts"])
        show_warnings(outlook["warnings"])
    st.subheader("4 · Look at the crops", anchor=False)
    show_samples(plan, settings, crop_px)
    st.subheader("5 · Build", anchor=False)
    wanted = Wanted(plan.paths, experiment.path, plan.annotations, assignment)
    if st.button(f"Build the dataset of {count(outlook['cells'], 'cell')}", type="primary", icon=":material/play_arrow:"):
        what = {"experiments": [str(p) for p in wanted.experiments], "out": str(wanted.out), "annotations": plan.annotations, "assignment": assignment}
        submit("dataset", {**what, "settings": asdict(settings), "experiment": str(experiment.path)}, str(experiment.path))
        st.rerun()
    with st.expander("The same on the command line", icon=":material/terminal:"):
        st.code(dataset_command(wanted, settings), language="bash", wrap_lines=True)


def choose_split_and_size(plan: Plan, settings: DatasetSettings, experiment: Experiment) -> tuple[dict[str, str], DatasetSettings, pd.Series]:
    left, right = st.columns(2, gap="large")
    with left:
        unit = unit_of(settings.group)
        st.subheader(f"2 · Split by {unit}", anchor=False)
        assignment = edit_split(plan, settings, experiment)
        st.caption(f"A {unit} is never split. Change the set of a {unit} in the table; {unit}s that are added later do not move those that you placed.")
    with right:
        st.subheader("3 · Crop size", anchor=False)
        settings, extent = choose_crop_size(plan, settings, experiment)
    return assignment, settings, extent


page()
