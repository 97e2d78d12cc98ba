"""Assess: segment, crop, predict, tables, report."""

from pathlib import Path
from typing import Any

import pandas as pd

from core.classifier.checkpoint import Checkpoint, load_checkpoint
from core.classifier.speed import checked_precision
from core.errors import InputError
from core.fields import FieldOfView
from core.images import grey, read_labels
from core.models import find_model
from core.options import ASSESS_RENAMED, command, settings_from
from core.progress import Progress, silent
from core.report import jpeg, overlay, read_csv, write_csv
from core.settings import AssessSettings, ReportSettings, SegmentSettings
from core.stages.assessed import NOTES, OVERLAYS, Assessed
from core.stages.common import Failures, chosen_fields, fail_if_all, inputs, part, read_phase
from core.stages.extending import extend
from core.stages.imaging import image_looks
from core.stages.reporting import gather, write_results
from core.stages.scoring import SCORED, Scorer, decision_threshold
from core.stages.segmenting import note_engine, segment
from core.statistics import field_table, sample_table
from core.statistics.quality import with_doubts, with_quality
from core.tables import ASSESSED_CELLS, CELLS, FAILURES, SEGMENTED_FIELDS
from core.workspace import AlreadyPublished, Experiment, Product, product_id, publish, read_json

OVERLAY_SIDE_PX = 1400
SEGMENT_SHARE = 0.4  # of the whole work, for the time left
REPORT_FROM = 0.99


def run(params: dict[str, Any], progress: Progress) -> Path:
    """``params``: ``experiment``, ``settings`` (AssessSettings), ``segment`` (SegmentSettings) or ``segmentation`` (an id)."""
    return assess(
        Path(params["experiment"]),
        settings_from(AssessSettings, params.get("settings") or {}),
        settings_from(SegmentSettings, params.get("segment") or {}),
        params.get("segmentation"),
        progress,
    )


def assess(
    path: Path,
    settings: AssessSettings,
    segmenting: SegmentSettings,
    segmentation_id: str | None = None,
    progress: Progress = silent,
) -> Path:
    """Score every cell of every field and return the folder of the assessment.

    The segmentation named is used, extended by the fields that it lacks, else the one that ``segmenting`` gives (made or continued first). A finished
    assessment of the same inputs is returned at once; an interrupted one goes on where it stopped.
    """
    experiment = Experiment(path)
    model = find_model(settings.classifier, "classifier")  # a wrong name is refused before an hour of segmentation
    assert model.path is not None  # find_model refuses what is not there
    checkpoint = load_checkpoint(model.path)
    checked_precision(settings.precision)
    outlining = part(progress, 0, SEGMENT_SHARE, 1.0)
    outlines = segment(path, segmenting, None, outlining) if segmentation_id is None else extend(path, segmentation_id, outlining)
    segmentation = experiment.product("segmentations", outlines.name)
    fields, table = chosen_fields(experiment, None), experiment.fields()
    payload = {
        "settings": vars(settings) | {"classifier": model.sha256},
        "segmentation": segmentation.id,
        "fields": table.astype(object).where(table.notna(), None).to_dict("records"),
        "inputs": inputs(experiment, fields),
    }
    about = {
        "command": _command(path, settings, segmenting, segmentation_id),
        "upstream": {"segmentation": segmentation.id},
        "models": {"classifier": model.record() | _about(settings, checkpoint), **segmentation.settings.get("models", {})},
        "seed": settings.seed,
        "inputs": payload["inputs"],
    }
    try:
        with publish(experiment, "assessments", product_id(model.name, payload), settings, **about) as partial:
            scorer = Scorer(checkpoint, settings, notes=_notes(partial.path))
            _score_fields(experiment, fields, segmentation, scorer, partial.path, part(progress, SEGMENT_SHARE, REPORT_FROM - SEGMENT_SHARE, 1.0))
            _write_results(experiment, segmentation, scorer, partial.path, part(progress, REPORT_FROM, 1 - REPORT_FROM, 1.0))
    except AlreadyPublished as ready:
        return ready.path
    progress(1.0, 1.0, "done")
    return partial.final


def _about(settings: AssessSettings, checkpoint: Checkpoint) -> dict[str, Any]:
    """What the record says of the classifier beside its name; ``learned`` is None where its file does not say what it learned from."""
    learned = checkpoint.reference.summary() if checkpoint.reference else None
    kept = {"intensity": checkpoint.intensity, "pixel_size_um": checkpoint.pixel_size_um}
    return {"threshold": decision_threshold(settings, checkpoint), **kept, "learned": learned}


def _command(path: Path, settings: AssessSettings, segmenting: SegmentSettings, segmentation_id: str | None) -> str:
    if segmentation_id is not None:
        return command("assess", path, settings, segmentation=segmentation_id)
    return command("assess", path, settings, segmenting, renamed=ASSESS_RENAMED)


def _score_fields(experiment: Experiment, fields: list[FieldOfView], segmentation: Product, scorer: Scorer, folder: Path, progress: Progress) -> None:
    """Score field by field; a finished field is kept in ``parts/`` so that a re-run goes on after it."""
    (folder / "parts").mkdir(exist_ok=True)
    (folder / OVERLAYS).mkdir(exist_ok=True)
    every = read_csv(segmentation.path / "cells.csv", CELLS)
    failures = Failures(rows=read_csv(segmentation.path / "failures.csv", FAILURES).to_dict("records"))
    failed = {row["fov_id"] for row in failures.rows}
    for done, fov in enumerate(fields):
        progress(done, len(fields), f"scoring cells of {fov.fov_id}")
        if fov.fov_id in failed or (folder / "parts" / f"{fov.fov_id}.csv").is_file():
            continue
        with failures.collecting(fov.fov_id, fov.phase):
            _score_field(
                experiment, fov, segmentation, every[every["fov_id"] == fov.fov_id], scorer, folder, part(progress, done, 1.0, len(fields), fov.fov_id)
            )
    fail_if_all(failures, len(fields), "assessed", experiment.path)
    write_csv(folder / "failures.csv", failures.table())


def _notes(folder: Path) -> list[str]:
    file = folder / NOTES
    return file.read_text(encoding="utf-8").splitlines() if file.is_file() else []


def _score_field(
    experiment: Experiment, fov: FieldOfView, segmentation: Product, cells: pd.DataFrame, scorer: Scorer, folder: Path, progress: Progress
) -> None:
    file = segmentation.path / "labels" / f"{fov.fov_id}.tif"
    if not file.is_file():
        raise InputError(f"Field {fov.fov_id} is not part of segmentation {segmentation.id}; segment it first, or assess with a segmentation of all fields.")
    picture = read_phase(experiment, fov)
    labels = read_labels(file)
    if labels.shape != picture.pixels.shape[:2]:
        raise InputError(f"The label image of {fov.fov_id} is {labels.shape} px and its phase image {picture.pixels.shape[:2]}; they must have the same size.")
    table = scorer.score(fov, picture, labels, cells, progress)
    (folder / OVERLAYS / f"{fov.fov_id}.jpg").write_bytes(jpeg(overlay(grey(picture), labels, table), OVERLAY_SIDE_PX))
    (folder / NOTES).write_text("\n".join(scorer.notes), encoding="utf-8", newline="\n")
    note_engine(folder, scorer.classifier.about)
    write_csv(folder / "parts" / f"{fov.fov_id}.csv", table)  # last: its presence says that the field is finished


def _write_results(experiment: Experiment, segmentation: Product, scorer: Scorer, folder: Path, progress: Progress) -> None:
    """The tables and the report, with what is known of the classifier and the stain by now (``reporting``)."""
    parts = sorted((folder / "parts").glob("*.csv"))
    described = experiment.fields().merge(read_csv(segmentation.path / "fields.csv", SEGMENTED_FIELDS), on="fov_id")
    order = {fov_id: i for i, fov_id in enumerate(described["fov_id"])}
    scored = pd.concat([read_csv(file, SCORED) for file in sorted(parts, key=lambda p: order.get(p.stem, -1))], ignore_index=True)
    described = described[described["fov_id"].isin([p.stem for p in parts])]
    reference, cells = scorer.checkpoint.reference, scored[list(ASSESSED_CELLS)]
    looks = image_looks(reference, scored)
    described = described.drop(columns=looks.columns.drop("fov_id"), errors="ignore").merge(looks, on="fov_id", how="left")
    fields = with_quality(field_table(cells, described), cells, reference.summary() if reference else None, scorer.checkpoint.pixel_size_um)
    samples = with_doubts(sample_table(fields, bootstrap=scorer.settings.bootstrap, seed=scorer.settings.seed), fields)
    failures = read_csv(folder / "failures.csv", FAILURES)
    assessed = Assessed(experiment, read_json(folder / "settings.json"), folder, samples, fields, cells, failures, scorer.notes)
    settings = ReportSettings(**{name: getattr(scorer.settings, name) for name in ("seed", "decimal_comma", "operator")})
    write_results(folder, assessed, gather(assessed, settings), settings, progress)
    for file in parts:
        file.unlink()
    (folder / "parts").rmdir()
