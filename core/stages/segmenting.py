"""Segment: phase images in, label images and a cell table out."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core.cells.engines import checked_speed
from core.cells.labels import cell_table, confluence
from core.cells.segmentation import Segmenter, load_segmenter
from core.errors import InputError
from core.fields import FieldOfView, fields
from core.images import grey, read_labels, write_labels
from core.models import find_model
from core.options import command, settings_from
from core.progress import Progress, silent
from core.report import write_csv
from core.settings import SegmentSettings
from core.stages.common import Failures, chosen_fields, fail_if_all, inputs, part, read_phase
from core.stages.measuring import measure_field, write_measurements
from core.stages.outlined import SAMPLES, diameter_samples
from core.tables import CELLS, SEGMENTED_FIELDS, typed
from core.workspace import AlreadyPublished, Experiment, product_id, publish, read_json, write_json

FIELDS_FOR_DIAMETER = 3
ERRORS = "flow_errors"  # one file a field while the others are still to come

Samples = dict[float | None, list[FieldOfView]]


def run(params: dict[str, Any], progress: Progress) -> Path:
    """``params``: ``experiment``, ``settings`` (of SegmentSettings), ``fields`` (names, or none for all)."""
    settings = settings_from(SegmentSettings, params.get("settings") or {})
    return segment(Path(params["experiment"]), settings, params.get("fields"), progress)


def segment(path: Path, settings: SegmentSettings, only: Sequence[str] | None = None, progress: Progress = silent) -> Path:
    """Outline the cells of every field and return the folder of the segmentation.

    The same fields, settings and model give the same id: a finished segmentation is returned at once, an interrupted
    one goes on where it stopped. A field that cannot be read is listed in ``failures.csv`` and left out. What ran the
    network stands in ``settings.json`` as ``engines``: one entry, or more where an interrupted run went on elsewhere.
    """
    experiment = Experiment(path)
    speed = checked_speed(settings.speed)
    chosen = chosen_fields(experiment, only)
    model = find_model(settings.model, "segmenter")
    assert model.path is not None  # find_model refuses what is not there
    payload: dict[str, Any] = {"settings": vars(settings) | {"model": model.sha256}, "inputs": inputs(experiment, chosen)}
    samples = {size: _for_diameter(experiment, size) for size in dict.fromkeys(f.pixel_size_um for f in chosen)} if _estimated(settings) else {}
    if samples:
        payload["diameter"] = [inputs(experiment, sample) for sample in samples.values()]
    about: dict[str, Any] = {
        "command": command("segment", path, settings, fields=only),
        "models": {"segmenter": model.record()},
        "inputs": payload["inputs"],
    }
    try:
        with publish(experiment, "segmentations", product_id(model.name, payload), settings, **about) as partial:
            progress(0, len(chosen), "loading the segmentation model")
            segmenter = load_segmenter(model.path, speed=speed)
            _all_fields(experiment, chosen, samples, segmenter, settings, partial.path, progress)
    except AlreadyPublished as ready:
        return ready.path
    return partial.final


def _all_fields(
    experiment: Experiment, chosen: list[FieldOfView], samples: Samples, segmenter: Segmenter, settings: SegmentSettings, folder: Path, progress: Progress
) -> None:
    failures = Failures()
    diameters = _diameters(experiment, chosen, samples, segmenter, settings, folder, part(progress, 0, 0, len(chosen)))
    for name in ("labels", ERRORS):
        (folder / name).mkdir(exist_ok=True)
    rows, cells = [], []
    for done, fov in enumerate(chosen):
        progress(done, len(chosen), f"outlining cells in {fov.fov_id}")
        with failures.collecting(fov.fov_id, fov.phase):
            file, errors = folder / "labels" / f"{fov.fov_id}.tif", folder / ERRORS / f"{fov.fov_id}.json"
            if not (file.is_file() and errors.is_file()):  # a resumed run keeps what is finished
                image = grey(read_phase(experiment, fov))
                found = segmenter.outline(
                    image,
                    diameter_px=diameters[fov.fov_id],
                    flow_threshold=settings.flow_threshold,
                    cell_probability=settings.cell_probability,
                    min_area_px=settings.min_area_px,
                    progress=part(progress, done, 1.0, len(chosen), fov.fov_id),
                )
                write_labels(file, found.labels)
                write_json(errors, {"flow_error": found.flow_error.tolist()})
                note_engine(folder, segmenter.engine)
            labels = read_labels(file)
            table = cell_table(labels)
            table.insert(0, "fov_id", fov.fov_id)
            cells.append(table.assign(flow_error=read_json(errors)["flow_error"]))
            rows.append(_field_row(fov.fov_id, labels, len(table), diameters[fov.fov_id]))
            with Failures().collecting(fov.fov_id, fov.phase):  # tried again, and reported, when the measurements are joined
                measure_field(folder, experiment, fov, labels)
    fail_if_all(failures, len(chosen), "segmented", experiment.path)
    write_tables(folder, rows, cells, failures)
    write_measurements(folder, experiment)
    shutil.rmtree(folder / ERRORS, ignore_errors=True)
    progress(len(chosen), len(chosen), "done")


def note_engine(folder: Path, engine: str) -> None:
    """Keep in ``settings.json`` of an unfinished product what ran the network."""
    file = folder / "settings.json"
    about = read_json(file)
    known = about.get("engines", [])
    if engine not in known:
        write_json(file, about | {"engines": [*known, engine]})


def _field_row(fov_id: str, labels: np.ndarray, n_cells: int, diameter_px: float | None) -> dict[str, Any]:
    return {"fov_id": fov_id, "n_cells": n_cells, "confluence": confluence(labels), "diameter_px": diameter_px}


def write_tables(folder: Path, rows: list[dict[str, Any]], cells: list[pd.DataFrame], failures: Failures) -> None:
    """Write the three tables of a segmentation."""
    write_csv(folder / "fields.csv", typed(pd.DataFrame(rows), SEGMENTED_FIELDS))
    write_csv(folder / "cells.csv", typed(pd.concat(cells, ignore_index=True), CELLS))
    write_csv(folder / "failures.csv", failures.table())


def _diameters(
    experiment: Experiment, chosen: list[FieldOfView], samples: Samples, segmenter: Segmenter, settings: SegmentSettings, folder: Path, progress: Progress
) -> dict[str, float]:
    """The diameter in px that each field gets: as set, or estimated once per magnification and remembered."""
    memory = folder / "diameters.json"
    if memory.is_file():
        return dict(read_json(memory))
    found: dict[str, float] = {}
    for pixel_size in dict.fromkeys(f.pixel_size_um for f in chosen):
        alike = [f for f in chosen if f.pixel_size_um == pixel_size]
        found |= dict.fromkeys((f.fov_id for f in alike), _diameter(experiment, alike[0], samples.get(pixel_size, []), segmenter, settings, progress))
    write_json(folder / SAMPLES, {"fields": [inputs(experiment, sample) for sample in samples.values()]})
    write_json(memory, found)
    return found


def _diameter(
    experiment: Experiment, fov: FieldOfView, sample: list[FieldOfView], segmenter: Segmenter, settings: SegmentSettings, progress: Progress
) -> float:
    """Of ``fov`` and of all fields of its magnification."""
    if settings.diameter_um > 0:
        if fov.pixel_size_um is None:
            raise InputError(
                f"Field {fov.fov_id}: the cell diameter is given in µm, but the pixel size is unknown; "
                "enter the pixel size in the field table, or give the diameter in px."
            )
        return settings.diameter_um / fov.pixel_size_um
    if settings.diameter_px > 0:
        return settings.diameter_px
    images = []
    for one in sample:
        with Failures().collecting(one.fov_id, one.phase):  # reported later, when the field itself is read
            images.append(grey(read_phase(experiment, one)))
    return segmenter.estimate_diameter(images, progress) if images else segmenter.diameter_px


def _estimated(settings: SegmentSettings) -> bool:
    return not (settings.diameter_um > 0 or settings.diameter_px > 0)


def _for_diameter(experiment: Experiment, pixel_size_um: float | None) -> list[FieldOfView]:
    """Some fields of a magnification, of all in the experiment, for one diameter: a field alone then gets the one that it gets among others.

    Once a segmentation has estimated the diameter on enough fields, these fields stay while they are there: images that are
    added later then change nothing in the outlines of the others.
    """
    alike = [f for f in fields(experiment.fields()) if f.pixel_size_um == pixel_size_um]
    now = {f.fov_id: row for f, row in zip(alike, inputs(experiment, alike), strict=True)}
    for product in reversed(experiment.products("segmentations")):
        for sample in diameter_samples(product):
            if len(sample) == FIELDS_FOR_DIAMETER and all(now.get(row["fov_id"]) == row for row in sample):
                return [f for f in alike if f.fov_id in {row["fov_id"] for row in sample}]
    return alike[:: max(1, len(alike) // FIELDS_FOR_DIAMETER)][:FIELDS_FOR_DIAMETER]
