"""Stain: measure the stain of every cell of a segmentation, for every threshold at once. ``stained`` reads what this writes."""

import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from core.errors import InputError
from core.fields import FieldOfView
from core.images import preview, read, read_labels, write_image
from core.options import command, settings_from
from core.progress import Progress, silent
from core.registration import Registration, warp
from core.report import jpeg, read_csv, write_csv
from core.settings import AnnotateSettings
from core.stages.annotation_alignment import (
    Alignments,
    alignments,
    blank_record,
    has_images,
    images_of,
    needed_rows,
    record_row,
    residual_of,
    worse,
)
from core.stages.annotation_signal import Aligned, Blanks, aligned_signal, blank_file, common_white, read_blanks
from core.stages.common import Failures, chosen_fields, fail_if_all, part
from core.stages.registering import pair_inputs
from core.stages.stained import FRACTIONS, FieldCounts, codes_of, write_counts
from core.stain.counting import count_cells
from core.stain.fragility import critical_ranges
from core.stain.kinds import spot_px
from core.stain.opening import area_opening
from core.stain.quantisation import Quantisation
from core.stain.unmixing import parse_vector
from core.tables import REGISTRATIONS, STAINED_FIELDS, typed
from core.workspace import AlreadyPublished, Experiment, Product, fingerprint, product_id, publish, read_json, write_json

Row = dict[str, Any]
ALIGNING: Final = 0.6  # of the work, for the time left
SIGNAL: Final = ("signal", "background_px", "register", "consensus", "pad_stain")
OF_KIND: Final = {
    "brightfield": ("blank",),
    "fluorescence": ("blank",),
    "colour": ("colour_blank", "stain_vector"),
    "gated": ("blank", "colour_blank", "stain_vector", "gate"),
    "raw": ("raw_stain",),
    "binary": (),
}


def run(params: Row, progress: Progress) -> Path:
    """``params``: ``experiment``, ``settings`` (of AnnotateSettings), ``segmentation`` and ``registration`` (ids, or none)."""
    settings = settings_from(AnnotateSettings, params.get("settings") or {})
    return measure_stain(Path(params["experiment"]), settings, params.get("segmentation"), params.get("registration"), progress)


def measure_stain(
    path: Path, settings: AnnotateSettings, segmentation_id: str | None = None, registration_id: str | None = None, progress: Progress = silent
) -> Path:
    """Align, measure and count the stain of every field, and return the folder of the measurement (see ``stained``).

    The segmentation named is used, else the newest; for the registrations see ``annotation_alignment.alignments``. The
    threshold, the smallest stained part of a cell and the proposal do not matter here: every threshold is counted. The same
    images, outlines, alignment and spot size give the same id. Another spot size takes over the signal that is there.

    Raises
    ------
    InputError
        No segmentation, a wrong setting, no field with a stain image, or not one that could be measured.
    """
    experiment = Experiment(path)
    segmentation = chosen_segmentation(experiment, segmentation_id)
    settings = checked(settings)
    every = chosen_fields(experiment, None)
    inside = [fov for fov in every if (segmentation.path / "labels" / f"{fov.fov_id}.tif").is_file()]
    chosen = [fov for fov in inside if has_images(fov, settings.signal)]
    if not chosen:
        raise InputError(_nothing(experiment, segmentation, inside, settings.signal))
    where = alignments(experiment, chosen, settings, registration_id, part(progress, 0, ALIGNING, 1.0))
    kept = measured_settings(settings)
    payload = _payload(experiment, segmentation, chosen, settings, where)
    about: dict[str, Any] = {
        "command": command("annotate", path, settings, segmentation=segmentation_id, registration=registration_id),
        "upstream": {"segmentation": segmentation.id} | ({"registration": where.product} if where.product else {}),
        "inputs": {"signal": fingerprint(payload), "images": payload["images"]},
    }
    id = product_id(f"{settings.signal}-{_spot(settings)}", payload | {"spots": _spots(chosen, settings), "connectivity": settings.connectivity})
    try:
        with publish(experiment, "stains", id, kept, **about) as partial:
            failures = Failures()
            for fov in every:
                _missing(fov, inside, settings.signal, segmentation, failures)
            work = _Work(experiment, segmentation, settings, where, partial.path, _sibling(experiment, about["inputs"]["signal"]))
            work.all_fields(chosen, failures, part(progress, ALIGNING, 1 - ALIGNING, 1.0))
            fail_if_all(failures, len(every), "measured", experiment.path)
    except AlreadyPublished as ready:
        return ready.path
    progress(1.0, 1.0, "done")
    return partial.final


def chosen_segmentation(experiment: Experiment, id: str | None) -> Product:
    """The segmentation named, else the newest; InputError where there is none."""
    experiment.fields()  # says so where there is no experiment
    if id is not None:
        return experiment.product("segmentations", id)
    known = experiment.products("segmentations")
    if not known:
        raise InputError(
            f"{experiment.path}: no cells are outlined yet. Run python -m core segment {experiment.name}, or add label images (python -m core add, --labels)."
        )
    return known[0]


def checked(settings: AnnotateSettings) -> AnnotateSettings:
    """The settings, if the choices among them exist."""
    if settings.signal not in OF_KIND:
        raise InputError(f"Kind of stain image: wanted one of {', '.join(OF_KIND)}, found {settings.signal!r}.")
    if settings.connectivity not in (4, 8):
        raise InputError(f"Neighbours in a spot: wanted 8 or 4, found {settings.connectivity}.")
    parse_vector(settings.stain_vector)
    return settings


def measured_settings(settings: AnnotateSettings) -> dict[str, Any]:
    """The settings that the measurement hangs on; what this kind of stain image does not use is left out."""
    every = asdict(settings)
    spot = "min_spot_um2" if settings.min_spot_um2 > 0 else "min_spot_px"
    return {name: every[name] for name in (*SIGNAL, *OF_KIND[settings.signal], spot, "connectivity")}


def _spot(settings: AnnotateSettings) -> str:
    return f"{settings.min_spot_um2:g}um2" if settings.min_spot_um2 > 0 else f"{settings.min_spot_px}px"


def _spots(chosen: Sequence[FieldOfView], settings: AnnotateSettings) -> list[Any]:
    return [settings.min_spot_um2, [fov.pixel_size_um for fov in chosen]] if settings.min_spot_um2 > 0 else [settings.min_spot_px]


def _payload(experiment: Experiment, segmentation: Product, chosen: list[FieldOfView], settings: AnnotateSettings, where: Alignments) -> dict[str, Any]:
    """What the signal hangs on: all but the spots."""
    pairs = [(fov, image) for fov in chosen for image in images_of(fov, settings.signal)]
    images = [{k: v for k, v in row.items() if k != "sample" and not k.startswith("phase")} for row in pair_inputs(experiment, pairs)]
    files = [blank_file(experiment, named) for named in (settings.blank, settings.colour_blank)]
    rows = needed_rows(where.table, chosen, settings.signal)
    kept = {k: v for k, v in measured_settings(settings).items() if not k.startswith("min_spot") and k != "connectivity"}
    return {
        "settings": kept,
        "segmentation": segmentation.id,
        "images": images,
        "blanks": [blank_record(file) for file in files],
        "registrations": rows.astype(object).where(rows.notna(), None).to_dict("records"),
    }


def _nothing(experiment: Experiment, segmentation: Product, inside: list[FieldOfView], signal: str) -> str:
    if not inside:
        return f"{experiment.path}: no field of the field table is part of the segmentation {segmentation.id}. Segment the fields first."
    try:
        images_of(inside[0], signal)
    except InputError as error:
        return f"{experiment.path}: no field can be measured. {inside[0].fov_id}: {error}"
    return f"{experiment.path}: no field can be measured."


def _missing(fov: FieldOfView, inside: list[FieldOfView], signal: str, segmentation: Product, failures: Failures) -> None:
    if fov not in inside:
        failures.add(fov.fov_id, fov.phase, f"The field is not part of the segmentation {segmentation.id}.")
        return
    with failures.collecting(fov.fov_id, fov.phase):
        images_of(fov, signal)


@dataclass(frozen=True)
class _Sibling:
    """A measurement with the same signal and other spots: its folder, and its rows by field."""

    folder: Path
    known: dict[str, Row]
    registrations: dict[str, list[Row]]


def _sibling(experiment: Experiment, signal: str) -> _Sibling | None:
    for product in experiment.products("stains"):
        if (product.settings.get("inputs") or {}).get("signal") == signal:
            known = {row["fov_id"]: row for row in _plain_rows(read_csv(product.path / "fields.csv", STAINED_FIELDS))}
            used = _plain_rows(read_csv(product.path / "registration.csv", REGISTRATIONS))
            return _Sibling(product.path, known, {fov_id: [row for row in used if row["fov_id"] == fov_id] for fov_id in known})
    return None


class _Work:
    """One measurement in the making: field after field into ``folder``. ``parts/<fov_id>.json``, written last, says that one is finished."""

    def __init__(
        self, experiment: Experiment, segmentation: Product, settings: AnnotateSettings, where: Alignments, folder: Path, sibling: _Sibling | None
    ) -> None:
        self.experiment, self.segmentation, self.settings = experiment, segmentation, settings
        self.where, self.folder, self.sibling = where, folder, sibling
        self.blanks: Blanks | None = None
        self.white: dict[str, float] | None = None

    def all_fields(self, chosen: list[FieldOfView], failures: Failures, progress: Progress) -> None:
        for name in ("signal", "opened", "covered", "counts", "parts", "pictures/stain", "pictures/colour"):
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
        codes = read(self.folder / "signal" / f"{fov.fov_id}.tif").pixels
        covered = read(self.folder / "covered" / f"{fov.fov_id}.tif").pixels > 0
        scale = Quantisation(float(row["offset"]), float(row["per_unit"]))
        opened = area_opening(codes, spot, self.settings.connectivity)
        write_image(self.folder / "opened" / f"{fov.fov_id}.tif", opened, fov.pixel_size_um)
        counts = count_cells(opened, labels, scale, codes, covered)
        low, high = critical_ranges(opened, labels, scale, float(row["residual_px"]), FRACTIONS, covered)
        write_counts(self.folder / "counts" / f"{fov.fov_id}.npz", FieldCounts(counts, codes_of(low, scale), codes_of(high, scale)))
        um2 = round(spot * fov.pixel_size_um**2, 6) if fov.pixel_size_um else None
        row |= {"fov_id": fov.fov_id, "n_cells": len(counts), "spot_px": spot, "spot_um2": um2}
        write_json(self._part(fov), {"field": row, "registrations": registrations})

    def _taken_over(self, fov: FieldOfView) -> tuple[Row, list[Row]] | None:
        """The signal of a measurement with other spots: linked, or copied where the disk cannot link."""
        if self.sibling is None or fov.fov_id not in self.sibling.known:
            return None
        for name in (f"signal/{fov.fov_id}.tif", f"covered/{fov.fov_id}.tif", f"pictures/stain/{fov.fov_id}.jpg", f"pictures/colour/{fov.fov_id}.jpg"):
            if (self.sibling.folder / name).is_file():
                _same_file(self.sibling.folder / name, self.folder / name)
        return dict(self.sibling.known[fov.fov_id]), self.sibling.registrations[fov.fov_id]

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
            chosen = [fov for fov in chosen_fields(self.experiment, None) if has_images(fov, self.settings.signal)]
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
                laid: Registration = found.registrations.get(image) or self.where.of(fov.fov_id, image, pixels.shape[:2], shape)
                seen = preview(warp(pixels, laid, shape, pad=self.settings.pad_stain))
                seen = seen if seen.ndim == 3 else np.repeat(seen[..., None], 3, axis=2)
                (self.folder / "pictures" / image / f"{fov.fov_id}.jpg").write_bytes(jpeg(seen, quality=90))

    def _tables(self, chosen: list[FieldOfView], failures: Failures) -> None:
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


def _plain_rows(table: pd.DataFrame) -> list[Row]:
    return [dict(row) for row in table.astype(object).where(table.notna(), None).to_dict("records")]
