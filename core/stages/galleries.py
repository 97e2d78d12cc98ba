"""Cells for the eye: a random choice, and the calls nearest to the threshold."""

from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from core.dataset.crops import cut_crops, extents
from core.fields import fields
from core.images import grey, preview, read_labels
from core.report.crops import cell_picture
from core.stages.assessed import Assessed
from core.stages.common import Failures, read_phase
from core.tables import GALLERY, typed

RANDOM, DOUBTFUL = "random", "doubtful"
ROOM: Final = 1.35  # side of a picture, in units of the longer side of a large cell
LARGE: Final = 0.9  # of the shown cells are not larger than that one


def chosen_cells(cells: pd.DataFrame, threshold: float | None, many: int, seed: int) -> pd.DataFrame:
    """``tables.GALLERY``: ``many`` random scored cells, and as many whose probability lies nearest to the threshold."""
    scored = cells[cells["senescent"].notna() & cells["senescence_probability"].notna()].reset_index(drop=True)
    picked = np.random.default_rng(seed).choice(len(scored), min(many, len(scored)), replace=False)
    parts = [scored.iloc[np.sort(picked)].assign(gallery=RANDOM)]
    if threshold is not None:
        distance = (scored["senescence_probability"] - threshold).abs().to_numpy(dtype=float)
        parts.append(scored.iloc[np.argsort(distance, kind="stable")[:many]].assign(gallery=DOUBTFUL))
    return typed(pd.concat(parts, ignore_index=True), GALLERY, "gallery")[list(GALLERY)]


def pictures(assessed: Assessed, chosen: pd.DataFrame) -> tuple[dict[str, bytes], list[str]]:
    """JPEGs by ``cell_id`` of ``chosen`` (``tables.GALLERY``), all at one magnification in pixels, and why some could not be had."""
    known, failures = {fov.fov_id: fov for fov in fields(assessed.experiment.fields())}, Failures()
    wanted = chosen.drop_duplicates("cell_id")
    cut: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    side = _side(assessed, wanted, failures)
    for fov_id, rows in wanted.groupby("fov_id", sort=False):
        name = str(fov_id)
        with failures.collecting(name, name):
            if name not in known or not side:
                continue
            labels = read_labels(_labels(assessed, name))
            image = preview(grey(read_phase(assessed.experiment, known[name]))).astype(np.float32)
            ids = rows["label"].to_numpy(dtype=np.int64)
            shown, masks = cut_crops(image, labels, ids, side, background="kept"), cut_crops(np.ones_like(image), labels, ids, side)
            cut |= {cell: (crop, mask > 0) for cell, crop, mask in zip(rows["cell_id"], shown, masks, strict=True)}
    calls = dict(zip(wanted["cell_id"], wanted["senescent"], strict=True))
    missing = sorted(set(wanted["fov_id"]) - {cell.rpartition(":")[0] for cell in cut})
    said = [f"The cells of {', '.join(missing)} are not shown in the galleries: image or outlines cannot be read any more."] if missing else []
    return {cell: cell_picture(crop, mask, bool(calls[cell])) for cell, (crop, mask) in cut.items()}, said


def _labels(assessed: Assessed, fov_id: str) -> Path:
    return assessed.segmentation.path / "labels" / f"{fov_id}.tif"


def _side(assessed: Assessed, wanted: pd.DataFrame, failures: Failures) -> int:
    """Side of a picture in px, so that nearly all cells stay whole; 0 where no outline can be read."""
    found = []
    for fov_id, rows in wanted.groupby("fov_id", sort=False):
        with failures.collecting(str(fov_id), fov_id):
            found.append(extents(read_labels(_labels(assessed, str(fov_id))), rows["label"].to_numpy(dtype=np.int64)))
    return max(16, round(ROOM * float(np.quantile(np.concatenate(found), LARGE)))) if found else 0
