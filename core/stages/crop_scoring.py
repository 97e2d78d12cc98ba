"""Probabilities of the crops of a dataset, whatever model is asked for."""

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from core.classifier.checkpoint import Checkpoint
from core.classifier.prediction import Classifier
from core.dataset.crops import normalise
from core.errors import InputError
from core.progress import Progress
from core.stages.datasets import OpenDataset

BATCH: Final = 8
SCORES: Final = "scores.npy"  # in an unfinished evaluation: probabilities so far, NaN where not yet scored
_SAME_SCALE: Final = 0.02


def score_crops(dataset: OpenDataset, checkpoint: Checkpoint, rows: NDArray[np.int64], folder: Path, progress: Progress) -> NDArray[np.float64]:
    """Probability of class 1 of every crop of the dataset, NaN for those that ``rows`` does not name: (N,) float64.

    What is scored is kept in ``folder`` as it comes, so that an interrupted evaluation goes on where it stopped.

    Raises
    ------
    InputError
        The crops were made in a way that the model cannot use (see ``check_fit``).
    """
    check_fit(dataset, checkpoint)
    scores = _so_far(folder / SCORES, len(dataset.manifest))
    left = rows[np.isnan(scores[rows])]
    classifier = Classifier(checkpoint) if left.size else None
    for start in range(0, len(left), BATCH):
        progress(start, len(left), f"scoring cell {start + 1} of {len(left)}")
        some = left[start : start + BATCH]
        assert classifier is not None
        scores[some] = classifier.predict(np.stack([crop_for(dataset, checkpoint, int(i)) for i in some]))
        scores.flush()
    return np.array(scores, dtype=float)


def check_fit(dataset: OpenDataset, checkpoint: Checkpoint) -> None:
    """InputError where the intensities or the pixel size of the crops are not those the model was trained with."""
    said = misfit(dataset, checkpoint, f", on the command line {_options(checkpoint)}")
    if said:
        raise InputError(f"{dataset.path.name}: {said}")


def misfit(dataset: OpenDataset, checkpoint: Checkpoint, also: str = "") -> str:
    """What the model needs, in the words of the dataset page, and what the crops have; "" where they fit. ``also`` follows what it needs."""
    found = _misfit(dataset, checkpoint)
    needs = f"this model needs a dataset made with crop size {checkpoint.crop_px} px, intensity “{checkpoint.intensity}”"
    if checkpoint.pixel_size_um is not None:
        needs += f" and common pixel size {checkpoint.pixel_size_um:g} µm"
    return f"{needs}{also}, but its {found}." if found else ""


def _misfit(dataset: OpenDataset, checkpoint: Checkpoint) -> str:
    about = dataset.statistics
    if checkpoint.intensity == "field" and about["intensity"] != "field":
        return "crops have intensity “range”"
    sizes = dataset.manifest["pixel_size_um"].to_numpy(dtype=float, na_value=np.nan)
    shown = np.full(1, float(about["pixel_size_um"])) if about["pixel_size_um"] else sizes
    wanted = checkpoint.pixel_size_um
    if wanted is None or np.all(np.abs(shown / wanted - 1) <= _SAME_SCALE):
        return ""
    found = "an unknown size" if np.isnan(shown).any() else f"{np.min(shown):.3g} to {np.max(shown):.3g} µm" if np.ptp(shown) else f"{shown[0]:.3g} µm"
    return f"pixels have {found}"


def crop_for(dataset: OpenDataset, checkpoint: Checkpoint, i: int) -> NDArray[np.float32]:
    """Crop ``i`` as the model wants it: (crop_px, crop_px) float32, cut off or padded with black around its centre."""
    store = dataset.crops
    row = store.index[i]
    values, shown = store.values(i)
    if checkpoint.intensity == "range" and dataset.statistics["intensity"] == "field":
        values = (store.stored(i)[0].astype(np.float32)) / np.float32(row["full_scale"])
    mean, std = (store.mean, store.std) if checkpoint.mean is None or checkpoint.std is None else (checkpoint.mean, checkpoint.std)
    pixels = np.where(shown, normalise(values, mean, std), np.float32(0))
    moved = checkpoint.crop_px // 2 - store.crop_px // 2
    return _placed(pixels, int(row["top"]) + moved, int(row["left"]) + moved, checkpoint.crop_px)


def _placed(pixels: NDArray[np.float32], top: int, left: int, size: int) -> NDArray[np.float32]:
    out = np.zeros((size, size), np.float32)
    y, x = max(top, 0), max(left, 0)
    part = pixels[y - top : size - top, x - left : size - left]
    out[y : y + part.shape[0], x : x + part.shape[1]] = part
    return out


def _options(checkpoint: Checkpoint) -> str:
    words = [f"--crop-size {checkpoint.crop_px}", f"--intensity {checkpoint.intensity}"]
    return " ".join([*words, *([f"--pixel-size {checkpoint.pixel_size_um:g}"] if checkpoint.pixel_size_um is not None else [])])


def _so_far(file: Path, cells: int) -> np.memmap:
    if not file.is_file():
        np.save(file, np.full(cells, np.nan))
    scores = np.load(file, mmap_mode="r+")
    if scores.shape != (cells,):
        raise InputError(f"{file}: the unfinished evaluation is damaged; delete {file.parent}.")
    return scores
