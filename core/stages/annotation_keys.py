"""What a stain measurement hangs on: its settings, and for every field what its signal, its spots and its counts were made from.

Equal keys mean equal content, so a new measurement takes over from earlier ones what it can: after one pair was aligned by
hand only its field is measured again, for another spot size the signal stays, for corrected outlines the spots stay too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from core.errors import InputError
from core.fields import FieldOfView
from core.settings import AnnotateSettings
from core.stages.annotation_alignment import Alignments, blank_record, images_of, needed_rows
from core.stages.annotation_signal import ABSOLUTE, blank_file
from core.stages.registering import pair_inputs
from core.stain.unmixing import parse_vector
from core.workspace import Experiment, Product, fingerprint

SIGNAL: Final = ("signal", "background_px", "register", "consensus", "pad_stain")
OF_KIND: Final = {
    "brightfield": ("blank",),
    "fluorescence": ("blank",),
    "colour": ("colour_blank", "stain_vector"),
    "gated": ("blank", "colour_blank", "stain_vector", "gate"),
    "raw": ("raw_stain",),
    "binary": (),
}
SAVED: Final = ("signal", "opened", "counts")  # of every field, each made from the one before


def checked(settings: AnnotateSettings) -> AnnotateSettings:
    """The settings, if the choices among them exist; InputError otherwise."""
    if settings.signal not in OF_KIND:
        raise InputError(f"Kind of stain image: wanted one of {', '.join(OF_KIND)}, found {settings.signal!r}.")
    if settings.connectivity not in (4, 8):
        raise InputError(f"Neighbours in a spot: wanted 8 or 4, found {settings.connectivity}.")
    if "stain_vector" in OF_KIND[settings.signal]:
        parse_vector(settings.stain_vector)
    return settings


def measured_settings(settings: AnnotateSettings) -> dict[str, Any]:
    """The settings that the measurement hangs on; what this kind of stain image does not use is left out."""
    spot = "min_spot_um2" if settings.min_spot_um2 > 0 else "min_spot_px"
    return _signal_settings(settings) | {name: getattr(settings, name) for name in (spot, "connectivity")}


def _signal_settings(settings: AnnotateSettings) -> dict[str, Any]:
    every = asdict(settings)
    return {name: every[name] for name in (*SIGNAL, *OF_KIND[settings.signal])}


def field_keys(experiment: Experiment, segmentation: Product, chosen: Sequence[FieldOfView], settings: AnnotateSettings, where: Alignments) -> dict[str, Any]:
    """fov_id -> one key for each of ``SAVED``. InputError for a blank image that is not there."""
    blanks = [blank_record(blank_file(experiment, getattr(settings, name))) for name in OF_KIND[settings.signal] if name.endswith("blank")]
    images = {fov.fov_id: _images(experiment, fov, settings.signal) for fov in chosen}
    rows = needed_rows(where.table, chosen, settings.signal)
    plain = rows.astype(object).where(rows.notna(), None).to_dict("records")
    shared = {"settings": _signal_settings(settings), "blanks": blanks, "all": images if settings.signal in ABSOLUTE else None}
    keys: dict[str, dict[str, str]] = {}
    for fov in chosen:
        mine = [row for row in plain if row["fov_id"] == fov.fov_id]
        signal = fingerprint(shared | {"images": images[fov.fov_id], "registrations": mine})
        spot = [settings.min_spot_um2, fov.pixel_size_um] if settings.min_spot_um2 > 0 else [settings.min_spot_px]
        opened = fingerprint({"signal": signal, "spot": spot, "connectivity": settings.connectivity})
        counts = fingerprint({"opened": opened, "segmentation": segmentation.id, "field": fov.fov_id})
        keys[fov.fov_id] = dict(zip(SAVED, (signal, opened, counts), strict=True))
    return keys


def _images(experiment: Experiment, fov: FieldOfView, signal: str) -> list[dict[str, object]]:
    rows = pair_inputs(experiment, [(fov, image) for image in images_of(fov, signal)])
    return [{k: v for k, v in row.items() if k != "sample" and not k.startswith("phase")} for row in rows]


def spot_words(settings: AnnotateSettings) -> str:
    return f"{settings.min_spot_um2:g}um2" if settings.min_spot_um2 > 0 else f"{settings.min_spot_px}px"


def earlier(experiment: Experiment, keys: Mapping[str, Mapping[str, str]]) -> dict[tuple[str, str], Path]:
    """(what of ``SAVED``, fov_id) -> the folder of an earlier measurement that holds the very same."""
    found: dict[tuple[str, str], Path] = {}
    for product in experiment.products("stains"):
        known = (product.settings.get("inputs") or {}).get("fields") or {}
        for fov_id, mine in keys.items():
            for what in SAVED:
                if known.get(fov_id, {}).get(what) == mine[what] and (product.path / "counts" / f"{fov_id}.npz").is_file():
                    found.setdefault((what, fov_id), product.path)
    return found
