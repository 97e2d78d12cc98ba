"""From a dataset to a run: what it holds, what happens when it is interrupted, and what is refused."""

import errno
import json
import multiprocessing
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from shutil import copytree

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from core.__main__ import main
from core.classifier.checkpoint import load_checkpoint
from core.classifier.learned_from import CARD_KEY
from core.errors import Cancelled, InputError
from core.models import find_model
from core.options import command
from core.report import read_csv
from core.settings import DatasetSettings, TrainSettings
from core.stages import training
from core.stages.crop_folders import import_folder
from core.stages.evaluating import chosen_model
from core.stages.training import add_to_library, discard, stop_early, train, unfinished
from core.stages.training_card import doubts, no_information
from core.tables import TRAINING_HISTORY, VALIDATED_CELLS
from core.workspace import Experiment, create_experiment

QUICK = TrainSettings(network="efficientnet-b0", epochs=3, batch=8, rate=3e-3, average=0.8, dropout=0.0, blur_px=0.0, patience=0, device="cpu")
SAME = ["epoch", "train_loss", "val_loss", "val_auc", "val_accuracy", "threshold", "rate"]


def pictures(folder: Path, cells: dict[str, int], seed: int = 0, halves: tuple[int, int] = (4, 10)) -> Path:
    """Cells cut elsewhere: bright squares, large where senescent. ``cells``: set/class -> how many."""
    rng = np.random.default_rng(seed)
    for place, n in cells.items():
        for k in range(n):
            half = halves["/senescent" in place]
            pixels = np.zeros((40, 40), np.uint8)
            middle = slice(20 - half, 20 + half)
            pixels[middle, middle] = rng.integers(90, 200, (2 * half, 2 * half))
            file = folder / place / f"{place.replace('/', '_')}_{k}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(file)
    return folder


EVEN = {f"{split}/{name}": n for split, n in (("train", 12), ("val", 6), ("test", 4)) for name in ("senescent", "not_senescent")}


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """Sums depend on how many threads add them, so the runs that are compared all have one, also those of module fixtures."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An experiment with a dataset of 32 px crops; do not change it."""
    folder = tmp_path_factory.mktemp("ready")
    import_folder(pictures(folder / "crops", EVEN), folder / "lab", DatasetSettings(crop_px=32))
    return folder / "lab"


@pytest.fixture(scope="module")
def trained(ready: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of three epochs, in an experiment of its own; do not change it."""
    return train(Path(copytree(ready, tmp_path_factory.mktemp("trained") / "lab")), QUICK)


@pytest.fixture
def lab(ready: Path, tmp_path: Path) -> Path:
    """A copy of the experiment that a test may change."""
    return Path(copytree(ready, tmp_path / "lab"))


def dataset_of(lab: Path, cells: dict[str, int]) -> Path:
    """Another experiment whose dataset has these cells."""
    import_folder(pictures(lab / "crops", cells), lab, DatasetSettings(crop_px=32))
    return lab


def history(folder: Path) -> pd.DataFrame:
    return read_csv(folder / "history.csv", TRAINING_HISTORY)


def outcome(folder: Path) -> dict:
    return json.loads((folder / "outcome.json").read_text(encoding="utf-8"))


def after_epoch(wanted: int) -> Callable[[float, float, str], None]:
    """A listener that cancels within the epoch after ``wanted``."""

    def listen(done: float, total: float, item: str = "") -> None:
        if done > wanted and item.startswith("epoch"):
            raise Cancelled

    return listen


def test_a_run_holds_what_is_needed_to_judge_and_use_it(trained: Path) -> None:
    rows = history(trained)
    assert list(rows["epoch"]) == [1, 2, 3]
    assert rows[SAME].notna().all().all()
    assert (rows["seconds"] > 0).all()
    assert {p.name for p in trained.iterdir()} == {"history.csv", "best.pt", "last.pt", "settings.json", "card.md", "validation.csv", "outcome.json"}
    best, about = load_checkpoint(trained / "best.pt"), outcome(trained)
    data = trained.parents[1] / "datasets" / json.loads((trained / "settings.json").read_text(encoding="utf-8"))["upstream"]["dataset"]
    statistics = json.loads((data / "statistics.json").read_text(encoding="utf-8"))
    assert (best.crop_px, best.mean, best.std, best.intensity) == (32, statistics["mean"], statistics["std"], "range")
    assert (best.threshold, best.temperature) == (about["threshold"], about["temperature"])
    kept, top = rows[rows["kept"]].iloc[-1], rows.loc[rows["val_auc"].idxmax()]
    assert (about["best_epoch"], about["val_auc"]) == (kept["epoch"], kept["val_auc"])
    assert kept["val_auc"] >= top["val_auc"] - top["val_auc_se"]  # which of these it is depends on the last bits of a processor
    assert load_checkpoint(trained / "last.pt").card["epoch"] == 3
    assert "AUC" in (trained / "card.md").read_text(encoding="utf-8")


def test_the_classifier_file_says_what_its_training_images_looked_like(trained: Path) -> None:
    from core.stages.datasets import open_dataset

    reference = load_checkpoint(trained / "best.pt").reference
    assert reference is not None
    assert (reference.cells, reference.held_out, reference.fields) == (24, 12, 36)
    assert reference.beyond == pytest.approx(1 / 13)  # twelve validation cells cannot show what one in a hundred does
    assert set(reference.ranges) == {"brightness", "focus", "median_area", "training_distance"}  # crops cut elsewhere have no confluence
    data = open_dataset(next((trained.parents[1] / "datasets").iterdir()))
    low, high = reference.ranges["brightness"]
    assert low < data.manifest["mean_intensity"].min() < data.manifest["mean_intensity"].max() < high
    assert reference.ranges["median_area"][0] <= 64 < 400 <= reference.ranges["median_area"][1]
    assert load_checkpoint(trained / "last.pt").reference is None


def test_the_kept_probabilities_are_those_of_the_best_checkpoint(trained: Path) -> None:
    from core.classifier.prediction import Classifier
    from core.stages.datasets import open_dataset

    cells = read_csv(trained / "validation.csv", VALIDATED_CELLS)
    data = open_dataset(next((trained.parents[1] / "datasets").iterdir()))
    assert list(cells["crop"]) == list(data.rows("validation"))
    checkpoint = replace(load_checkpoint(trained / "best.pt"), temperature=1.0)
    found = Classifier(checkpoint, "cpu", engine="pytorch").predict(data.crops.batch(cells["crop"].to_numpy(dtype=int)))
    np.testing.assert_allclose(cells["senescence_probability"].to_numpy(dtype=float), found, atol=1e-4)


def test_the_same_training_is_not_done_twice(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training.Run, "make", None)
    assert train(trained.parents[1], QUICK) == trained
    assert train(trained.parents[1], QUICK, resume=trained.name) == trained


def test_an_interrupted_run_goes_on_to_the_same_history_and_weights(lab: Path, trained: Path) -> None:
    with pytest.raises(Cancelled):
        train(lab, QUICK, progress=after_epoch(1))
    [name] = unfinished(Experiment(lab))
    assert list(history(lab / "runs" / f"{name}.partial")["epoch"]) == [1]
    made = train(lab, TrainSettings(), resume=name)  # its own settings count, not the defaults
    pd.testing.assert_frame_equal(history(made)[SAME], history(trained)[SAME], check_exact=True)
    one, other = load_checkpoint(made / "best.pt"), load_checkpoint(trained / "best.pt")
    assert all(torch.equal(value, other.state[key]) for key, value in one.state.items())
    assert (one.threshold, one.temperature) == (other.threshold, other.temperature)


def test_a_kill_between_two_files_repeats_the_epoch(lab: Path, trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import core.classifier.states as states

    saved, save = [], states.save_state

    def dies(path: Path, state: dict) -> None:
        if saved:
            raise KeyboardInterrupt
        saved.append(path)
        save(path, state)

    with monkeypatch.context() as patched:
        patched.setattr(states, "save_state", dies)
        with pytest.raises(KeyboardInterrupt):
            train(lab, QUICK)
    pd.testing.assert_frame_equal(history(train(lab, QUICK))[SAME], history(trained)[SAME], check_exact=True)


def test_a_full_disk_is_said_and_leaves_no_half_product(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*given: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(torch, "save", full)
        with pytest.raises(InputError, match="disk is full"):
            train(lab, QUICK)
    assert Experiment(lab).products("runs") == []
    assert not list((lab / "runs").glob("*/*.part*"))
    assert len(history(train(lab, replace(QUICK, epochs=1)))) == 1


def test_a_run_stopped_by_hand_keeps_its_best_epoch(lab: Path) -> None:
    with pytest.raises(Cancelled):
        train(lab, QUICK, progress=after_epoch(1))
    [name] = unfinished(Experiment(lab))
    stop_early(Experiment(lab), name)
    made = train(lab, QUICK, resume=name)
    assert len(history(made)) == 1
    assert outcome(made)["ended"] == "it was stopped by hand"
    with pytest.raises(InputError, match="no unfinished run"):
        stop_early(Experiment(lab), name)


def test_training_ends_where_validation_gets_no_better(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.classifier.sampling.best_epoch", lambda rows: 0)
    made = train(lab, replace(QUICK, patience=1))
    assert len(history(made)) == 2
    assert "no better" in outcome(made)["ended"]


def test_from_other_weights_the_head_learns_first(lab: Path, trained: Path) -> None:
    made = train(lab, replace(QUICK, start=str(trained / "best.pt"), epochs=1))
    before, after = (load_checkpoint(folder / "last.pt").state for folder in (trained, made))
    start = load_checkpoint(trained / "best.pt").state
    assert torch.equal(after["_conv_stem.weight"], start["_conv_stem.weight"])
    assert not torch.equal(after["_fc.weight"], start["_fc.weight"])
    assert before.keys() == after.keys()
    record = json.loads((made / "settings.json").read_text(encoding="utf-8"))
    assert record["models"]["start"]["file"] == "best.pt"


def test_the_classifier_says_which_cultures_it_learned_from_and_its_start_did(lab: Path) -> None:
    """A model started from another one has learned from the cultures of both, whatever its own dataset holds."""
    first = train(dataset_of(lab, of_cultures("A", "B")), replace(QUICK, epochs=1))
    other = dataset_of(lab.parent / "second", of_cultures("C", "D"))
    made = train(other, replace(QUICK, epochs=1, start=str(first / "best.pt")))
    expected = {first: {"train": ["A"], "validation": ["B"]}, made: {"train": ["A", "C"], "validation": ["B", "D"]}}
    for folder, wanted in expected.items():
        found = load_checkpoint(folder / "best.pt").card[CARD_KEY]
        assert {use: [one["sample"] for one in found[use]] for use in found} == wanted


def of_cultures(train: str, validation: str) -> dict[str, int]:
    return {f"{split}/{kind}/{name}": 8 for split, name in (("train", train), ("val", validation)) for kind in ("senescent", "not_senescent")}


class NoNumber:
    """Stands in for torch.nn.functional: a loss as a rate that is too large makes it."""

    @staticmethod
    def binary_cross_entropy_with_logits(logits: torch.Tensor, *given: object, **more: object) -> torch.Tensor:
        return logits.sum() * float("nan")


def test_nan_stops_with_the_reason_and_the_best_epoch_can_be_kept(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(done: float, total: float, item: str = "") -> None:
        if done > 1:
            monkeypatch.setattr("core.classifier.training.F", NoNumber)

    with pytest.raises(InputError, match=r"loss became nan: the learning rate \(0.003\)[\s\S]*The 1 finished epochs are kept"):
        train(lab, QUICK, progress=breaks)
    assert Experiment(lab).products("runs") == []
    [name] = unfinished(Experiment(lab))
    assert main(["train", str(lab), "--resume", name, "--finish"]) == 0
    assert len(history(lab / "runs" / name)) == 1


def test_where_memory_runs_out_the_run_says_so(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = training.Run.network

    def small(run: training.Run) -> torch.nn.Module:
        net = network(run)

        def limited(module: torch.nn.Module, given: tuple[torch.Tensor, ...]) -> None:
            if module.training and not given[0].is_meta and len(given[0]) > 4:
                raise torch.OutOfMemoryError("CUDA out of memory.")

        net.register_forward_pre_hook(limited)
        return net

    monkeypatch.setattr(training.Run, "network", small)
    said = outcome(train(lab, replace(QUICK, epochs=1)))["remarks"]
    assert any("From epoch 1 on 4 cells are computed at a time, since memory does not hold 8; their gradients are added." in one for one in said)


def test_a_machine_with_little_memory_trains_the_same_and_says_that_it_takes_longer(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    plenty = train(lab, replace(QUICK, epochs=1))
    monkeypatch.setattr("core.classifier.economy.way", lambda *_: (True, None))
    short = train(lab, replace(QUICK, epochs=1, patience=QUICK.patience + 1), progress=lambda done, total, item="": told.append(item))
    assert any("From epoch 1 on much of a step is computed twice" in one for one in outcome(short)["remarks"])
    assert not any("computed twice" in one for one in outcome(plenty)["remarks"])
    assert any(one.endswith("saving memory") for one in told)
    assert history(plenty).drop(columns="seconds").equals(history(short).drop(columns="seconds"))


def test_a_classifier_that_is_no_better_than_chance_is_said(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = training.Run.network

    def blind(run: training.Run) -> torch.nn.Module:
        net = network(run)
        net.register_forward_hook(lambda _, __, logits: logits * 0)
        return net

    monkeypatch.setattr(training.Run, "network", blind)
    made = train(lab, replace(QUICK, epochs=1))
    chance, same, outdone = outcome(made)["remarks"][:3]
    assert outdone == "Cell area alone tells the classes apart better than this model (AUC 1.00 against 0.50)."
    assert "does not tell the classes apart clearly better than chance on the 12 validation cells (AUC 0.50, standard error 0.17" in chance
    assert "nearly the same probability of being senescent, about 0.50, whatever" in same
    assert outcome(made)["val_no_information_rate"] == 0.5
    text = (made / "card.md").read_text(encoding="utf-8")
    assert f"**{chance}**" in text
    assert f"**{outdone}**" in text
    assert "calling every cell not senescent has an accuracy of 0.5000" in text


@pytest.mark.parametrize(("auc", "se", "warned"), [(0.58, 0.10, True), (0.72, 0.10, False), (0.69, 0.10, True), (0.58, None, False)])
def test_the_doubt_rests_on_the_standard_error(auc: float, se: float | None, warned: bool) -> None:
    assert bool(doubts({"val_auc": auc, "val_auc_se": se, "val_cells": 116}, [0.1, 0.8])) is warned


def test_what_is_reached_without_a_look_at_a_cell() -> None:
    assert no_information(116, 10) == ("not senescent", pytest.approx(106 / 116))
    assert no_information(50, 33) == ("senescent", 0.66)


def test_one_class_only_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"at least 2 .*senescent cells in the train set, found 0"):
        train(dataset_of(tmp_path / "lab", {**EVEN, "train/senescent": 0, "val/senescent": 0, "test/senescent": 1}), QUICK)


def test_three_cells_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"wanted at least 2 not senescent cells in the train set, found 1 beside 1 of the other class"):
        train(dataset_of(tmp_path / "lab", {"train/senescent": 1, "train/not_senescent": 1, "val/senescent": 1}), QUICK)


def test_a_culture_that_is_the_only_one_of_its_class_is_named(tmp_path: Path) -> None:
    cells = {"train/senescent/old0": 6} | {f"{split}/not_senescent/young{split}": 6 for split in ("train", "val", "test")}
    with pytest.raises(InputError, match=r"All senescent cells are of one culture, old0, which cannot be in two sets"):
        train(dataset_of(tmp_path / "lab", cells), QUICK)


def test_missing_crops_and_no_dataset_are_refused(lab: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no dataset yet"):
        train(create_experiment(tmp_path / "empty").path, QUICK)
    next((lab / "datasets").glob("*/crops/pixels.bin")).unlink()
    with pytest.raises(InputError, match="damaged"):
        train(lab, QUICK)


def test_a_crop_smaller_than_every_cell_is_said(tmp_path: Path) -> None:
    import_folder(pictures(tmp_path / "crops", EVEN, halves=(17, 19)), tmp_path / "lab", DatasetSettings(crop_px=32))
    made = train(tmp_path / "lab", replace(QUICK, epochs=1))
    assert any("Every cell is larger than the crop" in one for one in outcome(made)["remarks"])


def test_weights_of_another_network_and_damaged_ones_are_refused(lab: Path, trained: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"wanted start weights of efficientnet-b1, found those of efficientnet-b0"):
        train(lab, replace(QUICK, network="efficientnet-b1", start=str(trained / "best.pt")))
    broken = tmp_path / "broken.pt"
    broken.write_bytes((trained / "best.pt").read_bytes()[:5000])
    with pytest.raises(InputError, match="damaged"):
        train(lab, replace(QUICK, start=str(broken)))
    with pytest.raises(InputError, match="models download imagenet-efficientnet-b0"):
        train(lab, replace(QUICK, start="imagenet"))
    with pytest.raises(InputError, match="no classifier named"):
        train(lab, replace(QUICK, start="nonsense"))


def test_a_damaged_state_is_refused(lab: Path) -> None:
    with pytest.raises(Cancelled):
        train(lab, QUICK, progress=after_epoch(1))
    [name] = unfinished(Experiment(lab))
    (lab / "runs" / f"{name}.partial" / "state.pt").write_bytes(b"not a state")
    with pytest.raises(InputError, match="state of the training is damaged"):
        train(lab, QUICK)


def test_an_unfinished_run_is_given_up_and_its_files_are_kept(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Cancelled):
        train(lab, QUICK, progress=after_epoch(1))
    [name] = unfinished(Experiment(lab))
    state = (lab / "runs" / f"{name}.partial" / "state.pt").read_bytes()
    assert main(["train", str(lab), "--discard", name, "--resume", name]) == 2
    capsys.readouterr()
    assert main(["train", str(lab), "--discard", name]) == 0
    place = Path(capsys.readouterr().out.strip())
    assert place.parent == lab / "runs" / ".discarded"
    assert (place / "state.pt").read_bytes() == state
    assert unfinished(Experiment(lab)) == []
    assert Experiment(lab).products("runs") == []
    with pytest.raises(InputError, match=f"no unfinished run '{name}'"):
        discard(Experiment(lab), name)
    place.rename(lab / "runs" / f"{name}.partial")
    assert unfinished(Experiment(lab)) == [name]


def test_a_training_under_way_is_not_discarded(lab: Path) -> None:
    def try_it(done: float, total: float, item: str = "") -> None:
        if done > 1 and item.startswith("epoch"):
            discard(Experiment(lab), unfinished(Experiment(lab))[0])

    with pytest.raises(InputError, match=r"is under way\. Cancel it before"):
        train(lab, QUICK, progress=try_it)


def test_the_best_epoch_goes_to_the_library_and_can_be_judged(trained: Path) -> None:
    experiment = Experiment(trained.parents[1])
    model = add_to_library(experiment.product("runs", trained.name), "mine")
    assert (model.kind, model.simulated) == ("classifier", False)
    assert model.card.startswith("# mine\n")
    assert find_model("mine", "classifier").sha256 == model.sha256
    assert chosen_model(experiment, trained.name).sha256 == model.sha256


def test_the_command_line(lab: Path, trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = command("train", lab, replace(QUICK, epochs=1)).split()[3:]
    assert main(words) == 0
    out, told = capsys.readouterr()
    assert (Path(out.strip()) / "best.pt").is_file()
    assert "Best epoch 1; all epochs are done." in told
    assert main(["train", str(lab), "--resume", "nothing"]) == 2
    assert "no unfinished run 'nothing'" in capsys.readouterr().err
    assert main(["train", str(lab), "--finish"]) == 2


def test_two_processes_train_together_and_resume_to_the_same_history(lab: Path) -> None:
    two, other = replace(QUICK, devices=2, epochs=2), lab.parent / "other"

    def copy_after_first(done: float, total: float, item: str = "") -> None:
        if done > 1 and not other.exists():
            assert len(multiprocessing.active_children()) == 1
            copytree(lab, other)  # as a kill would leave it

    whole = train(lab, two, progress=copy_after_first)
    assert multiprocessing.active_children() == []
    [name] = unfinished(Experiment(other))
    made = train(other, TrainSettings(), resume=name)
    pd.testing.assert_frame_equal(history(made)[SAME], history(whole)[SAME], check_exact=True)
    one, first = load_checkpoint(made / "best.pt"), load_checkpoint(whole / "best.pt")
    assert all(torch.equal(value, first.state[key]) for key, value in one.state.items())
    assert outcome(made)["device"] == "2 x cpu"
    assert len(read_csv(made / "validation.csv", VALIDATED_CELLS)) == 12
    assert multiprocessing.active_children() == []
