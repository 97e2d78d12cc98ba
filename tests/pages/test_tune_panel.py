"""Fine-tuning on the page Segment: nothing to learn from, settings, the job as it goes, what was gained."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from core.images import write_labels
from core.jobs import JobStore
from core.report import read_csv, write_csv
from core.tables import BEFORE_AFTER, SEGMENTED_FIELDS, TUNING_FIELDS, TUNING_HISTORY, typed
from core.workspace import Experiment, publish, write_json

Open = Callable[..., AppTest]
Words = Callable[[AppTest], str]
Click = Callable[[AppTest, str], AppTest]
TAB = {"tab": "Fine-tune"}


@pytest.fixture
def reviewed(experiment: Experiment, segmentation: str) -> str:
    """The segmentation with one cell of the first field removed; its id."""
    first, second = experiment.fields()["fov_id"]
    labels = np.zeros((96, 96), np.int32)
    labels[50:80, 40:90] = 2
    with publish(experiment, "segmentations", "reviewed", {"looked_at": [second]}, upstream={"segmentation": segmentation}) as partial:
        (partial.path / "labels").mkdir()
        write_labels(partial.path / "labels" / f"{first}.tif", labels)
        labels[10:30, 10:30] = 1
        write_labels(partial.path / "labels" / f"{second}.tif", labels)
        for name in ("fields", "cells", "failures"):
            source = experiment.product("segmentations", segmentation).path / f"{name}.csv"
            (partial.path / source.name).write_bytes(source.read_bytes())
        fields = read_csv(partial.path / "fields.csv", SEGMENTED_FIELDS)
        write_csv(partial.path / "fields.csv", fields.assign(n_cells=[1, 2]))
    return "reviewed"


@pytest.fixture
def tuned(experiment: Experiment, reviewed: str) -> str:
    """A finished fine-tuning, measured on the second field; its id."""
    first, second = experiment.fields()["fov_id"]
    fields = pd.DataFrame({"fov_id": [first, second], "sample": ["A", "B"], "part": ["train", "held back"], "n_cells": [1, 2], "corrections": [1, 0]})
    one = {"fov_id": second, "true_cells": 2, "found_cells": 2, "ap75": 0.5, "ap_mean": 0.4, "merges": 0, "splits": 0}
    scores = pd.DataFrame([{**one, "model": "before", "ap50": 0.5, "f1_50": 0.6}, {**one, "model": "after", "ap50": 0.75, "f1_50": 0.8}])
    about = {"upstream": {"segmentation": reviewed}, "command": "python -m core tune x"}
    with publish(experiment, "tunings", "tuned-1", {}, **about) as partial:
        write_csv(partial.path / "fields.csv", typed(fields, TUNING_FIELDS))
        write_csv(partial.path / "before_after.csv", typed(scores, BEFORE_AFTER))
        write_csv(partial.path / "history.csv", history(2))
        for side in ("before", "after"):
            (partial.path / "found" / side).mkdir(parents=True)
            write_labels(partial.path / "found" / side / f"{second}.tif", np.eye(96, dtype=np.int32))
        outcome = {"model": "tuned-model", "diameter_px": 31.2, "note": "Held back by culture.", "warnings": ["Measured on one field only."]}
        write_json(partial.path / "outcome.json", outcome)
    return "tuned-1"


def history(epochs: int) -> pd.DataFrame:
    rows = {"epoch": range(epochs + 1), "train_loss": [None, *([0.5] * epochs)], "held_back_loss": [0.6 - 0.1 * k for k in range(epochs + 1)], "seconds": 3.0}
    return typed(pd.DataFrame(rows), TUNING_HISTORY)


def test_outlines_of_a_model_alone_are_nothing_to_learn_from(open_page: Open, experiment: Experiment, segmentation: str, words: Words) -> None:
    app = open_page("segment", experiment=experiment.name, **TAB)
    assert "there are none yet" in words(app)
    assert not [b for b in app.button if b.label.startswith("Fine-tune")]


def test_it_says_what_is_learnt_from_and_starts_the_job(
    open_page: Open, experiment: Experiment, reviewed: str, store: JobStore, words: Words, click: Click
) -> None:
    app = open_page("segment", experiment=experiment.name, **TAB)
    assert "**2 fields** with **3 cells**, **1 correction**" in words(app)
    assert "Held back by culture" in words(app)
    next(n for n in app.number_input if n.label == "Epochs").set_value(7).run()
    next(t for t in app.text_input if t.label == "Name of the new model").set_value(" mine ").run()
    click(app, "Fine-tune on my corrections")
    [job] = store.active()
    assert (job.stage, job.params["settings"]["epochs"], job.params["name"], job.params["segmentation"]) == ("tune", 7, "mine", reviewed)


def test_the_loss_is_shown_while_the_job_runs(open_page: Open, experiment: Experiment, reviewed: str, store: JobStore, words: Words) -> None:
    id = store.submit("tune", {"settings": {"epochs": 9}}, str(experiment.path))
    store.begin(id)
    assert "after the first epoch" in words(open_page("segment", experiment=experiment.name, job=id, **TAB))
    folder = Path(experiment.path / "tunings" / "x.partial")
    folder.mkdir(parents=True)
    write_csv(folder / "history.csv", history(3))
    app = open_page("segment", experiment=experiment.name, job=id, **TAB)
    assert "3 of 9 epochs done" in words(app)
    assert not [b for b in app.button if b.label.startswith("Fine-tune")]


def test_a_finished_job_leads_to_what_was_gained(open_page: Open, experiment: Experiment, tuned: str, store: JobStore, words: Words) -> None:
    id = store.submit("tune", {"settings": {"epochs": 2}}, str(experiment.path))
    store.begin(id)
    store.finish(id, "done", result=str(experiment.path / "tunings" / tuned))
    app = open_page("segment", experiment=experiment.name, job=id, **TAB)
    assert app.query_params["tuning"] == tuned
    assert "New model **tuned-model**" in words(app)
    assert "Measured on one field only." in words(app)
    shown = {m.label: (m.value, m.delta) for m in app.metric}
    assert shown["AP at IoU 0.5"] == ("0.75", "+0.25")
    assert shown["AP at IoU 0.75"] == ("0.50", "")
    assert "The weights of epoch 2 were kept." in words(app)


def test_a_new_one_begins_with_the_settings_of_an_earlier_one(open_page: Open, experiment: Experiment, tuned: str, store: JobStore, click: Click) -> None:
    settings = experiment.path / "tunings" / tuned / "settings.json"
    settings.write_text(settings.read_text(encoding="utf-8").replace('"settings": {}', '"settings": {"epochs": 33}'), encoding="utf-8")
    app = click(open_page("segment", experiment=experiment.name, tuning=tuned, **TAB), "Begin a new one with these settings")
    assert app.query_params["tuning"] == "new"
    assert next(n for n in app.number_input if n.label == "Epochs").value == 33


def test_its_model_can_outline_at_once(open_page: Open, experiment: Experiment, tuned: str, words: Words, click: Click) -> None:
    app = click(open_page("segment", experiment=experiment.name, tuning=tuned, **TAB), "Outline with it")
    assert (app.query_params["segmentation"], app.query_params["model"]) == ("new", "tuned-model")
    assert "tuning" not in app.query_params
    assert "New model" not in words(app)
