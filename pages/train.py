"""Train: a classifier learns from a dataset, where one can watch."""

import streamlit as st

from core.stages.training import unfinished
from pages.parts import address
from pages.parts.choose import NEW, choose_experiment, choose_product, no_experiment
from pages.parts.job_panel import current_job, job_panel
from pages.parts.train_imagenet import imagenet_download
from pages.parts.train_interrupted import interrupted
from pages.parts.train_live import show_live
from pages.parts.train_prepare import prepare
from pages.parts.train_result import show_run


def page() -> None:
    st.title("Train")
    left, right = st.columns(2, vertical_alignment="bottom")
    with left:
        experiment = choose_experiment()
    if experiment is None:
        no_experiment()
        return
    job = current_job(experiment, ("train",))
    download = None if job else imagenet_download()
    if job and job.state == "done":
        address.write(job=None, run=job.result.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1])
        job = None
    if address.read("dataset") and not address.read("run"):  # from the page of that dataset
        address.write(run=NEW)
    with right:
        if job and job.active:  # a choice would name an older run above the curves of this one
            st.selectbox("Run", ["The training below"], disabled=True, key="run-under-way")
        else:
            product = choose_product(experiment, "runs", "run", "Run", "New training …")
    if job:
        job_panel(job, again=not unfinished(experiment))
    if job and job.active:
        show_live(experiment, job)
        return
    if job or product is None:
        interrupted(experiment)
    if job:
        show_live(experiment, job)
    if product is not None:
        show_run(experiment, product)
    else:
        prepare(experiment, download)


page()
