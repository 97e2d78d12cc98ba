"""Small fields with odd cells, and a manifest to play with."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from core.tables import MANIFEST, typed


@pytest.fixture
def labels() -> np.ndarray:
    """Touching cells, cells at the border, one larger than small crops, one of a single pixel; ids with gaps."""
    made = np.zeros((60, 72), np.int32)
    made[0:7, 0:9] = 3
    made[7:15, 2:8] = 70
    made[12:55, 20:66] = 12
    made[18:22, 30:33] = 5  # inside another cell
    made[59, 71] = 1000
    made[1, 20:33] = 44
    return made


@pytest.fixture
def manifest() -> Callable[..., pd.DataFrame]:
    """``manifest(split=[...], sample=[...], ...)``: a manifest with these columns, the others plausible."""

    def make(**columns: Any) -> pd.DataFrame:
        n = len(next(iter(columns.values())))
        plain = {
            "cell_id": [f"f{i}:1" for i in range(n)],
            "experiment": "e",
            "fov_id": [f"f{i}" for i in range(n)],
            "label": 1,
            "class": [i % 2 for i in range(n)],
            "split": "train",
            "fragile": False,
            "touches_border": False,
            "cut_off": False,
            "rescaled": False,
            "area_px": 100,
            "extent_px": 20.0,
            "mean_intensity": 0.5,
            "confluence": 0.5,
        }
        table = pd.DataFrame({**{k: v if isinstance(v, list) else [v] * n for k, v in plain.items()}, **columns})
        return typed(table.assign(group=table.get("group", table.get("sample", "a"))), MANIFEST)

    return make
