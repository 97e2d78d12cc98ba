"""Mean and standard deviation of the training cells, and counts of cells."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.dataset.split import SPLITS
from core.errors import InputError

PIXELS = "pixels inside the outlines of the training cells, as far as they lie in their crops; intensities before normalisation"


def train_statistics(index: NDArray[np.void], splits: NDArray) -> tuple[float, float]:
    """Mean and standard deviation of the intensity over the pixels of all training cells together.

    Only pixels inside the outlines count, not the black around them: the result does not depend on the crop size, and
    a large cell weighs more than a small one. From the sums that were taken when the cells were cut (``store.INDEX``).

    Raises
    ------
    InputError
        There is no training cell, or the training cells show no contrast at all.
    """
    rows = index[np.asarray(splits) == "train"]
    n = int(rows["n"].sum())
    if not n:
        raise InputError("Dataset: there is no cell to train on; give at least one culture to training.")
    mean = float(rows["total"].sum()) / n
    within = rows["squares"] - 2 * mean * rows["total"] + mean**2 * rows["n"]  # about the mean: no difference of large numbers
    std = float(np.sqrt(max(within.sum() / n, 0.0)))
    if not std > 1e-9 * max(1.0, abs(mean)):
        raise InputError("Dataset: the training cells show no contrast (every pixel has the same value); look at the images.")
    return mean, std


def mean_intensities(index: NDArray[np.void]) -> NDArray[np.float64]:
    """Mean intensity of each cell over its pixels in the crop (N,); NaN for a cell without pixels."""
    return np.divide(index["total"], index["n"], out=np.full(len(index), np.nan), where=index["n"] > 0)


def mean_exposures(index: NDArray[np.void]) -> NDArray[np.float64]:
    """Mean grey value of each cell over its pixels in the crop, in share of the camera's white, however intensities were scaled: (N,)."""
    found = (mean_intensities(index) * np.where(np.isfinite(index["spread"]), index["spread"], 0.0) + index["centre"]) / index["full_scale"]
    return np.asarray(found, np.float64)


def class_counts(manifest: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Cells of each class in each set: {"train": {"0": n, "1": n}, ...}; every set and class is named."""
    return {split: {str(c): int(((manifest["split"] == split) & (manifest["class"] == c)).sum()) for c in (0, 1)} for split in SPLITS}
