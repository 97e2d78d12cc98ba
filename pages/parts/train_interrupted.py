"""Trainings that were begun and not finished: go on, keep what they have, or give them up."""

from functools import partial
from pathlib import Path

import streamlit as st

from core.errors import InputError
from core.stages.training import begun, discard, epochs_done, stop_early, unfinished
from core.stages.training_start import IMAGENET, SCRATCH
from core.workspace import Experiment
from pages.parts.job_panel import submit
from pages.parts.setting_aside import offer_set_aside, tell_set_aside

STARTS = {SCRATCH: "random weights", IMAGENET: "ImageNet weights"}


def interrupted(experiment: Experiment) -> None:
    """The box of the unfinished trainings; nothing where there are none."""
    tell_set_aside()
    names = unfinished(experiment)
    if not names:
        return
    with st.container(border=True):
        st.markdown(f":material/pause_circle: **Interrupted training{'s' if len(names) > 1 else ''}**")
        name = str(st.selectbox("Interrupted training", names, label_visibility="collapsed")) if len(names) > 1 else names[0]
        _offer(experiment, name, _about(experiment, name))


def _about(experiment: Experiment, name: str) -> bool:
    """What the training was; False where its record is damaged, so that it cannot go on."""
    try:
        settings, dataset = begun(experiment, name)
    except InputError as problem:
        st.error(str(problem), icon=":material/error:")
        return False
    network = settings.network.replace("efficientnet-b", "EfficientNet B")
    start = STARTS.get(settings.start) or (Path(settings.start).name if Path(settings.start).is_absolute() else settings.start)
    st.markdown(f"{network}, started from {start}, on the cells of {dataset}")
    st.caption(f"{name}: {epochs_done(experiment, name)} of {settings.epochs} epochs done.")
    return True


def _offer(experiment: Experiment, name: str, sound: bool) -> None:
    keeps = sound and epochs_done(experiment, name) > 0
    with st.container(horizontal=True):
        resume = st.button("Resume", type="primary", icon=":material/play_arrow:", disabled=not sound)
        finish = st.button("Keep its best epoch", icon=":material/check:", disabled=not keeps, help="Ends the training here.")
        words = "The training is then no longer offered. Its files are kept in a hidden folder beside the runs."
        told = f"The interrupted training {name} is discarded."
        offer_set_aside("Discard", "this training", words, partial(discard, experiment, name), told, "job")  # how its job ended is of no more interest
    if finish:
        stop_early(experiment, name)
    if resume or finish:
        submit("train", {"experiment": str(experiment.path), "resume": name}, str(experiment.path))
        st.rerun()
