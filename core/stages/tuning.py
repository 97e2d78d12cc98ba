"""Tune: corrected or imported outlines in, a model that outlines such cells better, measured on held-back fields, out."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from core.errors import InputError
from core.fields import FieldOfView
from core.images import grey, read_labels, write_labels
from core.models import Model, add_model, find_model, list_models
from core.options import command, settings_from
from core.progress import Progress, silent
from core.report import csv_bytes, read_csv, write_csv
from core.settings import SegmentSettings, TuneSettings
from core.stages.common import Failures, chosen_fields, fail_if_all, inputs, part, read_phase
from core.stages.corrected import HELD_BACK, TRAIN, Material, hold_back, labels_of, material
from core.stages.tuning_card import card, cautions
from core.tables import BEFORE_AFTER, TUNING_FIELDS, TUNING_HISTORY, typed
from core.workspace import AlreadyPublished, Experiment, checked_name, product_id, publish, write_atomic, write_json

if TYPE_CHECKING:
    from core.cells.tuning import StoredField

CHECKPOINT: Final = "checkpoint.pt"
WEIGHTS: Final = "weights.pt"
PREPARED: Final = "prepared"
BEFORE, AFTER = "before", "after"


def run(params: dict[str, Any], progress: Progress) -> Path:
    """``params``: ``experiment``, ``settings`` (of TuneSettings), ``segmentation``, ``name``, ``fields``, ``allow_uncorrected``."""
    settings = settings_from(TuneSettings, params.get("settings") or {})
    asked = {key: params.get(key) for key in ("segmentation", "name")}
    return tune(
        Path(params["experiment"]), settings, **asked, only=params.get("fields"), allow_uncorrected=bool(params.get("allow_uncorrected")), progress=progress
    )


def tune(
    path: Path,
    settings: TuneSettings,
    segmentation: str | None = None,
    name: str | None = None,
    only: Sequence[str] | None = None,
    allow_uncorrected: bool = False,
    progress: Progress = silent,
) -> Path:
    """Train a model of the library further and return the folder of the tuning; the new model enters the library as ``name``.

    ``segmentation``, ``only`` and ``allow_uncorrected`` choose the outlines (see `core.stages.corrected.material`). A finished
    tuning is returned at once, an interrupted one goes on after its last epoch. A field that cannot be used is listed in
    ``failures.csv`` and left out.
    """
    experiment = Experiment(path)
    model = find_model(settings.model, "segmenter")
    found = material(experiment, settings, segmentation, only, allow_uncorrected)
    chosen = chosen_fields(experiment, found.fields["fov_id"].to_list())
    about: dict[str, Any] = {
        "command": command("tune", path, settings, segmentation=segmentation, name=name, fields=only) + (" --allow-uncorrected" if allow_uncorrected else ""),
        "models": {"segmenter": model.record()},
        "upstream": {"segmentation": found.segmentation.id},
        "inputs": inputs(experiment, chosen),
    }
    payload = {"settings": vars(settings) | {"model": model.sha256}, "name": name or "", **{k: about[k] for k in ("upstream", "inputs")}}
    id = product_id(f"{model.name}-tuned", payload)
    try:
        with publish(experiment, "tunings", id, settings, **about) as partial:
            _check_name(name or id, partial.path)
            _Tuning(experiment, settings, model, found, chosen, partial.path, progress).make(name or id, about["command"])
    except AlreadyPublished as ready:
        return ready.path
    return partial.final


def _check_name(name: str, folder: Path) -> None:
    """Say that a name is taken before the hours of training, not after; an interrupted tuning may have used it already."""
    checked_name(name, "Model name")
    if name.lower() in {m.name.lower() for m in list_models()} and not (folder / WEIGHTS).is_file():
        raise InputError(f"There is already a model named {name}. Choose another name for the new one.")


class _Tuning:
    """One tuning on its way: the steps share the folder, the settings and what listens to the progress."""

    def __init__(
        self, experiment: Experiment, settings: TuneSettings, model: Model, found: Material, chosen: list[FieldOfView], folder: Path, progress: Progress
    ) -> None:
        from core.cells.tuning import TunePlan
        from core.cells.weights import read_weights

        assert model.path is not None  # find_model refuses what is not there
        self.experiment, self.settings, self.model, self.found, self.folder, self.progress = experiment, settings, model, found, folder, progress
        self.start: Path = model.path
        self.weights = read_weights(model.path)
        self.chosen = {fov.fov_id: fov for fov in chosen}
        own = ("epochs", "tiles", "batch", "rate", "weight_decay", "scale_range", "seed", "device")
        self.plan = TunePlan(**{key: getattr(settings, key) for key in own})
        self.failures = Failures()

    def make(self, name: str, how: str) -> None:
        prepared = self.prepare()
        fields, note = self.split(prepared)
        train, held = ({f: prepared[f] for f in fields.loc[fields["part"] == side, "fov_id"]} for side in (TRAIN, HELD_BACK))
        measuring = {f: self.passes(one, train) for f, one in held.items()}
        spent, total = self.train(train, held, 2 * sum(measuring.values()))
        scores = self.measure(train, measuring, spent, total)
        history = read_csv(self.folder / "history.csv", TUNING_HISTORY)
        warnings = cautions(self.found, fields, history, scores, note)
        diameter = float(np.mean([one.diameter_px for one in train.values()]))
        text = card(name, self.model, self.found, fields, history, scores, warnings, diameter, self.experiment.name, how, note)
        write_atomic(self.folder / "card.md", text.encode("utf-8"))
        summary = f"{self.model.name}, fine-tuned on {int(fields.loc[fields['part'] == TRAIN, 'n_cells'].sum())} cells of {self.experiment.name}."
        add_model(self.folder / WEIGHTS, name=name, kind="segmenter", licence=self.model.licence, summary=" ".join([summary, *warnings[:1]]), card=text)
        write_json(self.folder / "outcome.json", {"model": name, "diameter_px": diameter, "note": note, "warnings": warnings})
        for left in (CHECKPOINT, "weights.pt.part"):
            (self.folder / left).unlink(missing_ok=True)
        shutil.rmtree(self.folder / PREPARED, ignore_errors=True)
        self.progress(total, total, "done")

    def prepare(self) -> dict[str, "StoredField"]:
        """Images and training targets of every usable field, kept in files: a resumed tuning does not compute them again."""
        from core.cells.training import prepare
        from core.cells.tuning import StoredField, store_field

        (self.folder / PREPARED).mkdir(exist_ok=True)
        ready: dict[str, StoredField] = {}
        for fov_id, fov in self.chosen.items():
            self.progress(0, 1, f"preparing {fov_id}")
            file = self.folder / PREPARED / f"{fov_id}.npz"
            with self.failures.collecting(fov_id, fov.phase):
                ready[fov_id] = StoredField(file) if file.is_file() else store_field(file, prepare(grey(read_phase(self.experiment, fov)), self.truth(fov_id)))
        fail_if_all(self.failures, len(self.chosen), "prepared for training", self.experiment.path)
        write_csv(self.folder / "failures.csv", self.failures.table())
        return ready

    def split(self, prepared: dict[str, "StoredField"]) -> tuple[pd.DataFrame, str]:
        """The fields that can be used, and on which side they are: as announced, unless some had to be left out."""
        fields = self.found.fields[self.found.fields["fov_id"].isin(list(prepared))].reset_index(drop=True)
        held, note = hold_back(fields, self.settings.held_back, self.settings.seed)
        fields["part"] = np.where(fields["fov_id"].isin(held), HELD_BACK, TRAIN)
        fields = typed(fields, TUNING_FIELDS)
        write_csv(self.folder / "fields.csv", fields)
        return fields, note

    def train(self, train: dict[str, "StoredField"], held: dict[str, "StoredField"], measuring: float) -> tuple[float, float]:
        """Train to the last epoch, keep the weights of the best one; returns the progress made and its total."""
        from core.cells.tuning import cost, load_state, save_state, tune

        spent = self.plan.epochs * cost(self.plan, len(train), len(held))
        total = spent + measuring
        if (self.folder / WEIGHTS).is_file():
            return spent, total
        checkpoint = self.folder / CHECKPOINT
        state = load_state(checkpoint) if checkpoint.is_file() else None
        rows: list[dict[str, Any]] = list(state.pop("history")) if state else []
        self.progress(0, total, "loading the model")
        for epoch in tune(self.weights, list(train.values()), list(held.values()), self.plan, state, part(self.progress, 0, spent, total)):
            rows.append(epoch.row())
            save_state(checkpoint, epoch.state | {"history": rows})
            write_atomic(self.folder / "history.csv", csv_bytes(typed(pd.DataFrame(rows), TUNING_HISTORY)))
        save_state(self.folder / WEIGHTS, load_state(checkpoint)["best"]["weights"])
        return spent, total

    def measure(self, train: dict[str, "StoredField"], measuring: dict[str, float], spent: float, total: float) -> pd.DataFrame:
        """Segment the held-back fields with the old and the new weights, everything else equal, and compare with the truth."""
        from core.cells.agreement import agreement
        from core.cells.segmentation import load_segmenter
        from core.cells.tuning import compute_device

        same, rows = SegmentSettings(), list[dict[str, Any]]()
        for side, file in ((BEFORE, self.start), (AFTER, self.folder / WEIGHTS)):
            if not measuring:
                break
            segmenter = load_segmenter(file, str(compute_device(self.settings.device)))
            (self.folder / "found" / side).mkdir(parents=True, exist_ok=True)
            for fov_id, passes in measuring.items():
                target = self.folder / "found" / side / f"{fov_id}.tif"
                if not target.is_file():
                    labels = segmenter.segment(
                        grey(read_phase(self.experiment, self.chosen[fov_id])),
                        diameter_px=self.diameter(fov_id, train),
                        flow_threshold=same.flow_threshold,
                        cell_probability=same.cell_probability,
                        min_area_px=same.min_area_px,
                        progress=part(self.progress, spent, passes, total, f"measuring {fov_id} {side} training"),
                    )
                    write_labels(target, labels)
                spent += passes
                rows.append({"model": side, "fov_id": fov_id, **vars(agreement(self.truth(fov_id), read_labels(target)))})
        scores = typed(pd.DataFrame(rows, columns=list(BEFORE_AFTER)), BEFORE_AFTER)
        write_csv(self.folder / "before_after.csv", scores)
        return scores

    def truth(self, fov_id: str) -> np.ndarray:
        return read_labels(labels_of(self.found.segmentation, fov_id))

    def diameter(self, fov_id: str, train: dict[str, "StoredField"]) -> float:
        """Cell diameter (px) for a held-back field: the mean of the training fields of its magnification, or of all."""
        size = self.chosen[fov_id].pixel_size_um
        alike = [one.diameter_px for f, one in train.items() if self.chosen[f].pixel_size_um == size]
        return float(np.mean(alike or [one.diameter_px for one in train.values()]))

    def passes(self, one: "StoredField", train: dict[str, "StoredField"]) -> float:
        """About how many tiles the network sees when it segments a field."""
        scale = self.weights.diam_mean / float(np.mean([t.diameter_px for t in train.values()]))
        return float(np.prod([max(1.0, 1.2 * side * scale / 224) for side in one.shape]))
