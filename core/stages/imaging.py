"""How the images of an assessment look beside those that its classifier learned from, field by field."""

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from core.tables import APPEARANCE, EXPOSURE, JOIN, TRAITS

if TYPE_CHECKING:
    from core.classifier.reference import Reference

MARKED: Final = 2.5  # standard deviations from which a trait is named
NAMED: Final = 2


def image_looks(reference: "Reference | None", cells: pd.DataFrame) -> pd.DataFrame:
    """``fov_id``, the columns of ``tables.EXPOSURE``, ``image_distance`` and ``image_traits`` of the fields with scored cells.

    ``cells``: rows of ``scoring.SCORED``. The last two are unknown where the classifier does not say how its training images look.
    """
    looks, rows = reference.looks if reference else None, []
    for fov_id, some in cells[cells["senescent"].notna()].groupby("fov_id", sort=False):
        row = {"fov_id": fov_id, "image_distance": pd.NA, "image_traits": "", **some[list(EXPOSURE)].median()}
        if looks:
            distance, away = looks.judge(some[list(APPEARANCE)].to_numpy(dtype=float, na_value=np.nan))
            if np.isfinite(distance):
                row |= {"image_distance": distance, "image_traits": _words(away) if distance > 1 else ""}
        rows.append(row)
    return pd.DataFrame(rows, columns=["fov_id", *EXPOSURE, "image_distance", "image_traits"])


def _words(away: np.ndarray) -> str:
    """The traits that differ most, the greatest first; or that only their combination does."""
    order = [k for k in np.argsort(-np.abs(away))[:NAMED] if abs(away[k]) >= MARKED]
    return JOIN.join(list(TRAITS.values())[k][int(away[k] > 0)] for k in order) or "no single trait, but their combination"
