"""Measurements on label images, each in one pass over the field; ids are kept and may have gaps."""

import numpy as np
import pandas as pd

from core.errors import InputError
from core.tables import CELLS, typed

COLUMNS = {name: dtype for name, dtype in CELLS.items() if name not in ("fov_id", "flow_error")}


def cell_table(labels: np.ndarray) -> pd.DataFrame:
    """One row a cell, by rising id.

    Parameters
    ----------
    labels : integer (Y, X)
        Label image, 0 is background.

    Returns
    -------
    DataFrame
        Those columns of `core.tables.CELLS` that a label image tells: label, centroid (px, y before x, pixel centres are whole numbers),
        area (px²), whether a pixel lies on the border of the field.

    Raises
    ------
    InputError
        Not an integer (Y, X) array, or a negative id.
    """
    labels = checked_labels(labels)
    ys, xs = np.nonzero(labels)
    ids, index = compressed(labels[ys, xs])
    areas = np.bincount(index, minlength=len(ids))
    columns = {
        "label": ids,
        "y_px": np.bincount(index, weights=ys, minlength=len(ids)) / areas,
        "x_px": np.bincount(index, weights=xs, minlength=len(ids)) / areas,
        "area_px": areas,
        "touches_border": touches_border(labels, ids),
    }
    return typed(pd.DataFrame(columns), COLUMNS)


def touches_border(labels: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Whether each cell of ``ids`` has a pixel in the first or last row or column of ``labels`` (Y, X); bool (N,)."""
    border = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    return np.isin(ids, border)


def confluence(labels: np.ndarray) -> float:
    """Share of the field that cells cover, 0..1."""
    return float(np.count_nonzero(labels) / labels.size)


def checked_labels(labels: np.ndarray) -> np.ndarray:
    """Return ``labels`` if it is a label image with at least one pixel; InputError says what was found instead."""
    labels = np.asarray(labels)
    if labels.ndim != 2 or labels.dtype.kind not in "iu" or 0 in labels.shape:
        raise InputError(f"Label image: wanted whole numbers (Y, X), found {labels.dtype} of shape {labels.shape}.")
    if labels.min() < 0:
        raise InputError(f"Label image: wanted 0 for background and positive ids, found {labels.min()}.")
    return labels


def compressed(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ids that occur, rising, and the position of every value among them; no sorting where ids are dense."""
    if not len(values) or int(values.max()) > 4 * len(values):
        return np.unique(values, return_inverse=True)
    present = np.bincount(values) > 0
    return np.flatnonzero(present), (np.cumsum(present) - 1)[values]
