"""Files of the original pipeline that say which cell is in which set."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from core.dataset.original import original_rows
from core.dataset.split import SPLITS
from core.errors import InputError
from core.report import read_csv

WORDS = {"test": "test", "train": "train", "val": "validation"}


def read_sets(names: Sequence[str | Path]) -> dict[str, pd.DataFrame]:
    """The rows of each set; which set a file is, its name says (train_set.csv, test_set.csv, val...), else the order train, test, validation.

    Raises
    ------
    InputError
        Fewer than two files, two for one set, or a file that is not of the original pipeline.
    """
    if not 2 <= len(names) <= 3:
        raise InputError(f"Split from files: wanted a file for train and one for test (and perhaps one for validation), found {len(names)}.")
    out: dict[str, pd.DataFrame] = {}
    for name, place in zip(names, (SPLITS[0], SPLITS[2], SPLITS[1]), strict=False):
        said = [split for word, split in WORDS.items() if word in Path(name).stem.lower()]
        split = said[0] if len(said) == 1 else place
        if split in out:
            raise InputError(f"Split from files: two files are for {split}; name them train..., test... and val....")
        out[split] = original_rows(_read(Path(name)), str(name))
    return out


def table_of_bytes(data: bytes, name: Path) -> pd.DataFrame:
    """The table of an uploaded file called ``name``."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        path.write_bytes(data)
        try:
            return _read(path)
        except InputError as problem:
            raise InputError(str(problem).replace(str(path), name.name)) from None


def _read(path: Path) -> pd.DataFrame:
    table = read_csv(path, {"class": "str", "Class": "str"})
    return table.loc[:, [c for c in table if (table[c] != "").any()]]  # the other spelling, added empty
