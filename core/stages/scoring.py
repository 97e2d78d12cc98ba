"""Score the cells of one field: which ones count, their crops, their probabilities."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from core.classifier.checkpoint import Checkpoint
from core.classifier.focus import sharpness
from core.classifier.looks import appearance, exposures
from core.classifier.speed import PacedClassifier, checked_precision
from core.dataset.crops import bounding_boxes, iterate_crops, normalise, scale_intensity
from core.fields import FieldOfView
from core.images import Picture, full_scale, grey
from core.progress import Progress
from core.settings import AssessSettings
from core.statistics.quality import is_uncertain
from core.tables import APPEARANCE, ASSESSED_CELLS, EXPOSURE, typed

BATCH = 8
SCORES = ("senescence_probability", "senescent", "uncertain", "focus", "training_distance")  # columns that only a scored cell has
SCORED = {**ASSESSED_CELLS, **APPEARANCE, **EXPOSURE}  # of one field; what describes its image stays out of the product's table


def decision_threshold(settings: AssessSettings, checkpoint: Checkpoint) -> float:
    """The probability at or above which a cell is called senescent: as set, else the one stored with the model."""
    return settings.threshold if settings.threshold >= 0 else checkpoint.threshold


@dataclass
class Scorer:
    """A classifier, the settings, and what the reader of the report must be told."""

    checkpoint: Checkpoint
    settings: AssessSettings
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.classifier = PacedClassifier(self.checkpoint, checked_precision(self.settings.precision))
        self.threshold = decision_threshold(self.settings, self.checkpoint)

    def score(self, fov: FieldOfView, picture: Picture, labels: np.ndarray, cells: pd.DataFrame, progress: Progress) -> pd.DataFrame:
        """One row a cell (``SCORED``) of the field ``fov``.

        ``cells`` is the segmentation's cell table of this field, ``labels`` its int32 (Y, X) label image.
        """
        image = grey(picture)
        pixel_size = fov.pixel_size_um or picture.pixel_size_um
        table = self._described(fov, cells, pixel_size)
        mean, variance = _moments(image, labels)
        table["brightness"] = mean[table["label"].to_numpy(dtype=np.int64)] / full_scale(picture)
        table["exclusion_reason"] = self._reasons(table, variance, float(np.abs(image).max()))
        table["excluded"] = table["exclusion_reason"] != ""
        scored = table["exclusion_reason"].to_numpy() == ""
        self._note_depth(picture)
        for column in (*SCORES, *APPEARANCE, *EXPOSURE):
            table[column] = pd.array([pd.NA] * len(table), dtype=SCORED[column])
        if scored.any():
            ids = table.loc[scored, "label"].to_numpy(dtype=np.int64)
            found = self._scores(image, full_scale(picture), labels, ids, self._scale(pixel_size), progress)
            found |= exposures(image, bounding_boxes(labels, ids))
            for column, values in found.items():
                table.loc[scored, column] = values
        return typed(table[list(SCORED)], SCORED)

    def _described(self, fov: FieldOfView, cells: pd.DataFrame, pixel_size: float | None) -> pd.DataFrame:
        table = cells.reset_index(drop=True).copy()
        table["sample"] = fov.sample
        table["cell_id"] = [f"{fov.fov_id}:{label}" for label in table["label"]]
        per_px = pd.NA if pixel_size is None else pixel_size
        table["y_um"], table["x_um"] = table["y_px"] * per_px, table["x_px"] * per_px
        table["area_um2"] = table["area_px"].astype("Float64") * (pd.NA if pixel_size is None else pixel_size**2)
        return table

    def _reasons(self, table: pd.DataFrame, variance: np.ndarray, largest: float) -> list[str]:
        """Why a cell is not scored, or an empty text; ``variance`` by label, ``largest`` absolute value of the image."""
        flat = variance <= 1e-12 * max(1.0, largest) ** 2
        small = table["area_um2"].fillna(np.inf).to_numpy(dtype=float) < self.settings.min_area_um2
        return [
            "touches border" if border else "too small" if tiny else "no contrast" if flat[label] else ""
            for border, tiny, label in zip(table["touches_border"], small, table["label"], strict=True)
        ]

    def _scale(self, pixel_size: float | None) -> float:
        """Field µm/px divided by model µm/px; 1 where either is unknown, which the report then says."""
        trained = self.checkpoint.pixel_size_um
        if trained is None:
            return 1.0
        if pixel_size is None:
            self.note(
                f"The pixel size of some images is unknown, so they were scored as if it were the model's {trained:g} µm; "
                "enter it in the field table for a reliable result."
            )
            return 1.0
        if pixel_size > 2 * trained:  # finer ones only lose what the training crops did not show either
            words = (
                f"Images have {pixel_size:.3g} µm/px, the classifier was trained at {trained:.3g}: they show less than half of the detail that it learned from."
            )
            self.note(f"{words} Crops were enlarged.")
        return pixel_size / trained

    def _scores(self, image: np.ndarray, full: float, labels: np.ndarray, ids: np.ndarray, scale: float, progress: Progress) -> dict[str, np.ndarray]:
        """The columns ``SCORES`` and ``APPEARANCE`` of the cells ``ids``; without a reference in the classifier's file there is no training distance."""
        scaled = scale_intensity(image, self.checkpoint.intensity, full)
        normal = normalise(scaled, *self._statistics(scaled, labels, ids))
        reference, parts, done = self.checkpoint.reference, list[tuple[np.ndarray, ...]](), 0
        for crops in iterate_crops(normal, labels, ids, self.checkpoint.crop_px, scale=scale, batch=BATCH):
            progress(done, len(ids), f"cell {done} of {len(ids)} scored")
            probability, features = self.classifier.predict_with_features(crops)
            parts.append((probability, sharpness(crops), appearance(crops), *([reference.distances(features)] if reference else [])))
            done += len(crops)
        probability, focus, looks, *distance = (np.concatenate(one) for one in zip(*parts, strict=True))
        return {
            "senescence_probability": probability,
            "senescent": (probability >= self.threshold).astype(int),
            "uncertain": is_uncertain(probability, self.threshold, self.settings.uncertain).astype(int),
            "focus": focus,
            **({"training_distance": distance[0]} if distance else {}),
            **dict(zip(APPEARANCE, looks.T, strict=True)),
        }

    def _statistics(self, scaled: np.ndarray, labels: np.ndarray, ids: np.ndarray) -> tuple[float, float]:
        """The model's training mean and standard deviation, or, where its file has none, those of this field's scored cells."""
        if self.checkpoint.mean is not None and self.checkpoint.std is not None:
            return self.checkpoint.mean, self.checkpoint.std
        self.note(
            "The classifier's file holds no training mean and standard deviation; each field was normalised by its own cells instead. "
            "Add the model with its values (python -m core models add FILE --mean M --std S) for comparable results."
        )
        wanted = np.zeros(int(labels.max()) + 1, bool)
        wanted[ids] = True
        inside = scaled[wanted[labels]]
        return float(inside.mean(dtype=np.float64)), float(max(inside.std(dtype=np.float64), 1e-6))

    def _note_depth(self, picture: Picture) -> None:
        """A dark image of 12 bits whose file does not say so looks like a bright one of 10."""
        if not picture.bits:
            self.note("Some images are floating point, which does not say what white is: whether they are dark or bright cannot be told.")
        elif picture.bits_guessed and picture.bits < 8 * picture.pixels.dtype.itemsize:
            self.note(
                f"The bit depth of some images is a guess from their largest value ({picture.bits} bit): a dark image then passes for a bright one of fewer "
                "bits. Where exposure matters, save images with their bit depth (OME-TIFF, or the microscope's own format)."
            )

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)


def _moments(image: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of the grey values of every label, each (largest label + 1,), in one pass over the field."""
    index = labels.ravel()
    count = np.maximum(np.bincount(index), 1)
    middle = float(image.mean(dtype=np.float64))
    centred = (image - middle).ravel()
    mean = np.bincount(index, weights=centred) / count
    return mean + middle, np.bincount(index, weights=centred.astype(np.float64) ** 2) / count - mean**2
