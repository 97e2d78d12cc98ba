"""Train: a classifier learns from a dataset, where one can watch."""

import streamlit as st

from core.stages.training import unfinished
from pages.parts import address
from pages.parts.choose import NEW, choose_experiment, choose_product, no_experiment
from pages.parts.job_panel import current_job, job_panel
from pages.parts.train_live import show_live
from pages.parts.train_prepare import interrupted, prepare
from pages.parts.train_result import show_run


def page() -> None:
    st.title("Train")
    left, right = st.columns(2, vertical_alignment="bottom")
    with left:
        experiment = choose_experiment()
    if experiment is None:
        no_experiment()
        return
    job = current_job(experiment, ("train", "download"))
    if job and job.state == "done":
        address.write(job=None, **({"run": job.result.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]} if job.stage == "train" else {}))
        job = None
    if address.read("dataset") and not address.read("run"):  # from the page of that dataset
        address.write(run=NEW)
    with right:
        product = choose_product(experiment, "runs", "run", "Run", "New training …")
    training = job if job and job.stage == "train" else None
    if job:
        job_panel(job, again=not (training and unfinished(experiment)))
    if training and training.active:
        show_live(experiment, training)
        return
    if training or product is None:
        interrupted(experiment)
    if training:
        show_live(experiment, training)
    if product is not None:
        show_run(experiment, product)
    else:
        prepare(experiment)


page()
