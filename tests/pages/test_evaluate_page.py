"""Evaluate: what is missing, a job with the chosen settings, a finished evaluation whose numbers follow the slider."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from core.jobs import JobStore
from core.report import write_csv
from core.settings import EvaluateSettings
from core.stages.judging import judge
from core.statistics.thresholds import choose_threshold
from core.tables import MANIFEST, typed
from core.workspace import Experiment, publish, write_json

Open = Callable[..., AppTest]
Words = Callable[[AppTest], str]
Click = Callable[[AppTest, str], AppTest]


@pytest.fixture
def dataset(experiment: Experiment) -> Experiment:
    with publish(experiment, "datasets", "d", {}):
        pass
    return experiment


@pytest.fixture
def evaluation(dataset: Experiment) -> str:
    """200 cells of 5 cultures, judged; the pictures of their dataset are gone."""
    rng = np.random.default_rng(0)
    classes = (rng.random(200) < 0.4).astype(np.int64)
    scores = np.clip(rng.beta(3, 4, 200) + 0.25 * classes, 0, 1)
    table = pd.DataFrame({"cell_id": [f"f:{i}" for i in range(200)], "fov_id": "f", "sample": [f"MSC{i % 5}" for i in range(200)], "split": "test"})
    manifest = typed(table.assign(**{"class": classes, "area_px": 100, "mean_intensity": 0.5, "label": range(200)}), MANIFEST)
    crops = SimpleNamespace(values=lambda i: (np.ones((4, 4), np.float32), np.ones((4, 4), bool)))
    rows = {"test": np.arange(200), "train": np.arange(0), "validation": np.arange(0)}
    data = SimpleNamespace(path=Path("d"), manifest=manifest, crops=crops, classes=classes, rows=rows.__getitem__, statistics={})
    threshold = choose_threshold(classes, scores)
    found = judge(data, scores, rows["test"], threshold, EvaluateSettings(bootstrap=100))  # type: ignore[arg-type]
    said = {name: getattr(found, name) for name in ("sentence", "remarks", "baseline_sentence", "agreement_sentence", "interval_sentence")}
    with publish(dataset, "evaluations", "e", {}, upstream={"dataset": "d"}) as partial:
        for name, one in found.tables.items():
            write_csv(partial.path / f"{name}.csv", one)
        more = {"warnings": ["The threshold was chosen on the very cells that are judged here."], "agreement": {}, "classification_report": "text"}
        write_json(partial.path / "metrics.json", said | more | {"threshold": {"value": threshold.value, "why": threshold.why}})
        (partial.path / "report.html").write_text("report", encoding="utf-8")
    return "e"


def test_without_a_dataset_it_says_what_is_needed(open_page: Open, experiment: Experiment, words: Words) -> None:
    assert "no dataset of them yet" in words(open_page("evaluate", experiment=experiment.name))


def test_an_evaluation_is_a_job_with_what_was_chosen(open_page: Open, dataset: Experiment, store: JobStore, click: Click) -> None:
    app = open_page("evaluate", experiment=dataset.name)
    next(s for s in app.selectbox if s.label == "Threshold").set_value("accuracy").run()
    click(app, "Evaluate")
    [job] = store.active()
    assert job.params["dataset"] == "d"
    assert job.params["settings"]["rule"] == "accuracy"


def test_choosing_on_the_judged_cells_is_red_beforehand(open_page: Open, dataset: Experiment) -> None:
    app = open_page("evaluate", experiment=dataset.name)
    assert not app.error
    next(s for s in app.selectbox if s.label == "Threshold chosen on").set_value("evaluated").run()
    assert "very cells that are judged" in app.error[0].value


def test_a_finished_evaluation_shows_verdict_warning_and_numbers(open_page: Open, dataset: Experiment, evaluation: str, words: Words) -> None:
    app = open_page("evaluate", experiment=dataset.name)
    assert app.query_params["evaluation"] == evaluation
    assert "On 200 cells of 5 cultures" in words(app)
    assert "very cells that are judged" in app.error[0].value
    assert "no longer there" in words(app)


def test_the_numbers_follow_the_slider(open_page: Open, dataset: Experiment, evaluation: str, words: Words) -> None:
    app = open_page("evaluate", experiment=dataset.name)
    app.slider[0].set_value(0.0).run()
    assert [one.value for one in app.metric if one.label == "Sensitivity"][-1].startswith("100")
    assert [one.value for one in app.metric if one.label == "Specificity"][-1].startswith("0")
    assert "choosing it on them" in words(app)
