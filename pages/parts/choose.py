"""Choosers that several pages share: an experiment, one of its products, a model."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from core.errors import InputError
from core.models import Model, find_model, list_models
from core.report.words import count
from core.stages.outlined import fields_of, outlined_with
from core.workspace import Experiment, Product, allowed_path, allowed_roots, experiment_path, list_experiments
from pages.parts import address, job_panel
from pages.parts.words import product_words

NEW = "new"
FROM_FILE = "A file on this server …"
KEPT = {"experiment", "rater", "tab"}  # of an address whose experiment changes


def choose(label: str, options: Sequence[str], name: str, shown: Callable[[str], str] = str, default: str = "") -> str:
    """A selectbox whose value is ``name`` in the address; where that names nothing that exists, ``default``.

    Without a default nothing is chosen at first ("") and the user can clear the box.
    """
    key, current = f"choose-{name}", address.read(name)
    st.session_state[key] = current if current in options else default or None
    st.selectbox(label, options, key=key, index=0 if default else None, format_func=shown, placeholder="Choose …", on_change=_follow, args=(name, key))
    return st.session_state[key] or ""


def _follow(name: str, key: str) -> None:
    changed = {name: st.session_state[key]}
    if name == "experiment":  # what belongs to another experiment leaves the address with it
        changed |= dict.fromkeys({"job", *st.query_params} - KEPT)
    address.write(**changed)


def choose_experiment() -> Experiment | None:
    """The experiment of the address, changeable by a selectbox; None where none is chosen yet."""
    names = [experiment.name for experiment in list_experiments()]
    wanted = address.read("experiment")
    if wanted and wanted not in names and _in_the_making(wanted):
        names.append(wanted)
    elif wanted and wanted not in names:
        st.warning(f"There is no experiment “{wanted}” in this workspace. Choose another one.", icon=":material/help:")
    chosen = choose("Experiment", names, "experiment")
    return Experiment(experiment_path(chosen)) if chosen else None


def _in_the_making(name: str) -> bool:
    """True where the job of the address, or one under way, makes this experiment."""
    try:
        path = str(experiment_path(name))
    except InputError:
        return False
    named = job_panel.job_store().get(address.read("job"))
    return bool(job_panel.job_store().active(path)) or (named is not None and named.experiment == path)


def no_experiment() -> None:
    """What to do next where no experiment is chosen."""
    if list_experiments():
        st.info("Choose an experiment above.", icon=":material/folder_open:")
    else:
        st.info("There is no experiment yet. Begin with your own images or with the demo.", icon=":material/folder_open:")
        address.link("assess", "Begin", icon=":material/biotech:")


def choose_product(experiment: Experiment, kind: str, name: str, label: str, new: str) -> Product | None:
    """One of the experiment's products of a kind, None for a new one.

    Unless the address says otherwise it is the newest; a preview of some fields is offered, but not taken by itself.
    """
    products = {product.id: product for product in experiment.products(kind)}
    if not products:
        return None
    if address.read(name) not in (NEW, *products):
        first = next(iter(products if kind != "segmentations" else segmentations_of_all_fields(experiment)), NEW)
        address.write(**{name: first})
    chosen = choose(label, [NEW, *products], name, lambda one: new if one == NEW else product_words(products[one]), default=NEW)
    return products.get(chosen)


def choose_outlines(experiment: Experiment) -> Product | None:
    """An earlier segmentation to work on, which may lack fields that were added since, or None for new outlines; asked only where there is one."""
    products = segmentations_of_all_fields(experiment)
    lacking = _segmentations_to_extend(experiment)
    words = {id: product_words(product) for id, product in products.items()}
    words |= {id: f"{product_words(product)} · and {count(n, 'new field')}" for id, (product, n) in lacking.items()}
    products |= {id: product for id, (product, _) in lacking.items()}
    if not products:
        return None
    return products.get(choose("Outlines of the cells", [NEW, *products], "segmentation", {NEW: "New outlines", **words}.__getitem__, NEW))


def segmentations_of_all_fields(experiment: Experiment) -> dict[str, Product]:
    """The segmentations that hold every field of the experiment, newest first."""
    wanted = set(experiment.fields()["fov_id"])
    return {p.id: p for p in experiment.products("segmentations") if wanted <= fields_of(p)}


def _segmentations_to_extend(experiment: Experiment) -> dict[str, tuple[Product, int]]:
    """The segmentations of most of the fields, newest first, whose model is known, so that it can outline the others, and how many these are; no previews."""
    wanted = set(experiment.fields()["fov_id"])
    lacking = {p.id: (p, len(wanted - fields_of(p))) for p in experiment.products("segmentations")}
    return {id: (p, n) for id, (p, n) in lacking.items() if 0 < 2 * n < len(wanted) and outlined_with(experiment, p)}


def settings_like(experiment: Experiment, kind: str) -> dict[str, Any]:
    """The settings of the product that the address names as the model for a new one; nothing where it names none."""
    try:
        record = experiment.product(kind, address.read("like")).settings
        upstream = record.get("upstream", {}).get("segmentation")
        below = experiment.product("segmentations", upstream).settings["settings"] if upstream else {}
        return {**below, **record["settings"]}
    except InputError:
        return {}


def choose_model(kind: str, label: str, key: str, value: str) -> str:
    """A model by name, or a file in an allowed folder of the server; says what the model is and what to beware of.

    "" where nothing usable is chosen. A model that is not there is never replaced by another one.
    """
    models = {model.name: model for model in list_models(kind)}
    names = [*models, *([FROM_FILE] if allowed_roots() else [])]
    start = value if value in models else FROM_FILE if FROM_FILE in names and Path(value).is_absolute() else None
    picked = st.selectbox(
        label,
        names,
        index=names.index(start) if start else None,
        format_func=lambda n: model_words(models.get(n), n),
        placeholder="Choose …",
        key=key,
        persist_state="page",
    )
    if picked is None:
        st.error(f"The model {value} is not in the library. Choose another one, or import it on the models page.", icon=":material/error:")
        return ""
    if picked == FROM_FILE:
        return _model_file(kind, key, "" if value in models else value)
    _model_notes(models[picked])
    return picked if models[picked].path else ""


def model_words(model: Model | None, name: str) -> str:
    if model is None:
        return name
    return name + (" – simulated cells only" if model.simulated else "") + (" – not downloaded" if model.path is None else "")


def _model_file(kind: str, key: str, value: str) -> str:
    text = st.text_input("Path of the model file", value=value, key=f"{key}-path", persist_state="page", placeholder=str(allowed_roots()[0] / "my_model"))
    if not text:
        st.info("Name a file, or import one on the models page so that it has a name and a licence.", icon=":material/info:")
        return ""
    try:
        path = str(allowed_path(text))
        find_model(path, kind)
    except InputError as problem:
        st.error(str(problem), icon=":material/error:")
        return ""
    return path


def _model_notes(model: Model) -> None:
    if model.path is None:
        st.info(f"{model.name} is not on this machine yet. Download it once on the models page; then it works offline.", icon=":material/download:")
        address.link("models", "Open the models page", icon=":material/download:", model=model.name)
    elif model.warning:
        st.warning(model.warning, icon=":material/warning:")
    elif model.summary:
        st.caption(model.summary)
