"""Add: images (and ready outlines) into an experiment, paired and described."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from natsort import natsorted

from core.errors import InputError
from core.fields import DEFAULT_PATTERN, join_reference, merge_metadata, split_reference, table_of
from core.images import IMAGE_SUFFIXES, inspect, read
from core.progress import Progress, silent
from core.report import read_csv, write_csv
from core.stages.common import Failures
from core.stages.importing import SUFFIXES, import_labels
from core.stages.unused import LEFT_OUT
from core.tables import FIELDS, typed
from core.workspace import Experiment, create_experiment, import_file


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


@dataclass(frozen=True)
class Added:
    """The field table, and the segmentation that ready outlines became."""

    fields_csv: Path
    segmentation: Path | None = None


def add(path: Path, addition: Addition, progress: Progress = silent) -> Path:
    """Bring the files into the experiment and return the path of its fields.csv; see `added`."""
    return added(path, addition, progress).fields_csv


def added(path: Path, addition: Addition, progress: Progress = silent) -> Added:
    """Bring the files into the experiment.

    A file that cannot be used is listed in ``left_out.csv`` with the reason; the others are added. Adding the same
    file again changes nothing. Ready outlines become a segmentation.

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
    segmentation = import_labels(experiment, _expand(addition.labels, SUFFIXES), progress) if addition.labels else None
    progress(total, total, "done")
    return Added(experiment.path / "fields.csv", segmentation)


def _expand(names: Sequence[str], suffixes: Sequence[str] = IMAGE_SUFFIXES) -> list[str]:
    out: list[str] = []
    for name in names:
        path = Path(name)
        if path.is_dir():
            found = [p for p in path.iterdir() if p.is_file() and p.name.lower().endswith(tuple(suffixes)) and not p.name.startswith(".")]
            if not found:
                raise InputError(f"{path}: the folder holds no such files ({', '.join(suffixes)}).")
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
