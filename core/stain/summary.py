"""What an annotation says of each line: fraction positive, and how far it hangs on the threshold."""

from typing import Final

import numpy as np
import pandas as pd

STEP: Final = 0.10
"""The threshold is moved by this share of itself, down and up."""

COLUMNS: Final = ("sample", "role", "n_cells", "n_positive", "fraction", "fraction_lower_threshold", "fraction_higher_threshold")


def moved_threshold(threshold: float, share: float) -> float:
    """``threshold`` moved by ``share`` of its size, also where it is negative."""
    return threshold + share * abs(threshold)


def classes_at(cells: pd.DataFrame, threshold: float | np.ndarray) -> pd.Series:
    """Class of every cell at another threshold (one for all, or one a cell), Int64: human decisions stay, the others follow ``critical_threshold``.

    ``cells``: columns of ``tables.ANNOTATED_CELLS``. Empty where the annotation left the class empty (not covered, cannot
    tell, excluded).
    """
    automatic = pd.Series(np.where(threshold < cells["critical_threshold"].astype("Float64").to_numpy(float, na_value=-np.inf), 1, 0), index=cells.index)
    automatic = automatic.astype("Int64").where(cells["automatic_class"].notna())
    return cells["curated_class"].astype("Int64").where(cells["decision"] != "", automatic)


def classes_around(cells: pd.DataFrame, lines: pd.DataFrame) -> pd.DataFrame:
    """Class of every cell at a threshold ``STEP`` lower and higher than that of its line: columns ``lower`` and ``higher``, Int64.

    Parameters
    ----------
    cells, lines : DataFrame
        ``tables.ANNOTATED_CELLS`` and ``ANNOTATED_LINES``. Where a line has no threshold (imported classes) nothing is known.
    """
    at = cells["sample"].map(lines.drop_duplicates("sample").set_index("sample")["threshold"]).to_numpy(float, na_value=np.nan)
    moved = {name: classes_at(cells, at + share * np.abs(at)) for name, share in (("lower", -STEP), ("higher", STEP))}
    return pd.DataFrame({name: classes.mask(np.isnan(at)) for name, classes in moved.items()}, index=cells.index)


def line_summary(cells: pd.DataFrame, threshold: float | dict[str, float]) -> pd.DataFrame:
    """One row a sample: cells counted, positive ones, their fraction, and the fraction at 10 % lower and higher threshold.

    Parameters
    ----------
    cells : DataFrame
        Columns of ``tables.ANNOTATED_CELLS``; cells without class do not count.
    threshold : float, or sample -> float
        Of the annotation, in signal units; one a line where every line has its own.

    Returns
    -------
    DataFrame
        Columns ``COLUMNS``, samples in order of appearance; fractions are empty where no cell counts.
    """
    rows = []
    for sample, group in cells.groupby("sample", sort=False):
        at = threshold[str(sample)] if isinstance(threshold, dict) else threshold
        now, lower, higher = (classes_at(group, moved_threshold(at, share)) for share in (0.0, -STEP, STEP))
        counted = int(now.notna().sum())
        fractions = [float(found.mean()) if counted else None for found in (now, lower, higher)]
        role = "; ".join(dict.fromkeys(group["role"]))
        rows.append(dict(zip(COLUMNS, (sample, role, counted, int(now.fillna(0).sum()), *fractions), strict=True)))
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.astype({"n_cells": "Int64", "n_positive": "Int64"} | dict.fromkeys(COLUMNS[4:], "Float64"))


def control_positivity(cells: pd.DataFrame) -> tuple[int, int]:
    """(positive, counted) cells of the negative controls, as annotated; (0, 0) without controls."""
    found = cells.loc[cells["role"] == "negative control", "class"].dropna()
    return int(found.sum()), len(found)


def flipped(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """The cells whose class differs between two annotations of one segmentation: fov_id, label, sample, class_before, class_after.

    A cell that only one of them has, or leaves without class, is not a flip.
    """
    keys = ["fov_id", "label"]
    both = before[[*keys, "sample", "class"]].merge(after[[*keys, "class"]], on=keys, suffixes=("_before", "_after"))
    differ = (both["class_before"] != both["class_after"]).fillna(False).astype(bool)
    return both[differ].reset_index(drop=True)
