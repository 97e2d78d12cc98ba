"""The search for a cell diameter, with networks whose behaviour is known."""

import numpy as np
import pytest

from core.cells.diameter import estimate
from core.errors import Cancelled

IMAGE = np.eye(5)


def areas(diameter: float, n: int = 20) -> np.ndarray:
    return np.full(n, np.pi * diameter**2 / 4)


def test_it_comes_to_rest_at_the_true_size() -> None:
    """A network that sees cells half way between what it expects and what is there."""
    assert estimate([IMAGE], 30, lambda image, d, side: areas((d + 90) / 2)) == pytest.approx(90, rel=0.1)


def test_it_ends_where_it_never_comes_to_rest() -> None:
    tried: list[float] = []
    estimate([IMAGE], 30, lambda image, d, side: tried.append(d) or areas(2 * d))
    assert tried == pytest.approx([30, 60, 120, 240])


def test_it_looks_further_where_cells_are_few() -> None:
    sides: list[int] = []
    assert estimate([IMAGE], 24, lambda image, d, side: sides.append(side) or areas(24, side // 100)) == pytest.approx(24)
    assert sides == [352, 1024]


@pytest.mark.parametrize("true", [15.0, 30.0, 60.0, 120.0])
def test_other_starts_where_nothing_is_seen(true: float) -> None:
    """A network that is blind to cells more than a third off its size."""
    assert estimate([IMAGE], 60, lambda image, d, side: areas(true, 12 if abs(np.log(true / d)) < np.log(4 / 3) else 0)) == pytest.approx(true)


def test_few_cells_are_better_than_none() -> None:
    assert estimate([IMAGE], 60, lambda image, d, side: areas(29, 3 if d < 40 else 1)) == pytest.approx(29)


def test_nothing_to_see() -> None:
    assert estimate([], 33, lambda image, d, side: areas(9)) == 33
    assert estimate([np.ones((4, 4))], 33, lambda image, d, side: areas(9)) == 33
    assert estimate([IMAGE], 33, lambda image, d, side: areas(9, 0)) == 33


@pytest.mark.parametrize(("seen", "limit"), [(0.5, 6.0), (9_000.0, 400.0)])
def test_it_is_bounded(seen: float, limit: float) -> None:
    assert estimate([IMAGE], 30, lambda image, d, side: areas(seen)) == limit


def test_progress_never_runs_back_and_cancels() -> None:
    told: list[float] = []
    estimate([IMAGE, IMAGE], 30, lambda image, d, side: areas(2 * d, 3), lambda done, total, item: told.append(done / total))
    assert told == sorted(told)
    assert told[-1] == 1

    def stop(done: float, total: float, item: str) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        estimate([IMAGE], 30, lambda image, d, side: areas(d), stop)
