"""Fields of view: one row of fields.csv each; references, names and pairing of their files; imported metadata."""

import math
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from core.errors import InputError
from core.images.picture import Plane
from core.naming import DEFAULT_PATTERN, join_reference, kind_of_name, parse_name, safe_id, split_reference, stem_of
from core.pairing import Pairing, table_of
from core.tables import FIELDS, ROLES, typed


@dataclass(frozen=True)
class FieldOfView:
    """One imaged position. Texts are "" and numbers None where unknown."""

    fov_id: str
    phase: str
    stain: str = ""
    colour: str = ""
    sample: str = ""
    role: str = "sample"
    passage: str = ""
    condition: str = ""
    well: str = ""
    time_h: float | None = None
    pixel_size_um: float | None = None


def fields(table: pd.DataFrame) -> list[FieldOfView]:
    """The rows of a table of fields (``tables.FIELDS``; further columns are left out)."""
    rows = typed(table, FIELDS, "fields")[list(FIELDS)].astype(object)
    return [FieldOfView(**row) for row in rows.where(rows.notna(), None).to_dict("records")]


def read_fields(path: str | Path) -> pd.DataFrame:
    """``fields.csv`` as a table (``tables.FIELDS``, further columns as text). InputError for a file that is none."""
    from core.workspace.fieldscsv import read_fields as read  # the file is the workspace's business

    return read(Path(path))


def merge_metadata(table: pd.DataFrame, csv_table: pd.DataFrame, clear_blank: bool = False) -> pd.DataFrame:
    """Take the metadata of ``csv_table`` over into a table of fields.

    Parameters
    ----------
    table : ``tables.FIELDS``, and further columns of text
    csv_table : any of these columns, with ``fov_id`` or, where it has none, ``phase`` to name the
        field (the file name is enough where it is unique; the ending may be left out). Not every field need be in it.
    clear_blank : whether an empty cell empties the value; else it leaves the value as it is

    Returns
    -------
    The table with rows and order unchanged.

    Raises
    ------
    InputError
        A column or row that is not known, a row twice, a value that is no number, a pixel size that is not positive,
        another role than ``tables.ROLES``, another phase image for a known field.
    """
    columns = {**dict.fromkeys(map(str, table.columns), "str"), **FIELDS}
    unknown = [str(column) for column in csv_table.columns if column not in columns]
    if unknown:
        raise InputError(f"Metadata table: the column {unknown[0]!r} is not known; wanted some of {', '.join(columns)}.")
    key = next((column for column in ("fov_id", "phase") if column in csv_table), None)
    if key is None:
        raise InputError("Metadata table: wanted a column fov_id or phase that names the field, found " + ", ".join(map(str, csv_table.columns)) + ".")
    given = typed(_with_points(csv_table), {column: columns[column] for column in csv_table.columns}, "Metadata table")
    out = typed(table, FIELDS, "fields")
    rows = _located(out, given[key], key)
    _check_values(given)
    if key == "fov_id" and "phase" in given:
        _check_phase(out, rows, given["phase"])
    for column in [column for column in given if column not in ("fov_id", "phase")]:
        values = given[column].set_axis(rows)
        blank = values.isna() if columns[column] != "str" else values == ""
        keep = blank if not clear_blank or column in ("sample", "role") else blank & False
        out.loc[values.index[~keep], column] = values[~keep]
    return out


def _with_points(table: pd.DataFrame) -> pd.DataFrame:
    """Decimal commas in number columns become points."""
    out = table.copy()
    for column in (c for c in table.columns if FIELDS.get(c, "str") != "str"):
        out[column] = [value.replace(",", ".") if isinstance(value, str) else value for value in table[column]]
    return out


def _located(table: pd.DataFrame, names: pd.Series, key: str) -> list[int]:
    """Index in ``table`` of each named field."""
    places: dict[str, set[int]] = {}
    for index, value in table[key].items():
        path = split_reference(value)[0]
        short = path.replace("\\", "/").rpartition("/")[2]
        forms = {value} if key == "fov_id" else {value, path, short, stem_of(value)}
        for form in forms:
            places.setdefault(form, set()).add(int(str(index)))
    found = []
    for row, name in enumerate(names, start=1):
        there = places.get(name, set())
        if len(there) != 1:
            what = "is in no field" if not there else "fits more than one field; use the column fov_id"
            raise InputError(f"Metadata table, row {row}: {key} {name!r} {what}.")
        found.append(next(iter(there)))
    twice = next((name for name, place in zip(names, found, strict=True) if found.count(place) > 1), None)
    if twice is not None:
        raise InputError(f"Metadata table: {key} {twice!r} stands in more than one row.")
    return found


def _check_values(given: pd.DataFrame) -> None:
    for column in (c for c in given if FIELDS.get(c) == "Float64"):
        for row, value in enumerate(given[column], start=1):
            bad = not pd.isna(value) and (not math.isfinite(value) or (column == "pixel_size_um" and value <= 0))
            if bad:
                raise InputError(f"Metadata table, row {row}: wanted a usable number for {column}, found {value}.")
    for row, role in enumerate(given.get("role", ()), start=1):
        if role and role not in ROLES:
            raise InputError(f"Metadata table, row {row}: wanted the role {', '.join(ROLES)}, found {role!r}.")


def _check_phase(table: pd.DataFrame, rows: list[int], phase: pd.Series) -> None:
    for index, name in zip(rows, phase, strict=True):
        own = str(table.at[index, "phase"])
        if name not in ("", own) and stem_of(name) != stem_of(own):
            raise InputError(f"Metadata table: field {table.at[index, 'fov_id']} has the phase image {own}, found {name!r}. Add the image instead.")


__all__ = [
    "DEFAULT_PATTERN",
    "FieldOfView",
    "Pairing",
    "Plane",
    "fields",
    "join_reference",
    "kind_of_name",
    "merge_metadata",
    "parse_name",
    "read_fields",
    "safe_id",
    "split_reference",
    "table_of",
]
