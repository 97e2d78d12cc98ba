"""Size and shape of the scored cells by call."""

from collections.abc import Iterator
from typing import Any, Final

import pandas as pd

from core.stages.assessed import Assessed
from core.stages.measuring import read_measurements
from core.tables import CLASS_SHAPES, typed

CALLS: Final = {1: "senescent", 0: "not senescent"}
MEASURES: Final = {  # in µm where every cell has it, else in px; what has no unit as it is
    "area": ("area_um2", "µm²", "area_px", "px²"),
    "major axis": ("major_axis_um", "µm", "major_axis_px", "px"),
    "minor axis": ("minor_axis_um", "µm", "minor_axis_px", "px"),
    "perimeter": ("perimeter_um", "µm", "perimeter_px", "px"),
    "eccentricity": ("eccentricity", "", "eccentricity", ""),
    "solidity": ("solidity", "", "solidity", ""),
    "form factor": ("form_factor", "", "form_factor", ""),
}


def class_shapes(assessed: Assessed) -> pd.DataFrame:
    """``tables.CLASS_SHAPES``: median and quartiles over all cultures, then of each; only the area where the outlines were not measured."""
    cells = assessed.scored
    measured = read_measurements(assessed.segmentation.path)
    if measured is not None:
        more = [c for c in measured if c not in cells]
        cells = cells.merge(measured[["fov_id", "label", *more]], on=["fov_id", "label"], how="left")
    rows = [row for name, group in [("", cells), *cells.groupby("sample", sort=False)] for row in _rows(str(name), group)]
    return typed(pd.DataFrame(rows, columns=list(CLASS_SHAPES)), CLASS_SHAPES, "shapes")


def _rows(sample: str, cells: pd.DataFrame) -> Iterator[dict[str, Any]]:
    for measure, (fine, unit, coarse, plain) in MEASURES.items():
        column, words = (fine, unit) if fine in cells and cells[fine].notna().all() else (coarse, plain)
        if column not in cells:
            continue
        for call, name in CALLS.items():
            values = cells.loc[cells["senescent"] == call, column].dropna().astype(float)
            low, middle, high = values.quantile([0.25, 0.5, 0.75]) if len(values) else (None, None, None)
            counted = {"n_cells": len(values), "median": middle, "quartile_low": low, "quartile_high": high}
            yield {"sample": sample, "call": name, "measure": measure, "unit": words, **counted}
