"""A simulated experiment: several cultures with a control, fields independent of how many there are."""

import numpy as np
import pytest

from core.settings import SimulateSettings
from core.simulate import SimulatedField, simulate_experiment
from core.simulate.experiment import draw_culture
from core.tables import FIELDS, ROLES


@pytest.fixture(scope="module")
def experiment() -> list[tuple[dict, SimulatedField]]:
    return list(simulate_experiment(SimulateSettings(samples=3, fields=2, size=128, seed=5)))


def test_rows_describe_the_fields(experiment: list[tuple[dict, SimulatedField]]):
    rows = [row for row, _ in experiment]
    assert len(rows) == len({row["fov_id"] for row in rows}) == 6
    for row, field in experiment:
        assert set(row) == set(FIELDS) - {"phase", "stain", "colour"}
        assert row["role"] in ROLES
        assert row["pixel_size_um"] == field.pixel_size_um


def test_last_culture_is_an_unstained_control(experiment: list[tuple[dict, SimulatedField]]):
    assert [row["role"] for row, _ in experiment] == ["sample"] * 4 + ["negative control"] * 2
    for row, field in experiment:
        if row["role"] == "negative control":
            assert (field.cells["stained"] == 0).all()


def test_two_cultures_have_no_control():
    rows = [row for row, _ in simulate_experiment(SimulateSettings(samples=2, fields=1, size=128))]
    assert [row["role"] for row in rows] == ["sample", "sample"]


def test_a_field_does_not_depend_on_their_number(experiment: list[tuple[dict, SimulatedField]]):
    fewer = list(simulate_experiment(SimulateSettings(samples=1, fields=1, size=128, seed=5)))
    row, field = experiment[0]
    assert fewer[0][0] == row
    assert np.array_equal(fewer[0][1].phase, field.phase)
    assert np.array_equal(fewer[0][1].colour, field.colour)


def test_fields_and_seeds_differ(experiment: list[tuple[dict, SimulatedField]]):
    assert not np.array_equal(experiment[0][1].phase, experiment[1][1].phase)
    other = next(simulate_experiment(SimulateSettings(samples=1, fields=1, size=128, seed=6)))[1]
    assert not np.array_equal(experiment[0][1].phase, other.phase)


def test_cultures_span_young_to_old():
    cultures = [draw_culture(0, k) for k in range(6)]
    prevalence = [c.prevalence for c in cultures]
    assert min(prevalence) < 0.15
    assert max(prevalence) > 0.5
    assert len({c.stain_strength for c in cultures}) == len({c.size_factor for c in cultures}) == 6
    assert len({c.well for c in (draw_culture(0, k) for k in range(96))}) == 96
