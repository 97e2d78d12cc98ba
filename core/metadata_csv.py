"""A CSV table of metadata as a laboratory's Excel saves it: text for ``fields.merge_metadata``."""

import csv
import io

import pandas as pd

from core.errors import InputError
from core.workspace.fieldscsv import decoded

_SAVE_AS = "In Excel choose Save as, 'CSV UTF-8 (comma delimited)', and load that file."


def metadata_table(data: bytes, name: str) -> pd.DataFrame:
    """The table in the bytes of a CSV file, every cell as text.

    Parameters
    ----------
    data : UTF-8 with or without byte order mark, UTF-16 with one, or Windows-1252; comma, semicolon or tab between columns
    name : of the file, for messages

    Raises
    ------
    InputError
        Not a text (an Excel workbook, say), an empty file, a column twice, a row longer than the first.
    """
    text = decoded(data)
    if text is None:
        raise InputError(f"{name}: wanted a CSV table, found a file that is no text, such as an Excel workbook. {_SAVE_AS}")
    rows = _rows(text, name)
    if not rows:
        raise InputError(f"{name}: wanted a CSV table, found an empty file.")
    width = max(number for number, column in enumerate(rows[0], 1) if column)  # Excel puts separators behind the last column
    header = rows[0][:width]
    wrong = next((column for column in header if not column or header.count(column) > 1), None)
    if wrong is not None:
        raise InputError(f"{name}: the column {wrong!r} occurs more than once." if wrong else f"{name}: a column has no name in the first line.")
    return pd.DataFrame([_fitted(row, width, number, name) for number, row in enumerate(rows[1:], 2)], columns=header, dtype="str")


def _rows(text: str, name: str) -> list[list[str]]:
    """Cells of every row that holds something."""
    separator = max(",;\t", key=text.lstrip().split("\n", 1)[0].count)
    try:
        rows = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)]
    except csv.Error as error:
        raise InputError(f"{name}: wanted a CSV table, but it cannot be read ({error}). {_SAVE_AS}") from None
    return [row for row in rows if any(row)]


def _fitted(row: list[str], width: int, number: int, name: str) -> list[str]:
    if any(row[width:]):
        raise InputError(f"{name}: row {number} has {len(row)} cells, the first line {width}. Put quotes around a text with a separator in it.")
    return [*row[:width], *[""] * (width - len(row))]
