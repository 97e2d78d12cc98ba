"""What a person changed in the outlines of a field: single edits, and the history that their log tells.

A log is a list of rows (JSON objects), in the order in which they were written; no row is ever changed. ``undo`` takes
back the last edit that still stands, ``redo`` brings it back until another edit is made, ``looked_at`` says whether
somebody has looked through the field.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.errors import InputError

ACTIONS = ("remove", "merge", "split", "draw", "outline")
UNDO, REDO, LOOKED_AT = "undo", "redo", "looked_at"
_LABELS = {"remove": 1, "split": 1, "outline": 1, "draw": 0}  # how many cells an action takes; merge takes two or more
_POINTS = {"split": 2, "draw": 3, "outline": 3}  # how many points at least
_MOST_POINTS = 20_000


@dataclass(frozen=True)
class Edit:
    """One correction.

    ``action``: remove (a cell), merge (cells into one), split (a cell along a line), draw (a missing cell), outline (draw
    the outline of a cell anew). ``points``: (x, y) in px, x to the right, y down, pixel (0, 0) covers 0 to 1: the line of
    a split, or the polygon. ``made``: ids of the cells that came into being, empty until they are given.
    ``id``: tells a repeated message from a second edit. ``time``: ISO 8601, UTC.
    """

    action: str
    labels: tuple[int, ...] = ()
    points: tuple[tuple[float, float], ...] = ()
    made: tuple[int, ...] = ()
    rater: str = ""
    time: str = ""
    id: str = ""

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "Edit":
        """The edit of a row; InputError says what is wrong with it."""
        action = row.get("action")
        if action not in ACTIONS:
            raise InputError(f"Correction: wanted one of {', '.join(ACTIONS)}, found {action!r}.")
        labels, made = _ids(row, "labels"), _ids(row, "made")
        points = _points(row)
        wanted = _LABELS.get(action)
        if (len(labels) != wanted) if wanted is not None else (len(set(labels)) < 2):
            raise InputError(f"Correction {action!r}: wanted {'two or more cells' if wanted is None else wanted}, found {list(labels)}.")
        if len(points) < _POINTS.get(action, 0):
            raise InputError(f"Correction {action!r}: wanted at least {_POINTS[action]} points, found {len(points)}.")
        return cls(action, labels, points, made, *(str(row.get(name, "")) for name in ("rater", "time", "id")))

    def row(self) -> dict[str, Any]:
        """As a JSON object; what is empty is left out."""
        every = {
            "action": self.action,
            "labels": list(self.labels),
            "points": [list(point) for point in self.points],
            "made": list(self.made),
            "rater": self.rater,
            "time": self.time,
            "id": self.id,
        }
        return {name: value for name, value in every.items() if value}


def _ids(row: Mapping[str, Any], name: str) -> tuple[int, ...]:
    found = row.get(name) or []
    if not isinstance(found, list | tuple) or any(not isinstance(one, int) or isinstance(one, bool) or one < 1 for one in found):
        raise InputError(f"Correction: wanted whole numbers above 0 as {name}, found {found!r}.")
    return tuple(found)


def _points(row: Mapping[str, Any]) -> tuple[tuple[float, float], ...]:
    found = row.get("points") or []
    try:
        points = tuple((float(x), float(y)) for x, y in found)
    except (TypeError, ValueError):
        raise InputError("Correction: wanted points as pairs of numbers [x, y].") from None
    if any(not abs(value) < 1e6 for point in points for value in point):  # NaN too
        raise InputError("Correction: a point lies outside of every field.")
    if len(points) > _MOST_POINTS:
        raise InputError(f"Correction: wanted at most {_MOST_POINTS} points, found {len(points)}.")
    return points


@dataclass(frozen=True)
class History:
    """What a log comes to: the edits that stand, those that ``redo`` would bring back (next one last)."""

    edits: tuple[Edit, ...] = ()
    undone: tuple[Edit, ...] = ()
    looked_at: bool = False
    highest: int = 0
    """The highest id that an edit has ever given, also one that was undone: no id is given twice."""
    ids: frozenset[str] = field(default_factory=frozenset)

    @property
    def version(self) -> str:
        """See ``version_of``."""
        return version_of(self.edits)

    def counts(self) -> dict[str, int]:
        """How often each action stands."""
        return {action: n for action in ACTIONS if (n := sum(e.action == action for e in self.edits))}


def version_of(edits: Sequence[Edit]) -> str:
    """Another text whenever other edits stand; 12 hex digits."""
    what = [[e.action, e.labels, e.points, e.made] for e in edits]
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:12]


def history(rows: Iterable[Mapping[str, Any]]) -> History:
    """Go through the rows of a log. Raises InputError for a row that is none."""
    standing: list[Edit] = []
    undone: list[Edit] = []
    looked_at, highest, ids = False, 0, set()
    for row in rows:
        action = row.get("action")
        ids.add(str(row.get("id", "")))
        if action == LOOKED_AT:
            looked_at = bool(row.get("value", True))
        elif action in (UNDO, REDO):
            _move(*((standing, undone) if action == UNDO else (undone, standing)), str(action))
        else:
            edit = Edit.from_row(row)
            standing.append(edit)
            undone.clear()
            highest = max(highest, *edit.made, 0)
    return History(tuple(standing), tuple(undone), looked_at, highest, frozenset(ids - {""}))


def _move(source: list[Edit], target: list[Edit], action: str) -> None:
    if not source:
        raise InputError(f"There is nothing to {action}.")
    target.append(source.pop())


def touched(edits: Sequence[Edit]) -> set[int]:
    """Ids of the cells that edits changed, made or removed."""
    return {label for edit in edits for label in (*edit.labels, *edit.made)}
