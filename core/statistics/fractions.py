"""From scored cells to the senescent fraction of each field and of each culture."""

import hashlib
from collections.abc import Iterable

import pandas as pd
from natsort import natsorted, ns

from core.errors import InputError
from core.statistics.estimators import plain_count
from core.statistics.intervals import cluster_bootstrap, wilson
from core.tables import ASSESSED_CELLS, ASSESSED_FIELDS, ASSESSED_SAMPLES, EXCLUSIONS, typed

WILSON = "Wilson"
POSTERIOR = "beta-binomial"
BOOTSTRAP = "cluster bootstrap"
MANY_FIELDS = 20  # from here on the spread of the fields is seen well enough to check the model by it
MIXED = "; "  # joins the values of a culture whose fields differ, e.g. passages "P4; P5"


def field_table(cells: pd.DataFrame, fields: pd.DataFrame) -> pd.DataFrame:
    """Senescent fraction of each field of view with its Wilson interval (95 %).

    Parameters
    ----------
    cells : DataFrame
        Columns of ``tables.ASSESSED_CELLS``, one row a segmented cell, scored or excluded.
    fields : DataFrame
        One row a field: ``fov_id``, ``sample`` and, where known, ``role, passage, condition, well, time_h, n_cells,
        confluence``. A field without cells keeps its row with counts of 0 and an unknown fraction.

    Returns
    -------
    DataFrame
        Columns of ``tables.ASSESSED_FIELDS``, in the order of ``fields``.

    Raises
    ------
    InputError
        A field is listed twice, a cell lies in no listed field, a cell is neither scored nor excluded for a known
        reason, or ``n_cells`` is not the number of rows of ``cells``.
    """
    cells = typed(cells, ASSESSED_CELLS, "cells")
    table = typed(fields, ASSESSED_FIELDS, "fields")[list(ASSESSED_FIELDS)].reset_index(drop=True)
    _check_cells(cells, table["fov_id"])
    for column, chosen in _counted(cells).items():
        counts = cells.loc[chosen, "fov_id"].value_counts()
        found = table["fov_id"].map(counts).fillna(0).astype("Int64")
        _check_count(table, column, found)
        table[column] = found
    intervals = [wilson(k, n) for k, n in zip(table["n_senescent"], table["n_scored"], strict=True)]
    table["ci_method"] = [WILSON if n else "" for n in table["n_scored"]]
    return typed(_with_fraction(table, intervals), ASSESSED_FIELDS, "fields")


def sample_table(fields: pd.DataFrame, bootstrap: int = 2000, seed: int = 0) -> pd.DataFrame:
    """Senescent fraction of each culture, from its fields, with its 95 % interval.

    Beta-binomial over its fields (``posterior.beta_binomial``), also where no cell or every cell is senescent; with one field
    how fields differ is assumed. From 20 scored fields on their spread is seen well: where a cluster bootstrap over them
    (``intervals.cluster_bootstrap``) is wider, fields differ in another way than the model has it, and it is taken.
    ``ci_method`` says which. benchmarks/coverage.py shows how often the interval covers the truth.

    Parameters
    ----------
    fields : DataFrame
        Columns of ``tables.ASSESSED_FIELDS``.
    bootstrap, seed : int
        Resamplings and seed. Each culture has its own stream from the seed and its name: adding a culture changes
        no other interval.

    Returns
    -------
    DataFrame
        Columns of ``tables.ASSESSED_SAMPLES``, in natural order of the name (P2 before P10, upper and lower case alike). ``n_fields`` counts all
        fields, also those without a scored cell. ``role``, ``passage``, ``condition``: the common value, or the
        values joined by "; ".
    """
    fields = typed(fields, ASSESSED_FIELDS, "fields")
    groups = dict(list(fields.groupby("sample", sort=False)))
    rows = [_sample_row(name, groups[name], bootstrap, seed) for name in natsorted(groups, alg=ns.IGNORECASE)]
    return typed(pd.DataFrame(rows, columns=list(ASSESSED_SAMPLES)), ASSESSED_SAMPLES, "samples")


def _sample_row(name: str, group: pd.DataFrame, bootstrap: int, seed: int) -> dict[str, object]:
    counts = {c: int(group[c].sum()) for c in ("n_cells", "n_scored", "n_excluded", "n_senescent")}
    low, high, method = _sample_interval(group, bootstrap, [seed, *_stable_words(name)])
    scored = counts["n_scored"]
    return {
        "sample": name,
        **{c: _common(group[c]) for c in ("role", "passage", "condition")},
        "n_fields": len(group),
        **counts,
        "senescent_fraction": counts["n_senescent"] / scored if scored else None,
        "ci_low": low,
        "ci_high": high,
        "ci_method": method,
    }


def _sample_interval(group: pd.DataFrame, bootstrap: int, seed: list[int]) -> tuple[float | None, float | None, str]:
    k, n = (group[c].fillna(0).to_numpy(dtype="int64") for c in ("n_senescent", "n_scored"))
    if n.sum() == 0:
        return None, None, ""
    estimate = plain_count(k, n)
    if (n > 0).sum() >= MANY_FIELDS:
        low, high = cluster_bootstrap(k, n, bootstrap, seed, widen=True)
        if high - low > estimate.high - estimate.low:
            return low, high, BOOTSTRAP
    return estimate.low, estimate.high, POSTERIOR


def _counted(cells: pd.DataFrame) -> dict[str, pd.Series]:
    """Which cells each count column counts."""
    excluded = cells["excluded"].astype(bool)
    chosen = {"n_cells": excluded | ~excluded, "n_scored": ~excluded, "n_excluded": excluded}
    chosen |= {f"n_{reason.replace(' ', '_')}": excluded & (cells["exclusion_reason"] == reason) for reason in EXCLUSIONS}
    return chosen | {"n_senescent": ~excluded & (cells["senescent"] == 1).fillna(False).astype(bool)}


def _with_fraction(table: pd.DataFrame, intervals: list[tuple[float, float]]) -> pd.DataFrame:
    scored = table["n_scored"].where(table["n_scored"] > 0)
    low, high = zip(*intervals, strict=True) if intervals else ((), ())
    return table.assign(senescent_fraction=table["n_senescent"] / scored, ci_low=_known(low), ci_high=_known(high))


def _known(values: Iterable[float]) -> list[float | None]:
    return [None if value != value else value for value in values]


def _check_cells(cells: pd.DataFrame, listed: pd.Series) -> None:
    if listed.duplicated().any():
        raise InputError(f"fields: wanted every fov_id once, found {listed[listed.duplicated()].iloc[0]!r} twice.")
    stray = ~cells["fov_id"].isin(listed)
    if stray.any():
        raise InputError(f"cells: {stray.sum()} cells lie in fields that are not listed, e.g. {cells['fov_id'][stray].iloc[0]!r}.")
    excluded = cells["excluded"].fillna(False)
    unclear = cells["excluded"].isna() | (excluded & ~cells["exclusion_reason"].isin(EXCLUSIONS))
    unclear |= ~excluded & ~cells["senescent"].isin([0, 1])
    if unclear.any():
        cell = cells[unclear.astype(bool)].iloc[0]
        raise InputError(
            f"cells: {unclear.sum()} cells are neither scored (senescent 0 or 1) nor excluded for a known reason "
            f"({', '.join(EXCLUSIONS)}), e.g. {cell['fov_id']}:{cell['label']}."
        )


def _check_count(table: pd.DataFrame, column: str, found: pd.Series) -> None:
    """A count that the caller already knows must agree: else cells got lost on the way."""
    wrong = (table[column].notna() & (table[column] != found)).fillna(False)
    if wrong.any():
        row = wrong.to_numpy(dtype=bool).argmax()
        raise InputError(f"field {table['fov_id'].iloc[row]}: {column} is {table[column].iloc[row]}, but the cell table holds {found.iloc[row]}.")


def _common(values: pd.Series) -> str:
    return MIXED.join(natsorted(set(values) - {""}))


def _stable_words(name: str) -> list[int]:
    """Four 32-bit numbers from a name; the same on every machine and in every run (Python's hash() is not)."""
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()
    return [int.from_bytes(digest[i : i + 4], "little") for i in range(0, 16, 4)]
