"""Evaluate: what is missing, a job with the chosen settings, a finished evaluation whose numbers follow the slider."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from core.dataset.folders import png
from core.dataset.store import CropWriter, Scaling
from core.jobs import JobStore
from core.report import write_csv
from core.settings import EvaluateSettings
from core.stages.judging import judge
from core.statistics.thresholds import choose_threshold
from core.tables import ERROR_KINDS, ERRORS, MANIFEST, typed
from core.workspace import Experiment, publish, write_json

Open = Callable[..., AppTest]
Words = Callable[[AppTest], str]
Click = Callable[[AppTest, str], AppTest]


@pytest.fixture
def dataset(experiment: Experiment) -> Experiment:
    with publish(experiment, "datasets", "d", {}):
        pass
    return experiment


def publish_evaluation(experiment: Experiment, name: str, skill: float, pictures: bool = True, cells: int = 200) -> str:
    """Cells of 5 cultures, judged; the pictures of their dataset are gone."""
    rng = np.random.default_rng(0)
    classes = (rng.random(cells) < 0.4).astype(np.int64)
    scores = np.clip(rng.beta(3, 4, cells) + skill * classes, 0, 1)
    table = pd.DataFrame({"cell_id": [f"f:{i}" for i in range(cells)], "fov_id": "f", "sample": [f"MSC{i % 5}" for i in range(cells)], "split": "test"})
    manifest = typed(table.assign(**{"class": classes, "area_px": 100, "mean_intensity": 0.5, "label": range(cells)}), MANIFEST)
    crops = SimpleNamespace(values=lambda i: (np.ones((4, 4), np.float32), np.ones((4, 4), bool)))
    rows = {"test": np.arange(cells), "train": np.arange(0), "validation": np.arange(0)}
    data = SimpleNamespace(path=Path("d"), manifest=manifest, crops=crops, classes=classes, rows=rows.__getitem__, statistics={})
    threshold = choose_threshold(classes, scores)
    found = judge(data, scores, rows["test"], threshold, EvaluateSettings(bootstrap=100))  # type: ignore[arg-type]
    said = {one: getattr(found, one) for one in ("sentence", "remarks", "baseline_sentence", "agreement_sentence", "interval_sentence")}
    said |= {"confusion": found.tables["confusion"].to_dict("records"), "threshold": {"value": threshold.value, "why": threshold.why}}
    with publish(experiment, "evaluations", name, {}, upstream={"dataset": "d"}, models={"classifier": {"name": f"model {name}"}}) as partial:
        for one, content in found.tables.items():
            write_csv(partial.path / f"{one}.csv", content)
        if pictures:
            write_errors(partial.path)
        more = {"warnings": ["The threshold was chosen on the very cells that are judged here."], "agreement": {}, "classification_report": "text"}
        write_json(partial.path / "metrics.json", said | more)
        (partial.path / "report.html").write_text("report", encoding="utf-8")
    return name


def write_errors(folder: Path) -> None:
    """One false positive with a dark picture and a bright heat map."""
    (folder / "pictures").mkdir()
    for name, grey in (("01.png", 10), ("01_heat.png", 250)):
        (folder / "pictures" / name).write_bytes(png(np.full((8, 8), grey, np.uint8)))
    one = {"kind": ERROR_KINDS[0], "rank": 1, "cell_id": "f:1", "senescence_probability": 0.9, "picture": "pictures/01.png", "heat_map": "pictures/01_heat.png"}
    write_csv(folder / "errors.csv", typed(pd.DataFrame([one]), ERRORS))


@pytest.fixture
def evaluation(dataset: Experiment) -> str:
    return publish_evaluation(dataset, "e", 0.25)


def test_without_a_dataset_it_says_what_is_needed(open_page: Open, experiment: Experiment, words: Words) -> None:
    assert "no dataset of them yet" in words(open_page("evaluate", experiment=experiment.name))


def test_an_evaluation_is_a_job_with_what_was_chosen(open_page: Open, dataset: Experiment, store: JobStore, click: Click) -> None:
    app = open_page("evaluate", experiment=dataset.name)
    next(s for s in app.selectbox if s.label == "Threshold").set_value("accuracy").run()
    click(app, "Evaluate")
    [job] = store.active()
    assert job.params["dataset"] == "d"
    assert job.params["settings"]["rule"] == "accuracy"


def test_a_model_that_cannot_judge_the_dataset_is_named_before_it_is_tried(open_page: Open, experiment: Experiment) -> None:
    """The embedded classifier and a dataset with the usual intensity."""
    publish_dataset(experiment, "usual", "range")
    app = open_page("evaluate", experiment=experiment.name)
    assert "crop size 380 px, intensity “field” and common pixel size 1 µm, but its crops have intensity “range”" in app.error[0].value
    assert "--" not in app.error[0].value
    assert next(b for b in app.button if b.label == "Evaluate").disabled
    publish_dataset(experiment, "fitting", "field", pixel_size_um=1.0)
    app = open_page("evaluate", experiment=experiment.name)
    next(s for s in app.selectbox if s.label == "Dataset").set_value("fitting").run()
    assert not app.error
    assert not next(b for b in app.button if b.label == "Evaluate").disabled


def publish_dataset(experiment: Experiment, name: str, intensity: str, pixel_size_um: float | None = None) -> None:
    """One cell."""
    with publish(experiment, "datasets", name, {}) as partial:
        writer = CropWriter(partial.path / "crops", 24, "black")
        writer.add_field("f", np.full((12, 12), 90, np.uint8), np.pad(np.ones((8, 8), np.int32), 2), [1], Scaling(0.0, 255.0, 255.0))
        writer.finish(["f"])
        cell = {"cell_id": "f:1", "fov_id": "f", "label": 1, "class": 1, "split": "test"}
        write_csv(partial.path / "manifest.csv", typed(pd.DataFrame([cell]), MANIFEST))
        about = {"mean": 0.5, "std": 0.2, "crop_px": 24, "intensity": intensity, "pixel_size_um": pixel_size_um}
        write_json(partial.path / "statistics.json", about)
        write_json(partial.path / "report.json", {})


def test_a_run_to_judge_leaves_no_other_model_to_choose(open_page: Open, dataset: Experiment, store: JobStore, click: Click) -> None:
    with publish(dataset, "runs", "mine", {}):
        pass
    app = open_page("evaluate", experiment=dataset.name)
    assert next(s for s in app.selectbox if s.label == "Judge").value == "mine"
    assert "Classifier" not in [s.label for s in app.selectbox]
    click(app, "Evaluate")
    [job] = store.active()
    assert job.params["settings"]["model"] == "mine"


def test_the_run_and_the_dataset_of_the_address_are_judged(open_page: Open, dataset: Experiment, store: JobStore, click: Click) -> None:
    """Not the newest ones: whoever comes from the page of a run wants to judge that run."""
    for kind, names in (("runs", ("mine", "newer")), ("datasets", ("later",))):
        for name in names:
            with publish(dataset, kind, name, {}):
                pass
    click(open_page("evaluate", experiment=dataset.name, evaluation="new", run="mine", dataset="d"), "Evaluate")
    [job] = store.active()
    assert (job.params["settings"]["model"], job.params["dataset"]) == ("mine", "d")


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
    assert "Called senescent, not stained" in words(app)


def test_no_toolbar_lies_over_the_charts(open_page: Open, dataset: Experiment, evaluation: str) -> None:
    app = open_page("evaluate", experiment=dataset.name, evaluation=evaluation)
    charts = app.get("plotly_chart")
    assert len(charts) == 5
    for chart in charts:
        assert json.loads(chart.proto.config)["displayModeBar"] is False


def test_the_numbers_follow_the_slider(open_page: Open, dataset: Experiment, evaluation: str, words: Words) -> None:
    app = open_page("evaluate", experiment=dataset.name)
    app.slider[0].set_value(0.0).run()
    assert [one.value for one in app.metric if one.label == "Sensitivity"][-1].startswith("100")
    assert [one.value for one in app.metric if one.label == "Specificity"][-1].startswith("0")
    assert "choosing it on them" in words(app)


def pictures_of(app: AppTest) -> list[str]:
    """Addresses of the pictures on the page."""
    return [image.url for element in app.get("image") for image in element.proto.imgs]


def test_what_the_model_looked_at_takes_the_place_of_the_pictures(open_page: Open, dataset: Experiment, evaluation: str) -> None:
    app = open_page("evaluate", experiment=dataset.name)
    before = pictures_of(app)
    assert len(before) == 1
    app.toggle[0].set_value(True).run()
    assert len(pictures_of(app)) == 1
    assert pictures_of(app) != before


def test_an_evaluation_of_an_earlier_version_says_why_it_has_no_pictures(open_page: Open, dataset: Experiment, words: Words) -> None:
    publish_evaluation(dataset, "old", 0.25, pictures=False)
    assert "made by an earlier version" in words(open_page("evaluate", experiment=dataset.name))


def test_one_evaluation_has_nothing_to_compare_with(open_page: Open, dataset: Experiment, evaluation: str, words: Words) -> None:
    assert "only evaluation of the experiment so far" in words(open_page("evaluate", experiment=dataset.name))


def test_two_models_are_compared_and_the_comparison_is_kept(open_page: Open, dataset: Experiment, evaluation: str, click: Click, words: Words) -> None:
    publish_evaluation(dataset, "better", 0.5)
    app = open_page("evaluate", experiment=dataset.name, evaluation="better")
    assert "Both models must have judged the same cells" in words(app)
    app = click(app, "Compare")
    assert "model better ranks cells better than model e by" in words(app)
    assert len(dataset.products("comparisons")) == 1
    again = open_page("evaluate", experiment=dataset.name, evaluation="better")
    assert "model better ranks cells better than model e by" in words(again)


def test_models_judged_on_other_cells_are_refused_and_the_page_stays(open_page: Open, dataset: Experiment, evaluation: str, click: Click, words: Words) -> None:
    publish_evaluation(dataset, "fewer", 0.5, cells=150)
    app = click(open_page("evaluate", experiment=dataset.name, evaluation="fewer"), "Compare")
    assert any("wanted two evaluations of the same cells" in error.value for error in app.error)
    assert "The command that does the same" in words(app)
