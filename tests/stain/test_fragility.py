"""Cells whose class hangs on where exactly the stain lies."""

import numpy as np
import pytest

from core.errors import InputError
from core.stain.counting import classes, count_cells, critical_threshold, stained_area
from core.stain.fragility import critical_range, fragile
from core.stain.quantisation import Quantisation

CODES = Quantisation(0.0, 1.0)


@pytest.fixture
def pair() -> tuple[np.ndarray, np.ndarray]:
    """A spot that lies just beside cell 5 and one in the middle of cell 9; cell 12 has none."""
    labels = np.zeros((40, 60), np.int32)
    labels[5:20, 5:20], labels[5:20, 30:45], labels[25:38, 30:45] = 5, 9, 12
    stain = np.zeros(labels.shape, np.uint16)
    stain[10:15, 21:26], stain[10:15, 35:40] = 100, 100
    return stain, labels


def test_only_the_cell_beside_a_spot_is_fragile(pair: tuple[np.ndarray, np.ndarray]) -> None:
    assert fragile(*pair, CODES, 50, 3.0, 0.02).tolist() == [True, False, False]
    assert fragile(*pair, CODES, 50, 1.0, 0.02).tolist() == [False, False, False]  # 1 px does not reach it
    assert fragile(*pair, CODES, 100, 3.0, 0.02).tolist() == [False, False, False]
    assert not fragile(*pair, CODES, 50, 0.0, 0.0).any()


def test_the_range_equals_recounting_at_every_threshold(rng: np.random.Generator) -> None:
    stain, labels = rng.integers(0, 30, (30, 40)).astype(np.uint16), np.kron(np.arange(12).reshape(3, 4), np.ones((10, 10), int))
    low, high = critical_range(stain, labels, CODES, 2.0, 0.4)
    padded = np.pad(stain, 2, mode="edge")
    moves = [(2 * y, 2 * x) for y in (-1, 0, 1) for x in (-1, 0, 1)]  # 2 px, and 1.41 rounded up
    for threshold in range(-1, 31):
        found = []
        for down, right in moves:
            counts = count_cells(padded[2 - down : 32 - down, 2 - right : 42 - right], labels, CODES)
            found.append(classes(stained_area(counts, threshold), counts.area, 0.4))
        differ = np.min(found, axis=0) != np.max(found, axis=0)
        assert np.array_equal((low <= threshold) & (threshold < high), differ)


def test_the_range_holds_the_critical_threshold_and_no_residual_gives_it(pair: tuple[np.ndarray, np.ndarray]) -> None:
    critical = critical_threshold(count_cells(*pair, CODES), 0.02)
    low, high = critical_range(*pair, CODES, 2.5, 0.02)
    assert ((low <= critical) & (critical <= high)).all()
    assert np.array_equal(critical_range(*pair, CODES, 0.0, 0.02), [critical, critical])


def test_the_covered_part_moves_along(pair: tuple[np.ndarray, np.ndarray]) -> None:
    covered = np.ones(pair[0].shape, bool)
    covered[:, 20:28] = False  # the spot beside cell 5 was not seen
    assert not fragile(*pair, CODES, 50, 3.0, 0.02, covered).any()


@pytest.mark.parametrize("residual", [-1.0, np.nan, np.inf])
def test_a_residual_that_is_none_is_refused(pair: tuple[np.ndarray, np.ndarray], residual: float) -> None:
    with pytest.raises(InputError, match="Residual"):
        fragile(*pair, CODES, 50, residual, 0.02)
