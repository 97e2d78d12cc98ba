"""Cells of simulated cultures, as the embedded classifier "demo-simulated" is taught and judged on them."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from dataclasses import fields as fields_of
from pathlib import Path
from typing import Any

import numpy as np

from core.dataset.crops import bounding_boxes, cut_crops, normalise, scale_intensity
from core.simulate.shapes import SPEAKING

CROP_PX = 380
PIXEL_UM = 1.0  # cells are rescaled to it
MEAN, SPREAD = 0.0, 0.2  # of intensities scaled by field: their median is 0, their spread near 0.2
TRAINING_SEEDS, VALIDATION_SEEDS, TEST_SEEDS = range(1000, 1440), range(5000, 5080), range(9000, 9048)
FIELD_PIXELS_UM = (0.5, 0.65, 0.87, 1.1, 1.3)  # common cameras behind objectives of 4x to 10x


@dataclass(frozen=True)
class Cells:
    """Cells of simulated fields: crops (N, 380, 380) float16, normalised; true classes; areas in µm²; the evidence for
    senescence (log-odds) in each of their traits (N, 5); their nuclei in the crop (``demo_traits.Lessons``); field seeds."""

    crops: np.ndarray
    classes: np.ndarray
    areas: np.ndarray
    evidence: np.ndarray
    nuclei: np.ndarray
    fields: np.ndarray

    def __len__(self) -> int:
        return len(self.classes)

    @property
    def log_odds(self) -> np.ndarray:
        """The evidence in all traits together: (N,)."""
        found: np.ndarray = self.evidence.sum(axis=1)
        return found


def simulated_cells(seed: int, pixel_um: float, masks_vary: bool) -> Cells:
    """The cells of one simulated field that do not touch its border."""
    field, rng = drawn_field(seed, pixel_um)
    cells = field.cells[~field.cells.touches_border]
    image = normalise(scale_intensity(field.phase, "field", 2**field.bits - 1), MEAN, SPREAD)
    ids, scale = cells.label.to_numpy(), pixel_um / PIXEL_UM
    variants = outlines(field.labels) if masks_vary else [field.labels]
    crops, nuclei = np.zeros((len(ids), CROP_PX, CROP_PX), np.float16), np.zeros((len(ids), 5))
    choice = rng.integers(len(variants), size=len(ids))
    for k, labels in enumerate(variants):
        crops[choice == k] = cut_crops(image, labels, ids[choice == k], CROP_PX, scale=scale)
        boxes, inside = bounding_boxes(labels, ids[choice == k]), cells[choice == k]
        middles = inside[["nucleus_y_px", "nucleus_x_px"]].to_numpy() - (boxes[:, :2] + boxes[:, 2:]) // 2
        axes = inside[["nucleus_long_px", "nucleus_short_px"]].to_numpy()
        nuclei[choice == k] = np.column_stack([CROP_PX // 2 + middles * scale, axes * scale, inside.nucleus_angle])
    evidence = cells[[f"evidence_{trait}" for trait in SPEAKING]].to_numpy()
    return Cells(crops, cells.senescent.to_numpy(), cells.area_px.to_numpy() * pixel_um**2, evidence, nuclei, np.full(len(cells), seed))


def drawn_field(seed: int, pixel_um: float) -> tuple[Any, np.random.Generator]:
    """One simulated field (``core.simulate.SimulatedField``), and the random numbers that go on from it."""
    from core.simulate import simulate_field

    rng = np.random.default_rng(seed)
    prevalence, size_factor = float(rng.uniform(0.15, 0.7)), float(rng.uniform(0.8, 1.25))
    return simulate_field(seed, 1024, prevalence=prevalence, pixel_size_um=pixel_um, size_factor=size_factor, stain=False), rng


def outlines(labels: np.ndarray) -> list[np.ndarray]:
    """A label image drawn too narrow, right, and too wide, since at use masks come from a segmentation and not from the truth.
    A cell that narrowing would delete keeps its outline."""
    from scipy.ndimage import grey_dilation, grey_erosion
    from skimage.morphology import disk
    from skimage.segmentation import expand_labels

    rim = grey_dilation(labels, footprint=disk(2)) != grey_erosion(labels, footprint=disk(2))
    narrow = np.where(rim, 0, labels)
    lost = np.setdiff1d(np.unique(labels), np.unique(narrow))
    narrow = np.where(np.isin(labels, lost), labels, narrow)
    return [narrow, labels, expand_labels(labels, 2), expand_labels(labels, 5)]


def gather(seeds: Sequence[int], pixels_um: Sequence[float], masks_vary: bool, file: Path | None = None) -> Cells:
    """Cells of one simulated field a seed; the magnification goes round. With ``file`` the crops lie there, not in memory."""
    fields = []
    with file.open("wb") if file else nullcontext() as out:
        for i, seed in enumerate(seeds):
            cells = simulated_cells(seed, pixels_um[i % len(pixels_um)], masks_vary)
            if out:
                out.write(cells.crops.tobytes())
                cells = replace(cells, crops=cells.crops[:0])
            fields.append(cells)
    together = {column.name: np.concatenate([getattr(one, column.name) for one in fields]) for column in fields_of(Cells)}
    if file:
        together["crops"] = np.memmap(file, np.float16, "r", shape=(len(together["classes"]), CROP_PX, CROP_PX))
    return Cells(**together)
