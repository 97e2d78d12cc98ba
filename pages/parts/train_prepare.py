"""A new training on the page: dataset, network, where to start, settings; and trainings that were interrupted."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import streamlit as st

from core.errors import InputError
from core.jobs import Job
from core.models import list_models
from core.options import command
from core.report.words import count
from core.settings import NETWORKS, TrainSettings
from core.stages.training_pace import known_pace
from core.stages.training_start import IMAGENET, SCRATCH
from core.workspace import Experiment, allowed_path, allowed_roots, read_json
from pages.parts import address
from pages.parts.choose import FROM_FILE, choose
from pages.parts.dataset_plan import show_counts, show_warnings
from pages.parts.job_panel import job_panel, submit
from pages.parts.settings_form import settings_form
from pages.parts.train_choices import first_choices
from pages.parts.train_imagenet import have_imagenet
from pages.parts.words import duration, product_words

STARTS = {SCRATCH: "Nothing: random weights", IMAGENET: "ImageNet: weights that know photographs", FROM_FILE: FROM_FILE}
SPEED = {"efficientnet-b0": "B0, quick", "efficientnet-b4": "B4, usual", "efficientnet-b7": "B7, slow"}


def prepare(experiment: Experiment, download: Job | None = None) -> None:
    """The form of a new training. ``download``: of start weights, under way or failed; it is shown where they are chosen."""
    datasets = {one.id: one for one in experiment.products("datasets")}
    if not datasets:
        st.info("A classifier learns from cells of known class, and this experiment has no dataset of them yet.", icon=":material/dataset:")
        address.link("dataset", "Build a dataset", icon=":material/dataset:", experiment=experiment.name)
        return
    st.subheader("1 · Dataset", anchor=False)
    like, before = first_choices(experiment)
    default = before if before in datasets else next(iter(datasets))
    chosen = choose("Dataset", list(datasets), "dataset", lambda one: product_words(datasets[one]), default=default)
    report = read_json(datasets[chosen].path / "report.json")
    show_counts(report["counts"])
    if found := report["warnings"]:
        with st.expander(f"What to beware of ({len(found)})", icon=":material/warning:", expanded=any(one["level"] == "error" for one in found)):
            show_warnings(found)
    st.subheader("2 · Network", anchor=False)
    if download:
        job_panel(download)
    left, right = st.columns([2, 1])
    with left:
        network, start = choose_network(like, bool(download and download.active))
    epochs = right.number_input("Epochs", 1, 2000, int(like.get("epochs", TrainSettings.epochs)), key="train-epochs", help="Rounds over the training cells.")
    fixed = {"network": network, "start": start, "epochs": epochs}
    [settings] = settings_form({"Training": TrainSettings}, f"train-{experiment.name}-{address.read('like')}", like, fixed=fixed)
    st.subheader("3 · Train", anchor=False)
    show_pace(experiment, chosen, settings)
    if st.button("Train", type="primary", icon=":material/play_arrow:", disabled=not start):
        submit("train", {"experiment": str(experiment.path), "settings": asdict(settings), "dataset": chosen}, str(experiment.path))
        st.rerun()
    st.caption("The training runs on this server: the page can be closed, and a stopped training goes on after its last epoch.")
    with st.expander("The same on the command line", icon=":material/terminal:"):
        st.code(command("train", experiment.path, settings, dataset=chosen), language="bash", wrap_lines=True)


def show_pace(experiment: Experiment, dataset: str, settings: TrainSettings) -> None:
    """A rough duration, where an earlier run tells one; else nothing."""
    pace = known_pace(experiment, dataset, settings.network)
    if pace:
        whole = f"{count(settings.epochs, 'epoch')}: roughly {duration(pace.seconds * settings.epochs)}"
        by = f"by the run {pace.run} on {pace.device}, in proportion to the cells"
        st.caption(f":material/schedule: {whole}, {by}; {'less if it stops early, ' if settings.patience else ''}longer on a slower or busy computer.")


def choose_network(like: dict[str, Any], downloading: bool) -> tuple[str, str]:
    """The network, and where it starts ("" where that cannot be used)."""
    models = [model.name for model in list_models("classifier") if model.path]
    files = [FROM_FILE] if allowed_roots() else []
    options = [SCRATCH, IMAGENET, *models, *files]
    before = str(like.get("start", SCRATCH))
    named = before in options
    first = before if named else FROM_FILE if files and Path(before).is_absolute() else SCRATCH
    left, right = st.columns(2)
    picked = right.selectbox("Start from", options, index=options.index(first), format_func=lambda one: STARTS.get(one, one), key="train-start")
    file = right.text_input("File of weights", value="" if named else before, key="train-file") if picked == FROM_FILE else ""
    start = _usable(file) if picked == FROM_FILE else picked
    known = _network_of(start) if start in models else ""
    default = known or str(like.get("network", TrainSettings.network))
    network = left.selectbox(
        "Network",
        NETWORKS,
        index=NETWORKS.index(default),
        format_func=lambda one: SPEED.get(one, one.removeprefix("efficientnet-").upper()),
        help="EfficientNet B0 to B7: the larger, the slower, and the more cells it needs.",
        key=f"train-network-{known}",
        disabled=bool(known),
    )
    if known:
        left.caption(f"{start} is of this network.")
    return str(network), "" if start == IMAGENET and not have_imagenet(str(network), downloading) else start


def _usable(text: str) -> str:
    try:
        return str(allowed_path(text)) if text else ""
    except InputError as problem:
        st.error(str(problem), icon=":material/error:")
        return ""


@st.cache_data(max_entries=64, show_spinner="Looking at the model …")
def _network_of(name: str) -> str:
    from core.classifier.checkpoint import load_checkpoint

    model = next(model for model in list_models("classifier") if model.name == name)
    assert model.path is not None
    return load_checkpoint(model.path).architecture
