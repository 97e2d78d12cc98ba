"""Simulate: an experiment with images, field table and the truth beside it."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core.errors import InputError
from core.images import write_image, write_labels
from core.options import settings_from
from core.progress import Progress, silent
from core.report import write_csv
from core.settings import SimulateSettings
from core.simulate import simulate_experiment
from core.tables import FIELDS, typed
from core.workspace import Experiment


def run(params: dict[str, Any], progress: Progress) -> Path:
    """``params``: ``experiment``, ``settings`` (of SimulateSettings)."""
    return simulate(Path(params["experiment"]), settings_from(SimulateSettings, params.get("settings") or {}), progress)


def simulate(path: Path, settings: SimulateSettings, progress: Progress = silent) -> Path:
    """Write a simulated experiment to ``path`` and return it.

    ``images/`` gets phase, stain and colour TIFFs, ``truth/`` the label images, the class of every cell
    (``cells.csv``) and the misalignment of every stain image (``registration.csv``). fields.csv comes last, so that
    an interrupted simulation is not taken for a finished one.

    Raises
    ------
    InputError
        ``path`` already holds an experiment: real data are never written over.
    """
    if (path / "fields.csv").exists():
        raise InputError(f"{path}: already holds an experiment; choose a new name for the simulated one.")
    experiment = Experiment(path)
    for folder in (experiment.images, path / "truth" / "labels"):
        folder.mkdir(parents=True, exist_ok=True)
    total = settings.samples * settings.fields
    rows, cells, registrations = [], [], []
    for done, (row, field) in enumerate(simulate_experiment(settings)):
        progress(done, total, f"simulating {row['fov_id']}")
        rows.append(row | _write_images(experiment, row, field))
        cells.append(field.cells.assign(fov_id=row["fov_id"], sample=row["sample"]))
        registrations.append({"fov_id": row["fov_id"], **_flat(field.registration)})
    truth = pd.concat(cells, ignore_index=True)
    write_csv(path / "truth" / "cells.csv", truth[["fov_id", "label", "sample", *(c for c in truth if c not in ("fov_id", "label", "sample"))]])
    write_csv(path / "truth" / "registration.csv", pd.DataFrame(registrations))
    experiment.save_fields(typed(pd.DataFrame(rows), FIELDS))
    progress(total, total, "done")
    return path


def _write_images(experiment: Experiment, row: dict[str, Any], field: Any) -> dict[str, str]:
    labels = experiment.path / "truth" / "labels" / f"{row['fov_id']}.tif"
    write_labels(labels, field.labels)
    named = {}
    for kind, pixels in (("phase", field.phase), ("stain", field.stain), ("colour", field.colour)):
        if pixels is not None:
            named[kind] = f"images/{row['fov_id']}_{kind}.tif"
            write_image(experiment.path / named[kind], pixels, row["pixel_size_um"], field.bits if pixels.ndim == 2 else None)
    return named


def _flat(registration: dict[str, Any]) -> dict[str, float]:
    """A matrix becomes columns ``m00 m01 ...``, so that the file stays a plain table."""
    out: dict[str, float] = {}
    for name, value in registration.items():
        if np.ndim(value) == 2:
            out |= {f"m{i}{j}": float(cell) for (i, j), cell in np.ndenumerate(value)}
        else:
            out[name] = value
    return out
