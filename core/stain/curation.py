"""What people decided about cells: rows that are only ever appended, and what stands now."""

from datetime import datetime, timezone
from typing import Any

import pandas as pd

from core.errors import InputError
from core.tables import CURATION, DECISIONS, UNDO, typed

CELL = ["segmentation", "fov_id", "label"]
CLASS_OF = {"positive": 1, "negative": 0}


def decision(segmentation: str, cell: pd.Series | dict[str, Any], what: str, rater: str, time: datetime | None = None) -> pd.DataFrame:
    """One row of ``tables.CURATION``: ``what`` (one of DECISIONS, or UNDO) about ``cell`` (fov_id, label, y_px, x_px, area_px).

    ``time`` is now where not given, and is written in UTC.

    Raises
    ------
    InputError
        An unknown decision, or no rater.
    """
    if what not in (*DECISIONS, UNDO):
        raise InputError(f"Decision on {cell['fov_id']}:{cell['label']}: wanted one of {', '.join(DECISIONS)} or {UNDO}, found {what!r}.")
    if not rater.strip():
        raise InputError("Decision: wanted the name of the rater, found none.")
    stamp = (time or datetime.now(timezone.utc)).astimezone(timezone.utc).isoformat(timespec="milliseconds")
    row: dict[str, Any] = {"segmentation": segmentation, "decision": what, "rater": rater.strip(), "time": stamp}
    row |= {name: cell.get(name) for name in ("fov_id", "label", "y_px", "x_px", "area_px")}
    return typed(pd.DataFrame([row]), CURATION, "decision")[list(CURATION)]


def standing(curation: pd.DataFrame) -> pd.DataFrame:
    """What stands of every rater on every cell: one row each, the latest that was not undone.

    An UNDO row takes back the rater's last standing decision on that cell, and the one before stands again; an undo too
    many does nothing. Row order counts, not the clock. Carried-over rows count as made at their place in the table.

    Parameters
    ----------
    curation : DataFrame
        Columns of ``tables.CURATION``.

    Returns
    -------
    The standing rows, in their order in ``curation``.

    Raises
    ------
    InputError
        A decision that is none.
    """
    rows = typed(curation, CURATION, "curation.csv").reset_index(drop=True)
    _check(rows)
    stacks: dict[tuple[Any, ...], list[int]] = {}
    keys = zip(rows["segmentation"], rows["fov_id"], rows["label"], rows["rater"], strict=True)
    for number, (key, what) in enumerate(zip(keys, rows["decision"], strict=True)):
        stack = stacks.setdefault(key, [])
        if what != UNDO:
            stack.append(number)
        elif stack:
            stack.pop()
    kept = sorted(stack[-1] for stack in stacks.values() if stack)
    return rows.loc[kept].reset_index(drop=True)


def current(curation: pd.DataFrame, segmentation: str, rater: str | None = None) -> pd.DataFrame:
    """The decision that counts for every cell of a segmentation: one row a cell, of ``rater``, or of whoever decided last."""
    rows = standing(curation)
    rows = rows[rows["segmentation"] == segmentation]
    if rater is not None:
        rows = rows[rows["rater"] == rater]
    return rows.drop_duplicates(CELL, keep="last").reset_index(drop=True)


def last_to_undo(curation: pd.DataFrame, segmentation: str, rater: str) -> pd.Series | None:
    """The rater's latest standing decision on any cell, which an UNDO row would take back; None where there is none.

    Carried-over rows are not offered: they were decided elsewhere.
    """
    rows = standing(curation)
    rows = rows[(rows["segmentation"] == segmentation) & (rows["rater"] == rater) & (rows["carried_from"] == "")]
    return None if rows.empty else rows.iloc[-1]


def with_decisions(cells: pd.DataFrame, decisions: pd.DataFrame) -> pd.DataFrame:
    """``cells`` (fov_id, label, automatic_class) with the columns decision, curated_class and class of ``tables.ANNOTATED_CELLS``.

    ``decisions``: one row a cell, as ``current`` gives it; cells that it names and ``cells`` lacks are ignored. "cannot tell"
    and "exclude" leave ``class`` empty: the cell is not to be used.
    """
    found = decisions.set_index(["fov_id", "label"])["decision"]
    keys = pd.MultiIndex.from_arrays([cells["fov_id"], cells["label"]])
    what = pd.Series(found.reindex(keys).to_numpy(), index=cells.index).astype(object)
    decided = what.notna()
    curated = what.map(CLASS_OF).astype("Int64")
    out = cells.copy()
    out["decision"] = what.where(decided, "").astype("str")
    out["curated_class"] = curated
    out["class"] = curated.where(decided, cells["automatic_class"].astype("Int64"))
    return out


def _check(rows: pd.DataFrame) -> None:
    wrong = ~rows["decision"].isin([*DECISIONS, UNDO])
    if wrong.any():
        row = int(wrong.to_numpy().argmax())
        raise InputError(f"curation.csv, row {row + 1}: wanted one of {', '.join(DECISIONS)} or {UNDO}, found {rows['decision'].iloc[row]!r}.")
