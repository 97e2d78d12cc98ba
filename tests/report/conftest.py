"""A small assessment: three cultures, one of them named to break out of HTML, one with nothing scored."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from core.report import jpeg
from core.tables import ASSESSED_CELLS, ASSESSED_FIELDS, ASSESSED_SAMPLES, FAILURES, typed

EVIL = "<script>alert('1')</script>"


@pytest.fixture
def evil() -> str:
    return EVIL


@pytest.fixture
def assessment() -> SimpleNamespace:
    samples = [
        {"sample": EVIL, "role": "sample", "passage": "4", "n_fields": 2, "n_cells": 345, "n_scored": 330, "n_excluded": 15, "n_senescent": 112}
        | {"senescent_fraction": 112 / 330, "ci_low": 0.271, "ci_high": 0.423, "ci_method": "cluster bootstrap"},
        {"sample": "MSC1 P2", "role": "negative control", "passage": "P2", "n_fields": 1, "n_cells": 40, "n_scored": 40, "n_excluded": 0, "n_senescent": 0}
        | {"senescent_fraction": 0.0, "ci_low": 0.0, "ci_high": 0.088, "ci_method": "Wilson"},
        {"sample": "MSC1 P10", "n_fields": 1, "n_cells": 2, "n_scored": 0, "n_excluded": 2, "n_senescent": 0, "ci_method": ""},
    ]
    fields = [
        {"fov_id": "f10", "sample": EVIL, "n_cells": 200, "n_scored": 190, "n_excluded": 10, "n_touches_border": 8, "n_too_small": 2}
        | {"n_senescent": 70, "senescent_fraction": 70 / 190, "ci_low": 0.3, "ci_high": 0.44, "confluence": 0.4, "well": "A1"},
        {"fov_id": "f2", "sample": EVIL, "n_cells": 145, "n_scored": 140, "n_excluded": 5, "n_touches_border": 5, "n_too_small": 0}
        | {"n_senescent": 42, "senescent_fraction": 0.3, "ci_low": 0.23, "ci_high": 0.38, "confluence": 0.3, "well": "A2"},
        {"fov_id": "g1", "sample": "MSC1 P2", "n_cells": 40, "n_scored": 40, "n_excluded": 0, "n_touches_border": 0, "n_too_small": 0}
        | {"n_senescent": 0, "senescent_fraction": 0.0, "ci_low": 0.0, "ci_high": 0.088, "confluence": 0.2},
        {"fov_id": "h1", "sample": "MSC1 P10", "n_cells": 2, "n_scored": 0, "n_excluded": 2, "n_touches_border": 2, "n_too_small": 0, "n_senescent": 0},
    ]
    cells = pd.concat([_cells(field) for field in fields], ignore_index=True)
    picture = jpeg(np.full((60, 80, 3), 90, np.uint8))
    failures = [{"fov_id": "f3", "file": f"images/{EVIL}.tif", "error": "wanted an image, found an empty file"}]
    settings = {
        "experiment": f"March {EVIL}",
        "id": "demo-1a2b3c4d",
        "created": "2026-03-04T13:05:22.123+00:00",
        "command": f"python -m core assess '{EVIL}'",
        "settings": {"classifier": "demo", "bootstrap": 2000, "seed": 7},
        "models": {"classifier": {"name": "demo", "sha256": "cd" * 32, "licence": "BSD-3-Clause", "summary": "B4", "simulated": True, "threshold": 0.5}},
        "versions": {"senescope": "0.1.0", "torch": ""},
    }
    return SimpleNamespace(
        settings=settings,
        samples=typed(pd.DataFrame(samples), ASSESSED_SAMPLES),
        fields=typed(pd.DataFrame(fields), ASSESSED_FIELDS).assign(n_no_contrast=0),
        cells=cells,
        failures=typed(pd.DataFrame(failures), FAILURES),
        overlays={"f10": picture, "f2": picture, "g1": picture},
        notes=["A note of the stage & more."],
    )


def _cells(field: dict) -> pd.DataFrame:
    rng = np.random.default_rng(len(field["fov_id"]))
    scored = np.arange(field["n_cells"]) < field["n_scored"]
    senescent = np.where(scored, np.arange(field["n_cells"]) < field["n_senescent"], np.nan)
    table = pd.DataFrame({"label": np.arange(1, field["n_cells"] + 1), "fov_id": field["fov_id"], "sample": field["sample"]})
    table["cell_id"] = table["fov_id"] + ":" + table["label"].astype(str)
    table["area_px"] = rng.integers(400, 40_000, len(table))
    table["area_um2"] = table["area_px"] * 0.65**2
    table["excluded"] = ~scored
    table["exclusion_reason"] = np.where(scored, "", "touches border")
    table["senescence_probability"] = np.where(scored, 0.5 * senescent + 0.49 * rng.random(len(table)), np.nan)
    table["senescent"] = senescent
    return typed(table, ASSESSED_CELLS)
