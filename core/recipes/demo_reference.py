"""What the training images of the embedded classifier look like, for its file: from the simulated fields of its recipe."""

from collections.abc import Sequence

import numpy as np

from core.classifier.checkpoint import Checkpoint
from core.classifier.reference import Reference
from core.classifier.seen import Seen, learn_reference

FIELDS = 24  # of each set; at all magnifications of the training


def demo_reference(checkpoint: Checkpoint) -> Reference:
    """Learned from training fields, calibrated on fields that nothing was learned from; some minutes on two cores."""
    from core.recipes.demo_classifier import TRAINING_SEEDS, VALIDATION_SEEDS

    first = VALIDATION_SEEDS.start
    return learn_reference(checkpoint, _seen(TRAINING_SEEDS[:FIELDS]), _seen(range(first, first + FIELDS)))


def _seen(seeds: Sequence[int]) -> Seen:
    from core.recipes.demo_classifier import FIELD_PIXELS_UM, drawn_field, gather

    cells = gather(seeds, FIELD_PIXELS_UM, True)
    brightness, confluence = [], []
    for k, seed in enumerate(seeds):
        field = drawn_field(seed, FIELD_PIXELS_UM[k % len(FIELD_PIXELS_UM)])[0]
        ids = field.cells.label[~field.cells.touches_border].to_numpy()
        mean = np.bincount(field.labels.ravel(), field.phase.ravel()) / np.maximum(np.bincount(field.labels.ravel()), 1)
        brightness.append(mean[ids] / (2**field.bits - 1))
        confluence.append(np.full(len(ids), (field.labels > 0).mean()))
    return Seen(
        crops=lambda rows: cells.crops[rows].astype(np.float32),
        rows=np.arange(len(cells)),
        classes=cells.classes.astype(np.int64),
        fields=cells.fields,
        numbers={"brightness": np.concatenate(brightness), "confluence": np.concatenate(confluence), "median_area": cells.areas.astype(float)},
    )
