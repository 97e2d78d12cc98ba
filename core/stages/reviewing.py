"""Review: publish the corrections that were made by hand as a new segmentation."""

import re
import shutil
from pathlib import Path
from typing import Any

import pandas as pd

from core.cells.editing import numbered
from core.cells.edits import History, touched
from core.cells.labels import cell_table, confluence
from core.errors import InputError
from core.images import read_labels, write_labels
from core.options import command
from core.progress import Progress, silent
from core.report import read_csv
from core.stages.common import Failures, fail_if_all
from core.stages.correcting import HIGHEST, highest_id
from core.stages.edit_log import EditLog
from core.stages.measuring import write_measurements
from core.stages.segmenting import write_tables
from core.stages.standing import label_image
from core.tables import CELLS, FAILURES, SEGMENTED_FIELDS
from core.workspace import AlreadyPublished, Experiment, Product, product_id, publish

STEM = "reviewed"


def run(params: dict[str, Any], progress: Progress) -> Path:
    """``params``: ``experiment``, ``segmentation`` (an id)."""
    return review(Path(params["experiment"]), params["segmentation"], progress)


def review(path: Path, segmentation_id: str, progress: Progress = silent) -> Path:
    """Apply the corrections of a segmentation and return the folder of the new one.

    A cell keeps its id and its row where it is unchanged; a field without corrections is carried over as it is. The same
    corrections give the same id: what was published already is returned at once. A field whose log or label image is
    damaged is listed in ``failures.csv`` and left out.

    Raises
    ------
    InputError
        No such segmentation, or nobody has corrected or looked through a field of it.
    """
    experiment = Experiment(path)
    product = experiment.product("segmentations", segmentation_id)
    fields = read_csv(product.path / "fields.csv", SEGMENTED_FIELDS)
    failures = Failures(rows=read_csv(product.path / "failures.csv", FAILURES).to_dict("records"))
    before = len(failures.rows)
    found: dict[str, History] = {}
    for fov_id in fields["fov_id"]:
        log = EditLog(experiment, product.id, fov_id)
        with failures.collecting(fov_id, log.path):
            found[fov_id] = log.history()
    if not any(one.edits or one.looked_at for one in found.values()) and len(failures.rows) == before:
        raise InputError(f"{product.id}: nobody has corrected or looked through a field yet, so there is nothing to publish.")
    settings = _settings(product, fields, found)
    left_out = [row["fov_id"] for row in failures.rows[before:]]
    payload = {"settings": settings, "edits": {f: h.version for f, h in found.items() if h.edits}, "left_out": left_out}
    about = {
        "command": command("review", path, segmentation=segmentation_id),
        "upstream": {"segmentation": product.id},
        "models": product.settings.get("models", {}),
        "inputs": product.settings.get("inputs", []),
    }
    try:
        with publish(experiment, "segmentations", product_id(_stem(product.id), payload), settings, **about) as partial:
            _all_fields(product, fields, found, failures, partial.path, progress)
            write_measurements(partial.path, experiment)
    except AlreadyPublished as ready:
        return ready.path
    return partial.final


def _stem(id: str) -> str:
    """``model-1a2b3c4d`` -> ``reviewed-model``; a further review of a reviewed one is named alike."""
    return f"{STEM}-" + re.sub(r"-[0-9a-f]{8}$", "", id).removeprefix(f"{STEM}-")


def _settings(product: Product, fields: pd.DataFrame, found: dict[str, History]) -> dict[str, Any]:
    """What ``settings.json`` says of the review: how many corrections of which kind, in which fields."""
    edited = {fov_id: one for fov_id, one in found.items() if one.edits}
    cells = read_csv(product.path / "cells.csv", CELLS).groupby("fov_id")["label"].max()
    highest = {f: max(int(cells.get(f, 0)), highest_id(product, f), found[f].highest if f in found else 0) for f in fields["fov_id"]}
    totals: dict[str, int] = {}
    for one in edited.values():
        for action, n in one.counts().items():
            totals[action] = totals.get(action, 0) + n
    return {
        "segmentation": product.id,
        "corrections": totals,
        "corrections_by_field": {fov_id: one.counts() for fov_id, one in edited.items()},
        "looked_at": [fov_id for fov_id, one in found.items() if one.looked_at],
        "raters": sorted({edit.rater for one in edited.values() for edit in one.edits} - {""}),
        HIGHEST: {fov_id: n for fov_id, n in highest.items() if n},
    }


def _all_fields(product: Product, fields: pd.DataFrame, found: dict[str, History], failures: Failures, folder: Path, progress: Progress) -> None:
    every = read_csv(product.path / "cells.csv", CELLS)
    (folder / "labels").mkdir(exist_ok=True)
    rows: list[dict[str, Any]] = []
    cells: list[pd.DataFrame] = []
    for done, row in enumerate(fields.to_dict("records")):
        fov_id = str(row["fov_id"])
        progress(done, len(fields), f"correcting {fov_id}")
        if fov_id not in found:
            continue
        file = folder / "labels" / f"{fov_id}.tif"
        with failures.collecting(fov_id, f"labels/{file.name}"):
            table, changed = _one_field(product, fov_id, found[fov_id], every[every["fov_id"] == fov_id], file)
            cells.append(table)
            rows.append({**row, **changed})
    fail_if_all(failures, len(fields), "corrected", product.path)
    write_tables(folder, rows, cells, failures)
    progress(len(fields), len(fields), "done")


def _one_field(product: Product, fov_id: str, found: History, cells: pd.DataFrame, file: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Write the label image; the rows of its cells and what changes in the row of the field."""
    source = label_image(product, fov_id)
    if not found.edits:
        shutil.copyfile(source, file)
        return cells, {}
    labels, _ = numbered(read_labels(source), found.edits)
    write_labels(file, labels)
    table = cell_table(labels)
    table.insert(0, "fov_id", fov_id)
    known = cells.set_index("label")["flow_error"].drop(list(touched(found.edits)), errors="ignore")  # of unchanged cells
    table["flow_error"] = table["label"].map(known)
    return table, {"n_cells": len(table), "confluence": confluence(labels)}
