"""An annotation file of the original protocol becomes an annotation: its classes for the cells of a segmentation."""

from pathlib import Path
from typing import Any

import pandas as pd

from core.errors import InputError
from core.fields import fields
from core.models.model import sha256_of
from core.options import command
from core.progress import Progress, silent
from core.settings import AnnotateSettings
from core.stages.annotating import segmented_cells, what_it_rests_on, write_annotation
from core.stages.annotation_decisions import decisions_on
from core.stages.annotation_tables import decided
from core.stages.common import Failures
from core.stages.staining import chosen_segmentation
from core.stain.original_csv import OriginalAnnotation, match_files, match_labels, read_original
from core.tables import ANNOTATED_CELLS, typed
from core.workspace import AlreadyPublished, Experiment, product_id, publish

MANY_PROBLEMS = 10_000


def annotate_from_csv(path: Path, file: Path, segmentation_id: str | None = None, marker: str = AnnotateSettings().marker, progress: Progress = silent) -> Path:
    """Take the classes of ``file`` over and return the folder of the annotation; the file's rows name image, mask number and class.

    Images are matched by file name, cells by mask number. Rows that match nothing are listed in ``failures.csv``; cells that
    the file does not name have no class. Decisions of people lie on top, as in ``annotating.annotate``.

    Raises
    ------
    InputError
        No such file, wrong columns, not one row that can be used, or not one that matches.
    """
    experiment = Experiment(path)
    segmentation = chosen_segmentation(experiment, segmentation_id)
    progress(0, 1, f"reading {file.name}")
    cells = segmented_cells(experiment, segmentation)
    images = {fov.fov_id: fov.phase for fov in fields(experiment.fields())}
    known = {str(fov_id): group["label"].astype(int).tolist() for fov_id, group in cells.groupby("fov_id")}
    matched = match_labels(match_files(read_original(file), images), known)
    if matched.rows.empty:
        raise InputError(f"{file}: not one of its cells is in the segmentation {segmentation.id}; choose the segmentation that was annotated.")
    decisions = decisions_on(experiment, segmentation)
    settings: dict[str, Any] = {"imported": file.name, "marker": marker}
    digest = {"file": file.name, "sha256": sha256_of(file)}
    payload = {"settings": settings, "inputs": digest, "segmentation": segmentation.id, **what_it_rests_on(experiment, decisions)}
    about: dict[str, Any] = {
        "command": command("annotate", path, AnnotateSettings(marker=marker), from_csv=str(file), segmentation=segmentation.id),
        "upstream": {"segmentation": segmentation.id},
        "inputs": digest,
    }
    try:
        with publish(experiment, "annotations", product_id(f"imported-{marker}", payload), settings, **about) as partial:
            table = decided(_with_classes(cells, matched, marker), decisions)
            words = [f"Classes from {file.name}: {len(matched.rows)} of its rows were used, {len(matched.problems)} were not (failures.csv)."]
            unnamed = int(table["automatic_class"].isna().sum())
            if unnamed:
                words.append(f"{unnamed} cells of the segmentation are not in the file and have no class.")
            write_annotation(
                partial.path, experiment, segmentation, table, decisions, AnnotateSettings(marker=marker), None, None, _problems(matched, file.name), words
            )
    except AlreadyPublished as ready:
        return ready.path
    progress(1, 1, "done")
    return partial.final


def _with_classes(cells: pd.DataFrame, matched: OriginalAnnotation, marker: str) -> pd.DataFrame:
    given = matched.rows[["fov_id", "label", "class"]].rename(columns={"class": "automatic_class"}).astype({"label": "Int64"})
    return typed(cells.merge(given, on=["fov_id", "label"], how="left").assign(marker=marker, fragile=False), ANNOTATED_CELLS)


def _problems(matched: OriginalAnnotation, name: str) -> pd.DataFrame:
    failures = Failures()
    for row in matched.problems.head(MANY_PROBLEMS).to_dict("records"):
        failures.add("", f"{name}, row {row['row']}", row["problem"])
    if len(matched.problems) > MANY_PROBLEMS:
        failures.add("", name, f"and {len(matched.problems) - MANY_PROBLEMS} more rows")
    return failures.table()
