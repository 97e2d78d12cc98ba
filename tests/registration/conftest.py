from collections.abc import Callable

import numpy as np
import pytest

import core.simulate.field as simulated
from core.registration import Registration, displacement
from core.simulate import SimulatedField, simulate_field
from core.simulate.stain import Registration as Truth

SIZE = 640


def as_promised(rng: np.random.Generator, size: int) -> Truth:
    """The largest misalignment that is promised, in any direction."""
    way = rng.uniform(0, 2 * np.pi)
    return Truth(40 * np.sin(way), 40 * np.cos(way), float(rng.choice([-2, 2])), float(rng.choice([0.98, 1.02])), size)


def simulate(seed: int, **more: object) -> SimulatedField:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulated, "draw_registration", as_promised)
        return simulate_field(seed, SIZE, confluence=0.4, **more)


@pytest.fixture(scope="session")
def pairs() -> dict[str, SimulatedField]:
    return {"stained": simulate(1), "faint": simulate(2, stain_strength=0.3), "control": simulate(3, unstained=True)}


@pytest.fixture(scope="session")
def off() -> Callable[[Registration, SimulatedField], float]:
    """Mean distance of the cells' middles from where they truly lie in the stain image, px."""

    def error(found: Registration, pair: SimulatedField) -> float:
        truth = np.array(pair.registration["matrix"])[:2]
        return float(displacement(found.matrix, truth, pair.cells[["x_px", "y_px"]].to_numpy()).mean())

    return error
