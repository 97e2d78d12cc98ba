"""What to doubt in the fields of an assessment: images unlike the training images, and calls near the threshold."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd

from core.tables import ASSESSED_FIELDS, ASSESSED_SAMPLES, JOIN, LEFT_OUT, MEASURED_FLAGS, UNCERTAIN, UNLIKE, UNUSUAL, typed

CHANCE: Final = 0.01  # share of like fields that are flagged as unlike the training cells
ALIKE: Final = 0.1  # correlation of two cells of one field, as in the intervals (posterior.CORRELATION_PRIOR)
MOST_LEFT_OUT: Final = 0.5


def is_uncertain(probabilities: np.ndarray, threshold: float, width: float) -> np.ndarray:
    """Whether each probability (N,) is nearer to the decision threshold than ``width`` (bool (N,)); none is at a width of 0."""
    return np.abs(np.asarray(probabilities, dtype=float) - threshold) < width


def with_quality(fields: pd.DataFrame, cells: pd.DataFrame, learned: Mapping[str, Any] | None, pixel_size_um: float | None) -> pd.DataFrame:
    """Add to the fields of an assessment what there is to doubt.

    Parameters
    ----------
    fields, cells : DataFrame
        ``tables.ASSESSED_FIELDS`` with its counts (and its ``image_distance``, where that is known), and ``tables.ASSESSED_CELLS``.
    learned : mapping, optional
        What the classifier's training images looked like: ``beyond``, the share of like cells with a training distance above 1,
        and ``ranges``, by column of ``tables.MEASURED_FLAGS`` and for ``training_distance``. None: the classifier does not say; then nothing is unlike.
    pixel_size_um : float, optional
        Of the classifier.

    Returns
    -------
    DataFrame
        The fields with the columns of ``tables.UNCERTAIN`` and those from ``excluded_fraction`` to ``flags`` filled in.
    """
    table = typed(fields, ASSESSED_FIELDS, "fields").reset_index(drop=True)
    scored = cells[~cells["excluded"].astype(bool)].assign(area=_area(cells, pixel_size_um))
    groups = scored.groupby("fov_id", sort=False)
    for column, of_cells in {"brightness": "brightness", "focus": "focus", "median_area": "area", "training_distance": "training_distance"}.items():
        medians = groups[of_cells].median()
        table[column] = table["fov_id"].map(medians.astype("Float64")).astype("Float64")
    table["excluded_fraction"] = table["n_excluded"] / table["n_cells"].where(table["n_cells"] > 0)
    known = learned is not None
    unlike = table["fov_id"].map((scored["training_distance"] > 1).fillna(False).groupby(scored["fov_id"]).sum()).fillna(0).astype("Int64")
    table["n_unlike"] = unlike if known else pd.NA
    table = _with_uncertain(table, scored)
    table["flags"] = [JOIN.join(_flags(row, learned or {})) for row in table.to_dict("records")]
    return typed(table, ASSESSED_FIELDS, "fields")


def with_doubts(samples: pd.DataFrame, fields: pd.DataFrame) -> pd.DataFrame:
    """Add to the cultures (``tables.ASSESSED_SAMPLES``) what ``with_quality`` found in their fields."""
    table = typed(samples, ASSESSED_SAMPLES, "samples").reset_index(drop=True)
    fields = fields.assign(n_flagged=(fields["flags"] != "").astype("Int64"))
    for column in UNCERTAIN:
        if column.startswith("fraction"):
            fields[column] = fields[column] * fields["n_scored"]  # cells
    sums = fields.groupby("sample")[[*UNCERTAIN, "n_unlike", "n_flagged"]].sum(min_count=1)
    for column in sums:
        table[column] = table["sample"].map(sums[column])
    for column in UNCERTAIN:
        if column.startswith("fraction"):
            table[column] = table[column] / table["n_scored"].where(table["n_scored"] > 0)
    return typed(table, ASSESSED_SAMPLES, "samples")


def more_than_chance(unlike: int, scored: int, beyond: float) -> bool:
    """Whether a field of ``scored`` cells has so many cells beyond the limit that fewer than 1 in 100 like fields would.

    ``beyond`` is the share of like cells there. Cells of one field resemble each other, so the count is beta-binomial with a
    correlation of ``ALIKE``, and not binomial.
    """
    from scipy.stats import betabinom

    if not unlike:
        return False
    strength = 1 / ALIKE - 1
    return bool(betabinom.sf(unlike - 1, scored, beyond * strength, (1 - beyond) * strength) < CHANCE)


def _area(cells: pd.DataFrame, pixel_size_um: float | None) -> pd.Series:
    """In µm² where the classifier has a pixel size, which is that of the cells where theirs is not known; else in px²."""
    area = cells["area_px"].astype("Float64")
    return area if pixel_size_um is None else cells["area_um2"].fillna(area * pixel_size_um**2)


def _with_uncertain(table: pd.DataFrame, scored: pd.DataFrame) -> pd.DataFrame:
    """Counts, and the fraction if no uncertain cell were senescent, and if every one were; unknown in assessments without the band."""
    if len(scored) and scored["uncertain"].isna().all():
        return table
    uncertain = scored["uncertain"].fillna(0).astype(bool)
    count = _per_field(table, scored, uncertain)
    positive = _per_field(table, scored, uncertain & (scored["senescent"] == 1).fillna(False).astype(bool))
    n = table["n_scored"].where(table["n_scored"] > 0)
    low, high = table["n_senescent"] - positive, table["n_senescent"] + count - positive
    return table.assign(n_uncertain=count, fraction_uncertain_low=low / n, fraction_uncertain_high=high / n)


def _per_field(table: pd.DataFrame, scored: pd.DataFrame, chosen: pd.Series) -> pd.Series:
    return table["fov_id"].map(scored.loc[chosen, "fov_id"].value_counts()).fillna(0).astype("Int64")


def _flags(row: Mapping[str, Any], learned: Mapping[str, Any]) -> list[str]:
    found, ranges = [], learned.get("ranges", {})
    farthest = ranges.get("training_distance", (0.0, np.inf))[1]  # of the cells of a like field, in the middle
    if not pd.isna(row["n_unlike"]) and (
        more_than_chance(int(row["n_unlike"]), int(row["n_scored"]), float(learned["beyond"]))
        or (not pd.isna(row["training_distance"]) and row["training_distance"] > farthest)
    ):
        found.append(UNLIKE)
    if not pd.isna(row["image_distance"]) and row["image_distance"] > 1:
        found.append(UNUSUAL)
    for column, (below, above) in MEASURED_FLAGS.items():
        low, high = ranges.get(column, (-np.inf, np.inf))
        value = row[column]
        if not pd.isna(value):
            found += [below] if value < low else [above] if value > high else []
    left = row["excluded_fraction"]
    return [*found, *([LEFT_OUT] if not pd.isna(left) and left > MOST_LEFT_OUT else [])]
