"""The annotation file of the original protocol: one row a cell, "file name,mask name,mask number,class"."""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path, PureWindowsPath
from typing import Final

import pandas as pd

from core.errors import InputError

COLUMNS: Final = ("file name", "mask name", "mask number", "class")
SPELLINGS: Final[Mapping[str, tuple[str, ...]]] = {  # in lower case
    "file name": ("file name", "file", "filename", "image"),
    "mask name": ("mask name", "mask", "maskname"),
    "mask number": ("mask number", "cell number", "cell", "mask_number", "label"),
    "class": ("class",),
}
PROBLEMS: Final = ("row", "problem")
LARGEST_LABEL: Final = 2**53


@dataclass(frozen=True)
class OriginalAnnotation:
    """``rows``: columns ``file, mask`` (as written), ``image, mask_file`` (names without folders), ``label``, ``class`` (0 or 1), ``row``
    (line of the file). ``problems``: rows that were left out, columns ``PROBLEMS``."""

    rows: pd.DataFrame
    problems: pd.DataFrame


def read_original(path: Path) -> OriginalAnnotation:
    """Read an annotation file in the original columns, or in ``File,Mask,Cell number,Class`` (or ``Cell``).

    Paths inside may be Windows or POSIX ones; columns may be divided by commas, semicolons or tabs. A row that cannot be
    used is left out and listed: a class other than 0 or 1, a mask number that is no positive whole number, no file, the
    same cell twice (listed once if the classes agree; if they do not, none of the rows is used).

    Raises
    ------
    InputError
        No such file, not a text table, columns missing, or not one usable row.
    """
    path = Path(path)
    header, lines = _table(path)
    columns = _columns(path, header)
    rows: list[dict[str, object]] = []
    problems: list[dict[str, object]] = []
    for number, cells in lines:
        found, problem = _row(number, cells, columns, len(header))
        if found is None:
            problems.append({"row": number, "problem": problem})
        else:
            rows.append(found)
    table = pd.DataFrame(rows, columns=["file", "mask", "image", "mask_file", "label", "class", "row"])
    table, doubled = _without_duplicates(table, ["file", "mask", "label"])  # as written: two folders may hold images of one name
    if table.empty:
        first = [*problems, *doubled][:1]
        raise InputError(f"{path}: wanted at least one usable row, found none" + (f"; e.g. row {first[0]['row']}: {first[0]['problem']}" if first else "."))
    return OriginalAnnotation(table, _listed(pd.DataFrame(columns=list(PROBLEMS)), [*problems, *doubled]))


def match_files(annotation: OriginalAnnotation, images: Mapping[str, str]) -> OriginalAnnotation:
    """Add ``fov_id`` to the rows by the name of the image, and list the rows whose image is unknown.

    Parameters
    ----------
    images : fov_id -> reference
        The phase image of every field of view, as in fields.csv; folders and the chosen plane ("#C=0") do not matter. A
        name is also recognised without its suffix, so that a .png annotated there is found as the .tif here.

    Raises
    ------
    InputError
        Not one row belongs to a known image.
    """
    known = _names(images)
    found = annotation.rows["image"].map(lambda name: known.get(name.lower()) or known.get(_stem(name).lower(), ""))
    rows = annotation.rows.assign(fov_id=found.astype("str"))
    unknown = rows[rows["fov_id"] == ""]
    if len(unknown) == len(rows):
        raise InputError(
            f"Annotation file: none of its images is in this experiment, e.g. {rows['image'].iloc[0]!r}; "
            f"the experiment has {', '.join(sorted(map(_file_name, images.values()))[:3]) or 'no fields'}. Add the images first, or choose another file."
        )
    problems: list[dict[str, object]] = [
        {"row": r, "problem": f"image {name!r} is not in this experiment"} for r, name in zip(unknown["row"], unknown["image"], strict=True)
    ]
    kept, doubled = _without_duplicates(rows[rows["fov_id"] != ""].reset_index(drop=True), ["fov_id", "label"])
    return OriginalAnnotation(kept, _listed(annotation.problems, [*problems, *doubled]))


def match_labels(annotation: OriginalAnnotation, labels: Mapping[str, Iterable[int]]) -> OriginalAnnotation:
    """Keep the rows (with ``fov_id``) whose cell exists; ``labels``: fov_id -> ids of its label image. List the others."""
    ids = {fov_id: set(some) for fov_id, some in labels.items()}
    pairs = list(zip(annotation.rows["fov_id"], annotation.rows["label"], strict=True))
    exists = pd.Series([label in ids.get(fov_id, set()) for fov_id, label in pairs], index=annotation.rows.index, dtype=bool)
    lost = annotation.rows[~exists]
    problems: list[dict[str, object]] = [
        {"row": r, "problem": f"field {fov_id} has no cell number {label}"} for r, fov_id, label in zip(lost["row"], lost["fov_id"], lost["label"], strict=True)
    ]
    return OriginalAnnotation(annotation.rows[exists].reset_index(drop=True), _listed(annotation.problems, problems))


def original_table(cells: pd.DataFrame, images: Mapping[str, str], masks: Mapping[str, str]) -> pd.DataFrame:
    """The rows of the original file: one a cell of ``cells`` (fov_id, label, class) whose class is 0 or 1.

    ``images`` and ``masks``: fov_id -> file name of the phase image and of the label image.
    """
    used = cells[cells["class"].notna()]
    columns = (used["fov_id"].map(images), used["fov_id"].map(masks), used["label"].astype("int64"), used["class"].astype("int64"))
    return pd.DataFrame(dict(zip(COLUMNS, columns, strict=True))).reset_index(drop=True)


def write_original(path: Path, table: pd.DataFrame) -> None:
    """Write ``original_table`` as the original protocol's programs read it: UTF-8, commas, lines ended by \\n, no index."""
    table.to_csv(path, columns=list(COLUMNS), index=False, encoding="utf-8", lineterminator="\n")


def _table(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Header and rows with their line numbers; empty lines are skipped."""
    wanted = f"wanted a CSV file with the columns {', '.join(COLUMNS)}"
    if not path.is_file():
        raise InputError(f"{path}: {wanted}; there is no such file.")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{path}: {wanted}; found a file that is not UTF-8 text. Save it as 'CSV UTF-8'.") from None
    first = text.split("\n", 1)[0]
    if not first.strip() or "\0" in text:
        raise InputError(f"{path}: {wanted}; found {'an empty file' if not text.strip() else 'no header line'}.")
    reader = csv.reader(StringIO(text, newline=""), delimiter=max(",;\t", key=first.count))
    try:
        lines = [(reader.line_num, cells) for cells in reader if any(c.strip() for c in cells)]
    except csv.Error as error:
        raise InputError(f"{path}: {wanted}; line {reader.line_num} is damaged ({error}).") from None
    return lines[0][1], lines[1:]


def _columns(path: Path, header: list[str]) -> dict[str, int]:
    names = [name.strip().lower() for name in header]
    places = {column: [k for k, name in enumerate(names) if name in spellings] for column, spellings in SPELLINGS.items()}
    wrong = [column for column, found in places.items() if len(found) != 1]
    if wrong:
        raise InputError(f"{path}: wanted the columns {', '.join(COLUMNS)}, each once; found {', '.join(header)} (missing or double: {', '.join(wrong)}).")
    return {column: found[0] for column, found in places.items()}


def _row(number: int, cells: list[str], columns: Mapping[str, int], width: int) -> tuple[dict[str, object] | None, str]:
    """The row as a dict, or why it cannot be used."""
    if len(cells) != width:
        return None, f"wanted {width} values, found {len(cells)}"
    file, mask, label, kind = (cells[columns[c]].strip() for c in COLUMNS)
    if not file:
        return None, "no image file is named"
    id_, class_ = _whole(label), _whole(kind)
    if id_ is None or not 0 < id_ < LARGEST_LABEL:
        return None, f"wanted a mask number from 1, found {label!r}"
    if class_ not in (0, 1):
        return None, f"wanted class 0 or 1, found {kind!r}"
    return {"file": file, "mask": mask, "image": _file_name(file), "mask_file": _file_name(mask), "label": id_, "class": class_, "row": number}, ""


def _whole(text: str) -> int | None:
    """A whole number, also as pandas writes one in a column with gaps ("1.0")."""
    try:
        value = float(text)
    except ValueError:
        return None
    return int(value) if value.is_integer() else None


def _listed(before: pd.DataFrame, more: list[dict[str, object]]) -> pd.DataFrame:
    every = [*before.to_dict("records"), *more]
    return pd.DataFrame(sorted(every, key=lambda p: int(str(p["row"]))), columns=list(PROBLEMS))


def _without_duplicates(table: pd.DataFrame, cell: list[str]) -> tuple[pd.DataFrame, list[dict[str, object]]]:
    """The table with every ``cell`` once, and what was left out."""
    problems: list[dict[str, object]] = []
    dropped: list[int] = []
    for _, group in table[table.duplicated(cell, keep=False)].groupby(cell, sort=False):
        rows = group["row"].tolist()
        contradict = group["class"].nunique() > 1
        dropped += group.index.tolist() if contradict else group.index[1:].tolist()
        for row in rows if contradict else rows[1:]:
            others = ", ".join(str(r) for r in rows if r != row)
            words = f"the same cell has another class in row {others}; none of them is used" if contradict else f"the same cell as in row {rows[0]}"
            problems.append({"row": row, "problem": words})
    return table.drop(index=dropped).reset_index(drop=True), problems


def _names(images: Mapping[str, str]) -> dict[str, str]:
    """File name, and name without suffix where only one field has it, in lower case, to fov_id."""
    full: dict[str, list[str]] = {}
    for fov_id, reference in images.items():
        name = _file_name(reference.split("#", 1)[0]).lower()
        for known in {name, _stem(name), fov_id.lower()}:
            full.setdefault(known, []).append(fov_id)
    return {name: fovs[0] for name, fovs in full.items() if len(set(fovs)) == 1}


def _file_name(path: str) -> str:
    return PureWindowsPath(path).name  # knows both kinds of separators


def _stem(name: str) -> str:
    return PureWindowsPath(name).stem
