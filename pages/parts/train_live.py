"""A training as it goes: numbers, curves, and cells with the probability that the network gives them."""

from pathlib import Path

import pandas as pd
import streamlit as st

from core.errors import InputError
from core.jobs import Job
from core.report import read_csv
from core.report.run_figures import SERIES, best_row, run_curve
from core.stages.training import stop_early, unfinished
from core.tables import TRAINING_HISTORY
from core.workspace import Experiment, read_json
from pages.parts.charts import show_chart
from pages.parts.job_panel import job_store
from pages.parts.train_examples import show_examples
from pages.parts.words import duration


def show_live(experiment: Experiment, job: Job) -> None:
    """What the training has reached, looked up every two seconds while the job runs."""

    @st.fragment(run_every=2 if job.active else None)
    def look() -> None:
        now = job_store().get(job.id) or job  # it may have waited for its turn when the page was drawn
        folder = working_folder(experiment, now) if now.state != "queued" else None
        history = read_history(folder) if folder else None
        if folder is None or history is None or history.empty:
            if now.state == "running":
                st.caption("The curves appear here after the first epoch.")
            return
        settings = read_json(folder / "settings.json")
        show_numbers(history, int(settings["settings"]["epochs"]))
        if now.state == "running":
            _stop(experiment, folder)
        show_curves({folder.name: history}, int(settings["settings"]["epochs"]), f"live-{job.id}")
        show_examples(experiment.path / "datasets" / settings["upstream"]["dataset"], folder)

    look()


def show_numbers(history: pd.DataFrame, epochs: int) -> None:
    """Epochs, the best so far, time an epoch."""
    best, last = best_row(history), history.iloc[-1]
    shown = {
        "Epochs": f"{int(last['epoch'])} of {epochs}",
        "Best epoch": f"{int(best['epoch'])}",
        "Its ROC AUC": f"{best['val_auc']:.3f}",
        "Its accuracy": f"{best['val_accuracy']:.1%}",
        "An epoch takes": duration(float(history["seconds"].median())),
    }
    for column, (label, value) in zip(st.columns(len(shown)), shown.items(), strict=True):
        column.metric(label, value)


def show_curves(histories: dict[str, pd.DataFrame], epochs: int, key: str) -> None:
    for column, chart in zip(st.columns(len(SERIES)), SERIES, strict=True):
        with column:
            show_chart(run_curve(chart, histories, epochs), f"{key}-{chart}")


def _stop(experiment: Experiment, folder: Path) -> None:
    if (folder / "stop").is_file():
        st.caption(":material/check: It ends after the epoch it is in, and keeps its best epoch.")
        return
    name = folder.name.removesuffix(".partial")
    words = "Ends the training early and keeps its best epoch."
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Finish after this epoch", icon=":material/flag:", help=words, on_click=stop_early, args=(experiment, name))
        st.caption("Cancel stops at once; the training can be resumed after its last finished epoch.", width="stretch")


def working_folder(experiment: Experiment, job: Job) -> Path | None:
    """The folder that the job works in: the one that it resumes, else the one begun last, but not before the job."""
    names = [job.params["resume"]] if job.params.get("resume") else unfinished(experiment)[:1]
    for name in names:
        folder = experiment.path / "runs" / f"{name}.partial"
        record = folder / "settings.json"
        if record.is_file() and (job.params.get("resume") or record.stat().st_mtime >= (job.started or job.created) - 1):
            return folder
    return None


def read_history(folder: Path) -> pd.DataFrame | None:
    try:
        return read_csv(folder / "history.csv", TRAINING_HISTORY)
    except InputError:  # not written yet, or just being published
        return None
