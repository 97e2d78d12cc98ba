"""The stage that fine-tunes: what it learns from, what it refuses, what it leaves; tiny fields, small tiles."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import core.stages.tuning as stage
from core.__main__ import main
from core.cells.labels import cell_table
from core.errors import Cancelled, InputError
from core.images import read_labels, write_image, write_labels
from core.models import find_model, list_models
from core.report import read_csv, write_csv
from core.settings import TuneSettings
from core.stages.adding import import_labels
from core.stages.corrected import HELD_BACK, TRAIN, hold_back, material
from core.tables import BEFORE_AFTER, CELLS, FAILURES, FIELDS, SEGMENTED_FIELDS, TUNING_FIELDS, TUNING_HISTORY, typed
from core.workspace import Experiment, create_experiment, publish

SIDE = 128
SMALL = TuneSettings(epochs=2, tiles=1, batch=4, rate=1e-3, device="cpu")


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.cells.training.TILE", 64)


def squares(n: int = 9) -> np.ndarray:
    labels = np.zeros((SIDE, SIDE), np.int32)
    for k, (y, x) in enumerate(list(np.ndindex(3, 3))[:n], start=1):
        labels[8 + 40 * y : 34 + 40 * y, 8 + 40 * x : 34 + 40 * x] = k
    return labels


def make(path: Path, samples: tuple[str, ...]) -> Experiment:
    """One field of bright squares of every sample in ``samples``."""
    made = create_experiment(path)
    rng = np.random.default_rng(0)
    rows = []
    for k, sample in enumerate(samples):
        pixels = (1000 * (squares() > 0) + rng.normal(500, 50, (SIDE, SIDE))).astype(np.uint16)
        write_image(made.images / f"f{k}.tif", pixels, 0.65)
        rows.append({"fov_id": f"f{k}", "phase": f"images/f{k}.tif", "sample": sample, "role": "sample", "pixel_size_um": 0.65})
    made.save_fields(typed(pd.DataFrame(rows), FIELDS))
    return made


def imported(experiment: Experiment, folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    files = []
    for fov_id in experiment.fields()["fov_id"]:
        files.append(folder / f"{fov_id}_labels.tif")
        write_labels(files[-1], squares())
    return import_labels(experiment, [str(f) for f in files])


def segmentation(experiment: Experiment, id: str, labels: dict[str, np.ndarray], upstream: str | None = None, **settings: Any) -> None:
    """A segmentation as the stages publish it: straight from a model, or with the one it was corrected from."""
    about: dict[str, Any] = {"upstream": {"segmentation": upstream}} if upstream else {"models": {"segmenter": {"name": "m"}}}
    with publish(experiment, "segmentations", id, settings, **about) as partial:
        (partial.path / "labels").mkdir()
        for fov_id, one in labels.items():
            write_labels(partial.path / "labels" / f"{fov_id}.tif", one)
        rows = [{"fov_id": f, "n_cells": len(cell_table(one)), "confluence": 0.3} for f, one in labels.items()]
        write_csv(partial.path / "fields.csv", typed(pd.DataFrame(rows), SEGMENTED_FIELDS))
        write_csv(partial.path / "cells.csv", typed(pd.DataFrame(), CELLS))


@pytest.fixture
def three(tmp_path: Path) -> Experiment:
    """Three fields of two cultures, with imported outlines."""
    made = make(tmp_path / "three", ("A", "A", "B"))
    imported(made, tmp_path / "labels")
    return made


def table(*samples: str) -> pd.DataFrame:
    return pd.DataFrame({"fov_id": [f"f{k}" for k in range(len(samples))], "sample": samples})


@pytest.mark.parametrize("seed", range(5))
def test_a_culture_is_never_on_both_sides(seed: int) -> None:
    fields = table(*"AAABBCCCCD")
    held, note = hold_back(fields, 0.3, seed)
    sides = fields.assign(held=fields["fov_id"].isin(held)).groupby("sample")["held"].nunique()
    assert set(sides) == {1}
    assert 0 < len(held) < len(fields)
    assert "by culture" in note


@pytest.mark.parametrize(("share", "wanted"), [(0.25, 1), (0.5, 2), (0.9, 3)])
def test_of_one_culture_single_fields_are_held_back_and_one_stays(share: float, wanted: int) -> None:
    held, note = hold_back(table(*"AAAA"), share, 0)
    assert len(held) == wanted
    assert "one culture" in note


@pytest.mark.parametrize(("samples", "share"), [("A", 0.5), ("AB", 0.0)])
def test_nothing_is_held_back_of_one_field_or_where_it_was_not_wanted(samples: str, share: float) -> None:
    held, note = hold_back(table(*samples), share, 0)
    assert held == set()
    assert "nothing can be measured" in note


def test_two_cultures_give_one_side_each() -> None:
    held, _ = hold_back(table(*"AABBB"), 0.25, 0)
    assert held == {"f0", "f1"}


def test_outlines_straight_from_a_model_are_refused_unless_asked_for(tmp_path: Path) -> None:
    experiment = make(tmp_path / "e", ("A", "B"))
    with pytest.raises(InputError, match="found none"):
        material(experiment, SMALL)
    segmentation(experiment, "raw", {"f0": squares(), "f1": squares()})
    with pytest.raises(InputError, match=r"corrected or imported .* found none.*--allow-uncorrected"):
        material(experiment, SMALL)
    with pytest.raises(InputError, match="its own errors"):
        material(experiment, SMALL, "raw")
    assert material(experiment, SMALL, "raw", allow_uncorrected=True).origin == "model"


def test_only_fields_that_were_checked_are_learnt_from_and_corrections_are_counted_from_the_first_outlines(tmp_path: Path) -> None:
    experiment = make(tmp_path / "e", ("A", "B", "C"))
    once, twice = squares(), squares()
    once[once == 1] = 0
    twice[twice <= 2] = 0
    segmentation(experiment, "raw", {f: squares() for f in ("f0", "f1", "f2")})
    segmentation(experiment, "round-1", {"f0": once, "f1": squares(), "f2": squares()}, upstream="raw")
    segmentation(experiment, "round-2", {"f0": twice, "f1": once, "f2": squares()}, upstream="round-1")
    found = material(experiment, SMALL)
    assert found.segmentation.id == "round-2"
    assert found.origin == "corrected"
    assert list(zip(found.fields["fov_id"], found.fields["corrections"], strict=True)) == [("f0", 2), ("f1", 1)]
    assert set(material(experiment, SMALL, only=["f2"]).fields["fov_id"]) == {"f2"}
    segmentation(experiment, "looked-through", {"f0": once, "f1": squares()}, upstream="raw", looked_at=["f1"])
    assert set(material(experiment, SMALL, "looked-through").fields["fov_id"]) == {"f0", "f1"}
    segmentation(experiment, "untouched", {f: squares() for f in ("f0", "f1", "f2")}, upstream="raw")
    with pytest.raises(InputError, match="nothing to learn"):
        material(experiment, SMALL, "untouched")


def test_outlines_without_a_cell_are_refused(tmp_path: Path) -> None:
    experiment = make(tmp_path / "e", ("A",))
    segmentation(experiment, "empty", {"f0": squares(0)}, upstream="raw")
    with pytest.raises(InputError, match=r"nothing to learn|labelled cells"):
        material(experiment, SMALL, "empty")
    segmentation(experiment, "bare", {"f0": squares(0)})
    with pytest.raises(InputError, match="labelled cells"):
        material(experiment, SMALL, "bare", allow_uncorrected=True)


def test_a_tuning_leaves_a_measured_model_in_the_library(three: Experiment) -> None:
    said: list[str] = []
    made = stage.tune(three.path, SMALL, name="better", progress=lambda done, total, item: said.append(item) or None)
    history, scores = read_csv(made / "history.csv", TUNING_HISTORY), read_csv(made / "before_after.csv", BEFORE_AFTER)
    fields = read_csv(made / "fields.csv", TUNING_FIELDS)
    assert list(history["epoch"]) == [0, 1, 2]
    assert history["held_back_loss"].notna().all()
    assert dict(zip(fields["fov_id"], fields["part"], strict=True)) == {"f0": TRAIN, "f1": TRAIN, "f2": HELD_BACK}
    assert list(zip(scores["model"], scores["fov_id"], strict=True)) == [("before", "f2"), ("after", "f2")]
    assert set(scores["true_cells"]) == {9}
    assert scores["found_cells"].to_list() == [int(read_labels(made / "found" / side / "f2.tif").max()) for side in ("before", "after")]
    model = find_model("better", "segmenter")
    assert model.licence == find_model(SMALL.model, "segmenter").licence
    for words in ("Start: senescope-phase", "2 fields, 18 cells", "Measured on one field only", "python -m core tune", "AP at IoU 0.5 before"):
        assert words in model.card
    assert not {"checkpoint.pt", "prepared"} & {p.name for p in made.iterdir()}
    assert any("epoch 2 of 2" in item for item in said)
    assert stage.tune(three.path, SMALL, name="better") == made
    with pytest.raises(InputError, match="already a model named better"):
        stage.tune(three.path, TuneSettings(seed=1), name="better")


def test_a_stopped_tuning_goes_on_to_the_same_history(three: Experiment, tmp_path: Path) -> None:
    def stop_in_the_second_epoch(done: float, total: float, item: str) -> None:
        if item.startswith("epoch 2"):
            raise Cancelled

    other = make(tmp_path / "other", ("A", "A", "B"))
    imported(other, tmp_path / "labels")
    whole = stage.tune(other.path, SMALL)
    with pytest.raises(Cancelled):
        stage.tune(three.path, SMALL, progress=stop_in_the_second_epoch)
    [partial] = (three.path / "tunings").glob("*.partial")
    assert list(read_csv(partial / "history.csv", TUNING_HISTORY)["epoch"]) == [0, 1]
    made = stage.tune(three.path, SMALL)
    losses = ["epoch", "train_loss", "held_back_loss"]
    pd.testing.assert_frame_equal(read_csv(made / "history.csv", TUNING_HISTORY)[losses], read_csv(whole / "history.csv", TUNING_HISTORY)[losses])
    assert (made / "weights.pt").read_bytes() == (whole / "weights.pt").read_bytes()


KILLED = """
import os, signal, sys
from pathlib import Path
import core.cells.training
import core.stages.tuning as stage
from core.settings import TuneSettings

core.cells.training.TILE = 64

def watch(done, total, item):
    if item.startswith("epoch 2"):
        os.kill(os.getpid(), signal.SIGTERM if os.name == "nt" else signal.SIGKILL)

stage.tune(Path(sys.argv[1]), TuneSettings(epochs=2, tiles=1, batch=4, rate=1e-3, device="cpu"), progress=watch)
"""


def test_a_killed_tuning_goes_on_after_its_last_epoch(three: Experiment) -> None:
    root = Path(stage.__file__).resolve().parents[2]
    assert subprocess.run([sys.executable, "-c", KILLED, str(three.path)], cwd=root).returncode != 0
    [partial] = (three.path / "tunings").glob("*.partial")
    first = (partial / "history.csv").read_bytes()
    assert list(read_csv(partial / "history.csv", TUNING_HISTORY)["epoch"]) == [0, 1]
    made = stage.tune(three.path, SMALL)
    assert (made / "history.csv").read_bytes().startswith(first)  # the seconds too: the first epoch was not trained again
    assert list(read_csv(made / "history.csv", TUNING_HISTORY)["epoch"]) == [0, 1, 2]


def test_a_broken_loss_fails_with_the_reason_and_keeps_the_library_clean(three: Experiment) -> None:
    with pytest.raises(InputError, match=r"Training stopped in epoch \d: the loss .* learning rate is too high"):
        stage.tune(three.path, replace(SMALL, rate=1e6, batch=1), name="broken")
    assert "broken" not in {model.name for model in list_models()}
    assert not three.products("tunings")


def test_a_field_whose_image_and_outlines_differ_in_size_is_left_out(three: Experiment) -> None:
    [product] = three.products("segmentations")
    write_labels(product.path / "labels" / "f0.tif", squares()[:-8])
    made = stage.tune(three.path, TuneSettings(epochs=1, tiles=1, device="cpu"))
    failures = read_csv(made / "failures.csv", FAILURES)
    assert list(failures["fov_id"]) == ["f0"]
    assert "same size" in failures["error"][0]
    assert set(read_csv(made / "fields.csv", TUNING_FIELDS)["fov_id"]) == {"f1", "f2"}


def test_without_a_usable_field_it_stops(three: Experiment) -> None:
    for file in three.images.glob("*.tif"):
        write_image(file, np.full((SIDE, SIDE), 9, np.uint16))
    with pytest.raises(InputError, match=r"none of the 3 fields could be prepared.*constant"):
        stage.tune(three.path, SMALL)


def test_one_field_gives_a_model_that_nobody_has_measured(tmp_path: Path) -> None:
    experiment = make(tmp_path / "one", ("A",))
    imported(experiment, tmp_path / "labels")
    made = stage.tune(experiment.path, TuneSettings(epochs=1, tiles=1, device="cpu"), name="unmeasured")
    assert read_csv(made / "before_after.csv", BEFORE_AFTER).empty
    assert read_csv(made / "history.csv", TUNING_HISTORY)["held_back_loss"].isna().all()
    assert "**Not measured, so nobody knows" in find_model("unmeasured", "segmenter").card


def test_the_command_line_tunes_and_refuses(three: Experiment, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tune", str(three.path), "--epochs", "1", "--tiles", "1", "--device", "cpu", "--name", "by-hand", "--held-back", "0"]) == 0
    said = capsys.readouterr()
    assert Path(said.out.strip().splitlines()[-1]).parent.name == "tunings"
    assert "in the library as by-hand" in said.err
    bare = make(tmp_path / "bare", ("A",))
    assert main(["tune", str(bare.path)]) == 2
    assert "error: bare: wanted corrected or imported outlines" in capsys.readouterr().err


def test_of_corrected_imported_outlines_every_field_is_learnt_from(three: Experiment) -> None:
    [labels] = three.products("segmentations")
    fewer = squares(8)
    segmentation(three, "reviewed", {"f0": fewer, "f1": squares(), "f2": squares()}, upstream=labels.id)
    found = material(three, SMALL)
    assert found.segmentation.id == "reviewed"
    assert found.fields["corrections"].to_list() == [1, 0, 0]
