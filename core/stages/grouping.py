"""Cultures by passage, condition, donor or any other column of the field table: what is known of them, and the comparison of groups."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from natsort import natsorted, ns

from core.errors import InputError
from core.settings import ReportSettings
from core.stages.assessed import Assessed
from core.statistics import sample_table
from core.statistics.comparing import Comparison, compared_fractions, comparison
from core.statistics.cultures import Rates, estimate_table
from core.statistics.fractions import MIXED
from core.tables import FIELDS

FIRST: Final = ("passage", "condition", "donor")
KNOWN: Final = ("role", "passage", "condition", "well", "time_h")  # as the assessment keeps them
AUTO, NONE = "auto", "none"
Samples = Callable[[pd.DataFrame, pd.DataFrame, Rates], pd.DataFrame]


def described_fields(assessed: Assessed) -> pd.DataFrame:
    """The fields of the assessment with ``sample``, ``KNOWN``, and as text whatever further columns the field table has now (e.g. donor)."""
    table = assessed.fields[["fov_id", "sample", *KNOWN]].copy()
    table["time_h"] = ["" if pd.isna(hours) else f"{hours:g}" for hours in table["time_h"]]
    now = assessed.experiment.fields() if assessed.experiment.exists else pd.DataFrame(columns=["fov_id"])
    more = [c for c in now if c not in FIELDS and c not in table]
    return table.merge(now[["fov_id", *more]], on="fov_id", how="left").fillna("")


def culture_metadata(described: pd.DataFrame) -> pd.DataFrame:
    """One row a culture, text: the value of every column that anything is known in, or the values joined by "; "."""
    columns = [c for c in described if c not in ("fov_id", "sample")]
    rows = [{"sample": name, "fields": str(len(group)), **{c: _common(group[c]) for c in columns}} for name, group in described.groupby("sample", sort=False)]
    table = pd.DataFrame(rows, columns=["sample", "fields", *columns])
    return table[[c for c in table if c in ("sample", "fields") or (table[c] != "").any()]]


def _common(values: pd.Series) -> str:
    return MIXED.join(natsorted(set(values.astype(str)) - {""}, alg=ns.IGNORECASE))


def group_columns(described: pd.DataFrame) -> list[str]:
    """Columns in which cultures that are no controls differ, the usual ones first; ``role`` where there are controls."""
    found = culture_metadata(described[described["role"].isin(("", "sample"))])
    differ = [c for c in found if c not in ("sample", "fields", "role", "well") and len(set(found[c]) - {""}) > 1]
    roles = ["role"] if described["role"].nunique() > 1 else []
    return [*(c for c in FIRST if c in differ), *(c for c in differ if c not in FIRST), *roles]


def chosen_column(described: pd.DataFrame, wanted: str) -> str:
    """The column to group by, "" for none. InputError for one that the field table lacks."""
    if wanted == NONE:
        return ""
    if wanted == AUTO:
        return next((c for c in group_columns(described) if c != "role"), "")
    if wanted in ("sample", "fov_id") or wanted not in described:
        known = [c for c in described if c not in ("sample", "fov_id")]
        raise InputError(f"Comparison: no column {wanted!r} to group by; the field table has {', '.join(known)}.")
    return wanted


def compare(assessed: Assessed, samples: pd.DataFrame, cells: pd.DataFrame, rates: Rates, settings: ReportSettings) -> Comparison:
    """Compare the groups that the settings name; ``samples`` and ``cells`` as ``estimate_table`` gives and takes them.

    Controls are left out unless roles are compared. Raises InputError for an unknown column, unit or reference.
    """
    described = described_fields(assessed)
    column = chosen_column(described, settings.group_by)
    if column != "role":
        described = described[described["role"].isin(("", "sample"))]
    units, samples = _units(assessed, described, samples, cells, rates, settings)
    samples = samples[samples["sample"].isin(units["unit"])]
    fractions, method = compared_fractions(samples)
    table = pd.DataFrame({"unit": samples["sample"], "fraction": fractions.astype(float)}).merge(_groups(units, column), on="unit")
    if settings.unit == "donor":
        table = _by_donor(table)
    return comparison(table, column, settings.unit, method, settings.reference)


def _units(
    assessed: Assessed, described: pd.DataFrame, samples: pd.DataFrame, cells: pd.DataFrame, rates: Rates, settings: ReportSettings
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """``described`` with the name of its ``unit``, and the sample table of the units: cultures, or wells."""
    if settings.unit == "donor" and ("donor" not in described or not (described["donor"] != "").any()):
        raise InputError("Comparison of donors: wanted a column 'donor' in the field table, found none. State them (page Assess, column Donor).")
    if settings.unit != "well":
        return described.assign(unit=described["sample"]), samples
    names = [f"{sample} · {well}" if well else sample for sample, well in zip(described["sample"], described["well"], strict=True)]
    units = described.assign(unit=names)
    home = dict(zip(units["unit"], units["sample"], strict=True))
    of_field = dict(zip(units["fov_id"], units["unit"], strict=True))
    fields = assessed.fields[assessed.fields["fov_id"].isin(of_field)]
    fields = fields.assign(sample=fields["fov_id"].map(of_field))
    of_cells = cells[cells["fov_id"].isin(of_field)]
    of_cells = of_cells.assign(sample=of_cells["fov_id"].map(of_field))
    return units, estimate_table(sample_table(fields), fields, of_cells, lambda unit: rates(home[unit]))


def _groups(units: pd.DataFrame, column: str) -> pd.DataFrame:
    """One row a unit: its group, "" where it is not known or differs between its fields, and its donor."""
    rows: list[dict[str, Any]] = []
    for unit, group in units.groupby("unit", sort=False):
        values = set(group[column].astype(str)) - {""} if column else {""}
        donors = set(group["donor"]) - {""} if "donor" in group else set()
        rows.append({"unit": unit, "group": values.pop() if len(values) == 1 else "", "donor": donors.pop() if len(donors) == 1 else ""})
    return pd.DataFrame(rows, columns=["unit", "group", "donor"])


def _by_donor(table: pd.DataFrame) -> pd.DataFrame:
    """The mean of the cultures of each donor in each group; a culture without a known donor is left out."""
    known = table[(table["donor"] != "") & np.isfinite(table["fraction"])]
    return known.groupby(["group", "donor"], sort=False, as_index=False)["fraction"].mean().rename(columns={"donor": "unit"})


def donors_shared(described: pd.DataFrame, unit: str, column: str) -> str:
    """A warning where cultures of one donor are taken for independent ones; "" else. ``column``: what is compared."""
    if "donor" in (unit, column) or "donor" not in described:
        return ""
    known = described[(described["donor"] != "") & described["role"].isin(("", "sample"))].drop_duplicates("sample")
    donors = known["donor"].nunique()
    if donors == len(known):
        return ""
    which = f"{len(known)} cultures come from {donors} donor{'' if donors == 1 else 's'}"
    return f"{which}: cultures of one donor are alike, so the intervals are too narrow. Take the donor as one observation, or one culture of each."


def totals(samples: pd.DataFrame, described: pd.DataFrame) -> dict[str, int]:
    """How many cultures, fields, and (0 where not known) wells, passages and donors the numbers rest on."""
    wells = described[described["well"] != ""][["sample", "well"]].drop_duplicates() if "well" in described else described.iloc[:0]
    counted = {name: _different(described[name]) if name in described else 0 for name in ("passage", "donor")}
    return {"cultures": len(samples), "fields": len(described), "wells": len(wells), "passages": counted["passage"], "donors": counted["donor"]}


def _different(values: Sequence[str] | pd.Series) -> int:
    return len(set(values) - {""})
