"""What people decided about cells: ``EXP/decisions/curation.csv``, where rows are only ever added, and what of it counts for a segmentation.

Decisions on other segmentations are carried over by overlap each time they are asked for; the file itself is not touched by
that. A decision made on the segmentation itself counts before any that is carried over, and of these the latest counts.
"""

from dataclasses import dataclass
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
    """All rows as they were added (``tables.CURATION``)."""
    path = curation_file(experiment)
    return read_csv(path, CURATION) if path.is_file() else typed(pd.DataFrame(), CURATION)


def add_decisions(experiment: Experiment, rows: pd.DataFrame) -> None:
    """Add rows, made by ``core.stain.curation.decision``; InputError where the file cannot be written."""
    header, lines = csv_bytes(typed(rows, CURATION, "decisions")[list(CURATION)]).split(b"\n", 1)
    path = curation_file(experiment)
    with hold(experiment.path / ".locks" / "decisions-curation.lock", PATIENCE_S) as mine, file_errors(path, "save the decision"):
        if not mine:
            raise InputError(f"{path}: another program is saving decisions for a long time. Try again.")
        path.parent.mkdir(parents=True, exist_ok=True)
        before = path.read_bytes() if path.is_file() else b""
        gap = b"" if not before or before.endswith(b"\n") else b"\n"
        with path.open("ab") as file:
            file.write((b"" if before else header + b"\n") + gap + lines)


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
    matches, reasons = {}, dict[str, str]()
    for fov_id in dict.fromkeys(decided["fov_id"]):
        before, after = (experiment.path / "segmentations" / id / "labels" / f"{fov_id}.tif" for id in (old, new.id))
        if not before.is_file():
            reasons[fov_id] = f"the outlines of segmentation {old} are not there any more"
        elif after.is_file():
            try:
                matches[fov_id] = match_cells(read_labels(before), read_labels(after))
            except InputError as error:
                reasons[fov_id] = str(error)
    rows, lost = carry_over(decided, old, new.id, matches)
    lost["reason"] = [reasons.get(fov_id, reason) for fov_id, reason in zip(lost["fov_id"], lost["reason"], strict=True)]
    return rows, lost


def _unknown(decided: pd.DataFrame, segmentation: Product) -> pd.DataFrame:
    """Decisions on cells that the segmentation does not have (a row that was written by hand, say)."""
    cells = read_csv(segmentation.path / "cells.csv", CELLS)
    known = set(zip(cells["fov_id"], cells["label"], strict=True))
    strange = decided[[pair not in known for pair in zip(decided["fov_id"], decided["label"], strict=True)]]
    return strange.assign(overlap=0.0, reason="the segmentation has no such cell")
