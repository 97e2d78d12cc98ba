"""Tables as CSV files that Excel opens with one double click and that a program reads back to the same values.

UTF-8 with a byte order mark (else Excel garbles æøå and µ), lines end in a line feed. Columns are separated by a comma and
numbers written with a point, or, for Excel in many European languages, by a semicolon and with a decimal comma. Numbers
carry full precision, unknown is an empty cell. Text is written as it is: a name that begins with ``=`` is not disarmed,
because a changed name would no longer match its file.
"""

import csv
import io
import re
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from core.errors import InputError
from core.tables import typed

_SEPARATORS = ",;\t"
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")


def write_csv(path: Path, table: pd.DataFrame, decimal_comma: bool = False) -> None:
    """Write ``table`` (without its index) to ``path``, replacing what is there."""
    Path(path).write_bytes(csv_bytes(table, decimal_comma))


def csv_bytes(table: pd.DataFrame, decimal_comma: bool = False) -> bytes:
    """The content of the CSV file, for a download."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=";" if decimal_comma else ",", lineterminator="\n")
    writer.writerow(table.columns)
    writer.writerows(zip(*(_written(table[column], decimal_comma) for column in table.columns), strict=True))
    return out.getvalue().encode("utf-8-sig")


def read_csv(path: Path, columns: Mapping[str, str]) -> pd.DataFrame:
    """Read a table written by ``write_csv``, or saved by Excel, in either form, with or without byte order mark.

    Parameters
    ----------
    path : Path
    columns : mapping of column name to dtype
        As in ``core.tables``. Missing columns become empty; further columns follow as text.

    Raises
    ------
    InputError
        Not a UTF-8 text, none of the columns in its first line, a column twice, a row longer than the first line,
        or a value that does not fit its column.
    """
    path = Path(path)
    text = _text(path)
    rows = _rows(text, _separator(text, columns), path)
    if not rows or not set(rows[0][1]) & set(columns):
        found = ", ".join(rows[0][1])[:200] if rows else "an empty file"
        raise InputError(f"{path}: wanted a table with columns such as {', '.join(list(columns)[:4])}; found {found}.")
    header = rows[0][1]
    if len(set(header)) < len(header):
        raise InputError(f"{path}: the column {next(c for c in header if header.count(c) > 1)!r} occurs more than once.")
    table = pd.DataFrame(_padded(rows[1:], len(header), path), columns=header, dtype=object)
    for column in table.columns:
        if columns.get(column, "str") not in ("str", "boolean"):
            table[column] = table[column].map(_number).astype(object)
    return typed(table, {**columns, **{c: "str" for c in header if c not in columns}}, str(path))


def _written(values: pd.Series, decimal_comma: bool) -> list[str]:
    """Cells as text; ``repr`` of a float is the shortest text that reads back to the same number."""
    known = values.notna()
    if pd.api.types.is_float_dtype(values.dtype):
        numbers = values.astype("float64") if values.dtype == "float32" else values
        texts = [repr(float(value)) if ok else "" for value, ok in zip(numbers, known, strict=True)]
        return [text.replace(".", ",") for text in texts] if decimal_comma else texts
    if pd.api.types.is_object_dtype(values.dtype) and decimal_comma:
        return [_object(value, ok) for value, ok in zip(values, known, strict=True)]
    return [str(value) if ok else "" for value, ok in zip(values, known, strict=True)]


def _object(value: object, known: bool) -> str:
    """A column of mixed values: only its floats take the decimal comma."""
    return "" if not known else repr(float(value)).replace(".", ",") if isinstance(value, float) else str(value)


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file.") from None
    except (UnicodeDecodeError, OSError) as error:
        raise InputError(f"{path}: wanted a CSV file in UTF-8 (Excel: Save as, 'CSV UTF-8'); {error}.") from None


def _separator(text: str, columns: Mapping[str, str]) -> str:
    """The separator under which the first line holds most of the wanted columns."""
    first = text.lstrip("\r\n").split("\n", 1)[0].rstrip("\r")

    def wanted(separator: str) -> tuple[int, int]:
        names = next(csv.reader([first], delimiter=separator), [])
        return len(set(names) & set(columns)), len(names)

    return max(_SEPARATORS, key=wanted)


def _rows(text: str, separator: str, path: Path) -> list[tuple[int, list[str]]]:
    """Line number and cells of every row; blank lines, and Excel's rows of nothing but separators, are no rows."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        return [(reader.line_num, row) for row in reader if row and (len(row) == 1 or any(row))]
    except csv.Error as error:
        raise InputError(f"{path}: line {reader.line_num} is not readable as CSV: {error}.") from None


def _padded(rows: list[tuple[int, list[str]]], width: int, path: Path) -> list[list[str]]:
    """Excel leaves out the last separators of rows that end in empty cells."""
    for line, row in rows:
        if len(row) > width:
            raise InputError(f"{path}: line {line} has {len(row)} cells, the first line {width}; is a text with a separator not quoted?")
    return [row + [""] * (width - len(row)) for _, row in rows]


def _number(text: str) -> float | str:
    """The nearest float (pandas' own parser may miss it by one bit); what is no number stays text, for ``typed`` to name."""
    point = text.replace(",", ".") if _DECIMAL_COMMA.fullmatch(text.strip()) else text
    try:
        return text if "_" in text else float(point)
    except ValueError:
        return text
