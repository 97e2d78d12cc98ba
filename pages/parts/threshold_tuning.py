"""What the browser is told to tune a stain threshold: every field's stain by address, proposals, axis, spot sizes."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from core.errors import InputError
from core.settings import AnnotateSettings
from core.stages.stained import Stain, open_stain
from core.workspace import Experiment
from pages.parts import media
from pages.parts.field_view import phase_of
from pages.parts.threshold_choice import Spot
from pages.parts.viewer import Legend, Tile, field_tile

CONTROL = "negative control"
STAINED: Legend = (("Not stained", "#56B4E9"), ("Stained", "#FF7F2A"), ("No class", "#B4B4B4"))
LAYERS = ("stain", "colour")


@dataclass(frozen=True)
class Setting:
    """Where the sliders stand: ``threshold`` in signal units (None: as proposed), smallest stained part in per cent, one threshold a line."""

    threshold: float | None = None
    part: int = round(100 * AnnotateSettings.min_fraction)
    lines: Mapping[str, float] = field(default_factory=dict)
    allowed: float = 100 * AnnotateSettings.control_positive
    marker: str = AnnotateSettings.marker

    @property
    def text(self) -> str:
        """``AnnotateSettings.threshold``."""
        if self.lines:
            return "; ".join(f"{line}={value!r}" for line, value in self.lines.items())
        return "auto" if self.threshold is None else repr(self.threshold)


def setting_of(text: str, part: str, other: Setting) -> Setting:
    """A setting from the address (the reverse of ``Setting.text``); what cannot be read is taken from ``other``."""
    with_part = replace(other, part=min(100, int(part))) if part.isdigit() else other
    try:
        if "=" in text:
            pairs = [one.rpartition("=") for one in text.split(";")]
            lines = {line.strip(): float(value) for line, _, value in pairs}
            values = [one for one in lines.values() if math.isfinite(one)]
            return replace(with_part, lines=lines, threshold=values[0]) if len(values) == len(lines) else with_part
        value = float(text)
    except ValueError:
        return with_part
    return replace(with_part, threshold=value, lines={}) if math.isfinite(value) else with_part


def told_setting(message: Mapping[str, Any], other: Setting) -> Setting:
    """The setting that the browser told."""
    lines = {str(line): float(value) for line, value in (message.get("lines") or {}).items()}
    threshold, marker = message.get("threshold"), str(message.get("marker") or "").strip()
    return Setting(
        None if threshold is None else float(threshold), int(message["part"]), lines, float(message.get("allowed", other.allowed)), marker or other.marker
    )


def annotate_settings(stain: Stain, setting: Setting, proposed: Sequence[Mapping[str, Any]]) -> AnnotateSettings:
    """The settings that save ``setting``. A threshold that is the proposed one is saved as such, with its reason."""
    named = next((one["name"] for one in proposed if setting.threshold is not None and one["threshold"] == setting.threshold), None)
    proposal = named if named and not setting.lines else AnnotateSettings.proposal
    measured = {name: value for name, value in stain.settings.items() if name in AnnotateSettings.__dataclass_fields__}
    return AnnotateSettings(
        **measured,
        marker=setting.marker,
        threshold="auto" if named and not setting.lines else setting.text,
        proposal=str(proposal),
        control_positive=setting.allowed / 100,
        min_fraction=setting.part / 100,
        per_line=bool(setting.lines),
    )


@st.cache_data(max_entries=512, show_spinner=False)
def critical(path: Path, id: str, part: int) -> pd.DataFrame:
    """``Stain.cells`` of a measurement, which never changes."""
    return open_stain(Experiment(path), id).cells(part / 100)


def proposals(stain: Stain, part: int, allowed: float) -> tuple[list[dict[str, Any]], str]:
    """Proposed thresholds for the browser, and why there are none."""
    from core.stages.annotation_threshold import proposed_thresholds

    cells = critical(stain.experiment.path, stain.id, part).drop(columns=["sample", "role"]).merge(stain.fields[["fov_id", "sample", "role"]], on="fov_id")
    try:
        found = proposed_thresholds(cells, AnnotateSettings(signal=stain.settings["signal"], control_positive=allowed / 100))
    except InputError as problem:
        return [], str(problem)
    return [{"name": one.name, "threshold": one.threshold, "why": one.why} for one in found], ""


def axis(stain: Stain, marked: Sequence[float | None]) -> dict[str, Any]:
    """From where to where the slider goes, and whether in equal ratios: the signals of the cells, and every value of ``marked``."""
    from core.stain.proposals import curve_thresholds

    usual = Setting().part
    values = np.concatenate([critical(stain.experiment.path, stain.id, part)["critical_threshold"].to_numpy(float) for part in (0, usual)])
    grid = curve_thresholds(values)
    if len(grid) < 2:
        grid = np.array([0.0, 0.5, 1.0])
    log = bool(grid[0] > 0 and not np.allclose(np.diff(grid), grid[1] - grid[0]))
    inside = [one for one in marked if one is not None and (one > 0 or not log)]
    return {"low": float(min([grid[0], *inside])), "high": float(max([grid[-1], *inside])), "log": log}


def tuning(stain: Stain, setting: Setting, proposed: tuple[list[dict[str, Any]], str], spots: tuple[list[Spot], str], busy: bool) -> dict[str, Any]:
    """``cell_viewer(tuning=...)``."""
    base = st.get_option("server.baseUrlPath") or ""
    offered, spot = spots
    best = next((one["threshold"] for one in proposed[0] if one["name"] == AnnotateSettings.proposal), None)
    limits = axis(stain, [one["threshold"] for one in proposed[0]])
    start = setting.threshold if setting.threshold is not None else best if best is not None else limits["high"]
    return {
        "id": stain.id,
        "fields": [_field(stain, row, base) for row in stain.fields.to_dict("records")],
        "unit": stain.unit,
        "axis": limits,
        "proposals": proposed[0],
        "problem": proposed[1],
        "leastCovered": AnnotateSettings.min_covered,
        "spots": [{"key": one.key, "words": one.words, "measured": bool(one.product)} for one in offered],
        "spot": spot,
        "spotWords": next(one.words for one in offered if one.key == spot),
        "start": {"threshold": start, "part": setting.part, "lines": dict(setting.lines), "allowed": setting.allowed, "marker": setting.marker},
        "busy": busy,
        "takes": "alignment and signal are kept, so some seconds for ten fields",
    }


def _field(stain: Stain, row: Mapping[str, Any], base: str) -> dict[str, Any]:
    fov_id = str(row["fov_id"])
    counts = stain.product.path / "counts" / f"{fov_id}.npz"
    about = {"sample": row["sample"] or fov_id, "role": row["role"], "control": row["role"] == CONTROL}
    return {"id": fov_id, **about, "critical": media.critical_url(counts, base), "offset": float(row["offset"]), "perUnit": float(row["per_unit"])}


def stained_tile(stain: Stain, fov_id: str) -> Tile:
    """A tile with the pictures of the stain. Raises InputError where the phase image cannot be read."""
    base = st.get_option("server.baseUrlPath") or ""
    image, plane, pixel_size = phase_of(stain.experiment, fov_id)
    tile = field_tile(fov_id, image, plane, labels=stain.labels_file(fov_id), pixel_size_um=pixel_size)
    files = {layer: stain.stain_picture(fov_id, layer) for layer in LAYERS}
    layers = {layer: media.picture_url(file, None, base) for layer, file in files.items() if file}
    return replace(tile, layers=layers, signal_url=media.signal_url(stain.opened_file(fov_id), base), signal_key=f"{stain.id}/{fov_id}")
