"""Curation: the cells of an annotation, borderline ones first, and what people decide about them.

Every decision is added to ``EXP/decisions/curation.csv`` (``annotation_decisions``) the moment it is made; annotating again
lays them on top. The annotation itself stays as it is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from core.errors import InputError
from core.report import read_csv
from core.settings import AnnotateSettings
from core.stages.annotation_decisions import Decisions, add_from, decisions_on
from core.stain.curation import CELL, decision, standing, with_decisions
from core.tables import ANNOTATED_CELLS, CURATION, UNDO, typed
from core.workspace import Experiment, Product, file_errors, read_json

KEY: Final = ["fov_id", "label"]


@dataclass(frozen=True)
class Curation:
    """One annotation and the decisions that count for its cells now.

    ``cells``: ``tables.ANNOTATED_CELLS`` with the decisions of now, ``published_decision`` as the annotation has it, ``threshold`` and
    ``distance`` (see ``closeness``); the cells whose class is least sure first.
    """

    experiment: Experiment
    annotation: Product
    cells: pd.DataFrame
    decisions: Decisions

    @property
    def segmentation(self) -> str:
        return self.decisions.segmentation

    @cached_property
    def standing(self) -> pd.DataFrame:
        """What stands of every rater on every cell of these outlines, in the order in which it was decided."""
        rows = standing(self.decisions.rows)
        return rows[rows["segmentation"] == self.segmentation].reset_index(drop=True)

    @property
    def raters(self) -> list[str]:
        return list(dict.fromkeys(self.standing["rater"]))

    def of(self, rater: str) -> pd.DataFrame:
        """What stands of one rater, one row a cell."""
        return self.standing[self.standing["rater"] == rater].reset_index(drop=True)

    def undoable(self, rater: str) -> pd.DataFrame:
        """What the rater can take back, the last decision at the end: made on these outlines, not carried over."""
        mine = self.of(rater)
        return mine[mine["carried_from"] == ""].reset_index(drop=True)

    @cached_property
    def disputed(self) -> pd.DataFrame:
        """fov_id and label of the cells that two raters see differently."""
        seen = self.standing.groupby(KEY, sort=False)["decision"].nunique()
        return seen[seen > 1].reset_index()[KEY]

    def lines(self) -> pd.DataFrame:
        """One row a culture: cells, decided, left, positive and negative before people decided (``_before``) and after, and ``changed``."""
        cells = self.cells
        automatic, now = cells["automatic_class"], cells["class"]
        both = automatic.notna() & now.notna()
        marks = pd.DataFrame(
            {
                "cells": 1,
                "decided": cells["decision"] != "",
                "left": cells["decision"] == "",
                "positive_before": (automatic == 1).fillna(False),
                "negative_before": (automatic == 0).fillna(False),
                "positive": (now == 1).fillna(False),
                "negative": (now == 0).fillna(False),
                "changed": (both & (automatic != now).fillna(False)) | (automatic.notna() & now.isna()),
            }
        ).astype(int)
        order = self.experiment.fields()["sample"].drop_duplicates().to_list()
        found = marks.groupby(cells["sample"], sort=False).sum()
        return found.reindex([s for s in order if s in found.index]).rename_axis("sample").reset_index()

    @property
    def published(self) -> bool:
        """True where the annotation already holds the decisions of now."""
        return bool((self.cells["decision"] == self.cells["published_decision"]).all())


def open_curation(experiment: Experiment, annotation: Product) -> Curation:
    """Read an annotation and what people have decided about its cells so far. InputError for a damaged file."""
    record = annotation.settings
    segmentation = experiment.product("segmentations", str(record["upstream"]["segmentation"]))
    decisions = decisions_on(experiment, segmentation)
    file = annotation.path / "cells.csv"
    with file_errors(file, "read"):
        changed = file.stat().st_mtime_ns
    cells = _ordered(annotation.path, changed)
    return Curation(experiment, annotation, with_decisions(cells, decisions.current), decisions)


@lru_cache(maxsize=4)
def _ordered(folder: Path, changed: int) -> pd.DataFrame:
    """The cells of an annotation in order; kept, because it never changes and every key press asks for it."""
    kept = read_json(folder / "settings.json").get("settings") or {}
    cells = read_csv(folder / "cells.csv", ANNOTATED_CELLS)
    by_line = kept.get("threshold_by_line") or {}
    threshold = np.array([by_line.get(sample, kept.get("threshold_used", np.nan)) for sample in cells["sample"]], float)
    return in_order(cells.assign(threshold=threshold, distance=closeness(cells, threshold), published_decision=cells["decision"]))


def closeness(cells: pd.DataFrame, threshold: np.ndarray) -> np.ndarray:
    """How far the threshold is from changing the class of each cell, float (N,), in units that do not hang on the stain.

    The distance of the cell's critical threshold, divided by the distance between the quartiles of the critical thresholds of
    all cells under the same threshold. Infinite for a cell that is positive at no threshold or has none.
    """
    critical = cells["critical_threshold"].astype("float64").to_numpy(na_value=np.nan)
    out = np.full(len(cells), np.inf)
    for value in np.unique(threshold[np.isfinite(threshold)]):
        mine = (threshold == value) & np.isfinite(critical)
        if mine.any():
            low, high = np.percentile(critical[mine], [25, 75])
            out[mine] = np.abs(critical[mine] - value) / (high - low if high > low else abs(value) or 1.0)
    return out


def in_order(cells: pd.DataFrame) -> pd.DataFrame:
    """Fragile cells first, then by ``distance``; cells without a class come last."""
    rank = np.where(cells["automatic_class"].isna(), 2, np.where(cells["fragile"].fillna(False), 0, 1))
    return cells.assign(rank=rank).sort_values(["rank", "distance", *KEY], kind="stable").drop(columns="rank").reset_index(drop=True)


def record(curation: Curation, orders: Sequence[Mapping[str, Any]], rater: str) -> None:
    """Save what ``rater`` decided, in order; all of it is on the disk when this returns.

    ``orders``: fov_id, label, ``decision`` (one of DECISIONS, or UNDO) and for UNDO ``was``, the decision that is taken back.
    One that says what stands already, or takes back what does not stand any more, adds nothing: an order may come twice.

    Raises
    ------
    InputError
        A cell that the annotation does not have, an unknown decision, no rater, or the file cannot be written.
    """
    name = " ".join(rater.split())
    cells = curation.cells.set_index(KEY)

    def rows(before: pd.DataFrame) -> pd.DataFrame:
        stacks = _stacks(before[(before["segmentation"] == curation.segmentation) & (before["rater"] == name)])
        made = []
        for order in orders:
            key = (str(order["fov_id"]), int(order["label"]))
            if key not in cells.index:
                raise InputError(f"{curation.annotation.path / 'cells.csv'}: there is no cell {key[1]} in {key[0]}.")
            what, stack = str(order["decision"]), stacks.setdefault(key, [])
            last = stack[-1] if stack else ""
            if what == (last or None) or (what == UNDO and (not last or last != order.get("was", last))):
                continue
            made.append(decision(curation.segmentation, {**cells.loc[key].to_dict(), "fov_id": key[0], "label": key[1]}, what, name))
            stack.pop() if what == UNDO else stack.append(what)
        return pd.concat(made, ignore_index=True) if made else typed(pd.DataFrame(), CURATION)

    add_from(curation.experiment, rows)


def _stacks(rows: pd.DataFrame) -> dict[tuple[str, int], list[str]]:
    """What one rater decided on each cell and did not take back, the last at the end."""
    out: dict[tuple[str, int], list[str]] = {}
    for fov_id, label, what in rows[[*KEY, "decision"]].itertuples(index=False):
        stack = out.setdefault((fov_id, int(label)), [])
        if what != UNDO:
            stack.append(what)
        elif stack:
            stack.pop()
    return out


def publish_params(curation: Curation) -> dict[str, Any]:
    """Parameters of the stage "annotate" for the same annotation with the decisions of now on top.

    Raises
    ------
    InputError
        The annotation was imported from a file: then it is imported again.
    """
    made, upstream = curation.annotation.settings, curation.annotation.settings["upstream"]
    if "stain" not in upstream:
        file = made.get("settings", {}).get("imported", "a file")
        raise InputError(f"This annotation was imported from {file}. Import it again: your decisions then lie on top.")
    settings = {name: value for name, value in made["settings"].items() if name in AnnotateSettings.__dataclass_fields__}
    return {"experiment": str(curation.experiment.path), "settings": settings, "stain": upstream["stain"]}


__all__ = ["CELL", "KEY", "Curation", "closeness", "in_order", "open_curation", "publish_params", "record"]
