"""Correct the outlines of one field by hand: what stands now, one more correction, which cells to look at first.

The segmentation stays as it is; every correction is a line of a log (edit_log.py). The field as it stands is kept in
memory (standing.py) for the next correction, and as a label image in a cache folder for the viewer.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core.cells.editing import numbered
from core.cells.edits import LOOKED_AT, REDO, UNDO, Edit, History, history
from core.cells.suspicion import suspicion
from core.errors import InputError
from core.images import write_labels
from core.report import read_csv
from core.stages.edit_log import EditLog, logs
from core.stages.standing import Change, cells_of, go_on, label_image, stand
from core.tables import SEGMENTED_FIELDS
from core.workspace import Experiment, Product, file_errors

PREVIEWS, KEPT_PREVIEWS = ".preview", 4
HIGHEST = "highest_id"  # in the settings of a reviewed segmentation: ids given there must not be given again


@dataclass(frozen=True)
class Corrected:
    """What a page shows of a field: its history, the label image as a file, the cells with the most suspicious first, and how
    the label image differs from the last versions of it, where that is known."""

    history: History
    labels: Path
    cells: pd.DataFrame
    change: Change | None = None


_busy = threading.Lock()


def look(experiment: Experiment, product: Product, fov_id: str, *, later: bool = False) -> Corrected:
    """The field with all its corrections.

    ``later``: where the change since the last versions is known, the label image is not written: call `keep` for that.
    """
    log = EditLog(experiment, product.id, fov_id)
    found = log.history()
    with _busy:
        now = stand(product, log, found)
        areas = _areas(experiment, product, fov_id, experiment.fields_csv.stat().st_mtime_ns)
        cells, change = suspicion(now.measures, areas), now.change()
        return Corrected(found, _preview(product, log, found, None if later and change else now.labels), cells, change)


def keep(experiment: Experiment, product: Product, fov_id: str) -> None:
    """Write the label image that `look` has left for later."""
    look(experiment, product, fov_id)


def ready(experiment: Experiment, product: Product, fov_id: str) -> tuple[Path, str] | None:
    """The label image as it stands and its version, if it lies on the disk and nothing has to be computed for it."""
    log = EditLog(experiment, product.id, fov_id)
    found = log.history()
    file = _preview_file(log, found) if found.edits else label_image(product, fov_id)
    return (file, found.version) if file.is_file() else None


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
            before = stand(product, log, found)
            labels, [edit] = numbered(before.labels, [edit], max(before.highest, found.highest, highest_id(product, fov_id)))
            log.append(edit.row())
            go_on(product, log, before, (edit,), labels)


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


def highest_id(product: Product, fov_id: str) -> int:
    """The highest id that earlier reviews gave in this field; 0: none."""
    return int(product.settings.get("settings", {}).get(HIGHEST, {}).get(fov_id, 0))


def _preview(product: Product, log: EditLog, found: History, labels: np.ndarray | None) -> Path:
    """The label image for the viewer: the segmentation's own where nothing is changed, else one file a version, made of ``labels``."""
    if not found.edits:
        return label_image(product, log.fov_id)
    file = _preview_file(log, found)
    if labels is not None and not file.is_file():
        with file_errors(file, "write"):
            write_labels(file, labels)
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
    cells = cells_of(product.path)
    return cells.loc[cells["fov_id"].isin(alike) & ~cells["touches_border"].fillna(False), "area_px"].dropna().to_numpy(float)
