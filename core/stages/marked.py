"""What the stain says of the cells of an assessment: annotations of the same outlines, or of others by overlap; a second marker."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pandas as pd

from core.errors import InputError
from core.images import read_labels
from core.report import read_csv
from core.stages.assessed import Assessed
from core.stages.lineage import stain_of
from core.stages.reference import AUTO, NONE
from core.stain.carrying import SAME, match_cells
from core.stain.summary import classes_around
from core.tables import ANNOTATED_CELLS, ANNOTATED_LINES, MARKED_CELLS, typed
from core.workspace import Product

KEY: Final = ["fov_id", "label"]
STEPS: Final = ("marker_class_lower", "marker_class_higher")
NO_CLASSES: Final = typed(pd.DataFrame(), {"fov_id": "str", "label": "Int64"} | dict.fromkeys(("class", *STEPS), "Int64"))


@dataclass(frozen=True)
class Marked:
    """``classes``: of cells of the assessment ``fov_id, label, class``, and ``STEPS``, the class at a stain threshold 10 % lower and higher.
    ``stain``: see ``stain_of``."""

    annotation: Product
    marker: str
    classes: pd.DataFrame
    remarks: tuple[str, ...] = ()
    stain: dict[str, Any] = field(default_factory=dict)


def annotations_for(assessed: Assessed) -> list[Product]:
    """Annotations of the experiment: those of the same outlines first, newest first."""
    known = (one for one in assessed.experiment.products("annotations") if _outlines(one))
    return sorted(known, key=lambda one: _outlines(one) != assessed.outlines)


def _outlines(annotation: Product) -> str:
    try:
        return str((annotation.settings.get("upstream") or {}).get("segmentation", ""))
    except InputError:  # a damaged record
        return ""


def marker_of(annotation: Product) -> str:
    """Name of its marker."""
    return str(stain_of(annotation).get("marker", "")) or "stain"


def find_marked(assessed: Assessed, wanted: str, second: str, usual: str = "") -> tuple[Marked | None, Marked | None, list[str]]:
    """The annotation that is ``wanted`` and one of another marker; "auto" takes the first that shares a cell with the assessment,
    of the ``usual`` marker (the one that the classifier learned) before others. Also why others were passed over.

    Raises
    ------
    InputError
        An annotation named that does not exist or is damaged, or two of one marker.
    """
    known, passed = sorted(annotations_for(assessed), key=lambda one: bool(usual) and marker_of(one) != usual), list[str]()
    first = _chosen(assessed, known, wanted, passed)
    if first is None and second == AUTO:
        return None, None, passed
    other = _chosen(assessed, [p for p in known if first is None or marker_of(p) != first.marker], second, passed)
    if first is not None and other is not None and other.marker == first.marker:
        raise InputError(f"Second marker: wanted an annotation of another marker than {first.marker}, found {other.annotation.id} of the same.")
    return first, other, passed


def _chosen(assessed: Assessed, known: Sequence[Product], wanted: str, passed: list[str]) -> Marked | None:
    if wanted == NONE:
        return None
    if wanted != AUTO:
        return read_marked(assessed, assessed.experiment.product("annotations", wanted))
    for annotation in known:
        try:
            found = read_marked(assessed, annotation)
        except InputError as error:
            passed.append(f"The annotation {annotation.id} was not used: {error}")
            continue
        if len(found.classes):
            return found
    return None


def read_marked(assessed: Assessed, annotation: Product) -> Marked:
    """The classes of an annotation for the cells of the assessment, carried over by overlap where its outlines are others."""
    cells = read_csv(annotation.path / "cells.csv", ANNOTATED_CELLS)
    file = annotation.path / "lines.csv"
    lines = read_csv(file, ANNOTATED_LINES) if file.is_file() else typed(pd.DataFrame(), ANNOTATED_LINES)
    cells = cells.assign(**dict(zip(STEPS, classes_around(cells, lines).to_dict("series").values(), strict=True)))
    cells = cells[cells["class"].notna()]
    classes, remarks = cells[[*KEY, "class", *STEPS]], tuple[str, ...]()
    if _outlines(annotation) != assessed.outlines:
        classes = _carried(assessed, cells, _outlines(annotation))
        share = f"{len(classes)} of its {len(cells)} cells are the same ones here (they share more than {100 * SAME:.0f} % of their union)"
        remarks = (f"The annotation {annotation.id} rests on other outlines: {share}; the others are left out.",)
    classes = classes.merge(assessed.cells[KEY], on=KEY).drop_duplicates(KEY, ignore_index=True)
    return Marked(annotation, marker_of(annotation), classes, remarks, stain_of(annotation))


def _carried(assessed: Assessed, cells: pd.DataFrame, outlines: str) -> pd.DataFrame:
    """Classes on the cells of the assessment that are the same ones; a field whose outlines are missing or of another size has none."""
    before, now = (assessed.experiment.path / "segmentations" / id / "labels" for id in (outlines, assessed.outlines))
    parts, here = [NO_CLASSES], set(assessed.cells["fov_id"])
    for fov_id in [one for one in dict.fromkeys(cells["fov_id"]) if one in here]:
        old, new = (folder / f"{fov_id}.tif" for folder in (before, now))
        if not (old.is_file() and new.is_file()):
            continue
        first, second = read_labels(old), read_labels(new)
        if first.shape != second.shape:
            continue
        matches = match_cells(first, second)
        same = matches[(matches["new_label"] > 0) & (matches["overlap"] > SAME)]
        found = cells[cells["fov_id"] == fov_id].merge(same[["label", "new_label"]].astype("Int64"), on="label")
        parts.append(found[["fov_id", "new_label", "class", *STEPS]].rename(columns={"new_label": "label"}))
    return pd.concat(parts, ignore_index=True)


def with_classes(cells: pd.DataFrame, first: Marked | None, second: Marked | None, learned: frozenset[tuple[str, str]], experiment: str) -> pd.DataFrame:
    """``cells`` with ``tables.MARKED_CELLS``, ``STEPS`` of the first, and ``learned``: whether the classifier learned from the field."""
    out = cells.drop(columns=[c for c in (*MARKED_CELLS, *STEPS) if c in cells])
    for prefix, marked in (("", first), ("second_", second)):
        classes = (marked.classes if marked is not None else NO_CLASSES).drop(columns=list(STEPS) if prefix else [])
        out = out.merge(classes.rename(columns={"class": f"{prefix}marker_class"}), on=KEY, how="left")
        out[f"{prefix}marker"] = np.where(out[f"{prefix}marker_class"].notna(), marked.marker if marked is not None else "", "")
    return out.assign(learned=[(experiment, fov_id) in learned for fov_id in out["fov_id"]])
