"""A comparison of groups of cultures as tables and sentences; the numbers are those of ``groups``."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from core.statistics.estimators import PLAIN
from core.statistics.groups import compare_groups, comparison_sentence, few_replicates, group_table, passage_number, trend, trend_sentence
from core.tables import GROUP_UNITS, typed

EVERY: Final = "all cultures"
UNITS: Final = ("culture", "well", "donor")
_NUMBER: Final = re.compile(r"\s*([-+]?\d+(?:[.,]\d+)?)\s*([^\d]*)")


@dataclass(frozen=True)
class Comparison:
    """``units``: ``tables.GROUP_UNITS``; ``groups``: ``tables.GROUPS``; ``comparisons``: ``tables.COMPARISONS``; ``trend``: ``tables.TRENDS``;
    what they say, and what to beware of."""

    column: str
    unit: str
    method: str  # the estimate that is compared
    units: pd.DataFrame
    groups: pd.DataFrame
    comparisons: pd.DataFrame
    trend: pd.DataFrame
    sentences: tuple[str, ...]
    warnings: tuple[str, ...]


def compared_fractions(samples: pd.DataFrame) -> tuple[pd.Series, str]:
    """The fraction of every culture by one and the same estimator, and its name.

    The reported one where it was found alike in all, else the corrected one where all have it, else the plain count: a difference
    between two ways to estimate is none between cultures.
    """
    known = samples[samples["n_scored"].fillna(0) > 0]
    methods = set(known["reported_method"]) - {""}
    if len(methods) == 1:
        return samples["reported_fraction"], next(iter(methods))
    if len(known) and known["corrected_fraction"].notna().all():
        return samples["corrected_fraction"], "corrected for sensitivity and specificity"
    return samples["senescent_fraction"], PLAIN


def comparison(units: pd.DataFrame, column: str, unit: str, method: str, reference: str = "") -> Comparison:
    """Compare groups of units (cultures, wells, donors); each unit is one observation, however many cells it has.

    Parameters
    ----------
    units : DataFrame
        ``tables.GROUP_UNITS``: name, group ("" where not known) and fraction (empty where nothing is scored) of each unit.
    column : str
        What the groups are, e.g. "passage": decides how a trend is sought. "" takes all units as one group.
    reference : str
        The group that every other is compared with; "" compares every pair.

    Raises
    ------
    InputError
        ``reference`` is no group.
    """
    if not column:
        units = units.assign(group=EVERY)
    units = typed(units, GROUP_UNITS, "units")[list(GROUP_UNITS)]
    names, values = units["group"].tolist(), units["fraction"].to_numpy(dtype=float, na_value=np.nan)
    table, pairs = group_table(values, names), compare_groups(values, names, reference or None)
    slope = trend(values, doses(names, column))
    once = not units.loc[units["group"] != "", "unit"].duplicated().any()
    said = [comparison_sentence({str(key): value for key, value in row.items()}, unit) for row in pairs.to_dict("records")]
    if len(table) > 1 and slope["n_doses"].iloc[0] >= 2:
        said.append(f"Trend: {trend_sentence(slope, column if column == 'passage' else f'unit of {column}', unit if once else f'{unit} mean')}")
    few = few_replicates(table, unit)
    unknown = [str(one) for one, name, value in zip(units["unit"], names, values, strict=True) if name == "" and np.isfinite(value)]
    warnings = [few] if few else []
    if not once:
        warnings.append(f"The same {unit}s stand in several groups and are compared as if they were different ones: intervals may be wider than need be.")
    if unknown:
        which = f"{len(unknown)} {unit}{'' if len(unknown) == 1 else 's'} ({', '.join(unknown)})"
        warnings.append(f"Left out, because the {column} is not known or differs between fields: {which}.")
    return Comparison(column, unit, method, units, table, pairs, slope, tuple(said), tuple(warnings))


def doses(groups: Sequence[str], column: str) -> np.ndarray:
    """A number for every group, NaN where it has none: passages by ``passage_number``, else "10 nM" as 10 if all have the same unit."""
    if column == "passage":
        return np.array([passage_number(name) for name in groups], dtype=float)
    found = [_NUMBER.fullmatch(name) for name in groups]
    units = {match.group(2).strip() for match in found if match and match.group(1).lstrip("+-0.,")}
    if len(units) > 1:
        return np.full(len(groups), np.nan)
    return np.array([float(match.group(1).replace(",", ".")) if match else np.nan for match in found], dtype=float)
