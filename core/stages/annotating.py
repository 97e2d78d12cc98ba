"""Annotate: from outlines and stain images to a class for every cell.

``annotations/<id>/``: ``cells.csv`` (``tables.ANNOTATED_CELLS``), ``annotation.csv`` (the original protocol's columns), ``lines.csv``,
``fields.csv``, ``registration.csv``, ``failures.csv``, ``curation.csv`` (the decisions of people that counted), ``lost_decisions.csv``,
``notes.txt``, ``settings.json``. The stain itself is measured once for every threshold (``staining``); this only looks it up.
"""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

import pandas as pd

from core.fields import fields, split_reference
from core.options import command, settings_from
from core.progress import Progress, silent
from core.report import read_csv, write_csv
from core.settings import AnnotateSettings
from core.stages.annotation_decisions import Decisions, decisions_on
from core.stages.annotation_tables import annotated_cells, controls, decided, field_rows, line_rows, notes
from core.stages.annotation_threshold import Chosen, choose
from core.stages.common import part
from core.stages.stained import Stain, open_stain
from core.stages.staining import measure_stain
from core.stain.kinds import threshold_of
from core.stain.original_csv import original_table, write_original
from core.tables import CELLS, CURATION, REGISTRATIONS, typed
from core.workspace import AlreadyPublished, Experiment, Product, fingerprint, product_id, publish

MEASURING: Final = 0.97  # of the work, for the time left
OF_ANNOTATION: Final = ("marker", "threshold", "proposal", "control_positive", "min_fraction", "min_covered", "per_line")
DESCRIBED: Final = ("fov_id", "phase", "sample", "role", "passage", "condition")


def run(params: dict[str, Any], progress: Progress) -> Path:
    """``params``: ``experiment``, ``settings`` (of AnnotateSettings), ``segmentation``, ``registration``, ``stain`` (ids, or none);
    or ``from_csv`` (an annotation file of the original protocol), ``segmentation`` and ``settings.marker``."""
    path, settings = Path(params["experiment"]), settings_from(AnnotateSettings, params.get("settings") or {})
    if params.get("from_csv"):
        from core.stages.annotation_import import annotate_from_csv

        return annotate_from_csv(path, Path(params["from_csv"]), params.get("segmentation"), settings.marker, progress)
    return annotate(path, settings, params.get("segmentation"), params.get("registration"), params.get("stain"), progress)


def annotate(
    path: Path,
    settings: AnnotateSettings,
    segmentation_id: str | None = None,
    registration_id: str | None = None,
    stain_id: str | None = None,
    progress: Progress = silent,
) -> Path:
    """Give every cell a class and return the folder of the annotation.

    The stain measurement ``stain_id`` is used with its own segmentation, alignment and spots; without one it is made, or found
    if it was made before (``staining.measure_stain``). Then the threshold is chosen over all fields together, and decisions
    of people lie on top. The same inputs and decisions give the same id.

    Raises
    ------
    InputError
        As ``measure_stain``; a wrong threshold, or none can be proposed.
    """
    experiment = Experiment(path)
    if "=" not in settings.threshold:
        threshold_of(settings)  # a wrong one is told before minutes of aligning
    if stain_id is None:
        stain_id = measure_stain(path, settings, segmentation_id, registration_id, part(progress, 0, MEASURING, 1.0)).name
    stain = open_stain(experiment, stain_id)
    settings = replace(settings, **_known(stain.settings))
    decisions = decisions_on(experiment, stain.segmentation)
    payload = {"settings": _own(settings), "stain": stain.id, **what_it_rests_on(experiment, decisions)}
    id = product_id(settings.marker, payload)
    if any(product.id == id for product in experiment.products("annotations")):
        return experiment.product("annotations", id).path
    progress(MEASURING, 1.0, "choosing the threshold")
    measured = stain.cells(settings.min_fraction)
    chosen = choose(measured, settings)
    cells = decided(annotated_cells(stain, segmented_cells(experiment, stain.segmentation), measured, settings, chosen), decisions)
    about: dict[str, Any] = {
        "command": command("annotate", path, settings, segmentation=stain.segmentation.id, registration=registration_id),
        "upstream": {"segmentation": stain.segmentation.id, "stain": stain.id, **_registration(stain)},
        "inputs": {"decisions": payload["decisions"]},
    }
    kept = asdict(settings) | chosen.record() | {"unit": stain.unit, "spots": _spots(stain)} | controls(cells)
    try:
        with publish(experiment, "annotations", id, kept, **about) as partial:
            write_annotation(partial.path, experiment, stain.segmentation, cells, decisions, settings, stain, chosen)
    except AlreadyPublished as ready:
        return ready.path
    progress(1.0, 1.0, "done")
    return partial.final


def _known(measured: Any) -> dict[str, Any]:
    return {name: value for name, value in dict(measured).items() if name in AnnotateSettings.__dataclass_fields__}


def _own(settings: AnnotateSettings) -> dict[str, Any]:
    """The settings that only the annotation hangs on; "0,50" and "0.5" are one threshold."""
    threshold = settings.threshold if "=" in settings.threshold else threshold_of(settings)
    proposal = settings.proposal if threshold is None or "=" in settings.threshold else ""
    return {name: getattr(settings, name) for name in OF_ANNOTATION} | {"threshold": threshold, "proposal": proposal}


def what_it_rests_on(experiment: Experiment, decisions: Decisions) -> dict[str, Any]:
    """What an annotation hangs on besides its own settings: cultures and roles, and the decisions of people."""
    described = experiment.fields()[list(DESCRIBED)]
    made = decisions.current[["fov_id", "label", "decision", "rater", "carried_from"]].to_dict("records")
    lost = decisions.lost[["segmentation", "fov_id", "label", "decision", "rater"]].to_dict("records")
    return {"fields": described.to_dict("records"), "decisions": fingerprint({"made": made, "lost": lost})}


def _registration(stain: Stain) -> dict[str, str]:
    named = stain.record["upstream"].get("registration")
    return {"registration": named} if named else {}


def _spots(stain: Stain) -> list[dict[str, Any]]:
    pairs = stain.fields[["spot_px", "spot_um2"]].drop_duplicates()
    return [{"px": int(px), "um2": None if pd.isna(um2) else float(um2)} for px, um2 in pairs.itertuples(index=False)]


def segmented_cells(experiment: Experiment, segmentation: Product) -> pd.DataFrame:
    """Every cell of the segmentation in a field of the field table, with sample and role, in the order of the field table."""
    cells = read_csv(segmentation.path / "cells.csv", CELLS)
    return experiment.fields()[["fov_id", "sample", "role"]].merge(cells, on="fov_id").sort_values(["fov_id", "label"], kind="stable", key=_order(experiment))


def _order(experiment: Experiment) -> Any:
    place = {fov_id: number for number, fov_id in enumerate(experiment.fields()["fov_id"])}
    return lambda column: column.map(place) if column.name == "fov_id" else column


def write_annotation(
    folder: Path,
    experiment: Experiment,
    segmentation: Product,
    cells: pd.DataFrame,
    decisions: Decisions,
    settings: AnnotateSettings,
    stain: Stain | None,
    chosen: Chosen | None,
    failures: pd.DataFrame | None = None,
    more_notes: list[str] | None = None,
) -> None:
    """Write all files of an annotation but ``settings.json``; without ``stain`` it was imported."""
    described = experiment.fields()
    outlined = [(segmentation.path / "labels" / f"{fov_id}.tif").is_file() for fov_id in described["fov_id"]]
    described = described[outlined].reset_index(drop=True)
    per_field = field_rows(cells, described, stain, chosen)
    lines = line_rows(cells, per_field, described, chosen)
    write_csv(folder / "cells.csv", cells)
    write_csv(folder / "fields.csv", per_field)
    write_csv(folder / "lines.csv", lines)
    write_csv(folder / "registration.csv", stain.registration if stain else typed(pd.DataFrame(), REGISTRATIONS))
    write_csv(folder / "failures.csv", stain.failures if stain else failures if failures is not None else pd.DataFrame())
    write_csv(folder / "curation.csv", decisions.rows[list(CURATION)])
    write_csv(folder / "lost_decisions.csv", decisions.lost)
    images = {fov.fov_id: file_name(fov.phase) for fov in fields(described)}
    write_original(folder / "annotation.csv", original_table(cells, images, {fov_id: f"{fov_id}.tif" for fov_id in images}))
    words = [*(more_notes or []), *notes(cells, lines, decisions, settings, stain, chosen)]
    (folder / "notes.txt").write_text("".join(f"{line}\n" for line in words), encoding="utf-8", newline="\n")


def file_name(reference: str) -> str:
    """Name of the image file of a reference, without folders and plane."""
    return split_reference(reference)[0].replace("\\", "/").rsplit("/", 1)[-1]
