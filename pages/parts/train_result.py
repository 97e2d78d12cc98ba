"""A finished training on the page: what it reached, its curves, examples, other runs beside it, the way to the library."""

from typing import Any

import pandas as pd
import streamlit as st

from core.errors import InputError
from core.report import csv_bytes
from core.stages.training import BEST, OUTCOME, add_to_library
from core.stages.training_card import WHICH_EPOCH, no_information
from core.stages.training_cells import remarks_of
from core.stages.training_compared import differing_settings
from core.workspace import Experiment, Product, read_json
from pages.parts import address
from pages.parts.results import how_made
from pages.parts.train_examples import show_examples
from pages.parts.train_live import read_history, show_curves
from pages.parts.words import when


def show_run(experiment: Experiment, product: Product) -> None:
    """Headline, remarks, what to do next, tabs."""
    outcome, history = read_json(product.path / OUTCOME), read_history(product.path)
    assert history is not None  # a published run has its history
    st.markdown(f"#### {outcome['summary']}")
    for text in remarks_of(product.path):
        st.warning(text, icon=":material/warning:")
    _headline(outcome)
    _baselines(experiment, product)
    _next_steps(experiment, product)
    names = ["Curves", "Examples", "Compare runs", "Model card", "How it was made"]
    curves, examples, others, card, made = st.tabs(names)
    with curves:
        show_curves({product.id: history}, int(history["epoch"].max()), "run")
        which = f", {WHICH_EPOCH}" if history["kept"].any() else ""  # runs of before chose by the AUC alone
        st.caption(f"The best epoch was {outcome['best_epoch']}{which}; the training ended because {outcome['ended']}.")
        st.download_button("history.csv", data=lambda: csv_bytes(history), file_name=f"{product.id} history.csv", mime="text/csv", on_click="ignore")
    with examples:
        show_examples(experiment.path / "datasets" / product.settings["upstream"]["dataset"], product.path)
    with others:
        compare(experiment, product)
    with card:
        st.markdown((product.path / "card.md").read_text(encoding="utf-8").split("\n", 1)[1])
    with made:
        how_made(product, "run")


def _headline(outcome: dict[str, Any]) -> None:
    commoner, accuracy = no_information(outcome["val_cells"], outcome["val_senescent"])  # outcomes of before do not hold it
    everyone = f"All called {commoner}"
    shown = {
        "ROC AUC": f"{outcome['val_auc']:.3f}",
        "Accuracy": f"{outcome['val_accuracy']:.1%}",
        everyone: f"{accuracy:.1%}",
        "Decision threshold": f"{outcome['threshold']:.2f}",
        "Best epoch": str(outcome["best_epoch"]),
    }
    told = {everyone: f"The accuracy without a look at any cell, by calling every one {commoner}: what the accuracy of the classifier is to be held against."}
    for column, (label, value) in zip(st.columns(len(shown)), shown.items(), strict=True):
        column.metric(label, value, help=told.get(label))
    st.caption(
        f"On the {outcome['val_cells']} validation cells, {outcome['val_senescent']} of them senescent. They chose the epoch and the threshold, so these "
        "numbers flatter a little; the test cells, which chose nothing, are looked at on the page Evaluate."
    )


def _baselines(experiment: Experiment, product: Product) -> None:
    """What can be reached without a look at the cell, beside the result."""
    file = experiment.path / "datasets" / product.settings["upstream"]["dataset"] / "report.json"
    known = read_json(file)["confounding"] if file.is_file() else {}
    aucs = [f"{name} {found['validation']:.3f}" for name, found in known.items() if found["validation"] is not None]
    if aucs:
        st.caption(f"ROC AUC on the same cells of predictors that know nothing but one number: {', '.join(aucs)}.")


def _next_steps(experiment: Experiment, product: Product) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        with st.popover("Add to the model library", icon=":material/library_add:", type="primary"):
            name = st.text_input("Name in the library", value=f"{experiment.name}-{product.id}".replace(" ", "-"), key=f"name-{product.id}").strip()
            if st.button("Add", type="primary", key="add-run", disabled=not name):
                _add(product, name)
        if st.button("Evaluate on the test cells", icon=":material/fact_check:"):
            dataset = product.settings["upstream"]["dataset"]
            address.open_page("evaluate", experiment=experiment.name, evaluation="new", run=product.id, dataset=dataset)
        st.download_button(
            "Weights", data=lambda: (product.path / BEST).read_bytes(), file_name=f"{product.id}.pt", icon=":material/download:", on_click="ignore"
        )


def _add(product: Product, name: str) -> None:
    try:
        with st.spinner("Checking the weights …"):
            model = add_to_library(product, name)
    except InputError as problem:
        st.error(str(problem), icon=":material/error:")
        return
    st.success(f"{model.name} is in the library.", icon=":material/check:")
    address.link("models", "Open its card", icon=":material/model_training:", model=model.name)


def compare(experiment: Experiment, product: Product) -> None:
    """Curves and numbers of several runs of the experiment."""
    runs = {one.id: one for one in experiment.products("runs")}
    if len(runs) < 2:
        st.info("This is the only run of the experiment so far. Train again with other settings to compare.", icon=":material/info:")
        return
    chosen = st.multiselect("Runs", list(runs), default=list(runs)[:5], key="compare-runs")
    histories = {one: history for one in chosen if (history := read_history(runs[one].path)) is not None}
    if histories:
        show_curves(histories, max(int(one["epoch"].max()) for one in histories.values()), "compare")
    differ = differing_settings([runs[one].settings["settings"] for one in chosen])
    st.dataframe(pd.DataFrame([_row(runs[one], other) for one, other in zip(chosen, differ, strict=True)]), hide_index=True)
    if len(chosen) > 1:
        st.caption("Settings that are not in the table are the same in all of these runs.")


def _row(run: Product, other: dict[str, str]) -> dict[str, Any]:
    """``other``: the settings in which the runs differ."""
    record, outcome = run.settings, read_json(run.path / OUTCOME)
    always = {"Run": run.id, "Dataset": record["upstream"]["dataset"], "Network": record["settings"]["network"], "Start from": record["settings"]["start"]}
    reached = {
        "Best epoch": outcome["best_epoch"],
        "ROC AUC": round(outcome["val_auc"], 4),
        "Accuracy": round(outcome["val_accuracy"], 4),
        "Ended because": outcome["ended"],
        "Made": when(run.created),
    }
    return always | other | reached
