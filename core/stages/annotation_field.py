"""Measure the stain of one field after the other into the folder of a measurement (see ``stained`` for what lies there)."""

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from core.errors import InputError
from core.fields import FieldOfView, fields
from core.images import preview, read, read_labels, write_image
from core.progress import Progress
from core.registration import warp
from core.report import jpeg, read_csv, write_csv
from core.settings import AnnotateSettings
from core.stages.annotation_alignment import Alignments, has_images, images_of, record_row, residual_of, worse
from core.stages.annotation_signal import Aligned, Blanks, aligned_signal, common_white, read_blanks
from core.stages.common import Failures
from core.stages.stained import FRACTIONS, FieldCounts, codes_of, write_counts
from core.stain.counting import count_cells
from core.stain.fragility import critical_ranges
from core.stain.kinds import spot_px
from core.stain.opening import area_opening
from core.stain.quantisation import Quantisation
from core.tables import REGISTRATIONS, STAINED_FIELDS, typed
from core.workspace import Experiment, Product, read_json, write_json

Row = dict[str, Any]
FOLDERS: Final = ("signal", "opened", "covered", "counts", "parts", "pictures/stain", "pictures/colour")
OF_SIGNAL: Final = ("signal/{}.tif", "covered/{}.tif", "pictures/stain/{}.jpg", "pictures/colour/{}.jpg")


@dataclass
class Work:
    """A measurement in the making. ``parts/<fov_id>.json``, written last, says that a field is finished.

    ``earlier``: folders that hold the very same signal, spots or counts of a field (``annotation_keys.earlier``).
    """

    experiment: Experiment
    segmentation: Product
    settings: AnnotateSettings
    where: Alignments
    folder: Path
    earlier: Mapping[tuple[str, str], Path] = field(default_factory=dict)
    blanks: Blanks | None = None
    white: dict[str, float] | None = None

    def all_fields(self, chosen: Sequence[FieldOfView], failures: Failures, progress: Progress) -> None:
        """Measure what is not finished yet, then write the tables. A field that cannot be measured is added to ``failures``."""
        for name in FOLDERS:
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        for done, fov in enumerate(chosen):
            progress(done, len(chosen), f"measuring the stain of {fov.fov_id}")
            if not self._part(fov).is_file():  # a resumed run keeps what is finished
                with failures.collecting(fov.fov_id, getattr(fov, images_of(fov, self.settings.signal)[0])):
                    self._field(fov)
        self._tables(chosen, failures)

    def _part(self, fov: FieldOfView) -> Path:
        return self.folder / "parts" / f"{fov.fov_id}.json"

    def _field(self, fov: FieldOfView) -> None:
        labels = read_labels(self.segmentation.path / "labels" / f"{fov.fov_id}.tif")
        spot = spot_px(self.settings, fov.pixel_size_um)
        row, registrations = self._taken_over(fov) or self._measured(fov, labels.shape)
        scale = Quantisation(float(row["offset"]), float(row["per_unit"]))
        if not self._linked("opened", fov, ("opened/{}.tif",)):
            opened = area_opening(self._pixels("signal", fov), spot, self.settings.connectivity)
            write_image(self.folder / "opened" / f"{fov.fov_id}.tif", opened, fov.pixel_size_um)
        if not self._linked("counts", fov, ("counts/{}.npz",)):
            self._count(fov, labels, scale, float(row["residual_px"]))
        um2 = round(spot * fov.pixel_size_um**2, 6) if fov.pixel_size_um else None
        row |= {"fov_id": fov.fov_id, "n_cells": len(np.unique(labels[labels > 0])), "spot_px": spot, "spot_um2": um2}
        write_json(self._part(fov), {"field": row, "registrations": registrations})

    def _pixels(self, kind: str, fov: FieldOfView) -> np.ndarray:
        return read(self.folder / kind / f"{fov.fov_id}.tif").pixels

    def _count(self, fov: FieldOfView, labels: np.ndarray, scale: Quantisation, residual_px: float) -> None:
        opened, covered = self._pixels("opened", fov), self._pixels("covered", fov) > 0
        counts = count_cells(opened, labels, scale, self._pixels("signal", fov), covered)
        low, high = critical_ranges(opened, labels, scale, residual_px, FRACTIONS, covered)
        write_counts(self.folder / "counts" / f"{fov.fov_id}.npz", FieldCounts(counts, codes_of(low, scale), codes_of(high, scale)))

    def _linked(self, what: str, fov: FieldOfView, names: Sequence[str]) -> bool:
        """Take files over from an earlier measurement: linked, or copied where the disk cannot link."""
        folder = self.earlier.get((what, fov.fov_id))
        if folder is None:
            return False
        for name in (one.format(fov.fov_id) for one in names):
            if (folder / name).is_file():
                _same_file(folder / name, self.folder / name)
        return True

    def _taken_over(self, fov: FieldOfView) -> tuple[Row, list[Row]] | None:
        if not self._linked("signal", fov, OF_SIGNAL):
            return None
        folder = self.earlier["signal", fov.fov_id]
        measured, used = read_csv(folder / "fields.csv", STAINED_FIELDS), read_csv(folder / "registration.csv", REGISTRATIONS)
        return _rows_of(measured, fov)[0], _rows_of(used, fov)

    def _measured(self, fov: FieldOfView, shape: tuple[int, ...]) -> tuple[Row, list[Row]]:
        if self.blanks is None:
            self.blanks = read_blanks(self.experiment, self.settings)
        found = aligned_signal(self.experiment, fov, self.settings, self.where, shape, self.blanks, self._white())
        covered = found.covered
        if not covered.any():
            raise InputError("The aligned stain image lies beside the field. Align it by hand, or leave the field out.")
        write_image(self.folder / "signal" / f"{fov.fov_id}.tif", found.signal.codes(), fov.pixel_size_um)
        write_image(self.folder / "covered" / f"{fov.fov_id}.tif", covered.astype(np.uint8))
        self._pictures(fov, found, shape)
        least = worse(list(found.registrations.values()))
        row = {
            "unit": found.signal.unit,
            "offset": found.signal.scale.offset,
            "per_unit": found.signal.scale.per_unit,
            "covered_fraction": float(covered.mean()),
            "verdict": least.verdict,
            "source": least.source,
            "residual_px": residual_of(next(iter(found.registrations.values()))),
            "warnings": " ".join(dict.fromkeys(found.signal.warnings)),
        }
        return row, [record_row(fov.fov_id, image, one) for image, one in found.registrations.items()]

    def _white(self) -> dict[str, float]:
        """Kept beside the parts, so that a resumed run goes on with the same."""
        file = self.folder / "parts" / "white.json"
        if self.white is None:
            chosen = [fov for fov in fields(self.experiment.fields()) if has_images(fov, self.settings.signal)]
            self.white = read_json(file) if file.is_file() else common_white(self.experiment, chosen, self.settings)
            write_json(file, self.white)
        return self.white

    def _pictures(self, fov: FieldOfView, found: Aligned, shape: tuple[int, ...]) -> None:
        """What can be shown: also an image that the signal does not need, where it is aligned."""
        for image in ("stain", "colour"):
            if not getattr(fov, image):
                continue
            with Failures().collecting(fov.fov_id, image):  # only for the eye
                pixels = read(*self.experiment.resolve(getattr(fov, image))).pixels
                laid = found.registrations.get(image) or self.where.of(fov.fov_id, image, pixels.shape[:2], shape)
                seen = preview(warp(pixels, laid, shape, pad=self.settings.pad_stain))
                seen = seen if seen.ndim == 3 else np.repeat(seen[..., None], 3, axis=2)
                (self.folder / "pictures" / image / f"{fov.fov_id}.jpg").write_bytes(jpeg(seen, quality=90))

    def _tables(self, chosen: Sequence[FieldOfView], failures: Failures) -> None:
        parts = [read_json(self._part(fov)) for fov in chosen if self._part(fov).is_file()]
        write_csv(self.folder / "fields.csv", typed(pd.DataFrame([part["field"] for part in parts]), STAINED_FIELDS)[list(STAINED_FIELDS)])
        write_csv(self.folder / "registration.csv", typed(pd.DataFrame([row for part in parts for row in part["registrations"]]), REGISTRATIONS))
        write_csv(self.folder / "failures.csv", failures.table())
        lines = [f"{part['field']['fov_id']}: {part['field']['warnings']}" for part in parts if part["field"]["warnings"]]
        (self.folder / "notes.txt").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")
        if parts:
            shutil.rmtree(self.folder / "parts", ignore_errors=True)


def _same_file(source: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _rows_of(table: pd.DataFrame, fov: FieldOfView) -> list[Row]:
    mine = table[table["fov_id"] == fov.fov_id]
    return [dict(row) for row in mine.astype(object).where(mine.notna(), None).to_dict("records")]
