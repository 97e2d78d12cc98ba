"""Corrections of a label image by hand. Every function takes a label image and returns a new one.

Label images are int32 (Y, X), 0 is background. Points are (x, y) in px, x to the right and y down, pixel (0, 0) covers
0 to 1, as in the viewer; a pixel belongs to a polygon where its centre does. A cell that is not edited keeps its id and
every pixel: drawing takes background only.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from core.cells.drawing import SMALLEST_PART, Box, Points, cutting_line, polygon_pixels
from core.cells.edits import Edit
from core.cells.labels import checked_labels
from core.errors import InputError

WIDEST_GAP = 10
"""px; cells farther apart are not merged: that is a slip of the hand."""


def remove(labels: np.ndarray, label: int) -> np.ndarray:
    """Turn the cell ``label`` into background. InputError where there is no such cell."""
    return _edited(labels, Edit("remove", (label,)))


def merge(labels: np.ndarray, ids: Iterable[int]) -> np.ndarray:
    """Make one cell of two or more; it gets the lowest of their ids.

    A gap of background of at most ``WIDEST_GAP`` px between them is closed (morphological closing of the cells together
    by the smallest disc that joins them; background only). InputError for less than two cells, one that does not exist,
    or cells farther apart.
    """
    return _edited(labels, Edit.from_row({"action": "merge", "labels": [int(one) for one in ids]}))


def split(labels: np.ndarray, label: int, line: Points, new_id: int | None = None) -> np.ndarray:
    """Cut the cell ``label`` along a drawn ``line``; the largest part keeps the id.

    The other parts get ``new_id`` and those after it, by falling area; None: above every id in ``labels``. An end of the
    line that lies in the cell is prolonged straight until it leaves the cell. Pixels under the line, and slivers below
    ``SMALLEST_PART``, go to the nearest part. InputError where there is no such cell or the line does not cut it.
    """
    return _edited(labels, Edit.from_row({"action": "split", "labels": [label], "points": line}), new_id)


def draw(labels: np.ndarray, polygon: Points, new_id: int | None = None) -> np.ndarray:
    """Add a cell: the background inside ``polygon`` (closed by itself; what lies outside of the field is cut off).

    Other cells stay whole: where they cut the new one into pieces, its largest piece is taken. ``new_id``: None: above
    every id in ``labels``. InputError for a polygon without area, outside of the field, or over nothing but other cells.
    """
    return _edited(labels, Edit.from_row({"action": "draw", "points": polygon}), new_id)


def outline(labels: np.ndarray, label: int, polygon: Points) -> np.ndarray:
    """Give the cell ``label`` the outline ``polygon``; rules as for ``draw``, and it must overlap the cell as it was."""
    return _edited(labels, Edit.from_row({"action": "outline", "labels": [label], "points": polygon}))


def apply(labels: np.ndarray, edits: Iterable[Edit], used: int = 0) -> np.ndarray:
    """All ``edits`` one after the other; see ``numbered``."""
    return numbered(labels, edits, used)[0]


def numbered(labels: np.ndarray, edits: Iterable[Edit], used: int = 0) -> tuple[np.ndarray, list[Edit]]:
    """All ``edits`` one after the other, and the edits with the ids of the cells that they made.

    Parameters
    ----------
    labels : integer (Y, X)
    edits : iterable of Edit
        Those with ``made`` get these ids again, others ids above every one in ``labels``, in ``edits`` and ``used``.
    used : int
        The highest id that was ever given in this field.

    Raises
    ------
    InputError
        An edit cannot be made; none is made then.
    """
    out, edits = checked_labels(labels).astype(np.int32), list(edits)
    highest = max([int(out.max()), used, *(one for edit in edits for one in edit.made)])
    done = []
    for edit in edits:
        made = _ACTIONS[edit.action](out, edit, min(edit.made, default=highest + 1))
        if edit.made and len(made) != len(edit.made):
            raise InputError(f"Correction {edit.action!r} made {len(made)} cells where {len(edit.made)} are recorded: the log belongs to other outlines.")
        highest = max([highest, *made])
        done.append(replace(edit, made=tuple(made)))
    return out, done


def _edited(labels: np.ndarray, edit: Edit, new_id: int | None = None) -> np.ndarray:
    labels = checked_labels(labels)
    if new_id is not None and (labels == new_id).any():
        raise InputError(f"Cell {new_id}: a cell with this id exists already.")
    out = labels.astype(np.int32)
    _ACTIONS[edit.action](out, edit, int(labels.max()) + 1 if new_id is None else new_id)
    return out


# ---- the actions, in place; each returns the ids that it made


def _remove(out: np.ndarray, edit: Edit, new_id: int) -> list[int]:
    box = _box(out, edit.labels)
    out[box][out[box] == edit.labels[0]] = 0
    return []


def _merge(out: np.ndarray, edit: Edit, new_id: int) -> list[int]:
    box = _box(out, edit.labels, WIDEST_GAP + 1)
    crop = out[box]
    bridge = _bridge(crop, edit.labels)
    crop[bridge | np.isin(crop, edit.labels)] = min(edit.labels)
    return []


def _split(out: np.ndarray, edit: Edit, new_id: int) -> list[int]:
    from scipy import ndimage

    label = edit.labels[0]
    box = _box(out, (label,), 1)
    crop = out[box]
    mask = crop == label
    pieces, _ = ndimage.label(mask)
    parts, n = ndimage.label(mask & ~cutting_line(mask, edit.points, box))
    areas = np.bincount(parts.ravel(), minlength=n + 1)
    parts[(areas < SMALLEST_PART)[parts]] = 0
    piece_of = {int(part): int(pieces[parts == part][0]) for part in np.unique(parts[parts > 0])}
    cut = {piece for piece in piece_of.values() if list(piece_of.values()).count(piece) > 1}
    if not cut:
        raise InputError(f"The line does not cut cell {label} into parts. Draw it right across the cell.")
    rows, columns = ndimage.distance_transform_edt(parts == 0, return_distances=False, return_indices=True)
    nearest = np.where(np.isin(pieces, list(cut)), parts[rows, columns], 0)
    areas = np.bincount(nearest.ravel(), minlength=n + 1)
    by_size = sorted((part for part, piece in piece_of.items() if piece in cut), key=lambda part: (-areas[part], part))
    for number, part in enumerate(by_size[1:]):
        crop[mask & (nearest == part)] = new_id + number
    return [new_id + number for number in range(len(by_size) - 1)]


def _draw(out: np.ndarray, edit: Edit, new_id: int) -> list[int]:
    box, mask = polygon_pixels(edit.points, out.shape)
    free = mask & (out[box] == 0)
    out[box][_largest(free, "The drawn outline covers only cells that are there already. Remove one of them first, or draw its outline anew.")] = new_id
    return [new_id]


def _outline(out: np.ndarray, edit: Edit, new_id: int) -> list[int]:
    label = edit.labels[0]
    before = _box(out, (label,))
    box, mask = polygon_pixels(edit.points, out.shape)
    free = mask & ((out[box] == 0) | (out[box] == label))
    if not (free & (out[box] == label)).any():
        raise InputError(f"The drawn outline does not overlap cell {label}. Choose the cell that you mean, or draw a new one.")
    piece = _largest(free, f"The drawn outline leaves nothing of cell {label}.")
    out[before][out[before] == label] = 0
    out[box][piece] = label
    return []


_ACTIONS: dict[str, Callable[[np.ndarray, Edit, int], list[int]]] = {
    "remove": _remove,
    "merge": _merge,
    "split": _split,
    "draw": _draw,
    "outline": _outline,
}


def _box(labels: np.ndarray, ids: Sequence[int], margin: int = 0) -> Box:
    """Rows and columns of cells together. InputError names the first that does not exist."""
    sides = []
    for label in ids:
        mask = labels == label
        rows = np.flatnonzero(mask.any(axis=1))
        if not len(rows):
            raise InputError(f"There is no cell {label} in this field; it may have been removed or merged meanwhile.")
        columns = np.flatnonzero(mask[rows[0] : rows[-1] + 1].any(axis=0))
        sides.append((rows[0], rows[-1] + 1, columns[0], columns[-1] + 1))
    top, bottom, left, right = np.array(sides).T
    rows_ = slice(max(0, int(top.min()) - margin), int(bottom.max()) + margin)
    return rows_, slice(max(0, int(left.min()) - margin), int(right.max()) + margin)


def _bridge(crop: np.ndarray, ids: Sequence[int]) -> np.ndarray:
    """Background that joins the cells: bool like ``crop``, empty where they touch."""
    from scipy import ndimage

    cells = np.isin(crop, ids)
    away = ndimage.distance_transform_edt(~cells)
    for radius in range(WIDEST_GAP // 2 + 1):
        bridge = _eroded(away <= radius, radius) & (crop == 0) if radius else np.zeros_like(cells)
        pieces, _ = ndimage.label(cells | bridge, np.ones((3, 3)))
        shared = set.intersection(*(set(pieces[crop == one].tolist()) for one in ids))
        if shared:
            return bridge
    names = ", ".join(map(str, sorted(ids)[:-1])) + f" and {max(ids)}"
    raise InputError(f"Cells {names} lie more than {WIDEST_GAP} px apart, so they are not merged. Draw the outline of one of them anew instead.")


def _eroded(mask: np.ndarray, radius: int) -> np.ndarray:
    """``mask`` without what lies within ``radius`` of its edge; the border of the field is no edge."""
    from scipy import ndimage

    return np.ones_like(mask) if mask.all() else np.asarray(ndimage.distance_transform_edt(mask) > radius)


def _largest(mask: np.ndarray, otherwise: str) -> np.ndarray:
    """The largest connected piece of ``mask``; InputError ``otherwise`` where none is large enough."""
    from scipy import ndimage

    pieces, _ = ndimage.label(mask)
    areas = np.bincount(pieces.ravel())
    areas[0] = 0
    if areas.max() < SMALLEST_PART:
        raise InputError(otherwise)
    return np.asarray(pieces == areas.argmax())
