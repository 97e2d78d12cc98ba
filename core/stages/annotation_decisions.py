"""What people decided about cells: ``EXP/decisions/curation.csv``, where rows are only ever added, and what of it counts for a segmentation.

Decisions on other segmentations are carried over by overlap each time they are asked for; the file itself is not touched by
that. A decision made on the segmentation itself counts before any that is carried over, and of these the latest counts.
"""

import csv
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import pandas as pd

from core.errors import InputError
from core.images import read_labels
from core.report import read_csv
from core.report.csv_files import csv_bytes
from core.stain.carrying import carry_over, match_cells
from core.stain.curation import current, standing
from core.tables import CELLS, CURATION, LOST_DECISIONS, typed
from core.workspace import Experiment, Product, file_errors, hold

NAME: Final = "curation.csv"
PATIENCE_S: Final = 20.0


@dataclass(frozen=True)
class Decisions:
    """What counts for one segmentation. ``rows``: ``tables.CURATION``, carried-over rows first; ``lost``: ``tables.LOST_DECISIONS``."""

    segmentation: str
    rows: pd.DataFrame
    lost: pd.DataFrame

    @property
    def current(self) -> pd.DataFrame:
        """One row a cell: the decision that counts."""
        return current(self.rows, self.segmentation)

    @property
    def n_carried(self) -> int:
        """How many of the decisions that count were made on another segmentation."""
        return int((self.current["carried_from"] != "").sum())


def curation_file(experiment: Experiment) -> Path:
    return experiment.path / "decisions" / NAME


def curation(experiment: Experiment) -> pd.DataFrame:
    """All rows as they were added (``tables.CURATION``); what a power cut left of a last row is not one."""
    path = curation_file(experiment)
    if _torn(_bytes(path)):
        with _held(experiment):  # perhaps somebody was just writing
            _mend(path)
    return _rows(path)


def add_decisions(experiment: Experiment, rows: pd.DataFrame) -> None:
    """Add rows, made by ``core.stain.curation.decision``; InputError where the file cannot be written."""
    add_from(experiment, lambda _: rows)


def add_from(experiment: Experiment, make: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    """Add the rows that ``make`` gives for those there are; nobody else adds any meanwhile. They are on the disk when this returns.

    Raises
    ------
    InputError
        The file cannot be written, another program is at it for long, or its columns were changed.
    """
    path = curation_file(experiment)
    with _held(experiment):
        _mend(path)
        rows = typed(make(_rows(path)), CURATION, "decisions")[list(CURATION)]
        if rows.empty:
            return
        before = _bytes(path)
        header, lines = csv_bytes(rows, _decimal_comma(path, before)).split(b"\n", 1)
        gap = b"" if not before or before.endswith(b"\n") else b"\n"
        with file_errors(path, "save the decision"):
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as file:
                file.write((b"" if before else header + b"\n") + gap + lines)
                file.flush()
                os.fsync(file.fileno())


@contextmanager
def _held(experiment: Experiment) -> Iterator[None]:
    with hold(experiment.path / ".locks" / "decisions-curation.lock", PATIENCE_S) as mine:
        if not mine:
            raise InputError(f"{curation_file(experiment)}: another program is saving decisions for a long time. Try again.")
        yield


def _bytes(path: Path) -> bytes:
    with file_errors(path, "read the decisions"):
        return path.read_bytes() if path.is_file() else b""


def _rows(path: Path) -> pd.DataFrame:
    known = path.is_file() and path.stat().st_size
    return read_csv(path, CURATION) if known else typed(pd.DataFrame(), CURATION)


def _torn(data: bytes) -> int:
    """How many bytes at the end are a row that was not written to its end: without line feed, and with too few cells."""
    head, last = data.partition(b"\n")[0], data.rpartition(b"\n")[2]
    if not last:
        return 0
    try:
        [row] = csv.reader(io.StringIO(last.decode("utf-8-sig")), delimiter=";" if b";" in head else ",", strict=True)
    except (ValueError, csv.Error):
        return len(last)
    return len(last) if len(row) < len(CURATION) else 0


def _mend(path: Path) -> None:
    """Cut a torn row off. To be called while the file is held."""
    torn = _torn(_bytes(path))
    if torn:
        with file_errors(path, "mend"), path.open("r+b") as file:
            file.truncate(path.stat().st_size - torn)


def _names(head: bytes) -> list[str]:
    text = head.decode("utf-8-sig", "replace").strip()
    return text.replace('"', "").split(";" if ";" in text else ",")


def _decimal_comma(path: Path, before: bytes) -> bool:
    """Whether Excel saved the file with semicolons and decimal commas: new rows follow it. InputError for other columns."""
    head = before.partition(b"\n")[0]
    if before and _names(head) != list(CURATION):
        raise InputError(f"{path}: wanted the columns {', '.join(CURATION)}, found {', '.join(_names(head))[:200]}. Put them back, or move the file away.")
    return b";" in head


def decisions_on(experiment: Experiment, segmentation: Product) -> Decisions:
    """The decisions that count for ``segmentation``, its own and those carried over from others, and those that could not come."""
    every = curation(experiment)
    made_here = every[every["segmentation"] == segmentation.id]
    carried, lost = [], [_unknown(standing(made_here), segmentation)]
    decided = standing(every)
    for old in dict.fromkeys(decided["segmentation"]):
        if old != segmentation.id:
            rows, not_carried = _carried(experiment, decided[decided["segmentation"] == old], old, segmentation)
            carried.append(rows)
            lost.append(not_carried)
    arrived = pd.concat(carried, ignore_index=True).sort_values("time", kind="stable") if carried else typed(pd.DataFrame(), CURATION)
    rows = typed(pd.concat([arrived, made_here], ignore_index=True), CURATION, NAME)
    return Decisions(segmentation.id, rows, typed(pd.concat(lost, ignore_index=True), LOST_DECISIONS)[list(LOST_DECISIONS)])


def _carried(experiment: Experiment, decided: pd.DataFrame, old: str, new: Product) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows for ``new`` and those that could not be carried over from segmentation ``old``."""
    before, after = (experiment.path / "segmentations" / id / "labels" for id in (old, new.id))
    stamps = tuple(folder.stat().st_mtime_ns if folder.is_dir() else 0 for folder in (before, after))
    return _carried_between(before, after, stamps, csv_bytes(decided))


@lru_cache(maxsize=16)
def _carried_between(before: Path, after: Path, stamps: tuple[int, ...], decided: bytes) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Kept, because a key press in the gallery asks for it again and hardly ever changes it. ``before``, ``after``: folders of labels."""
    rows = typed(pd.read_csv(io.BytesIO(decided), dtype=str, keep_default_na=False, encoding="utf-8-sig"), CURATION)
    matches, reasons = {}, dict[str, str]()
    for fov_id in dict.fromkeys(rows["fov_id"]):
        old, new = (folder / f"{fov_id}.tif" for folder in (before, after))
        if not old.is_file():
            reasons[fov_id] = f"the outlines of segmentation {before.parent.name} are not there any more"
        elif new.is_file():
            try:
                matches[fov_id] = match_cells(read_labels(old), read_labels(new))
            except InputError as error:
                reasons[fov_id] = str(error)
    carried, lost = carry_over(rows, before.parent.name, after.parent.name, matches)
    lost["reason"] = [reasons.get(fov_id, reason) for fov_id, reason in zip(lost["fov_id"], lost["reason"], strict=True)]
    return carried, lost


@lru_cache(maxsize=4)
def _cells_of(file: Path, changed: int) -> frozenset[tuple[str, int]]:
    cells = read_csv(file, CELLS)
    return frozenset(zip(cells["fov_id"], cells["label"], strict=True))


def _unknown(decided: pd.DataFrame, segmentation: Product) -> pd.DataFrame:
    """Decisions on cells that the segmentation does not have (a row that was written by hand, say)."""
    file = segmentation.path / "cells.csv"
    known = _cells_of(file, file.stat().st_mtime_ns if file.is_file() else 0)
    strange = decided[[pair not in known for pair in zip(decided["fov_id"], decided["label"], strict=True)]]
    return strange.assign(overlap=0.0, reason="the segmentation has no such cell")
