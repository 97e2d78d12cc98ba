"""The files of the original pipeline: one row a cell (file name, mask name, mask number, class), one file a set."""

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd

from core.dataset.leakage import shared
from core.dataset.split import SPLITS
from core.errors import InputError

COLUMNS: Final = ("file name", "mask name", "mask number", "class")
_KNOWN: Final = {
    "file": ("file name", "file", "filename", "image", "image file"),
    "mask": ("mask name", "mask", "mask file"),
    "label": ("mask number", "cell number", "cell", "label", "mask_number"),
    "class": ("class", "label class"),
}


def original_rows(table: pd.DataFrame, name: str = "table") -> pd.DataFrame:
    """A file of the original pipeline as columns ``file``, ``mask`` (text), ``label``, ``class`` (integers).

    The columns may be called as in either of its versions (``File, Mask, Cell, Class``); paths may be of Windows.

    Raises
    ------
    InputError
        A column is missing, or a mask number or class is no whole number; ``name`` says where.
    """
    columns = {str(c).strip().lower(): c for c in table.columns}
    out = pd.DataFrame(index=table.index)
    for wanted, names in _KNOWN.items():
        found = next((columns[n] for n in names if n in columns), None)
        if found is None:
            raise InputError(f"{name}: wanted the columns {', '.join(COLUMNS)}; found {', '.join(map(str, table.columns))}.")
        out[wanted] = table[found].astype(str).str.strip() if wanted in ("file", "mask") else _whole(table[found], f"{name}, column {found}")
    return out.reset_index(drop=True)


def _whole(values: pd.Series, where: str) -> pd.Series:
    numbers = pd.to_numeric(values, errors="coerce")
    bad = numbers.isna() | (numbers % 1 != 0)
    if bad.any():
        raise InputError(f"{where}: wanted whole numbers, found {values[bad].iloc[0]!r} in row {int(bad.to_numpy().argmax()) + 1}.")
    return numbers.astype(int)


def stem(path: str) -> str:
    """Name of a file without folders (Windows or POSIX), plane and ending, in lower case: how files are matched."""
    return re.sub(r"(\.ome)?\.[^.]*$", "", re.split(r"[\\/]", path.split("#")[0])[-1]).lower()


def check_split(sets: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    """Leakage of a split that was made elsewhere, from its files alone.

    Parameters
    ----------
    sets : ``original_rows`` of each set, by name ("train", "validation", "test").

    Returns
    -------
    ``counts`` of cells by set and class, ``fields`` by set, ``shared_fields`` (as ``leakage.shared``), ``fields_in_test``, and
    ``shared_cells``: how many cells occur in more than one set.
    """
    rows = pd.concat([table.assign(split=split, fov_id=table["file"].map(stem)) for split, table in sets.items()], ignore_index=True)
    cells = rows.groupby(["fov_id", "label"])["split"].nunique()
    return {
        "counts": {s: {str(c): int(((rows["split"] == s) & (rows["class"] == c)).sum()) for c in (0, 1)} for s in SPLITS},
        "fields": {s: int(rows.loc[rows["split"] == s, "fov_id"].nunique()) for s in SPLITS},
        "fields_in_test": int(rows.loc[rows["split"] == "test", "fov_id"].nunique()),
        "shared_fields": shared(rows, "fov_id"),
        "shared_cells": int((cells > 1).sum()),
    }


def splits_from(sets: Mapping[str, pd.DataFrame], cells: pd.DataFrame, validation: float, seed: int) -> pd.Series:
    """The set of each cell as the files say it; "" for cells that are in none of them.

    ``cells`` has the columns ``fov_id``, ``image``, ``label``; images are matched by name without folder and ending. Without a
    file for validation, whole fields are taken from training for it, about the share ``validation`` of them.

    Raises
    ------
    InputError
        None of the rows belongs to one of the cells.
    """
    wanted: dict[tuple[str, int], str] = {}
    for split, table in sets.items():
        wanted |= {(stem(file), label): split for file, label in zip(table["file"], table["label"], strict=True)}
    names = [(stem(image), fov_id.lower()) for image, fov_id in zip(cells["image"], cells["fov_id"], strict=True)]
    found = [next((wanted[n, int(label)] for n in both if (n, int(label)) in wanted), "") for both, label in zip(names, cells["label"], strict=True)]
    splits = pd.Series(found, index=cells.index, dtype=object)
    if not (splits != "").any():
        file = next(iter(sets.values()))["file"].iloc[0] if len(next(iter(sets.values()))) else "nothing"
        raise InputError(f"Split from files: none of their cells is annotated here; they name images such as {file}, here are {cells['image'].iloc[0]}.")
    if "validation" not in sets and validation > 0:
        held = cells["fov_id"].map(lambda fov_id: _share(seed, fov_id) < validation)
        splits[(splits == "train") & held] = "validation"
    return splits


def _share(seed: int, name: str) -> float:
    return int(hashlib.sha256(f"{seed}\n{name}".encode()).hexdigest()[:12], 16) / 2**48


def to_original(manifest: pd.DataFrame, split: str) -> pd.DataFrame:
    """The cells of one set as a table of the original pipeline (``COLUMNS``)."""
    rows = manifest[manifest["split"] == split]
    masks = "labels/" + rows["fov_id"] + ".tif"
    values = (rows["image"], masks, rows["label"], rows["class"])
    return pd.DataFrame({name: np.asarray(column, object) for name, column in zip(COLUMNS, values, strict=True)})
