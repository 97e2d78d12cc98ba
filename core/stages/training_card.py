"""What a run says of itself: scores, remarks, the model card."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from core.dataset.leakage import PREDICTORS
from core.report.words import count
from core.settings import TrainSettings
from core.stages.datasets import OpenDataset
from core.stages.training_start import FoundStart

if TYPE_CHECKING:
    from core.statistics.thresholds import Threshold

WHICH_EPOCH = "of the smallest validation loss among those whose ROC AUC is within its standard error of the largest"
ALIKE = 0.01  # calibrated probabilities that differ by less are shown as the same number
WAY_OUT = "More cells, more epochs or other start weights may help."
SETS = {"train": "training", "validation": "validation", "test": "test"}


def scores(row: Mapping[str, Any], threshold: "Threshold", temperature: float, truth: np.ndarray, simple: Mapping[str, float | None]) -> dict[str, Any]:
    """What the best epoch reached on the validation cells, and what ``simple_predictors`` reach on them."""
    return {
        "best_epoch": int(row["epoch"]),
        "val_auc": float(row["val_auc"]),
        "val_auc_se": float(row["val_auc_se"]) if "val_auc_se" in row else None,  # states of before had none
        "val_accuracy": float(row["val_accuracy"]),
        "val_no_information_rate": no_information(len(truth), int(truth.sum()))[1],
        "val_loss": float(row["val_loss"]),
        "val_cells": len(truth),
        "val_senescent": int(truth.sum()),
        "threshold": threshold.value,
        "threshold_why": threshold.why,
        "temperature": temperature,
        "val_simple": dict(simple),
    }


def no_information(cells: int, senescent: int) -> tuple[str, float]:
    """The commoner class, and the accuracy of calling every cell so (the no-information rate): what an accuracy is to be held against."""
    name = "senescent" if 2 * senescent > cells else "not senescent"
    return name, max(senescent, cells - senescent) / cells


def doubts(found: Mapping[str, Any], calibrated: ArrayLike) -> list[str]:
    """Where the classifier (its ``scores``, and its probabilities of the validation cells) has hardly learned to tell the classes apart."""
    from core.statistics.baselines import outdone  # brings SciPy

    said, se, probabilities = list[str](), found["val_auc_se"], np.asarray(calibrated, dtype=float)
    if se is not None and found["val_auc"] - 2 * se <= 0.5:
        said.append(
            f"This classifier does not tell the classes apart clearly better than chance on the {found['val_cells']} validation cells "
            f"(AUC {found['val_auc']:.2f}, standard error {se:.2f}; chance is 0.50). {WAY_OUT}"
        )
    if np.ptp(probabilities) < ALIKE:
        same = f"This classifier gives all validation cells nearly the same probability of being senescent, about {probabilities.mean():.2f}"
        said.append(f"{same}, whatever they look like: it has learned next to nothing.{'' if said else f' {WAY_OUT}'}")
    return [*said, *outdone(found["val_auc"], found.get("val_simple", {}))]


def simple_predictors(report: Mapping[str, Any]) -> dict[str, float | None]:
    """AUC on the validation cells of what needs no look at the cell ("culture", "cell area", ...), from the report of a dataset."""
    known = report.get("confounding", {})
    return {report.get("unit", "culture") if PREDICTORS[name] == "group" else name: aucs["validation"] for name, aucs in known.items()}


def remarks(dataset: OpenDataset, settings: TrainSettings, start: FoundStart, simulated: bool) -> list[str]:
    """What a user of the classifier must know."""
    manifest, crop_px, said = dataset.manifest, dataset.crops.crop_px, list[str]()
    if simulated:
        said.append("Trained on simulated cells only: its calls on real cells mean nothing.")
    elif start.weights is not None and start.weights.simulated:
        said.append(f"The start weights, {start.words}, were trained on simulated cells.")
    cut = float(manifest["cut_off"].fillna(False).astype(bool).mean())
    if cut == 1:
        said.append(f"Every cell is larger than the crop of {crop_px} px: the classifier sees only the middle of each. Build the dataset with larger crops.")
    elif cut > 0.1:
        said.append(f"{cut:.0%} of the cells are larger than the crop of {crop_px} px and are cut off.")
    held = dataset.classes[dataset.rows("validation")]
    few = min(int((held == c).sum()) for c in (0, 1))
    if few < 20:
        said.append(f"There are only {few} validation cells of one class: the best epoch, the threshold and the AUC are uncertain.")
    sides = [set(manifest.loc[manifest["split"] == split, "sample"]) - {""} for split in ("train", "validation")]
    if shared := sorted(sides[0] & sides[1]):
        said.append(f"Cells of {', '.join(shared[:5])} lie in training and in validation both: the validation numbers are flattered.")
    if settings.precision == "bf16":
        said.append("Trained with bfloat16 arithmetic.")
    return said


def card(
    name: str,
    summary: str,
    dataset: OpenDataset,
    settings: TrainSettings,
    start: FoundStart,
    found: Mapping[str, Any],
    said: Sequence[str],
    how: str,
    ended: str,
) -> str:
    """The model card, markdown."""
    about = dataset.statistics
    commoner, accuracy = no_information(found["val_cells"], found["val_senescent"])
    size = f" at {about['pixel_size_um']:g} µm a pixel" if about["pixel_size_um"] else ""
    lines = [
        f"# {name}",
        "",
        summary,
        "",
        *(f"**{one}**" for one in said),
        "",
        f"- Network: {settings.network}, one grey channel, one logit, crops of {about['crop_px']} px{size}; it began with {start.words}.",
        f"- Cells: background {about['background']}, intensity by {about['intensity']}, mean {about['mean']:.5g}, standard deviation {about['std']:.5g}.",
        *(_about_set(dataset, split) for split in SETS),
        f"- Best epoch: {found['best_epoch']}, {WHICH_EPOCH}; the training ended because {ended}.",
        f"- On the validation cells: AUC {found['val_auc']:.4f}, accuracy {found['val_accuracy']:.4f}; "
        f"calling every cell {commoner} has an accuracy of {accuracy:.4f}.",
        f"- Decision threshold: {found['threshold']:.4f}, {found['threshold_why']}, at the temperature {found['temperature']:.3g}.",
        f"- Made by: `{how}`",
        "",
        "The validation cells chose the epoch, the temperature and the threshold. How good the classifier is on cells that chose nothing, the evaluation says.",
        "",
    ]
    return "\n".join(lines)


def _about_set(dataset: OpenDataset, split: str) -> str:
    rows = dataset.manifest[dataset.manifest["split"] == split]
    groups = sorted(set(rows["group"]) - {""})
    named = f": {', '.join(groups[:20])}{' …' if len(groups) > 20 else ''}" if groups else ""
    known = f", of {count(len(groups), 'culture')}{named}" if groups else ""
    return f"- {SETS[split].capitalize()}: {count(len(rows), 'cell')}, {int((rows['class'] == 1).sum())} senescent{known}."
