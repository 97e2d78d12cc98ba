"""Pictures of single cells of a dataset, kept with a product: as the camera saw them, and with what the model looked at."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from core.dataset.folders import picture_of, png
from core.progress import Progress, silent
from core.report import jpeg
from core.report.heat_map import heat_overlay
from core.stages.datasets import OpenDataset
from core.tables import ERROR_KINDS, ERRORS, HEAT_MAPS, typed

if TYPE_CHECKING:
    from core.classifier.checkpoint import Checkpoint  # brings torch, which pictures alone can do without

SHOWN: Final = 12  # of each kind of error
FOLDER: Final = "pictures"


def worst_errors(predictions: pd.DataFrame, rows: np.ndarray) -> pd.DataFrame:
    """The calls that are most wrong (``tables.ERRORS``, without pictures), with ``row``, the number of the crop."""
    table = predictions.assign(row=rows)
    called, stained = table["predicted"] == 1, table["class"] == 1
    false = table[called & ~stained].sort_values("senescence_probability", ascending=False, kind="stable")
    missed = table[~called & stained].sort_values("senescence_probability", kind="stable")
    return pd.concat([first_of(one, kind) for kind, one in zip(ERROR_KINDS, (false, missed), strict=True)], ignore_index=True)


def first_of(ordered: pd.DataFrame, kind: str) -> pd.DataFrame:
    """The first ``SHOWN`` rows, with their kind and rank."""
    some = ordered.head(SHOWN)
    return some.assign(kind=kind, rank=np.arange(1, len(some) + 1))


def with_pictures(folder: Path, dataset: OpenDataset, cells: pd.DataFrame) -> pd.DataFrame:
    """Write the picture of each cell (column ``row``) under ``folder`` and name it in the column ``picture``."""
    (folder / FOLDER).mkdir(exist_ok=True)
    names = [f"{FOLDER}/{number:02d}.png" for number in range(1, len(cells) + 1)]
    for name, row in zip(names, cells["row"], strict=True):
        (folder / name).write_bytes(png(picture_of(dataset.crops, int(row), bits=8)))
    return cells.assign(picture=names)


def with_heat_maps(
    folder: Path, dataset: OpenDataset, checkpoint: "Checkpoint", cells: pd.DataFrame, progress: Progress = silent
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The cells with the columns ``heat_map`` and ``bias``, and the maps themselves (``tables.HEAT_MAPS``); overlays go to ``folder``.

    Where the model's crop is not the dataset's, the map is laid over the crop as the model saw it.
    """
    from core.classifier.activation import activation_maps
    from core.stages.crop_scoring import crop_for

    rows = [int(row) for row in cells["row"]]
    size = checkpoint.crop_px
    crops = np.stack([crop_for(dataset, checkpoint, row) for row in rows]) if rows else np.zeros((0, size, size), np.float32)
    maps, bias = activation_maps(checkpoint, crops, progress)
    names = [f"{FOLDER}/{number:02d}_heat.jpg" for number in range(1, len(cells) + 1)]
    for name, row, one in zip(names, rows, maps, strict=True):
        (folder / name).write_bytes(jpeg(heat_overlay(_as_seen(dataset, row, size), one), quality=90))
    return cells.assign(heat_map=names, bias=bias), _long(cells["cell_id"], maps)


def error_table(cells: pd.DataFrame) -> pd.DataFrame:
    return typed(cells, ERRORS)[list(ERRORS)]


def _as_seen(dataset: OpenDataset, row: int, size: int) -> np.ndarray:
    """The picture, cut off or padded with black to the size of the model's crop."""
    picture = picture_of(dataset.crops, row, bits=8)
    gap = size // 2 - picture.shape[0] // 2
    out = np.zeros((size, size), np.uint8)
    start, cut = max(gap, 0), max(-gap, 0)
    part = picture[cut : cut + size - start, cut : cut + size - start]
    out[start : start + part.shape[0], start : start + part.shape[1]] = part
    return out


def _long(names: pd.Series, maps: np.ndarray) -> pd.DataFrame:
    n, height, width = maps.shape
    row, column = (values.ravel() for values in np.mgrid[:height, :width])
    places = height * width if n else 0
    table = {"cell_id": np.repeat(names.to_numpy(), places), "row": np.tile(row, n), "column": np.tile(column, n), "contribution": maps.ravel()[: n * places]}
    return typed(pd.DataFrame(table), HEAT_MAPS)
