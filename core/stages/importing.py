"""Import: ready outlines, of this app or another program, become a segmentation."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from core.cells.exchange import OUTLINE_SUFFIXES, Outlines, read_outlines, several_images
from core.cells.labels import cell_table, confluence
from core.errors import InputError
from core.fields import fields, split_reference
from core.images import read_labels, write_labels
from core.models.model import sha256_of
from core.progress import Progress, silent
from core.stages.common import Failures, chosen_fields, fail_if_all, inputs, read_phase
from core.stages.measuring import write_measurements
from core.stages.segmenting import write_tables
from core.workspace import AlreadyPublished, Experiment, product_id, publish

LABEL_SUFFIXES: Final = (".tif", ".tiff", ".png")
SUFFIXES: Final = (*LABEL_SUFFIXES, *OUTLINE_SUFFIXES)
NOTES: Final = "notes.txt"  # what was left out of a file or changed in reading it, one line each
_ENDS: Final = ("", "_seg", "_labels", "_label", "_masks", "_mask", "_cp_masks", "_instances", "_instances_ids", "_rois", "_roiset", "_outlines")


@dataclass(frozen=True)
class Match:
    """The file with the outlines of one field, and how to read it for an image of a size (Y, X)."""

    file: Path
    read: Callable[[tuple[int, int]], Outlines]


@dataclass
class Matches:
    """Files by field, and the files that belong to none."""

    by_field: dict[str, Match] = field(default_factory=dict)
    failures: Failures = field(default_factory=Failures)


def import_labels(experiment: Experiment, names: Sequence[str], progress: Progress = silent) -> Path:
    """Make a segmentation of ready outlines: label images, or any format of ``core.cells.exchange``.

    Files are matched to phase files by name; a COCO file says itself which image is which. What was left out of a file, or
    changed in reading it, stands in ``notes.txt``.
    """
    chosen = chosen_fields(experiment, None)
    matches = _match(experiment, [Path(n) for n in names if Path(n).name != "settings.json"])  # the record in the folder of an export
    known = [f for f in chosen if f.fov_id in matches.by_field]
    files = {match.file: None for match in matches.by_field.values()}
    digest = [{"file": p.name, "sha256": sha256_of(p)} for p in files]  # an upload has another time each time
    payload = {"labels": digest, "inputs": inputs(experiment, known)}
    settings = {"imported": [p.name for p in files]}
    failures, notes, rows, cells = matches.failures, list[str](), list[dict[str, Any]](), []
    try:
        with publish(experiment, "segmentations", product_id("imported", payload), settings, inputs=payload["inputs"]) as made:
            (made.path / "labels").mkdir(exist_ok=True)
            for done, fov in enumerate(known):
                progress(done, len(known), f"reading outlines of {fov.fov_id}")
                match = matches.by_field[fov.fov_id]
                with failures.collecting(fov.fov_id, match.file):
                    size = read_phase(experiment, fov).pixels.shape[:2]
                    outlines = match.read((size[0], size[1]))
                    write_labels(made.path / "labels" / f"{fov.fov_id}.tif", outlines.labels)
                    table = cell_table(outlines.labels)
                    table.insert(0, "fov_id", fov.fov_id)
                    cells.append(table)
                    rows.append({"fov_id": fov.fov_id, "n_cells": len(table), "confluence": confluence(outlines.labels), "diameter_px": None})
                    notes += [f"{fov.fov_id}, {match.file.name}: {note}" for note in outlines.notes]
            if not rows:
                fail_if_all(failures, 1, "given outlines", experiment.path)
            write_tables(made.path, rows, cells, failures)
            write_measurements(made.path, experiment, progress)
            if notes:
                (made.path / NOTES).write_text("\n".join(notes) + "\n", encoding="utf-8", newline="\n")
    except AlreadyPublished as ready:
        return ready.path
    return made.final


def notes_of(segmentation: Path) -> list[str]:
    """What was left out of the files of an imported segmentation, or changed in reading them."""
    file = segmentation / NOTES
    return file.read_text(encoding="utf-8").splitlines() if file.is_file() else []


def _match(experiment: Experiment, files: Sequence[Path]) -> Matches:
    """The file of every field: same stem as the phase file or the fov_id, with or without a word for 'labels' after it."""
    found, stems = Matches(), _stems(experiment)
    for file in files:
        with found.failures.collecting("", file):
            if not file.is_file():
                raise InputError(f"{file}: there is no such file.")
            several = several_images(file)
            if several is None:
                _take(found, stems, file.name, Match(file, partial(_outlines, file)))
                continue
            for name in several.images:
                _take(found, stems, name, Match(file, partial(several.outlines, name)))
    if not found.by_field:
        lines = " ".join(row["error"] for row in found.failures.rows[:3])
        raise InputError(f"None of the files with outlines belongs to a phase image of this experiment. {lines}")
    return found


def _take(found: Matches, stems: dict[str, str], name: str, match: Match) -> None:
    """Give ``match`` to the field that ``name`` means, or say why not."""
    base = name.replace("\\", "/").rsplit("/", 1)[-1].rsplit(".", 1)[0].lower().removesuffix(".ome")
    hit = next((stems[base.removesuffix(end)] for end in _ENDS if base.endswith(end) and base.removesuffix(end) in stems), None)
    inside = f" (in {match.file.name})" if match.file.name != name else ""
    if hit is None:
        why = f"{name}{inside}: no phase image of that name; outlines are matched by name (for example field1.tif and field1_labels.tif)."
        found.failures.add("", match.file, why)
    elif not hit:
        found.failures.add("", match.file, f"{name}{inside}: several fields have a phase image of that name; name the file like the field (fov_id).")
    elif hit in found.by_field:
        why = f"{name}{inside}: field {hit} already has outlines from {found.by_field[hit].file.name}; give one each."
        found.failures.add("", match.file, why)
    else:
        found.by_field[hit] = match


def _stems(experiment: Experiment) -> dict[str, str]:
    """fov_id by every name that means the field; "" where a name means several."""
    stems: dict[str, str] = {}
    every = fields(experiment.fields())
    for fov in every:
        stem = Path(split_reference(fov.phase)[0].replace("\\", "/")).name.rsplit(".", 1)[0].lower()
        for name in {stem, stem.removesuffix(".ome")}:
            stems[name] = fov.fov_id if name not in stems else ""
    return stems | {fov.fov_id.lower(): fov.fov_id for fov in every}


def _outlines(file: Path, size: tuple[int, int]) -> Outlines:
    if file.suffix.lower() in OUTLINE_SUFFIXES:
        return read_outlines(file, size)
    labels: np.ndarray = read_labels(file)
    if labels.shape != size:
        raise InputError(f"{file.name}: the label image is {labels.shape} px, its phase image {size}; they must have the same size.")
    return Outlines(labels)
