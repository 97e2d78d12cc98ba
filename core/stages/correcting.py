"""Correct the outlines of one field by hand: what stands now, one more correction, which cells to look at first.

The segmentation stays as it is; every correction is a line of a log (edit_log.py). The field as it stands is kept in
memory for the next correction, and as a label image in a cache folder for the viewer.
"""

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from functools import lru_cache
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core.cells.editing import apply, numbered
from core.cells.edits import LOOKED_AT, REDO, UNDO, Edit, History, history, touched
from core.cells.suspicion import measure, suspicion
from core.errors import InputError
from core.images import read_labels, write_labels
from core.report import read_csv
from core.stages.edit_log import EditLog, logs
from core.tables import CELLS, SEGMENTED_FIELDS
from core.workspace import Experiment, Product, file_errors

OPEN_FIELDS = 3  # kept in memory
PREVIEWS, KEPT_PREVIEWS = ".preview", 4
HIGHEST = "highest_id"  # in the settings of a reviewed segmentation: ids given there must not be given again


@dataclass(frozen=True)
class Patch:
    """How to go back: the pixels of ``box`` as they were after the first ``edits`` edits."""

    edits: int
    box: tuple[slice, slice]
    pixels: np.ndarray


@dataclass(frozen=True)
class Standing:
    """A field as it stands: the edits, the label image int32 (Y, X), what is measured of its cells; the highest id and the flow
    errors as segmented."""

    edits: tuple[Edit, ...]
    labels: np.ndarray
    measures: pd.DataFrame
    highest: int
    flow_error: Mapping[int, float]
    patches: tuple[Patch, ...] = ()


@dataclass(frozen=True)
class Corrected:
    """What a page shows of a field: its history, the label image as a file, the cells with the most suspicious first."""

    history: History
    labels: Path
    cells: pd.DataFrame


_standing: OrderedDict[tuple[Path, int], Standing] = OrderedDict()  # by log and time of change of the label image
_busy = threading.Lock()


def look(experiment: Experiment, product: Product, fov_id: str) -> Corrected:
    """The field with all its corrections."""
    log = EditLog(experiment, product.id, fov_id)
    found = log.history()
    with _busy:
        now = _stand(product, log, found)
        areas = _areas(experiment, product, fov_id, experiment.fields_csv.stat().st_mtime_ns)
        return Corrected(found, _preview(product, log, found, now), suspicion(now.measures, areas))


def ready(experiment: Experiment, product: Product, fov_id: str) -> Path | None:
    """The label image as it stands, if it lies on the disk and nothing has to be computed for it."""
    log = EditLog(experiment, product.id, fov_id)
    found = log.history()
    file = _preview_file(log, found) if found.edits else label_image(product, fov_id)
    return file if file.is_file() else None


def correct(experiment: Experiment, product: Product, fov_id: str, row: Mapping[str, Any], rater: str = "") -> None:
    """Check one correction against the field as it stands and save it.

    Parameters
    ----------
    row : mapping
        An ``Edit`` as a row; or ``action`` undo, redo, or looked_at with ``value``. A row whose ``id`` the log knows
        already is a message that came twice: nothing happens.
    rater : str
        Who made it.

    Raises
    ------
    InputError
        It cannot be made: a cell that is not there, a line that does not cut, nothing to undo, ...; nothing is saved.
    """
    log = EditLog(experiment, product.id, fov_id)
    stamp = {"rater": rater.strip(), "time": datetime.now(timezone.utc).isoformat(timespec="milliseconds"), "id": str(row.get("id", ""))}
    with log.held():
        rows = log.rows()
        found = history(rows)
        if stamp["id"] and stamp["id"] in found.ids:
            return
        if row.get("action") in (UNDO, REDO, LOOKED_AT):
            line = {"action": row["action"], **({"value": bool(row.get("value", True))} if row["action"] == LOOKED_AT else {})}
            history([*rows, line])  # refuses what cannot be taken back
            log.append({**line, **{name: value for name, value in stamp.items() if value}})
            return
        edit = Edit.from_row({**row, **stamp, "made": []})
        with _busy:
            before = _stand(product, log, found)
            labels, [edit] = numbered(before.labels, [edit], max(before.highest, found.highest, highest_id(product, fov_id)))
            log.append(edit.row())
            _keep(next(reversed(_standing)), _changed(before, (edit,), labels))


def overview(experiment: Experiment, product: Product) -> pd.DataFrame:
    """One row a field, in the order of the segmentation: fov_id, n_cells as segmented, edits that stand, looked_at, problem."""
    table = _fields(product.path)
    rows = {fov_id: {"edits": 0, "looked_at": False, "problem": ""} for fov_id in table["fov_id"]}
    for log in logs(experiment, product.id):
        try:
            found = log.history()
            told = {"edits": len(found.edits), "looked_at": found.looked_at, "problem": ""}
        except InputError as problem:
            told = {"edits": 0, "looked_at": False, "problem": str(problem)}
        if log.fov_id in rows:
            rows[log.fov_id] = told
    return table.join(pd.DataFrame(list(rows.values()), columns=["edits", "looked_at", "problem"]))


@lru_cache(maxsize=16)
def _fields(product: Path) -> pd.DataFrame:
    """Products never change, so their tables are read once."""
    return read_csv(product / "fields.csv", SEGMENTED_FIELDS)[["fov_id", "n_cells"]]


@lru_cache(maxsize=2)
def _cells(product: Path) -> pd.DataFrame:
    return read_csv(product / "cells.csv", CELLS)


def _flow_errors(product: Path, fov_id: str) -> dict[int, float]:
    """By label, of the cells as segmented; those without one are left out."""
    cells = _cells(product)
    known = cells[(cells["fov_id"] == fov_id) & cells["flow_error"].notna()]
    return dict(zip(known["label"].astype(int), known["flow_error"].astype(float), strict=True))


def highest_id(product: Product, fov_id: str) -> int:
    """The highest id that earlier reviews gave in this field; 0: none."""
    return int(product.settings.get("settings", {}).get(HIGHEST, {}).get(fov_id, 0))


def label_image(product: Product, fov_id: str) -> Path:
    """The label image of a field as segmented. InputError where the segmentation does not hold the field."""
    path = product.path / "labels" / f"{fov_id}.tif"
    if not path.is_file():
        raise InputError(f"Field {fov_id} is not part of segmentation {product.id}.")
    return path


def _stand(product: Product, log: EditLog, found: History) -> Standing:
    """The field after the edits of ``found``: from memory, as far as that goes."""
    source = label_image(product, log.fov_id)
    key = (log.path, source.stat().st_mtime_ns)
    known = _standing.get(key)
    if known is None:
        labels = read_labels(source)
        errors = _flow_errors(product.path, log.fov_id)
        known = Standing((), labels, measure(labels, flow_error=errors), int(labels.max()), errors)
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(known.edits, found.edits, strict=False)))
    known = _back(known, same) if same < len(known.edits) else known
    missing = found.edits[len(known.edits) :]
    if missing:
        known = _changed(known, missing, apply(known.labels, missing))
    return _keep(key, known)


def _changed(before: Standing, edits: tuple[Edit, ...], labels: np.ndarray) -> Standing:
    """After ``edits``, which made ``labels``."""
    differs = labels != before.labels
    rows, columns = (np.flatnonzero(differs.any(axis=axis)) for axis in (1, 0))
    box = tuple(slice(int(one[0]), int(one[-1]) + 1) if len(one) else slice(0) for one in (rows, columns))
    patch = Patch(len(before.edits), (box[0], box[1]), before.labels[box].copy())
    stand = (*before.edits, *edits)
    return replace(before, edits=stand, labels=labels, measures=_measured(before, labels, edits, stand), patches=(*before.patches, patch))


def _back(now: Standing, edits: int) -> Standing:
    """As it was after the first ``edits`` edits, or earlier where several were made at once."""
    labels, patches, at = now.labels.copy(), list(now.patches), len(now.edits)
    while at > edits:
        patch = patches.pop()
        labels[patch.box], at = patch.pixels, patch.edits
    stand = now.edits[:at]
    return replace(now, edits=stand, labels=labels, measures=_measured(now, labels, now.edits[at:], stand), patches=tuple(patches))


def _measured(before: Standing, labels: np.ndarray, edits: Sequence[Edit], stand: Sequence[Edit]) -> pd.DataFrame:
    """Only the cells that ``edits`` touched are measured again; the flow error is lost to those that ``stand`` touches."""
    ids, edited = sorted(touched(edits)), touched(stand)
    known = {label: before.flow_error[label] for label in ids if label in before.flow_error and label not in edited}
    stay, again = before.measures[~before.measures["label"].isin(ids)], measure(labels, ids, known)
    some = [one for one in (stay, again) if len(one)] or [stay]
    return pd.concat(some, ignore_index=True).sort_values("label", ignore_index=True)


def _keep(key: tuple[Path, int], now: Standing) -> Standing:
    _standing[key] = now
    _standing.move_to_end(key)
    while len(_standing) > OPEN_FIELDS:
        _standing.popitem(last=False)
    return now


def _preview(product: Product, log: EditLog, found: History, now: Standing) -> Path:
    """The label image for the viewer: the segmentation's own where nothing is changed, else one file a version."""
    if not found.edits:
        return label_image(product, log.fov_id)
    file = _preview_file(log, found)
    if not file.is_file():
        with file_errors(file, "write"):
            write_labels(file, now.labels)
            _tidy(file)
    return file


def _preview_file(log: EditLog, found: History) -> Path:
    return log.folder / PREVIEWS / f"{log.fov_id}.{found.version}.tif"


def _tidy(newest: Path) -> None:
    """Only the last versions of a field are kept: an open tab may still ask for the one before."""
    stem = newest.name.rsplit(".", 2)[0]
    old = [p for p in newest.parent.glob("*.tif") if p.name.rsplit(".", 2)[0] == stem and p != newest]
    for path in sorted(old, key=lambda p: p.stat().st_mtime_ns, reverse=True)[KEPT_PREVIEWS - 1 :]:
        path.unlink(missing_ok=True)


@lru_cache(maxsize=64)
def _areas(experiment: Experiment, product: Product, fov_id: str, changed: int) -> np.ndarray:
    """Areas (px²) of the uncut cells of all fields of the same pixel size, as segmented; ``changed``: that of fields.csv."""
    table = experiment.fields().set_index("fov_id")["pixel_size_um"]
    mine = table.get(fov_id)
    alike = table.index[table.isna() if mine is None or pd.isna(mine) else (table == mine).fillna(False)]
    cells = _cells(product.path)
    return cells.loc[cells["fov_id"].isin(alike) & ~cells["touches_border"].fillna(False), "area_px"].dropna().to_numpy(float)
