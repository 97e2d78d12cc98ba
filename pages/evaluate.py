"""Evaluate: what a classifier's numbers are worth, on annotated cells it did not learn from."""

from dataclasses import asdict

import streamlit as st

from core.errors import InputError
from core.options import command
from core.settings import EvaluateSettings
from core.workspace import Experiment, Product
from pages.parts import address
from pages.parts.choose import choose, choose_experiment, choose_product, no_experiment, settings_like
from pages.parts.evaluation_result import show_evaluation
from pages.parts.job_panel import current_job, job_panel, submit
from pages.parts.settings_form import settings_form
from pages.parts.words import product_words

LIBRARY = "A model of the library or a file"


def page() -> None:
    st.title("Evaluate")
    left, right = st.columns(2, vertical_alignment="bottom")
    with left:
        experiment = choose_experiment()
    if experiment is None:
        no_experiment()
        return
    job = current_job(experiment, ("evaluate",))
    if job and job.state == "done":
        address.write(job=None, evaluation=job.result.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1])
        job = None
    with right:
        product = choose_product(experiment, "evaluations", "evaluation", "Evaluation", "New evaluation …")
    if job:
        job_panel(job)
    if job and job.active:
        return
    if product is not None:
        show_evaluation(experiment, product)
    else:
        prepare(experiment)


def prepare(experiment: Experiment) -> None:
    """Dataset, model, settings, run."""
    datasets = {one.id: one for one in experiment.products("datasets")}
    if not datasets:
        st.info("A classifier is judged on cells of known class, and this experiment has no dataset of them yet.", icon=":material/dataset:")
        address.link("dataset", "Build a dataset", icon=":material/dataset:", experiment=experiment.name)
        return
    st.subheader("1 · Cells and model", anchor=False)
    left, right = st.columns(2)
    with left:
        dataset = choose("Dataset", list(datasets), "dataset", lambda one: product_words(datasets[one]), default=next(iter(datasets)))
    runs = {one.id: one for one in experiment.products("runs")}
    with right:
        run = _choose_run(runs) if runs else LIBRARY
    like = settings_like(experiment, "evaluations")
    start = like | ({"model": EvaluateSettings.model} if like.get("model") in runs else {})
    fixed = {} if run == LIBRARY else {"model": run}
    [settings] = settings_form({"Evaluation": EvaluateSettings}, f"evaluate-{experiment.name}-{address.read('like')}", start, fixed=fixed)
    if settings.threshold_on == "evaluated":
        st.error("The threshold is to be chosen on the very cells that are judged: the numbers will be flattered.", icon=":material/warning:")
    st.subheader("2 · Run", anchor=False)
    problem = _why_not(experiment, settings, dataset) if settings.model else ""
    if problem:
        st.error(problem, icon=":material/error:")
        address.link("dataset", "Build another dataset", icon=":material/dataset:", experiment=experiment.name)
    if st.button("Evaluate", type="primary", disabled=not settings.model or bool(problem), icon=":material/play_arrow:"):
        submit("evaluate", {"experiment": str(experiment.path), "settings": asdict(settings), "dataset": dataset}, str(experiment.path))
        st.rerun()
    with st.expander("The same on the command line", icon=":material/terminal:"):
        st.code(command("evaluate", experiment.path, settings, dataset=dataset), language="bash", wrap_lines=True)


def _choose_run(runs: dict[str, Product]) -> str:
    """What to judge: the run that the page of a run has put into the address, else the newest."""
    return choose("Judge", [*runs, LIBRARY], "run", lambda one: product_words(runs[one]) if one in runs else one, default=next(iter(runs)))


def _why_not(experiment: Experiment, settings: EvaluateSettings, dataset: str) -> str:
    """Why the model cannot judge this dataset, and what to do; what cannot be read at all is said by the job."""
    from core.stages.evaluating import unfit  # brings torch

    try:
        said = unfit(experiment.path, settings, dataset)
    except InputError:
        return ""
    return f"The model cannot judge this dataset: {said} Choose a dataset or a model that fit, or build such a dataset." if said else ""


page()
