"""Which stain and colour images an annotation needs, and where they lie on the phase image."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from core.errors import InputError
from core.fields import FieldOfView
from core.progress import Progress
from core.registration import Registration, from_row
from core.report import read_csv
from core.settings import REGISTRATIONS as METHODS
from core.settings import AnnotateSettings, RegisterSettings
from core.stages.aligned import BY_HAND_PX, current_registrations
from core.stages.registering import pair_inputs, register_pairs
from core.tables import FAILURES, REGISTRATIONS, typed
from core.workspace import Experiment, Product

NONE: Final = "none"
AS_THEY_ARE: Final = "Not aligned: the images are taken to lie on each other as they are."
HELP: Final = "Align it by hand (page Threshold, tab Align), or leave the alignment out (--register none) if the images lie on each other already."


@dataclass(frozen=True)
class Alignments:
    """Where the stain and colour images of the fields lie. ``product``: id of the registrations, "" without alignment.

    ``table``: columns of ``tables.REGISTRATIONS``, with the decisions of people applied; ``errors``: pairs without a row, and why.
    """

    product: str
    table: pd.DataFrame
    pad: bool = False
    errors: Mapping[tuple[str, str], str] = field(default_factory=dict)

    def rows(self, fov_id: str) -> list[dict[str, Any]]:
        return [dict(row) for row in self.table[self.table["fov_id"] == fov_id].to_dict("records")]

    def of(self, fov_id: str, image: str, stain_shape: tuple[int, ...], shape: tuple[int, ...]) -> Registration:
        """The registration of one image, of sizes (Y, X) as given.

        Raises
        ------
        InputError
            It failed, was excluded, or could not be computed.
        """
        if not self.product:
            return as_they_are(stain_shape, shape)
        if (fov_id, image) in self.errors:
            raise InputError(self.errors[fov_id, image])
        row = next((row for row in self.rows(fov_id) if row["image"] == image), None)
        if row is None:
            raise InputError(f"The {image} image is not part of the alignment {self.product}; align the images again.")
        if row["verdict"] == "fail":
            raise InputError(f"The {image} image is not aligned: {row['reason']} {HELP}")
        return from_row(row)


def as_they_are(stain_shape: tuple[int, ...], shape: tuple[int, ...]) -> Registration:
    """The registration of images that lie on each other already; those of another size by their middles."""
    move = [(stain - phase) // 2 for stain, phase in zip(stain_shape, shape, strict=False)]
    matrix = np.array([[1.0, 0.0, move[1]], [0.0, 1.0, move[0]]])
    return Registration(matrix, NONE, float("nan"), 0.0, "pass", AS_THEY_ARE, NONE)


def residual_of(registration: Registration) -> float:
    """How far the stain may be off, px; where nobody knows, what a person's eye leaves."""
    return BY_HAND_PX if np.isnan(registration.residual_px) else registration.residual_px


def images_of(fov: FieldOfView, signal: str) -> tuple[str, ...]:
    """The images that the kind of signal needs of a field ("stain", "colour").

    Raises
    ------
    InputError
        The field lacks one.
    """
    if signal == "colour":
        if not fov.colour and not fov.stain:
            raise InputError("The field has no colour image, which signal 'colour' needs. Add it to the field table, or leave the field out.")
        return ("colour",) if fov.colour else ("stain",)
    needed = ("stain", "colour") if signal == "gated" else ("stain",)
    for image in needed:
        if not getattr(fov, image):
            raise InputError(f"The field has no {image} image, which signal {signal!r} needs. Add it to the field table, or leave the field out.")
    return needed


def has_images(fov: FieldOfView, signal: str) -> bool:
    try:
        return bool(images_of(fov, signal))
    except InputError:
        return False


def alignments(
    experiment: Experiment, chosen: Sequence[FieldOfView], settings: AnnotateSettings, registration_id: str | None, progress: Progress
) -> Alignments:
    """The alignment of every field in ``chosen`` (which have their images): the product named, else one that fits, else a new one.

    One fits that was made with these settings from these very images; so what was aligned on the alignment tab is used.

    Raises
    ------
    InputError
        An unknown method or product, or not one pair could be aligned.
    """
    if settings.register not in METHODS:
        raise InputError(f"Alignment: wanted one of {', '.join(METHODS)}, found {settings.register!r}.")
    if settings.register == NONE:
        return Alignments("", typed(pd.DataFrame(), REGISTRATIONS), settings.pad_stain)
    product = experiment.product("registrations", registration_id) if registration_id else _fitting(experiment, chosen, settings)
    if product is None:
        needed = {image for fov in chosen for image in images_of(fov, settings.signal)}
        images = needed.pop() if len(needed) == 1 else "all"
        made = register_pairs(experiment.path, replace(_settings(settings), images=images), None, progress)
        product = experiment.product("registrations", made.name)
    failures = read_csv(product.path / "failures.csv", FAILURES)
    table = current_registrations(experiment, product)[list(REGISTRATIONS)]
    return Alignments(product.id, table, settings.pad_stain, _errors(failures, chosen))


def _settings(settings: AnnotateSettings) -> RegisterSettings:
    return RegisterSettings(method=settings.register, consensus=settings.consensus, pad_stain=settings.pad_stain)


def _fitting(experiment: Experiment, chosen: Sequence[FieldOfView], settings: AnnotateSettings) -> Product | None:
    """The newest registrations with these settings that hold these very images."""
    pairs = [(fov, image) for fov in chosen for image in images_of(fov, settings.signal)]
    needed = pair_inputs(experiment, pairs)
    wanted = {k: v for k, v in vars(_settings(settings)).items() if k != "images"}
    for product in experiment.products("registrations"):
        record = product.settings
        made = record.get("settings") or {}
        known = {(row.get("fov_id"), row.get("image")): row for row in record.get("inputs") or []}
        if wanted == {k: made.get(k) for k in wanted} and all(known.get((row["fov_id"], row["image"])) == row for row in needed):
            return product
    return None


def _errors(failures: pd.DataFrame, chosen: Sequence[FieldOfView]) -> dict[tuple[str, str], str]:
    """Which image each failure is about: its file says."""
    files = {(fov.fov_id, getattr(fov, image)): image for fov in chosen for image in ("stain", "colour") if getattr(fov, image)}
    rows = [(row["fov_id"], files.get((row["fov_id"], row["file"])), row["error"]) for row in failures.to_dict("records")]
    return {(fov_id, image): error for fov_id, image, error in rows if image}


def needed_rows(table: pd.DataFrame, chosen: Sequence[FieldOfView], signal: str) -> pd.DataFrame:
    """The rows of ``table`` that the fields' signal rests on."""
    needed = {(fov.fov_id, image) for fov in chosen for image in images_of(fov, signal)}
    kept = [pair in needed for pair in zip(table["fov_id"], table["image"], strict=True)]
    return table[kept].reset_index(drop=True)


def worse(registrations: Sequence[Registration]) -> Registration:
    """The one that says "check", else the first."""
    return next((one for one in registrations if one.verdict == "check"), registrations[0])


def record_row(fov_id: str, image: str, registration: Registration) -> dict[str, Any]:
    """One row of ``tables.REGISTRATIONS``."""
    return {"fov_id": fov_id, "image": image, **registration.row()}


def blank_record(file: Path | None) -> dict[str, object] | None:
    """Name, size and time of change of a blank image: what a measurement hangs on."""
    if file is None:
        return None
    seen = file.stat()
    return {"file": file.name, "bytes": seen.st_size, "changed": seen.st_mtime_ns}
