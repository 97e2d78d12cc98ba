"""What a run's training images looked like, for its classifier file: from the cells of its dataset."""

from typing import TYPE_CHECKING

import numpy as np

from core.dataset.numbers import mean_exposures
from core.progress import Progress
from core.stages.datasets import OpenDataset
from core.tables import EXPOSURE

if TYPE_CHECKING:
    from core.classifier.checkpoint import Checkpoint
    from core.classifier.reference import Reference
    from core.classifier.seen import Seen


def dataset_reference(dataset: OpenDataset, checkpoint: "Checkpoint", device: str, progress: Progress) -> "Reference":
    """Learned from the training cells, calibrated on the validation cells."""
    from core.classifier.seen import learn_reference

    return learn_reference(checkpoint, _seen(dataset, "train"), _seen(dataset, "validation"), device, progress)


def _seen(dataset: OpenDataset, split: str) -> "Seen":
    from core.classifier.seen import Seen

    rows = dataset.rows(split)
    cells = dataset.manifest.iloc[rows]
    area = "area_um2" if dataset.statistics["pixel_size_um"] else "area_px"
    numbers = {name: cells[column].to_numpy(dtype=float, na_value=np.nan) for name, column in (("confluence", "confluence"), ("median_area", area))}
    return Seen(
        crops=dataset.crops.batch,
        rows=rows,
        classes=dataset.classes[rows],
        fields=(cells["experiment"] + "/" + cells["fov_id"]).to_numpy(dtype=object),
        numbers={**numbers, "brightness": mean_exposures(dataset.crops.index[rows]), **_exposures(dataset, rows)},
    )


def _exposures(dataset: OpenDataset, rows: np.ndarray) -> dict[str, np.ndarray]:
    """``tables.EXPOSURE`` of the cells ``rows``. Unknown where no surroundings are stored, or more than the bounding box; noise also where
    the cell was resampled."""
    from core.classifier.looks import exposure

    found = np.full((len(rows), len(EXPOSURE)), np.nan)
    for k, row in enumerate(rows):
        index, (pixels, _) = dataset.crops.index[row], dataset.crops.stored(row)
        if index["masked"] and np.isfinite(index["confluence"]):
            contrast, noise = exposure(pixels)
            found[k] = contrast, noise if pixels.dtype.kind == "u" else np.nan
    return dict(zip(EXPOSURE, found.T, strict=True))
