"""``fields.csv``: written as UTF-8 with a byte order mark (Excel shows æøå), read also as Excel leaves it."""

import csv
import io
from pathlib import Path

import pandas as pd

from core.errors import InputError
from core.tables import FIELDS, typed
from core.workspace.files import file_errors, write_atomic
from core.workspace.layout import checked_name


def empty_fields() -> pd.DataFrame:
    return typed(pd.DataFrame(), FIELDS)


def write_fields(path: Path, table: pd.DataFrame) -> None:
    """Check and write the table atomically; columns beyond ``tables.FIELDS`` are kept."""
    table = _checked(table, str(path))
    write_atomic(path, table.to_csv(index=False, lineterminator="\n").encode("utf-8-sig"))


def read_fields(path: Path) -> pd.DataFrame:
    """The table with the columns and dtypes of ``tables.FIELDS``, further columns as text.

    Read: comma, semicolon or tab between columns, point or comma in numbers, with or without byte order mark, UTF-8,
    UTF-16 or the Windows code page (what Excel writes as "CSV"); blank lines and blank trailing columns are dropped.

    Raises
    ------
    InputError
        The file is missing or damaged, or a fov_id is empty, doubled or cannot be a file name.
    """
    with file_errors(path, "read"):
        data = path.read_bytes()
    text = decoded(data)
    if text is None:
        raise InputError(f"{path}: wanted a text table (CSV, UTF-8), found other bytes. The file is damaged; restore it from a copy.")
    rows = _rows(text, path)
    header, body = rows[0], rows[1:]
    table = pd.DataFrame(body, columns=header, dtype="str")
    for column in header:
        if FIELDS.get(column) == "Float64":
            table[column] = table[column].map(_point).astype("str")
    return _checked(table, str(path))


def decoded(data: bytes) -> str | None:
    """Text in UTF-8, in UTF-16 with a byte order mark, or in the Windows code page (what Excel writes as "CSV"); None for other bytes."""
    encodings = ["utf-16"] if data[:2] in (b"\xff\xfe", b"\xfe\xff") else ["utf-8-sig", "cp1252"]
    for encoding in encodings:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    return None


def _rows(text: str, path: Path) -> list[list[str]]:
    first = text.lstrip().split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    try:
        rows = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)]
    except csv.Error as error:
        raise InputError(f"{path}: wanted a CSV table, but it is damaged ({error}).") from error
    rows = [row for row in rows if any(row)]
    if not rows or not {"fov_id", "phase"} <= set(rows[0]):
        raise InputError(f"{path}: wanted a table that starts with the columns {', '.join(FIELDS)}, found {first[:80]!r}.")
    width = max(n for n, name in enumerate(rows[0], 1) if name)
    return [_fitted(row, width, number, path) for number, row in enumerate(rows, 1)]


def _fitted(row: list[str], width: int, number: int, path: Path) -> list[str]:
    if any(row[width:]):
        raise InputError(f"{path}: wanted {width} columns, found {len(row)} in row {number}. Put quotes around a text with a separator in it.")
    return [*row[:width], *[""] * (width - len(row))]


def _point(number: str) -> str:
    return number.replace(",", ".") if "." not in number else number


def _checked(table: pd.DataFrame, name: str) -> pd.DataFrame:
    doubled_columns = table.columns[table.columns.duplicated()]
    if len(doubled_columns) or "" in table.columns:
        raise InputError(f"{name}: wanted named, distinct columns, found {', '.join(map(repr, table.columns))}.")
    table = typed(table, FIELDS, name)
    for fov_id in table["fov_id"]:
        checked_name(fov_id, f"{name}, fov_id")
    doubled = table["fov_id"][table["fov_id"].str.lower().duplicated()]
    if len(doubled):
        raise InputError(f"{name}: wanted a unique fov_id in every row, found {doubled.iloc[0]!r} twice.")
    return table.reset_index(drop=True)
