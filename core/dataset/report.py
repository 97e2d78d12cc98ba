"""Everything that ``report.json`` of a dataset says."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.dataset.leakage import EXAMPLES, confounding, near_duplicates, shared
from core.dataset.numbers import class_counts
from core.dataset.sentences import warnings_of
from core.dataset.sizes import advised_crop_px, whole_shares
from core.dataset.split import unit_of
from core.settings import DatasetSettings


def describe(manifest: pd.DataFrame, index: NDArray[np.void], left_out: dict[str, int], crop_px: int, group: str = DatasetSettings.group) -> dict[str, Any]:
    """Counts, crop sizes, leakage, confounding, and the sentences that follow from them.

    ``left_out`` counts cells by reason; ``group`` is the column that the split keeps together.
    """
    extent = manifest["extent_px"].to_numpy(dtype=float)
    fields = manifest[["experiment", "fov_id"]].drop_duplicates()
    in_test = manifest.loc[manifest["split"] == "test", ["experiment", "fov_id"]].drop_duplicates()
    report: dict[str, Any] = {
        "unit": unit_of(group),
        "cells": len(manifest),
        "fields": len(fields),
        "fields_in_test": len(in_test),
        "counts": class_counts(manifest),
        "groups": _groups(manifest),
        "crop": {
            "crop_px": crop_px,
            "advised_px": advised_crop_px(extent),
            "whole": float((extent <= crop_px).mean()),
            "curve": whole_shares(extent).to_dict("records"),
        },
        "shared_fields": shared(manifest, "fov_id", ("experiment",)),
        "shared_cultures": shared(manifest, "sample"),
        "near_duplicates": _twins(manifest, near_duplicates(index["thumb"], manifest["split"])),
        "confounding": confounding(manifest),
        "mixed_depths": mixed_depths(manifest, index),
        "left_out": {reason: int(n) for reason, n in left_out.items()},
    }
    return {"warnings": warnings_of(manifest, report), **report}


def mixed_depths(manifest: pd.DataFrame, index: NDArray[np.void]) -> dict[str, list[float]]:
    """Cultures whose fields have different guessed whites although intensities are divided by them: {culture: [1023, 4095]}."""
    guessed = (index["guessed"] == 1) & (index["centre"] == 0) & (index["spread"] == index["full_scale"].astype(np.float32))
    whites = pd.Series(index["full_scale"][guessed]).groupby(manifest["sample"].to_numpy()[guessed]).unique()
    return {str(name): sorted(map(float, found)) for name, found in whites.items() if len(found) > 1}


def _groups(manifest: pd.DataFrame) -> list[dict[str, Any]]:
    counts = manifest.groupby(["group", "split", "class"], sort=False).size().unstack("class", fill_value=0)
    return [{"group": g, "split": s, "n_0": int(row.get(0, 0)), "n_1": int(row.get(1, 0))} for (g, s), row in counts.iterrows()]


def _twins(manifest: pd.DataFrame, pairs: pd.DataFrame) -> dict[str, Any]:
    rows = np.unique(pairs[["first", "second"]].to_numpy())
    splits = manifest["split"].iloc[rows]
    ids = manifest["cell_id"].to_numpy()
    examples = pairs.sort_values("correlation", ascending=False).head(EXAMPLES)
    return {
        "pairs": len(pairs),
        "cells_in_validation": int((splits == "validation").sum()),
        "cells_in_test": int((splits == "test").sum()),
        "examples": [[ids[a], ids[b], round(c, 3)] for a, b, c in examples[["first", "second", "correlation"]].itertuples(index=False)],
    }
