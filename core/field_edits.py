"""A table of fields that two people edit at once: what one of them changed is carried onto the table as it stands by now."""

from typing import NamedTuple

import pandas as pd


class Clash(NamedTuple):
    """A change that was not carried over. ``column`` is "" where the row as a whole is meant."""

    fov_id: str
    column: str
    here: str  # the value that is not taken; "" for an emptied cell
    elsewhere: str  # the value that stays


def carried_over(before: pd.DataFrame, edited: pd.DataFrame, now: pd.DataFrame) -> tuple[pd.DataFrame, list[Clash]]:
    """What was changed from ``before`` to ``edited``, done to ``now``.

    Parameters
    ----------
    before : the table of fields that the editing began with (``tables.FIELDS``, further columns are kept)
    edited : the same after it; cells changed, rows left out
    now : the table on disk, changed by somebody else since ``before``

    Returns
    -------
    The new table in the order of ``now``, and what clashes: a cell, or a row left out, that was changed elsewhere too
    keeps the value of ``now``; so does the change of a row that is no longer there.
    """
    old, mine, theirs = (table.set_index("fov_id") for table in (before, edited, now))
    out = theirs.copy()
    clashes = []
    for fov_id in old.index.difference(mine.index, sort=False).intersection(out.index, sort=False):
        if any(not _same(theirs.at[fov_id, column], old.at[fov_id, column]) for column in old.columns.intersection(theirs.columns)):
            clashes.append(Clash(fov_id, "", "", ""))
        else:
            out = out.drop(index=fov_id)
    for fov_id, column in _changed(old, mine):
        value = mine.at[fov_id, column]
        there = fov_id in theirs.index
        found = theirs.at[fov_id, column] if there and column in theirs else old.at[fov_id, column]
        if not there:
            clashes.append(Clash(fov_id, column, _text(value), ""))
        elif _same(found, old.at[fov_id, column]):
            out.loc[fov_id, column] = value
        elif not _same(found, value):
            clashes.append(Clash(fov_id, column, _text(value), _text(found)))
    return out.reset_index()[list(now.columns)], clashes


def _changed(old: pd.DataFrame, mine: pd.DataFrame) -> list[tuple[str, str]]:
    """Row and column of every cell that differs."""
    rows = mine.index.intersection(old.index, sort=False)
    columns = mine.columns.intersection(old.columns, sort=False)
    return [(row, column) for column in columns for row in rows if not _same(mine.at[row, column], old.at[row, column])]


def _same(one: object, other: object) -> bool:
    return _text(one) == _text(other)


def _text(value: object) -> str:
    """As the table shows it; unknown is ""."""
    return "" if pd.isna(value) else f"{value:.15g}" if isinstance(value, float) else str(value)
