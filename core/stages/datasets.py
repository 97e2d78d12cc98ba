"""A finished dataset, opened: what training and evaluation read."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core.dataset.split import SPLITS
from core.dataset.store import CropStore, open_crops
from core.errors import InputError
from core.report import read_csv
from core.tables import MANIFEST
from core.workspace import read_json


@dataclass(frozen=True)
class OpenDataset:
    """Row i of ``manifest`` (``tables.MANIFEST``) is crop i of ``crops``; ``statistics`` and ``report`` are its JSON files."""

    path: Path
    manifest: pd.DataFrame
    crops: CropStore
    statistics: dict[str, Any]
    report: dict[str, Any]

    @property
    def classes(self) -> np.ndarray:
        """(N,) int64, 0 or 1."""
        return self.manifest["class"].to_numpy(dtype=np.int64)

    def rows(self, split: str) -> np.ndarray:
        """Numbers of the crops of one set, "train", "validation" or "test"."""
        if split not in SPLITS:
            raise InputError(f"{self.path.name}: wanted one of the sets {', '.join(SPLITS)}, found {split!r}.")
        return np.flatnonzero((self.manifest["split"] == split).to_numpy())


def open_dataset(path: Path) -> OpenDataset:
    """Open ``datasets/<id>``. InputError where a file is missing or damaged, or the manifest and the crops do not belong together."""
    manifest, crops = read_csv(path / "manifest.csv", MANIFEST), open_crops(path)
    if len(manifest) != len(crops):
        raise InputError(f"{path}: manifest.csv has {len(manifest)} rows, the crops are {len(crops)}. Build the dataset again.")
    return OpenDataset(path, manifest, crops, read_json(path / "statistics.json"), read_json(path / "report.json"))
