"""Extend: to the outlines that a segmentation has come those of the fields that were added to the experiment since."""

import shutil
from pathlib import Path
from typing import Any

import pandas as pd

from core.errors import InputError
from core.options import command
from core.progress import Progress, silent
from core.report import read_csv
from core.stages.common import Failures, part
from core.stages.correcting import HIGHEST
from core.stages.edit_log import EditLog
from core.stages.measuring import write_measurements
from core.stages.outlined import fields_of, outlined_with
from core.stages.reviewing import review
from core.stages.segmenting import segment, write_tables
from core.tables import CELLS, FAILURES, SEGMENTED_FIELDS
from core.workspace import AlreadyPublished, Experiment, Product, product_id, publish

OUTLINED = 0.95  # of the work


def extend(path: Path, segmentation_id: str, progress: Progress = silent) -> Path:
    """Return the folder of a segmentation of every field: itself where it has all.

    Fields that it has are carried over as they are, corrections by hand with them; the others are outlined by its model with its
    settings. The same request gives the same id, and work that was interrupted goes on.

    Raises
    ------
    InputError
        Its outlines come from elsewhere, so there is no model for the others.
    """
    experiment = Experiment(path)
    first = experiment.product("segmentations", segmentation_id)
    missing = [name for name in experiment.fields()["fov_id"] if name not in fields_of(first)]
    if not missing:
        return first.path
    settings = outlined_with(experiment, first)
    if settings is None:
        names = ", ".join(missing[:3]) + (" and others" if len(missing) > 3 else "")
        raise InputError(
            f"{segmentation_id}: its outlines come from elsewhere, so no model is known for the {len(missing)} fields that it lacks ({names}). "
            "Add ready outlines of these too, or take new outlines of all."
        )
    first = _with_corrections(experiment, first)
    added = experiment.product("segmentations", segment(path, settings, missing, part(progress, 0, OUTLINED, 1.0)).name)
    about: dict[str, Any] = {"segmentation": first.id, "added": added.id, HIGHEST: first.settings["settings"].get(HIGHEST, {})}
    sources = {"segmentation": first.id, "added": added.id}
    known = [*first.settings["inputs"], *added.settings["inputs"]]
    more: dict[str, Any] = {
        "command": command("assess", path, segmentation=segmentation_id),
        "upstream": sources,
        "models": added.settings.get("models", {}),
        "inputs": known,
    }
    try:
        with publish(experiment, "segmentations", product_id("extended", {**sources, "inputs": known}), about, **more) as partial:
            _join(first, added, partial.path)
            write_measurements(partial.path, experiment, part(progress, OUTLINED, 1 - OUTLINED, 1.0))
    except AlreadyPublished as ready:
        return ready.path
    return partial.final


def _with_corrections(experiment: Experiment, segmentation: Product) -> Product:
    """The segmentation, or what `review` makes of it where somebody corrected a cell since."""
    fields = read_csv(segmentation.path / "fields.csv", SEGMENTED_FIELDS)["fov_id"]
    if not any(EditLog(experiment, segmentation.id, name).history().edits for name in fields):
        return segmentation
    return experiment.product("segmentations", review(experiment.path, segmentation.id).name)


def _join(first: Product, added: Product, folder: Path) -> None:
    (folder / "labels").mkdir(exist_ok=True)
    for source in (first, added):
        for file in sorted((source.path / "labels").glob("*.tif")):
            shutil.copyfile(file, folder / "labels" / file.name)
    rows, cells, failures = (
        pd.concat([read_csv(source.path / name, columns) for source in (first, added)], ignore_index=True)
        for name, columns in (("fields.csv", SEGMENTED_FIELDS), ("cells.csv", CELLS), ("failures.csv", FAILURES))
    )
    write_tables(folder, rows.to_dict("records"), [cells], Failures(rows=failures.to_dict("records")))
