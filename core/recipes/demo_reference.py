"""What the training images of the embedded classifier look like, for its file: from the simulated fields of its recipe."""

from collections.abc import Sequence

import numpy as np

from core.classifier.checkpoint import Checkpoint
from core.classifier.looks import exposures
from core.classifier.reference import Reference
from core.classifier.seen import Seen, learn_reference
from core.dataset.crops import bounding_boxes, cut_crops, normalise, scale_intensity
from core.recipes.demo_cells import CROP_PX, FIELD_PIXELS_UM, MEAN, PIXEL_UM, SPREAD, TRAINING_SEEDS, VALIDATION_SEEDS, drawn_field, outlines

OUTLINES = 3  # of those of the training: narrow, right, and wide; the widest no segmentation draws throughout
FIELDS = 48  # of each set; at all magnifications of the training


def demo_reference(checkpoint: Checkpoint) -> Reference:
    """Learned from training fields, calibrated on fields that nothing was learned from; some minutes on two cores."""
    first = VALIDATION_SEEDS.start
    return learn_reference(checkpoint, seen_fields(TRAINING_SEEDS[:FIELDS]), seen_fields(range(first, first + FIELDS)))


def seen_fields(seeds: Sequence[int]) -> Seen:
    """One simulated field a seed. Magnification and outlines (narrow, right, wide) go round: a segmentation draws all cells of a field alike."""
    parts: list[dict[str, np.ndarray]] = [_of_field(seed, FIELD_PIXELS_UM[k % len(FIELD_PIXELS_UM)], k) for k, seed in enumerate(seeds)]
    together = {name: np.concatenate([one[name] for one in parts]) for name in parts[0]}
    crops, classes, fields = (together.pop(name) for name in ("crops", "classes", "fields"))
    return Seen(
        crops=lambda rows: crops[rows].astype(np.float32),
        rows=np.arange(len(classes)),
        classes=classes,
        fields=fields,
        numbers=together,
    )


def _of_field(seed: int, pixel_um: float, number: int) -> dict[str, np.ndarray]:
    """Crops (N, 380, 380) float16, classes, field and numbers of the cells that do not touch the border."""
    field, _ = drawn_field(seed, pixel_um)
    white, variants = 2**field.bits - 1, outlines(field.labels)[:OUTLINES]
    cells, labels = field.cells[~field.cells.touches_border], variants[number % len(variants)]
    ids = cells.label.to_numpy()
    pixels = np.bincount(labels.ravel())[ids]
    total = np.bincount(labels.ravel(), field.phase.ravel())[ids]
    image = normalise(scale_intensity(field.phase, "field", white), MEAN, SPREAD)
    return {
        "crops": cut_crops(image, labels, ids, CROP_PX, scale=pixel_um / PIXEL_UM).astype(np.float16),
        "classes": cells.senescent.to_numpy(dtype=np.int64),
        "fields": np.full(len(ids), seed),
        "brightness": total / pixels / white,
        **exposures(field.phase, bounding_boxes(labels, ids)),
        "confluence": np.full(len(ids), (labels > 0).mean()),
        "median_area": pixels * pixel_um**2,
    }
