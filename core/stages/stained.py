"""A stain measurement (``stains/<id>``) as others read it: the threshold page, and annotation.

What lies in the folder, for every measured field:

``signal/<fov_id>.tif``   uint16 (Y, X): codes of the stain signal on the phase grid, before small spots were removed
``opened/<fov_id>.tif``   the same after: a pixel is stained where its value is above the threshold
``covered/<fov_id>.tif``  uint8 (Y, X): 1 where the stain image reaches
``counts/<fov_id>.npz``   ``CellCounts``, and for every smallest stained part of a cell the range of critical thresholds
``pictures/stain/<fov_id>.jpg``, ``pictures/colour/<fov_id>.jpg``   for the screen, 8 bits, on the phase grid

and ``fields.csv`` (``tables.STAINED_FIELDS``), ``registration.csv``, ``failures.csv``, ``notes.txt``, ``settings.json``.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from core.errors import InputError
from core.images import read
from core.report import read_csv
from core.stain.counting import NEVER, CellCounts, critical_threshold
from core.stain.fragility import critical_ranges
from core.stain.quantisation import Quantisation
from core.tables import CELLS, FAILURES, REGISTRATIONS, STAINED_FIELDS
from core.workspace import Experiment, Product, file_errors, write_atomic

FRACTIONS: Final = tuple(percent / 100 for percent in range(101))
"""Smallest stained parts of a cell for which the range of critical thresholds is kept."""

DESCRIBED: Final = ("sample", "role", "passage", "condition", "well", "time_h", "pixel_size_um")
_COUNTED: Final = ("labels", "area", "covered", "mean_signal", "starts", "levels", "above")


@dataclass(frozen=True)
class FieldCounts:
    """What one field's cells show: ``counts``, and ``low``, ``high`` int32 (101, N), codes of the lowest and highest critical
    threshold within the residual of the alignment for every fraction in ``FRACTIONS``; -1 is ``NEVER``."""

    counts: CellCounts
    low: np.ndarray
    high: np.ndarray

    def row(self, min_fraction: float) -> int | None:
        """Which row of ``low`` and ``high`` belongs to ``min_fraction``; None where it was not kept."""
        near = round(min_fraction * 100)
        return near if 0 <= near <= 100 and FRACTIONS[near] == min_fraction else None


def write_counts(path: Path, found: FieldCounts) -> None:
    """Write one field's counts whole or not at all."""
    content = io.BytesIO()
    scale = np.array([found.counts.scale.offset, found.counts.scale.per_unit])
    np.savez_compressed(content, **{name: getattr(found.counts, name) for name in _COUNTED}, scale=scale, low=found.low, high=found.high)
    write_atomic(path, content.getvalue())


def read_counts(path: Path) -> FieldCounts:
    """Read what ``write_counts`` wrote; InputError for a missing or damaged file."""
    with file_errors(path, "read"):
        data = path.read_bytes()
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as kept:
            arrays = {name: kept[name] for name in (*_COUNTED, "scale", "low", "high")}
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise InputError(f"{path}: the counts are damaged ({error}). Delete the folder {path.parent.parent} and annotate again.") from error
    scale = Quantisation(*map(float, arrays.pop("scale")))
    low, high = arrays.pop("low"), arrays.pop("high")
    return FieldCounts(CellCounts(**arrays, scale=scale), low, high)


def codes_of(values: np.ndarray, scale: Quantisation) -> np.ndarray:
    """Codes int32 of critical thresholds (``scale.value`` of a code, or NEVER: -1)."""
    known = np.isfinite(values)
    out = np.full(values.shape, -1, np.int32)
    out[known] = np.rint((values[known] - scale.offset) * scale.per_unit)
    return out


def values_of(codes: np.ndarray, scale: Quantisation) -> np.ndarray:
    """The reverse of ``codes_of``, float64."""
    return np.where(codes < 0, NEVER, scale.value(codes))


@dataclass(frozen=True)
class Stain:
    """A stain measurement. Arrays and tables are read when asked for; those of the fields are not kept."""

    experiment: Experiment
    product: Product

    @property
    def id(self) -> str:
        return self.product.id

    @cached_property
    def record(self) -> dict[str, Any]:
        """``settings.json``."""
        return self.product.settings

    @property
    def settings(self) -> Mapping[str, Any]:
        """The settings that the measurement hangs on: a part of ``AnnotateSettings``."""
        return dict(self.record["settings"])

    @cached_property
    def segmentation(self) -> Product:
        return self.experiment.product("segmentations", str(self.record["upstream"]["segmentation"]))

    @cached_property
    def fields(self) -> pd.DataFrame:
        """``tables.STAINED_FIELDS`` with sample, role, passage, condition, well, time_h and pixel_size_um as the field table has them now,
        in its order. Fields that were taken out of it are left out."""
        measured = read_csv(self.product.path / "fields.csv", STAINED_FIELDS)
        known = self.experiment.fields()[["fov_id", *DESCRIBED]]
        return known.merge(measured, on="fov_id", how="inner").reset_index(drop=True)

    @property
    def unit(self) -> str:
        """Of the stain signal and of every threshold."""
        return str(self.fields["unit"].iloc[0]) if len(self.fields) else ""

    @cached_property
    def registration(self) -> pd.DataFrame:
        """Where the stain and colour images lay: ``tables.REGISTRATIONS``."""
        return read_csv(self.product.path / "registration.csv", REGISTRATIONS)

    @cached_property
    def failures(self) -> pd.DataFrame:
        """Fields that could not be measured: ``tables.FAILURES``."""
        return read_csv(self.product.path / "failures.csv", FAILURES)

    def field_counts(self, fov_id: str) -> FieldCounts:
        return read_counts(self.product.path / "counts" / f"{fov_id}.npz")

    def counts(self, fov_id: str) -> CellCounts:
        """Stained area of the cells of a field at every threshold."""
        return self.field_counts(fov_id).counts

    def signal_file(self, fov_id: str) -> Path:
        """uint16 (Y, X): codes before small spots were removed."""
        return self.product.path / "signal" / f"{fov_id}.tif"

    def opened_file(self, fov_id: str) -> Path:
        """uint16 (Y, X): codes after small spots were removed; stained is ``code > scale.code_of(threshold)``."""
        return self.product.path / "opened" / f"{fov_id}.tif"

    def covered(self, fov_id: str) -> np.ndarray:
        """bool (Y, X): where the stain image reaches."""
        return read(self.product.path / "covered" / f"{fov_id}.tif").pixels > 0

    def labels_file(self, fov_id: str) -> Path:
        return self.segmentation.path / "labels" / f"{fov_id}.tif"

    def stain_picture(self, fov_id: str, image: str = "stain") -> Path | None:
        """A JPEG of the stain (or "colour") image on the phase grid; None where there is none, or it could not be aligned."""
        file = self.product.path / "pictures" / image / f"{fov_id}.jpg"
        return file if file.is_file() else None

    def scale(self, fov_id: str) -> Quantisation:
        """What the codes of a field mean."""
        row = self.fields.loc[self.fields["fov_id"] == fov_id].iloc[0]
        return Quantisation(float(row["offset"]), float(row["per_unit"]))

    def cells(self, min_fraction: float) -> pd.DataFrame:
        """Every measured cell: fov_id, label, sample, role, y_px, x_px, area_px, touches_border, covered_fraction, mean_signal,
        critical_threshold, critical_low, critical_high (signal units; minus infinity: positive at no threshold)."""
        parts = [self._cells_of(str(fov_id), min_fraction) for fov_id in self.fields["fov_id"]]
        places = read_csv(self.segmentation.path / "cells.csv", CELLS)[["fov_id", "label", "y_px", "x_px", "touches_border"]]
        table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["fov_id", "label", "area_px"])
        return table.merge(self.fields[["fov_id", "sample", "role"]], on="fov_id").merge(places, on=["fov_id", "label"], how="left")

    def _cells_of(self, fov_id: str, min_fraction: float) -> pd.DataFrame:
        found = self.field_counts(fov_id)
        counts = found.counts
        low, high = self.critical_range(fov_id, min_fraction, found)
        return pd.DataFrame(
            {
                "fov_id": fov_id,
                "label": counts.labels,
                "area_px": counts.area,
                "covered_fraction": counts.covered / np.maximum(counts.area, 1),
                "mean_signal": counts.mean_signal,
                "critical_threshold": critical_threshold(counts, min_fraction),
                "critical_low": low,
                "critical_high": high,
            }
        )

    def critical_range(self, fov_id: str, min_fraction: float, found: FieldCounts | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest critical threshold of the field's cells within the residual of its alignment, float64 (N,) each.

        Kept for whole per cent of ``min_fraction``; others are counted again from the images.
        """
        found = found or self.field_counts(fov_id)
        row = found.row(min_fraction)
        if row is not None:
            return values_of(found.low[row], found.counts.scale), values_of(found.high[row], found.counts.scale)
        from core.images import read_labels

        residual = float(self.fields.loc[self.fields["fov_id"] == fov_id, "residual_px"].iloc[0])
        opened, labels = read(self.opened_file(fov_id)).pixels, read_labels(self.labels_file(fov_id))
        low, high = critical_ranges(opened, labels, found.counts.scale, residual, [min_fraction], self.covered(fov_id))
        return low[0], high[0]


def open_stain(experiment: Experiment, id: str | None = None) -> Stain:
    """The stain measurement named, else the newest. InputError where there is none."""
    if id is not None:
        return Stain(experiment, experiment.product("stains", id))
    known = experiment.products("stains")
    if not known:
        raise InputError(f"{experiment.path}: no stain is measured yet. Use the page Threshold, or run python -m core annotate {experiment.name}.")
    return Stain(experiment, known[0])
