"""Human decisions on a new segmentation: carried over where the cell is still the same one, listed where it is not."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from core.errors import InputError
from core.stain.curation import CELL, standing
from core.tables import CURATION, typed

SAME = 0.5
"""Two outlines that share more than half of their union are the same cell; no cell can then match two."""

LOST = ("segmentation", "fov_id", "label", "decision", "rater", "y_px", "x_px", "area_px", "overlap", "reason")


def match_cells(old: np.ndarray, new: np.ndarray) -> pd.DataFrame:
    """The best partner of every cell of ``old`` in ``new``; both integer (Y, X), 0 is background.

    Returns
    -------
    DataFrame
        One row an old cell, by rising id: ``label``, ``new_label`` (0 where nothing overlaps), ``overlap`` (intersection over
        union, 0..1), and ``y_px, x_px, area_px`` of the new cell.

    Raises
    ------
    InputError
        The two have different sizes.
    """
    if old.shape != new.shape:
        raise InputError(f"Carrying decisions over: wanted two label images of one size, found {old.shape} and {new.shape}.")
    old_ids, old_area = _areas(old)
    new_ids, new_area = _areas(new)
    both = (old > 0) & (new > 0)
    pairs, shared = np.unique(np.stack([old[both], new[both]]).astype(np.int64), axis=1, return_counts=True)
    rows, columns = np.searchsorted(old_ids, pairs[0]), np.searchsorted(new_ids, pairs[1])
    overlap = shared / (old_area[rows] + new_area[columns] - shared)
    best = np.full(len(old_ids), -1)
    order = np.argsort(overlap, kind="stable")
    best[rows[order]] = order  # the largest is written last
    found = best >= 0
    partner = np.where(found, columns[best], -1) if len(columns) else np.full(len(old_ids), -1)
    y, x = _centres(new, new_ids)
    return pd.DataFrame(
        {
            "label": old_ids,
            "new_label": np.where(found, _taken(new_ids, partner), 0).astype(np.int64),
            "overlap": np.where(found, _taken(overlap, best), 0.0),
            "y_px": np.where(found, _taken(y, partner), np.nan),
            "x_px": np.where(found, _taken(x, partner), np.nan),
            "area_px": pd.array(np.where(found, _taken(new_area, partner), 0), dtype="Int64").astype("Int64"),
        }
    )


def carry_over(curation: pd.DataFrame, old: str, new: str, matches: Mapping[str, pd.DataFrame]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows that bring the standing decisions on segmentation ``old`` to segmentation ``new``, and those that could not come.

    Parameters
    ----------
    curation : DataFrame
        Columns of ``tables.CURATION``; every rater's standing decision is carried, with its time.
    old, new : str
        Ids of the segmentations.
    matches : fov_id -> DataFrame
        ``match_cells`` of every field that the new segmentation has.

    Returns
    -------
    (rows, lost) : DataFrames
        ``rows`` of ``tables.CURATION``, to be appended, ``carried_from`` set. ``lost`` with the columns ``LOST``: what was
        decided, how much the best partner overlaps, and the reason in words.
    """
    decided = standing(curation)
    decided = decided[decided["segmentation"] == old]
    rows, lost = [], []
    for row in decided.to_dict("records"):
        partner, reason, overlap = _partner(row["fov_id"], row["label"], matches)
        if partner is None:
            lost.append({**{name: row[name] for name in LOST if name in row}, "overlap": overlap, "reason": reason})
            continue
        place = {name: partner[name] for name in ("y_px", "x_px", "area_px")}
        rows.append({**row, **place, "segmentation": new, "label": int(partner["new_label"]), "carried_from": f"{old}:{row['label']}"})
    return typed(pd.DataFrame(rows, columns=list(CURATION)), CURATION, "curation"), pd.DataFrame(lost, columns=list(LOST))


def not_yet_carried(rows: pd.DataFrame, curation: pd.DataFrame) -> pd.DataFrame:
    """``rows`` of ``carry_over`` for cells that nobody of that name has decided on in the new segmentation: carrying twice is harmless."""
    keys = [*CELL, "rater"]
    known = set(map(tuple, typed(curation, CURATION)[keys].to_numpy().tolist()))
    return rows[[tuple(key) not in known for key in rows[keys].to_numpy().tolist()]].reset_index(drop=True)


def _partner(fov_id: str, label: int, matches: Mapping[str, pd.DataFrame]) -> tuple[pd.Series | None, str, float]:
    if fov_id not in matches:
        return None, "the new segmentation lacks this field", 0.0
    found = matches[fov_id][matches[fov_id]["label"] == label]
    if found.empty:
        return None, "the old segmentation has no such cell", 0.0
    best = found.iloc[0]
    overlap = float(best["overlap"])
    if best["new_label"] == 0:
        return None, "no cell lies there any more", 0.0
    if overlap <= SAME:
        return None, f"the cell there now shares only {100 * overlap:.0f} % with it", overlap
    return best, "", overlap


def _areas(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    ids, area = np.unique(labels[labels > 0], return_counts=True)
    return ids.astype(np.int64), area


def _centres(labels: np.ndarray, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    ys, xs = np.nonzero(labels)
    index = np.searchsorted(ids, labels[ys, xs])
    count = np.bincount(index, minlength=len(ids))
    y, x = (np.bincount(index, weights=along, minlength=len(ids)) / count for along in (ys, xs))
    return y, x


def _taken(values: np.ndarray, index: np.ndarray) -> np.ndarray:
    """``values[index]``, anything where the index is -1, also of no values."""
    return values[index] if len(values) else np.zeros(len(index), values.dtype)
