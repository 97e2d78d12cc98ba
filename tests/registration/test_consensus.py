import numpy as np
import pytest

from core.registration import Registration, consensus, displacement, unregistered

SHAPE = (1000, 1400)
TRUE = np.array([[1.01, -0.02, 5.0], [0.02, 1.01, -3.0]])


def found(shift: tuple[float, float] = (0, 0), verdict: str = "pass", source: str = "own") -> Registration:
    matrix = TRUE.copy()
    matrix[:, 2] += shift
    return Registration(matrix, "similarity", 20.0, 0.2, verdict, "", source)


def corners(shape: tuple[int, int]) -> np.ndarray:
    return np.array([[0, 0], [shape[1], 0], [0, shape[0]], [shape[1], shape[0]]])


def test_the_middle_of_pairs_that_agree() -> None:
    session = [found((0.5, 0)), found((-0.5, 0.2)), found(), found((0, -0.2))]
    pooled = consensus(session, SHAPE)
    assert pooled.registration is not None
    assert displacement(pooled.registration.matrix, TRUE, corners(SHAPE)).max() < 0.3
    assert pooled.used == 4
    assert 0 < pooled.spread_px < 0.6
    assert pooled.registration.source == "consensus"
    assert pooled.registration.verdict == "check"  # it was not seen in the pair that takes it
    assert "4 pairs" in pooled.registration.reason


def test_one_wrong_pair_does_not_move_it() -> None:
    session = [found((0.1, 0)), found((-0.1, 0)), found(), found((30, -40))]
    pooled = consensus(session, SHAPE)
    assert pooled.registration is not None
    assert pooled.used == 3
    assert displacement(pooled.registration.matrix, TRUE, corners(SHAPE)).max() < 0.2


def test_scatter_of_rotations_does_not_become_a_shift() -> None:
    middle, session = np.array([700.0, 500.0]), []
    for turn in (-0.002, 0.0, 0.001, 0.002, -0.001):
        linear = np.array([[1, -turn], [turn, 1]])
        session.append(Registration(np.column_stack([linear, middle - linear @ middle]), "similarity", 20.0, 0.2, "pass", ""))
    pooled = consensus(session, SHAPE)
    assert pooled.registration is not None
    np.testing.assert_allclose(pooled.registration.matrix, [[1, 0, 0], [0, 1, 0]], atol=1e-9)


def test_only_pairs_that_passed_on_their_own_count() -> None:
    session = [found(), found(), found((90, 0), "check"), found((90, 0), "pass", "manual"), unregistered("black")]
    pooled = consensus(session, SHAPE)
    assert pooled.registration is None
    assert pooled.used == 2
    assert pooled.reason == "2 of 5 pairs of the session are aligned; a consensus needs 3."
    assert consensus(session, SHAPE, least=2).registration is not None


def test_pairs_that_share_nothing_are_no_consensus() -> None:
    session = [found((x, y)) for x, y in ((0, 0), (20, 0), (0, 20), (-20, -9), (11, 30))]
    pooled = consensus(session, SHAPE)
    assert pooled.registration is None
    assert "share no common alignment" in pooled.reason


@pytest.mark.parametrize("session", [[], [unregistered("black")]])
def test_nothing_to_pool(session: list[Registration]) -> None:
    pooled = consensus(session, SHAPE)
    assert pooled.registration is None
    assert np.isnan(pooled.spread_px)
