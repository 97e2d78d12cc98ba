"""Add: images (and ready label images) into an experiment, paired and described."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from natsort import natsorted

from core.cells.exchange import read_seg_npy
from core.cells.labels import cell_table, confluence
from core.errors import InputError
from core.fields import DEFAULT_PATTERN, fields, join_reference, merge_metadata, split_reference, table_of
from core.images import IMAGE_SUFFIXES, inspect, read, read_labels, write_labels
from core.progress import Progress, silent
from core.report import read_csv, write_csv
from core.stages.common import Failures, chosen_fields, fail_if_all, inputs, read_phase
from core.stages.segmenting import write_tables
from core.tables import FIELDS, typed
from core.workspace import AlreadyPublished, Experiment, create_experiment, import_file, product_id, publish

LEFT_OUT = "left_out.csv"


@dataclass(frozen=True)
class Addition:
    """What to add; file lists may name folders, whose images are then taken in natural order."""

    phase: Sequence[str] = ()
    stain: Sequence[str] = ()
    colour: Sequence[str] = ()
    labels: Sequence[str] = ()
    table: str | None = None
    pixel_size_um: float | None = None
    pattern: str = DEFAULT_PATTERN
    link: bool = False  # refer to the files where they are, instead of copying them into the experiment
    metadata: Sequence[Mapping[str, Any]] = field(default_factory=tuple)  # rows of fields.csv that a page has edited


def run(params: dict[str, Any], progress: Progress) -> Path:
    """``params``: ``experiment`` and the fields of Addition."""
    return add(Path(params["experiment"]), Addition(**{k: v for k, v in params.items() if k != "experiment"}), progress)


def add(path: Path, addition: Addition, progress: Progress = silent) -> Path:
    """Bring the files into the experiment and return the path of its fields.csv.

    A file that cannot be used is listed in ``left_out.csv`` with the reason; the others are added. Adding the same
    file again changes nothing. Ready label images become a segmentation.

    Raises
    ------
    InputError
        Nothing could be added.
    """
    experiment = Experiment(path)
    if not experiment.exists:
        create_experiment(path)
    failures = Failures()
    lists = {kind: _expand(getattr(addition, kind)) for kind in ("phase", "stain", "colour")}
    total = sum(map(len, lists.values()))
    if total == 0 and not addition.labels and addition.table is None:
        raise InputError(f"{path}: nothing to add; name phase-contrast images or a folder that holds some ({', '.join(IMAGE_SUFFIXES)}).")
    stored: dict[str, list[str]] = {kind: [] for kind in lists}
    sizes: dict[str, float] = {}
    done = 0
    for kind, references in lists.items():
        for reference in references:
            progress(done, total, f"adding {Path(reference).name}")
            with failures.collecting("", reference):
                kept = _take(experiment, reference, addition.link)
                stored[kind].append(kept)
                size = inspect(experiment.resolve(kept)[0]).pixel_size_um
                if size is not None:
                    sizes[kept] = size
            done += 1
    _record_failures(experiment, failures)
    if total and not any(stored.values()):
        raise InputError("None of the files could be added. " + " ".join(r["error"] for r in failures.rows[:5]))
    table = _described(experiment, stored, sizes, addition)
    experiment.save_fields(table)
    if addition.labels:
        import_labels(experiment, _expand(addition.labels, (*IMAGE_SUFFIXES, ".npy")), progress)
    progress(total, total, "done")
    return experiment.path / "fields.csv"


def _expand(names: Sequence[str], suffixes: Sequence[str] = IMAGE_SUFFIXES) -> list[str]:
    out: list[str] = []
    for name in names:
        path = Path(name)
        if path.is_dir():
            found = [p for p in path.iterdir() if p.is_file() and p.name.lower().endswith(tuple(suffixes)) and not p.name.startswith(".")]
            if not found:
                raise InputError(f"{path}: the folder holds no images ({', '.join(suffixes)}).")
            out += natsorted(map(str, found))
        else:
            out.append(name)
    return list(dict.fromkeys(out))


def _take(experiment: Experiment, reference: str, link: bool) -> str:
    """Check one file and copy it (or refer to it); the reference that goes into fields.csv."""
    name, plane = split_reference(reference)
    source = Path(name)
    if not source.is_absolute() and not source.is_file() and (experiment.path / source).is_file():
        source = experiment.path / source  # an upload that already lies in the experiment
    if not source.is_file():
        raise InputError(f"{name}: there is no such file.")
    if not source.name.lower().endswith(tuple(IMAGE_SUFFIXES)):
        raise InputError(f"{name}: wanted an image ({', '.join(IMAGE_SUFFIXES)}), found {source.suffix or 'no suffix'}.")
    read(source, plane)  # a file that cannot be read is refused now, not after an hour
    if source.resolve().is_relative_to(experiment.path.resolve()):
        return join_reference(source.resolve().relative_to(experiment.path.resolve()).as_posix(), plane)
    if link:
        return join_reference(str(source.resolve()), plane)
    return join_reference(import_file(experiment, source, source.name), plane)


def _described(experiment: Experiment, stored: Mapping[str, Sequence[str]], sizes: Mapping[str, float], addition: Addition) -> pd.DataFrame:
    pairing = table_of(stored["phase"], stored["stain"], stored["colour"], addition.pattern, experiment.fields())
    table = pairing.table
    unknown = table["pixel_size_um"].isna()
    table.loc[unknown, "pixel_size_um"] = table.loc[unknown, "phase"].map(sizes).astype("Float64")
    if addition.pixel_size_um is not None:
        table.loc[table["phase"].isin(list(stored["phase"])), "pixel_size_um"] = addition.pixel_size_um
    if addition.metadata:
        table = merge_metadata(table, pd.DataFrame(list(addition.metadata)))
    if addition.table is not None:
        given = read_csv(Path(addition.table), FIELDS)
        table = merge_metadata(table, given.loc[:, [c for c in given if (given[c].notna() & (given[c] != "")).any()]])  # absent columns read as empty
    return typed(table, FIELDS)


def _record_failures(experiment: Experiment, failures: Failures) -> None:
    file = experiment.path / LEFT_OUT
    if failures.rows:
        write_csv(file, failures.table())
    else:
        file.unlink(missing_ok=True)


def import_labels(experiment: Experiment, names: Sequence[str], progress: Progress = silent) -> Path:
    """Make a segmentation of ready label images (TIFF, PNG, Cellpose ``_seg.npy``), matched to phase files by name."""
    chosen = chosen_fields(experiment, None)
    matched, failures = _match(experiment, [Path(n) for n in names])
    known = [f for f in chosen if f.fov_id in matched]
    digest = [{"file": p.name, "bytes": p.stat().st_size, "changed": p.stat().st_mtime_ns} for p in matched.values()]
    payload = {"labels": digest, "inputs": inputs(experiment, known)}
    settings = {"imported": [p.name for p in matched.values()]}
    rows, cells = [], []
    try:
        with publish(experiment, "segmentations", product_id("imported", payload), settings, inputs=payload["inputs"]) as partial:
            (partial.path / "labels").mkdir(exist_ok=True)
            for done, fov in enumerate(known):
                progress(done, len(known), f"reading labels of {fov.fov_id}")
                with failures.collecting(fov.fov_id, matched[fov.fov_id]):
                    labels = _checked_labels(matched[fov.fov_id], read_phase(experiment, fov).pixels.shape[:2])
                    write_labels(partial.path / "labels" / f"{fov.fov_id}.tif", labels)
                    table = cell_table(labels)
                    table.insert(0, "fov_id", fov.fov_id)
                    cells.append(table)
                    rows.append({"fov_id": fov.fov_id, "n_cells": len(table), "confluence": confluence(labels), "diameter_px": None})
            if not rows:
                fail_if_all(failures, 1, "given labels", experiment.path)
            write_tables(partial.path, rows, cells, failures)
    except AlreadyPublished as ready:
        return ready.path
    return partial.final


def _checked_labels(file: Path, shape: tuple[int, ...]) -> np.ndarray:
    labels = read_seg_npy(file) if file.suffix == ".npy" else read_labels(file)
    if labels.shape != shape:
        raise InputError(f"{file.name}: the label image is {labels.shape} px, its phase image {shape}; they must have the same size.")
    return labels


def _match(experiment: Experiment, files: Sequence[Path]) -> tuple[dict[str, Path], Failures]:
    """Label file of every field: same stem as the phase file or the fov_id, with or without a word for 'labels' after it."""
    failures = Failures()
    stems: dict[str, str] = {}
    for fov in fields(experiment.fields()):
        stem = Path(split_reference(fov.phase)[0]).name.rsplit(".", 1)[0]
        stems |= {fov.fov_id.lower(): fov.fov_id, stem.lower(): fov.fov_id, stem.lower().removesuffix(".ome"): fov.fov_id}
    matched: dict[str, Path] = {}
    for file in files:
        base = file.name.rsplit(".", 1)[0].lower().removesuffix(".ome")
        ends = ("", "_seg", "_labels", "_label", "_masks", "_mask", "_cp_masks", "_instances", "_instances_ids")
        hit = next((stems[base[: len(base) - len(e)]] for e in ends if base.endswith(e) and base[: len(base) - len(e)] in stems), None)
        if hit is None:
            failures.add("", file, f"{file.name}: no phase image of that name; label files are matched by name (for example field1.tif and field1_labels.tif).")
        elif hit in matched:
            failures.add(hit, file, f"{file.name}: field {hit} already has the label file {matched[hit].name}; give one each.")
        else:
            matched[hit] = file
    if not matched:
        raise InputError("None of the label files belongs to a phase image of this experiment. " + " ".join(r["error"] for r in failures.rows[:3]))
    return matched, failures
