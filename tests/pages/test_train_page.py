"""Train: nothing to learn from, a new training, the training as it goes, interrupted ones, a finished run."""

import contextlib
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from core.jobs import JobStore
from core.jobs.job import State
from core.models.imagenet import imagenet_path
from core.report import read_csv, write_csv
from core.settings import DatasetSettings, TrainSettings
from core.stages.crop_folders import import_folder
from core.tables import MANIFEST, TRAINING_HISTORY, VALIDATED_CELLS, typed
from core.workspace import Experiment, publish, read_json, write_json

Open = Callable[..., AppTest]
Words = Callable[[AppTest], str]
Click = Callable[[AppTest, str], AppTest]
QUICK = TrainSettings(network="efficientnet-b0", epochs=9)


@pytest.fixture
def dataset(workspace: Path, tmp_path: Path) -> Path:
    """A dataset of 24 crops cut elsewhere, in the experiment "lab"."""
    rng = np.random.default_rng(0)
    for split in ("train", "val", "test"):
        for name in ("senescent", "not_senescent"):
            for k in range(4):
                file = tmp_path / "crops" / split / name / f"{split}_{name}_{k}.png"
                file.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(rng.integers(1, 255, (24, 24)).astype(np.uint8)).save(file)
    return import_folder(tmp_path / "crops", workspace / "lab", DatasetSettings(crop_px=32))


@pytest.fixture
def lab(dataset: Path) -> Experiment:
    return Experiment(dataset.parents[1])


def history(epochs: int) -> pd.DataFrame:
    rows = {"epoch": range(1, epochs + 1), "train_loss": 0.6, "val_loss": 0.5, "val_auc": [0.7 + 0.05 * k for k in range(epochs)], "val_accuracy": 0.75}
    return typed(pd.DataFrame(rows).assign(seconds=62.0, threshold=0.4, rate=1e-3), TRAINING_HISTORY)


def fill(folder: Path, dataset: Path, epochs: int) -> None:
    """What a training of so many epochs has written."""
    write_csv(folder / "history.csv", history(epochs))
    manifest = read_csv(dataset / "manifest.csv", MANIFEST)
    held = manifest[manifest["split"] == "validation"]
    cells = held[["cell_id", "sample", "class"]].assign(crop=held.index, senescence_probability=np.linspace(0.1, 0.9, len(held)))
    write_csv(folder / "validation.csv", typed(cells, VALIDATED_CELLS))
    (folder / "state.pt").write_bytes(b"state")


@pytest.fixture
def begun(lab: Experiment, dataset: Path) -> str:
    """A training that was interrupted after two epochs; its id."""
    with contextlib.suppress(KeyboardInterrupt), publish(lab, "runs", "run-1", QUICK, upstream={"dataset": dataset.name}) as partial:
        fill(partial.path, dataset, 2)
        raise KeyboardInterrupt
    return "run-1"


@pytest.fixture
def finished(lab: Experiment, dataset: Path) -> Callable[..., str]:
    """Publish a run of three epochs under a name."""

    def make(name: str = "run-2", settings: TrainSettings = QUICK) -> str:
        from core.classifier.checkpoint import Checkpoint, save_checkpoint
        from core.classifier.network import build_network

        with publish(lab, "runs", name, settings, upstream={"dataset": dataset.name}, command="python -m core train lab") as partial:
            fill(partial.path, dataset, 3)
            state = build_network("efficientnet-b0", 32).state_dict()
            save_checkpoint(partial.path / "best.pt", Checkpoint("efficientnet-b0", 32, 0.1, 0.2, "range", None, 0.4, state=state))
            (partial.path / "card.md").write_text(f"# {name}\n\nWhat it was trained on.\n", encoding="utf-8")
            numbers = {"best_epoch": 3, "val_auc": 0.8, "val_accuracy": 0.75, "threshold": 0.41, "temperature": 0.5, "val_cells": 8, "val_senescent": 3}
            words = {"summary": "B0 trained on 8 cells.", "ended": "all epochs are done", "device": "cpu", "remarks": ["There are only 4 validation cells."]}
            write_json(partial.path / "outcome.json", numbers | words)
        return name

    return make


def test_without_a_dataset_it_leads_to_the_page_that_builds_one(open_page: Open, experiment: Experiment, words: Words) -> None:
    app = open_page("train", experiment=experiment.name)
    assert "no dataset of them yet" in words(app)
    assert not [b for b in app.button if b.label == "Train"]
    assert "There is no experiment yet" not in words(app)


def test_train_is_a_job_with_what_was_chosen(open_page: Open, lab: Experiment, dataset: Path, store: JobStore, words: Words, click: Click) -> None:
    app = open_page("train", experiment=lab.name)
    assert [m.label for m in app.metric] == ["Training", "Validation", "Test"]
    next(s for s in app.selectbox if s.label == "Network").set_value("efficientnet-b0").run()
    next(n for n in app.number_input if n.label == "Epochs").set_value(7).run()
    assert f"train {lab.path} --network efficientnet-b0 --epochs 7 --dataset {dataset.name}" in app.code[0].value
    click(app, "Train")
    [job] = store.active()
    assert job.stage == "train"
    assert job.params["settings"] == asdict(TrainSettings(network="efficientnet-b0", epochs=7))
    assert job.params["dataset"] == dataset.name


def test_how_long_it_may_take_is_said_where_an_earlier_run_tells(
    open_page: Open, lab: Experiment, dataset: Path, tmp_path: Path, finished: Callable[..., str], words: Words
) -> None:
    app = open_page("train", experiment=lab.name)
    next(s for s in app.selectbox if s.label == "Network").set_value("efficientnet-b0").run()
    assert "roughly" not in words(app)  # nothing is known yet
    finished("run-2")
    next(n for n in app.number_input if n.label == "Epochs").set_value(10)
    app.query_params["run"] = "new"
    assert "10 epochs: roughly 10 min, by the run run-2 on cpu" in words(app.run())  # of 62 seconds each
    next(s for s in app.selectbox if s.label == "Network").set_value("efficientnet-b1").run()
    assert "roughly" not in words(app)
    next(s for s in app.selectbox if s.label == "Network").set_value("efficientnet-b0").run()
    other = import_folder(tmp_path / "crops", lab.path, DatasetSettings(crop_px=40))
    next(s for s in app.run().selectbox if s.label == "Dataset").set_value(other.name).run()
    assert "roughly" not in words(app)


def test_weights_that_are_not_here_can_be_downloaded(open_page: Open, lab: Experiment, store: JobStore, words: Words, click: Click) -> None:
    app = open_page("train", experiment=lab.name)
    next(s for s in app.selectbox if s.label == "Start from").set_value("imagenet").run()
    assert "ImageNet weights of efficientnet-b4 are not on this machine" in words(app)
    assert next(b for b in app.button if b.label == "Train").disabled
    click(app, "Download")
    [job] = store.active()
    assert (job.stage, job.params["name"]) == ("download", "imagenet-efficientnet-b4")
    assert "Downloading" in app.get("progress")[0].proto.text
    assert next(b for b in app.button if b.label == "Download").disabled


def test_a_download_of_weights_that_fails_says_why_and_one_that_ends_well_says_so(
    open_page: Open, lab: Experiment, workspace: Path, store: JobStore, words: Words, click: Click
) -> None:
    app = open_page("train", experiment=lab.name)
    next(s for s in app.selectbox if s.label == "Start from").set_value("imagenet").run()
    click(app, "Download")
    store.finish(store.active()[0].id, "failed", error="https://github.com: it cannot be reached.")
    assert "**Downloading failed.** https://github.com: it cannot be reached." in words(app.run())
    assert not next(b for b in app.button if b.label == "Download").disabled
    click(app, "Try again")
    file = imagenet_path("efficientnet-b4")
    file.parent.mkdir(parents=True)
    file.write_bytes(b"weights")
    store.finish(store.active()[0].id, "done", result=str(file))
    app.run()
    assert "The ImageNet weights of efficientnet-b4 are downloaded." in [t.value for t in app.toast]
    assert "weights of efficientnet-b4 are on this machine" in words(app)
    assert "job" not in app.query_params
    assert not next(b for b in app.button if b.label == "Train").disabled


def test_a_model_of_the_library_brings_its_network(open_page: Open, lab: Experiment, words: Words) -> None:
    app = open_page("train", experiment=lab.name)
    next(s for s in app.selectbox if s.label == "Start from").set_value("demo-simulated").run()
    assert "demo-simulated is of this network" in words(app)
    network = next(s for s in app.selectbox if s.label == "Network")
    assert (network.value, network.disabled) == ("efficientnet-b4", True)


def test_curves_and_examples_are_shown_while_the_job_runs(
    open_page: Open, lab: Experiment, dataset: Path, begun: str, store: JobStore, words: Words, click: Click
) -> None:
    id = store.submit("train", {"experiment": str(lab.path), "resume": begun}, str(lab.path))
    store.begin(id)
    app = open_page("train", experiment=lab.name, job=id)
    assert {m.label: m.value for m in app.metric} == {
        "Epochs": "2 of 9",
        "Its ROC AUC": "0.750",
        "Its accuracy": "75.0%",
        "Best epoch": "2",
        "An epoch takes": "1 min",
    }
    assert "probability of being senescent" in words(app)
    assert "Called senescent from 0.40 on:" in words(app)  # of the epoch: there is no calibrated one yet
    assert not [b for b in app.button if b.label == "Train"]
    click(app, "Finish after this epoch")
    assert (lab.path / "runs" / f"{begun}.partial" / "stop").is_file()


def test_a_page_drawn_while_the_job_waits_shows_the_curves_once_it_runs(open_page: Open, lab: Experiment, begun: str, store: JobStore) -> None:
    id = store.submit("train", {"experiment": str(lab.path), "resume": begun}, str(lab.path))
    app = open_page("train", experiment=lab.name, job=id)
    assert not app.metric
    store.begin(id)
    assert "Its ROC AUC" in {m.label for m in app.run().metric}


def test_a_page_that_was_opened_without_the_job_tells_its_end(open_page: Open, lab: Experiment, begun: str, store: JobStore, words: Words) -> None:
    id = store.submit("train", {"experiment": str(lab.path), "resume": begun}, str(lab.path))
    store.begin(id)
    app = open_page("train", experiment=lab.name)
    assert app.query_params["job"] == id
    store.finish(id, "cancelled")
    said = words(app.run())
    assert "Training was cancelled." in said
    assert len([b for b in app.button if b.label == "Resume"]) == 1


def test_no_older_run_is_named_above_the_curves_of_a_training(
    open_page: Open, lab: Experiment, begun: str, finished: Callable[..., str], store: JobStore
) -> None:
    finished("run-2")
    id = store.submit("train", {"experiment": str(lab.path), "resume": begun}, str(lab.path))
    store.begin(id)
    app = open_page("train", experiment=lab.name, job=id, run="run-2")
    assert [(s.value, s.disabled) for s in app.selectbox if s.label == "Run"] == [("The training below", True)]
    store.finish(id, "cancelled")
    assert [s.value for s in app.run().selectbox if s.label == "Run"] == ["run-2"]


def test_before_the_first_epoch_it_says_so(open_page: Open, lab: Experiment, store: JobStore, words: Words) -> None:
    id = store.submit("train", {"experiment": str(lab.path), "settings": asdict(QUICK)}, str(lab.path))
    store.begin(id)
    assert "after the first epoch" in words(open_page("train", experiment=lab.name, job=id))


@pytest.mark.parametrize(("button", "stopped"), [("Resume", False), ("Keep its best epoch", True)])
def test_an_interrupted_training_goes_on_or_ends(
    open_page: Open, lab: Experiment, begun: str, store: JobStore, words: Words, click: Click, button: str, stopped: bool
) -> None:
    app = open_page("train", experiment=lab.name)
    assert "run-1: 2 of 9 epochs done." in words(app)
    click(app, button)
    [job] = store.active()
    assert job.params == {"experiment": str(lab.path), "resume": begun}
    assert (lab.path / "runs" / f"{begun}.partial" / "stop").is_file() is stopped


def test_an_interrupted_training_says_what_it_was_and_can_be_discarded(
    open_page: Open, lab: Experiment, dataset: Path, begun: str, store: JobStore, words: Words, click: Click
) -> None:
    id = store.submit("train", {"experiment": str(lab.path), "resume": begun}, str(lab.path))
    store.begin(id)
    store.finish(id, "failed", error="The loss is no number.")
    app = open_page("train", experiment=lab.name, job=id)
    assert "Correct what the message names, then go on below." in words(app)
    assert f"EfficientNet B0, started from random weights, on the cells of {dataset.name}" in words(app)
    said = words(click(app, "Discard this training"))
    assert "The interrupted training run-1 is discarded. Its files are in" in said
    assert "failed" not in said
    assert not [b for b in app.button if b.label == "Resume"]
    [kept] = (lab.path / "runs" / ".discarded").iterdir()
    assert (kept / "state.pt").read_bytes() == b"state"
    assert "is discarded" not in words(app.run())


def test_a_damaged_interrupted_training_can_only_be_discarded(open_page: Open, lab: Experiment, begun: str, words: Words, click: Click) -> None:
    (lab.path / "runs" / f"{begun}.partial" / "settings.json").write_text("{", encoding="utf-8")
    app = open_page("train", experiment=lab.name)
    assert "the file is damaged" in words(app)
    assert all(b.disabled for b in app.button if b.label in ("Resume", "Keep its best epoch"))
    assert "is discarded" in words(click(app, "Discard this training"))


def chosen(app: AppTest) -> tuple[object, ...]:
    """Network, start, epochs and dataset of the form, and one of the settings that are folded up."""
    boxes, numbers = {s.label: s.value for s in app.selectbox}, {n.label: n.value for n in app.number_input}
    return boxes["Network"], boxes["Start from"], numbers["Epochs"], boxes["Dataset"], numbers["Cells a step"]


@pytest.mark.parametrize("state", ["cancelled", "failed", "interrupted"])
def test_what_was_chosen_is_still_chosen_after_a_training_that_ended_early(
    open_page: Open, lab: Experiment, dataset: Path, tmp_path: Path, store: JobStore, click: Click, state: State
) -> None:
    import_folder(tmp_path / "crops", lab.path, DatasetSettings(crop_px=24))  # a newer one
    wanted = TrainSettings(network="efficientnet-b4", start="demo-simulated", epochs=3, batch=5)
    id = store.submit("train", {"experiment": str(lab.path), "settings": asdict(wanted), "dataset": dataset.name}, str(lab.path))
    store.begin(id)
    store.finish(id, state, error="The disk is full.")
    app = open_page("train", experiment=lab.name, job=id)
    assert chosen(app) == ("efficientnet-b4", "demo-simulated", 3, dataset.name, 5)
    assert chosen(click(app, "Close")) == ("efficientnet-b4", "demo-simulated", 3, dataset.name, 5)


def test_the_form_begins_with_the_choices_of_an_unfinished_run(open_page: Open, lab: Experiment, dataset: Path, begun: str, store: JobStore) -> None:
    assert chosen(open_page("train", experiment=lab.name))[:4] == ("efficientnet-b0", "scratch", 9, dataset.name)
    id = store.submit("train", {"experiment": str(lab.path), "resume": begun}, str(lab.path))
    store.begin(id)
    store.finish(id, "cancelled")
    assert chosen(open_page("train", experiment=lab.name, job=id))[:4] == ("efficientnet-b0", "scratch", 9, dataset.name)


def test_after_a_training_that_ended_well_the_form_has_the_defaults(open_page: Open, lab: Experiment, finished: Callable[[str], str], store: JobStore) -> None:
    id = store.submit("train", {"experiment": str(lab.path), "settings": asdict(QUICK)}, str(lab.path))
    store.begin(id)
    store.finish(id, "done", result=str(lab.path / "runs" / finished("run-2")))
    assert chosen(open_page("train", experiment=lab.name, run="new"))[:3] == ("efficientnet-b4", "scratch", TrainSettings.epochs)


def test_a_finished_job_leads_to_its_run_and_the_run_to_the_library(
    open_page: Open, lab: Experiment, finished: Callable[[str], str], store: JobStore, words: Words, click: Click
) -> None:
    name = finished("run-2")
    id = store.submit("train", {"experiment": str(lab.path)}, str(lab.path))
    store.begin(id)
    store.finish(id, "done", result=str(lab.path / "runs" / name))
    app = open_page("train", experiment=lab.name, job=id)
    assert app.query_params["run"] == name
    said = words(app)
    assert "B0 trained on 8 cells." in said
    assert "There are only 4 validation cells." in said
    assert "predictors that know nothing but one number: culture 0." in said
    assert "the only run of the experiment" in said
    numbers = {m.label: m.value for m in app.metric}
    assert (numbers["Decision threshold"], numbers["Accuracy"], numbers["All called not senescent"]) == ("0.41", "75.0%", "62.5%")
    next(t for t in app.text_input if t.label == "Name in the library").set_value("my B0").run()
    app = next(b for b in app.button if b.key == "add-run").click().run()
    assert "my B0 is in the library." in words(app)


def test_examples_of_a_finished_run_are_calibrated_as_its_threshold_is(open_page: Open, lab: Experiment, finished: Callable[[str], str], words: Words) -> None:
    app = open_page("train", experiment=lab.name, run=finished("run-2"))
    assert "Called senescent from 0.41 on:" in words(app)
    captions = [image.caption for one in app.get("image") for image in one.proto.imgs]
    assert sorted(one for one in captions if one.startswith("**")) == ["**0.61**", "**0.81**", "**0.93**", "**0.99**"]
    shown = [float(image.caption.strip("*")) for one in app.get("image") for image in one.proto.imgs]
    raw = np.linspace(0.1, 0.9, 8)
    assert sorted(shown) == pytest.approx(raw**2 / (raw**2 + (1 - raw) ** 2), abs=0.005)  # odds to the power of 1 / 0.5


def test_a_run_of_before_is_doubted_too(open_page: Open, lab: Experiment, finished: Callable[..., str], words: Words) -> None:
    folder = lab.path / "runs" / finished("run-2")
    write_csv(folder / "history.csv", history(3).assign(val_auc_se=0.2))
    assert "better than chance on the 8 validation cells (AUC 0.80, standard error 0.20" in words(open_page("train", experiment=lab.name, run="run-2"))


def test_a_run_of_before_that_is_worse_than_cell_area_alone_is_warned_of(open_page: Open, lab: Experiment, dataset: Path, finished: Callable[..., str]) -> None:
    finished("run-2")
    report = read_json(dataset / "report.json")
    aucs = {"cell area": {"train": 0.9, "validation": 0.875, "test": 0.81}}
    write_json(dataset / "report.json", report | {"confounding": aucs})
    app = open_page("train", experiment=lab.name, run="run-2")
    assert "Cell area alone tells the classes apart better than this model (AUC 0.88 against 0.80)." in [one.value for one in app.warning]


def test_the_run_that_is_shown_is_the_one_to_evaluate(
    open_page: Open, lab: Experiment, dataset: Path, finished: Callable[..., str], click: Click, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished("run-2"), finished("run-3")
    opened: list[tuple[str, dict[str, str]]] = []
    monkeypatch.setattr("pages.parts.address.open_page", lambda page, **values: opened.append((page, values)))
    click(open_page("train", experiment=lab.name, run="run-2"), "Evaluate on the test cells")
    [(page, values)] = opened
    assert (page, values["run"], values["dataset"], values["evaluation"]) == ("evaluate", "run-2", dataset.name, "new")


def test_runs_are_compared(open_page: Open, lab: Experiment, finished: Callable[[str], str]) -> None:
    finished("run-2"), finished("run-3")
    app = open_page("train", experiment=lab.name, run="run-3")
    assert set(app.multiselect[0].value) == {"run-2", "run-3"}
    assert list(app.dataframe[0].value["ROC AUC"]) == [0.8, 0.8]


def test_what_differs_between_runs_is_in_their_table(open_page: Open, lab: Experiment, finished: Callable[..., str], words: Words) -> None:
    finished("run-2"), finished("run-3", replace(QUICK, epochs=6, rotate=False, rate=2e-4))
    app = open_page("train", experiment=lab.name, run="run-3")
    table = app.dataframe[0].value.set_index("Run")
    assert table.loc["run-3", ["Epochs", "Learning rate", "Turn and mirror"]].to_list() == ["6", "0.0002", "no"]
    assert table.loc["run-2", ["Epochs", "Learning rate", "Turn and mirror"]].to_list() == ["9", "0", "yes"]
    assert "Cells a step" not in table
    assert "the same in all of these runs" in words(app)


def test_from_the_page_of_a_dataset_a_new_training_begins(open_page: Open, lab: Experiment, dataset: Path, finished: Callable[[str], str]) -> None:
    finished("run-2")
    app = open_page("train", experiment=lab.name, dataset=dataset.name)
    assert [b for b in app.button if b.label == "Train"]
