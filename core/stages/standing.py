"""A field as its corrections left it, kept in memory: each further correction, undo or redo touches one small box of it."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import takewhile
from pathlib import Path

import numpy as np
import pandas as pd

from core.cells.editing import apply
from core.cells.edits import Edit, History, touched, version_of
from core.cells.suspicion import measure
from core.errors import InputError
from core.images import read_labels
from core.report import read_csv
from core.stages.edit_log import EditLog
from core.tables import CELLS
from core.workspace import Product

OPEN_FIELDS = 3  # kept in memory
STEPS = 8  # that a change may go back
SMALL = 512 * 512  # px; as long as it is not larger, a change goes further back
LARGEST = 1024 * 1024  # px; the label image itself is quicker then

Box = tuple[slice, slice]


@dataclass(frozen=True)
class Patch:
    """How to go back: the pixels of ``box`` as they were after the first ``edits`` edits."""

    edits: int
    box: Box
    pixels: np.ndarray


@dataclass(frozen=True)
class Change:
    """What became of the label image: ``pixels`` int32 in ``box`` make each version of ``since`` the present one."""

    since: tuple[str, ...]
    box: Box
    pixels: np.ndarray


@dataclass(frozen=True)
class Standing:
    """A field as it stands.

    ``edits``; the label image ``labels`` int32 (Y, X); what is measured of its cells; ``highest`` id and flow errors as
    segmented; ``patches`` to go back; ``steps``: the last versions before this one, and where the next step changed them.
    """

    edits: tuple[Edit, ...]
    labels: np.ndarray
    measures: pd.DataFrame
    highest: int
    flow_error: Mapping[int, float]
    patches: tuple[Patch, ...] = ()
    steps: tuple[tuple[str, Box], ...] = ()

    def change(self) -> Change | None:
        """From the last versions to this one; None where they are not known, or too much has changed."""
        since: list[str] = []
        box: Box | None = None
        for version, changed in reversed(self.steps):
            wider = _joined(box, changed)
            if _area(wider) > (SMALL if since else LARGEST):
                break
            box = wider
            since.append(version)
        return Change(tuple(since), box, self.labels[box]) if box else None


_standing: OrderedDict[tuple[Path, int], Standing] = OrderedDict()  # by log and time of change of the label image


def stand(product: Product, log: EditLog, found: History) -> Standing:
    """The field after the edits of ``found``: from memory, as far as that goes. One call at a time."""
    known = _standing.get(_key(product, log))
    if known is None:
        labels = read_labels(label_image(product, log.fov_id))
        errors = _flow_errors(product.path, log.fov_id)
        known = Standing((), labels, measure(labels, flow_error=errors), int(labels.max()), errors)
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(known.edits, found.edits, strict=False)))
    known = _back(known, same) if same < len(known.edits) else known
    missing = found.edits[len(known.edits) :]
    if missing:
        known = _changed(known, missing, apply(known.labels, missing))
    return _keep(product, log, known)


def go_on(product: Product, log: EditLog, before: Standing, edits: tuple[Edit, ...], labels: np.ndarray) -> None:
    """``edits`` have made ``labels`` of the field that stood as ``before``."""
    _keep(product, log, _changed(before, edits, labels))


def label_image(product: Product, fov_id: str) -> Path:
    """The label image of a field as segmented. InputError where the segmentation does not hold the field."""
    path = product.path / "labels" / f"{fov_id}.tif"
    if not path.is_file():
        raise InputError(f"Field {fov_id} is not part of segmentation {product.id}.")
    return path


@lru_cache(maxsize=2)
def cells_of(product: Path) -> pd.DataFrame:
    """``tables.CELLS`` of a segmentation, which never changes."""
    return read_csv(product / "cells.csv", CELLS)


def _key(product: Product, log: EditLog) -> tuple[Path, int]:
    return log.path, label_image(product, log.fov_id).stat().st_mtime_ns


def _keep(product: Product, log: EditLog, now: Standing) -> Standing:
    key = _key(product, log)
    _standing[key] = now
    _standing.move_to_end(key)
    while len(_standing) > OPEN_FIELDS:
        _standing.popitem(last=False)
    return now


def _changed(before: Standing, edits: tuple[Edit, ...], labels: np.ndarray) -> Standing:
    """After ``edits``, which made ``labels``."""
    differs = labels != before.labels
    rows = np.flatnonzero(differs.any(axis=1))
    columns = np.flatnonzero(differs[rows].any(axis=0))
    box = (_span(rows), _span(columns))
    patch, now = Patch(len(before.edits), box, before.labels[box].copy()), (*before.edits, *edits)
    return replace(
        before, edits=now, labels=labels, measures=_measured(before, labels, edits, now), patches=(*before.patches, patch), steps=_steps(before, box)
    )


def _back(now: Standing, edits: int) -> Standing:
    """As it was after the first ``edits`` edits, or earlier where several were made at once."""
    labels, patches, at, box = now.labels.copy(), list(now.patches), len(now.edits), None
    while at > edits:
        patch = patches.pop()
        labels[patch.box], at, box = patch.pixels, patch.edits, _joined(box, patch.box)
    kept = now.edits[:at]
    measures = _measured(now, labels, now.edits[at:], kept)
    return replace(now, edits=kept, labels=labels, measures=measures, patches=tuple(patches), steps=_steps(now, box) if box else now.steps)


def _steps(before: Standing, box: Box) -> tuple[tuple[str, Box], ...]:
    return (*before.steps, (version_of(before.edits), box))[-STEPS:]


def _measured(before: Standing, labels: np.ndarray, edits: Sequence[Edit], stands: Sequence[Edit]) -> pd.DataFrame:
    """Only the cells that ``edits`` touched are measured again; the flow error is lost to those that ``stands`` touches."""
    ids, edited = sorted(touched(edits)), touched(stands)
    known = {label: before.flow_error[label] for label in ids if label in before.flow_error and label not in edited}
    stay, again = before.measures[~before.measures["label"].isin(ids)], measure(labels, ids, known)
    some = [one for one in (stay, again) if len(one)] or [stay]
    return pd.concat(some, ignore_index=True).sort_values("label", ignore_index=True)


def _flow_errors(product: Path, fov_id: str) -> dict[int, float]:
    """By label, of the cells as segmented; those without one are left out."""
    cells = cells_of(product)
    known = cells[(cells["fov_id"] == fov_id) & cells["flow_error"].notna()]
    return dict(zip(known["label"].astype(int), known["flow_error"].astype(float), strict=True))


def _span(places: np.ndarray) -> slice:
    return slice(int(places[0]), int(places[-1]) + 1) if len(places) else slice(0, 0)


def _joined(one: Box | None, other: Box) -> Box:
    """The box around both; an empty one counts nothing."""
    if one is None or not _area(one):
        return other
    if not _area(other):
        return one
    rows, columns = (slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in zip(one, other, strict=True))
    return rows, columns


def _area(box: Box) -> int:
    rows, columns = box
    return int((rows.stop - rows.start) * (columns.stop - columns.start))
