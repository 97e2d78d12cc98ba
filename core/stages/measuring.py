"""Measure: size, shape, intensity and texture of the cells of a segmentation, beside its cell table.

``measurements.csv`` is keyed by (fov_id, label) like ``cells.csv``, and so joins to it and to the cells of an assessment.
"""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd

from core.cells.measurements import measure
from core.fields import FieldOfView, fields
from core.images import grey, read_labels
from core.progress import Progress, silent
from core.report import read_csv, write_csv
from core.stages.common import Failures, read_phase
from core.tables import MEASUREMENTS, typed
from core.workspace import Experiment

MEASURED = "measurements.csv"
LEFT_OUT = "measurements_failures.csv"  # fields without measurements, and why
PARTS = "measured"  # one table a field while the others are still to come


def measure_field(folder: Path, experiment: Experiment, fov: FieldOfView, labels: np.ndarray) -> None:
    """Measure the cells of one field into a segmentation that is being made in ``folder``; a resumed run keeps what is there.

    ``labels``: int32 (Y, X). Raises InputError where the phase image cannot be read or has another size.
    """
    file = folder / PARTS / f"{fov.fov_id}.csv"
    if file.is_file():
        return
    picture = read_phase(experiment, fov)
    table = measure(labels, grey(picture), fov.pixel_size_um or picture.pixel_size_um)
    table.insert(0, "fov_id", fov.fov_id)
    file.parent.mkdir(exist_ok=True)
    part = file.with_suffix(".part")
    write_csv(part, table)
    part.replace(file)


def write_measurements(folder: Path, experiment: Experiment, progress: Progress = silent) -> None:
    """Write ``measurements.csv`` of all fields whose label images lie in ``folder``: a segmentation that is being made.

    Fields that `measure_field` has measured already are only joined. A field that cannot be measured is listed in
    ``measurements_failures.csv``; its cells stay in ``cells.csv``.
    """
    failures, parts = Failures(), list[Path]()
    known = [fov for fov in fields(experiment.fields()) if (folder / "labels" / f"{fov.fov_id}.tif").is_file()]
    for done, fov in enumerate(known):
        progress(done, len(known), f"measuring cells of {fov.fov_id}")
        with failures.collecting(fov.fov_id, fov.phase):
            part = folder / PARTS / f"{fov.fov_id}.csv"
            if not part.is_file():
                measure_field(folder, experiment, fov, read_labels(folder / "labels" / f"{fov.fov_id}.tif"))
            parts.append(part)
    _join(parts, folder / MEASURED)
    if failures.rows:
        write_csv(folder / LEFT_OUT, failures.table())
    shutil.rmtree(folder / PARTS, ignore_errors=True)
    progress(len(known), len(known), "cells measured")


def _join(parts: list[Path], target: Path) -> None:
    """Tables of the same columns one below the other, as text: one field in memory at a time."""
    write_csv(target, typed(pd.DataFrame(), MEASUREMENTS))
    with target.open("ab") as out:
        for part in parts:
            out.write(part.read_bytes().partition(b"\n")[2])


def read_measurements(segmentation: Path) -> pd.DataFrame | None:
    """The measurements of a finished segmentation, or None where it has none (it was made by an earlier version)."""
    file = segmentation / MEASURED
    return read_csv(file, MEASUREMENTS) if file.is_file() else None
