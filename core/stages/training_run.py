"""One training on its way: epoch after epoch into its folder, then the card and the classifier of the best epoch."""

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from core.classifier.learned_from import CARD_KEY, learned_from
from core.errors import InputError
from core.progress import Progress, silent
from core.report import csv_bytes, read_csv, write_csv
from core.settings import TrainSettings
from core.stages.common import part
from core.stages.datasets import OpenDataset, open_dataset
from core.stages.training_card import card, doubts, remarks, scores, simple_predictors
from core.stages.training_reference import dataset_reference
from core.stages.training_start import FoundStart, find_start
from core.tables import TRAINING_HISTORY, VALIDATED_CELLS, typed
from core.workspace import write_atomic, write_json
from core.workspace.layout import PARTIAL

if TYPE_CHECKING:
    from core.classifier.fitting import EpochResult, FitSettings

BEST, LAST, STATE, STOP, OUTCOME = "best.pt", "last.pt", "state.pt", "stop", "outcome.json"
RATES: Final = {"scratch": 1e-3, "trained": 3e-4}


class Run:
    """One training on its way: the steps share the folder, the settings and what listens to the progress."""

    def __init__(self, dataset: OpenDataset, settings: TrainSettings, start: FoundStart, folder: Path, simulated: bool, progress: Progress) -> None:
        from core.classifier.crop_data import CropData
        from core.classifier.devices import chosen_count, chosen_device, chosen_precision

        self.dataset, self.settings, self.start, self.folder, self.simulated, self.progress = dataset, settings, start, folder, simulated, progress
        self.device = chosen_device(settings.device)
        self.precision = chosen_precision(settings.precision, self.device)
        self.train, self.held = (CropData(dataset.crops, dataset.classes, dataset.rows(split)) for split in ("train", "validation"))
        self.count = chosen_count(settings.devices, self.device, min(settings.batch, len(self.train)))
        self.fabric: Any = None
        self.rows: list[dict[str, Any]] = []
        self.notes: list[str] = []

    def make(self, how: str) -> None:
        if (self.folder / OUTCOME).is_file():  # interrupted between its last file and its name
            return
        self.learn()
        self.finish(how)
        for left in (STATE, STOP):
            (self.folder / left).unlink(missing_ok=True)
        self.progress(1, 1, "done")

    def learn(self) -> None:
        """Epoch after epoch, until the last one, no better ones, or a wish to stop; every one is kept as it comes."""
        from core.classifier.engine import TrainingStopped, group
        from core.classifier.sampling import best_epoch

        state = self.state()
        if state:
            self.write_history()
        self.progress(0, self.settings.epochs, "loading the network" if self.count == 1 else f"starting {self.count} processes")
        if self.ended():
            return
        try:
            with group(self.count, self.device, self.precision, follow, self.dataset.path, self.settings, self.folder) as self.fabric:
                for result in self.epochs(state):
                    self.rows.append(result.row())
                    self.note(result)
                    self.rows[-1]["kept"] = best_epoch(self.rows) == len(self.rows) - 1
                    self.keep(result)
                    if self.ended():
                        return
        except TrainingStopped as stopped:
            raise InputError(f"{stopped}{_rescue(self.folder, len(self.rows))}") from stopped

    def state(self) -> dict[str, Any] | None:
        """The state after the last finished epoch; the history is that of the state, whatever else was written."""
        from core.classifier.states import load_state

        if not (self.folder / STATE).is_file():
            return None
        state = load_state(self.folder / STATE)
        self.rows, self.notes = state.pop("history"), state.pop("notes")
        return state

    def epochs(self, state: dict[str, Any] | None) -> "Iterator[EpochResult]":
        from core.classifier.training import fit

        return fit(self.network(), self.batches, self.validation, self.plan(), fabric=self.fabric, resume=state, progress=self.progress)

    def ended(self) -> bool:
        return bool(self.rows) and self.reason() != ""

    def reason(self) -> str:
        """Why no further epoch is wanted; "" where one is."""
        from core.classifier.sampling import stalled

        if len(self.rows) >= self.settings.epochs:
            return "all epochs are done"
        if (self.folder / STOP).is_file():
            return "it was stopped by hand"
        return f"the last {self.settings.patience} epochs were no better on the validation cells" if stalled(self.rows, self.settings.patience) else ""

    def network(self) -> Any:
        from core.classifier.devices import memory_order
        from core.classifier.starting import starting_network

        one = self.settings
        network = starting_network(one.network, self.dataset.crops.crop_px, self.start.weights, dropout=one.dropout, seed=one.seed)
        return network.to(self.fabric.device, memory_format=memory_order(self.device))  # type: ignore[call-overload]

    def plan(self) -> "FitSettings":
        """The settings in the words of ``fit``."""
        from core.classifier.augmentation import Augmentation
        from core.classifier.fitting import FitSettings
        from core.classifier.sampling import positive_weight, steps_of

        one, trained = self.settings, self.start.weights is not None
        steps = steps_of(len(self.train), one.batch, self.count)
        same = {name: getattr(one, name) for name in ("epochs", "weight_decay", "smoothing", "clip", "seed")}
        changes = {name: getattr(one, name) for name in ("rotate", "scale", "brightness", "contrast", "blur_px", "noise")}
        return FitSettings(
            **same,
            steps=steps,
            scored=math.ceil(len(self.held) / self.count / one.batch),
            rate=one.rate or RATES["trained" if trained else "scratch"],
            warmup=round(one.warmup * steps),
            average=min(one.average, 1 - 1 / max(2, steps)),  # over one epoch at most: small datasets have few steps
            head_epochs=one.head_epochs if trained else 0,
            positive_weight=positive_weight(self.train.classes[self.train.indices]) if one.balance == "weights" else 1.0,
            bf16=self.precision == "bf16",
            fp16=self.precision == "fp16",
            augmentation=Augmentation(**changes),
        )

    def batches(self, epoch: int) -> Iterator[Any]:
        """What of the training batches this process computes."""
        from core.classifier.sampling import ahead, epoch_order

        one, classes = self.settings, self.train.classes[self.train.indices]
        order = epoch_order(classes, one.batch, one.seed, epoch, balanced=one.balance == "sampler", processes=self.count)
        return ahead(self.train.batches(one.batch, order, (self.fabric.global_rank, self.count)))

    def validation(self, epoch: int) -> Iterator[Any]:
        """What of the validation cells this process scores."""
        from core.classifier.sampling import ahead

        mine = np.array_split(np.arange(len(self.held)), self.count)[self.fabric.global_rank]
        return ahead(self.held.batches(self.settings.batch, mine))

    def note(self, result: "EpochResult") -> None:
        if result.again:
            self.note_once("much of a step is computed twice, since memory does not hold it: slower, with the same result", result.epoch)
        if result.at_once:
            self.note_once(
                f"{result.at_once} cells are computed at a time, since memory does not hold {self.settings.batch}; their gradients are added", result.epoch
            )

    def note_once(self, what: str, epoch: int) -> None:
        if not any(what in one for one in self.notes):
            self.notes.append(f"From epoch {epoch} on {what}.")

    def keep(self, result: "EpochResult") -> None:
        """The state is written last of what a resumed training needs: a kill before it repeats the epoch, with the same result."""
        from core.classifier.checkpoint import save_checkpoint
        from core.classifier.states import save_state

        checkpoint = self.checkpoint(result)
        save_checkpoint(self.folder / LAST, checkpoint)
        if self.rows[-1]["kept"]:
            save_checkpoint(self.folder / BEST, checkpoint)
            write_csv(self.folder / "validation.csv", self.validated(result.probabilities))
        save_state(self.folder / STATE, result.resume | {"history": self.rows, "notes": self.notes})
        self.write_history()

    def checkpoint(self, result: "EpochResult") -> Any:
        from core.classifier.checkpoint import Checkpoint

        about = self.dataset.statistics
        return Checkpoint(
            architecture=self.settings.network,
            crop_px=self.dataset.crops.crop_px,
            mean=self.dataset.crops.mean,
            std=self.dataset.crops.std,
            intensity=about["intensity"],
            pixel_size_um=about["pixel_size_um"],
            threshold=result.threshold,
            class_names=tuple(about["class_names"]),
            card={"dataset": self.dataset.path.name, "epoch": result.epoch, "network": self.settings.network, "start": self.settings.start, **self.origin()},
            simulated=self.simulated,
            state={key: value.cpu() for key, value in result.weights.items()},
        )

    def origin(self) -> dict[str, Any]:
        """What the card keeps of the cultures behind the weights: also those that the start weights learned from."""
        before = self.start.weights.card.get(CARD_KEY) if self.start.weights else None
        return {CARD_KEY: learned_from(self.dataset.manifest, before)}

    def validated(self, probabilities: np.ndarray) -> pd.DataFrame:
        """``tables.VALIDATED_CELLS``."""
        rows = self.dataset.manifest.iloc[self.held.indices][["cell_id", "sample", "class"]]
        return typed(rows.assign(crop=self.held.indices, senescence_probability=probabilities), VALIDATED_CELLS)

    def write_history(self) -> None:
        write_atomic(self.folder / "history.csv", csv_bytes(typed(pd.DataFrame(self.rows), TRAINING_HISTORY)))

    def finish(self, how: str) -> None:
        """Temperature and threshold on the validation cells, into the best checkpoint; the card; why it ended."""
        from core.classifier.checkpoint import load_checkpoint, save_checkpoint
        from core.classifier.sampling import best_epoch
        from core.statistics.calibration import apply_temperature, fit_temperature
        from core.statistics.thresholds import choose_threshold

        cells = read_csv(self.folder / "validation.csv", VALIDATED_CELLS)
        truth, raw = cells["class"].to_numpy(dtype=np.int64), cells["senescence_probability"].to_numpy(dtype=float)
        temperature = fit_temperature(truth, raw)
        calibrated = apply_temperature(raw, temperature)
        threshold, row = choose_threshold(truth, calibrated, "youden"), self.rows[best_epoch(self.rows)]
        found = scores(row, threshold, temperature, truth, simple_predictors(self.dataset.report))
        said = [*doubts(found, calibrated), *remarks(self.dataset, self.settings, self.start, self.simulated), *self.notes]
        name = self.folder.name.removesuffix(PARTIAL)
        summary = f"{self.settings.network} trained on {len(self.train)} cells of {self.dataset.path.name}; validation AUC {row['val_auc']:.3f}."
        text = card(name, summary, self.dataset, self.settings, self.start, found, said, how, self.reason())
        best = load_checkpoint(self.folder / BEST)
        reference = dataset_reference(self.dataset, best, self.device.type, part(self.progress, 0.99, 0.01, 1.0))
        about = best.card | {"summary": summary, "validation": found, "remarks": said}
        save_checkpoint(self.folder / BEST, replace(best, temperature=temperature, threshold=threshold.value, card=about, reference=reference))
        write_atomic(self.folder / "card.md", text.encode("utf-8"))
        device = str(self.device) if self.count == 1 else f"{self.count} x {self.device}"
        outcome = {"summary": summary, "ended": self.reason(), "remarks": said, "simulated": self.simulated, "device": device, **found}
        write_json(self.folder / OUTCOME, outcome)


def follow(fabric: Any, dataset: Path, settings: TrainSettings, folder: Path) -> None:
    """What the other processes of a training do: the same epochs, each its share; the first process keeps the results."""
    run = Run(open_dataset(dataset), settings, find_start(settings.start, settings.network), folder, False, silent)
    run.fabric = fabric
    for _ in run.epochs(run.state()):
        pass


def _rescue(folder: Path, epochs: int) -> str:
    if not epochs:
        return " No epoch was finished. Train again with other settings."
    name = folder.name.removesuffix(PARTIAL)
    return f" The {epochs} finished epochs are kept: train again with other settings, or keep the best of them (--resume {name} --finish)."
