"""A simulated experiment: several cultures that differ in age, stain, cell size and density, and an unstained control."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.settings import SimulateSettings
from core.simulate.field import SimulatedField, simulate_field

PIXEL_SIZE_UM = 0.65  # 6.5 µm camera behind a 10x objective
GOLDEN = 0.6180339887498949
WELL_ROWS = "ABCDEFGH"


@dataclass(frozen=True)
class Culture:
    """What the fields of one culture share."""

    sample: str
    passage: str
    condition: str
    well: str
    prevalence: float
    stain_strength: float
    size_factor: float
    confluence: float
    bits: int


def draw_culture(seed: int, number: int) -> Culture:
    """Draw culture ``number`` (0, 1, ...) of an experiment; it does not depend on how many there are.

    Prevalences walk over 0.05..0.72 in golden-ratio steps, so that few cultures already span the range.
    """
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(number,)))
    age = (number * GOLDEN + 0.02 * rng.random()) % 1.0
    return Culture(
        sample=f"MSC{number + 1}",
        passage=f"P{2 + round(10 * age)}",
        condition="control",
        well=f"{WELL_ROWS[number // 12 % 8]}{number % 12 + 1}",
        prevalence=float(0.05 + 0.67 * age),
        stain_strength=float(rng.uniform(0.45, 1.3)),
        size_factor=float(np.exp(np.clip(rng.normal(0.0, 0.15), -0.3, 0.3))),
        confluence=float(np.clip(rng.normal(0.42 - 0.15 * age, 0.08), 0.12, 0.6)),
        bits=int(rng.choice([16, 12], p=[0.7, 0.3])),
    )


def simulate_experiment(settings: SimulateSettings) -> Iterator[tuple[dict[str, Any], SimulatedField]]:
    """Yield ``(row, field)`` for every field of view, culture by culture.

    ``row`` holds fov_id, sample, role, passage, condition, well, time_h and pixel_size_um of fields.csv. Where there are
    more than two cultures the last one is an unstained negative control. Field k of culture j is the same whatever the
    numbers of fields and cultures (but for the control).
    """
    for number in range(settings.samples):
        culture = draw_culture(settings.seed, number)
        control = settings.samples > 2 and number == settings.samples - 1
        for k in range(settings.fields):
            yield _row(culture, k, control), _field(settings, culture, number, k, control)


def _row(culture: Culture, k: int, control: bool) -> dict[str, Any]:
    return {
        "fov_id": f"{culture.sample}_{culture.passage}_{culture.well}_f{k + 1:02d}",
        "sample": culture.sample,
        "role": "negative control" if control else "sample",
        "passage": culture.passage,
        "condition": "unstained" if control else culture.condition,
        "well": culture.well,
        "time_h": 0.0,
        "pixel_size_um": PIXEL_SIZE_UM,
    }


def _field(settings: SimulateSettings, culture: Culture, number: int, k: int, control: bool) -> SimulatedField:
    return simulate_field(
        np.random.SeedSequence(settings.seed, spawn_key=(number, k)),
        settings.size,
        prevalence=culture.prevalence,
        stain_strength=culture.stain_strength,
        unstained=control,
        pixel_size_um=PIXEL_SIZE_UM,
        confluence=culture.confluence,
        size_factor=culture.size_factor,
        bits=culture.bits,
    )
