"""The reference of the training images: like cells lie inside at the stated rate, strange ones outside, small sets work."""

from dataclasses import replace

import numpy as np
import pytest

from core.classifier.ranges import LEAST_FIELDS, field_ranges
from core.classifier.reference import AXES, Reference, fit_reference, from_plain
from core.errors import InputError

D = 120


def drawn(n: int, seed: int, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Features (n, D) that vary in few directions, of two classes that differ in the first feature."""
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(99).normal(size=(10, D))
    classes = rng.integers(0, 2, n)
    features = rng.normal(size=(n, 10)) @ mixing + 0.1 * rng.normal(size=(n, D))
    features[:, 0] += 20 * classes
    return features + shift, classes


def fitted(n: int = 300, held: int = 300, **more: object) -> Reference:
    train, classes = drawn(n, 1)
    return fit_reference(train, classes, drawn(held, 2)[0], more, np.arange(n + held))  # type: ignore[arg-type]


@pytest.mark.parametrize("n", [300, 40, 8])
def test_like_cells_lie_beyond_the_limit_at_the_stated_rate(n: int) -> None:
    """Also with fewer training cells than features, since the limit is set on held-out cells."""
    rates = [np.mean(fitted(n).distances(drawn(2000, seed)[0]) > 1) for seed in (5, 6, 7)]
    assert np.mean(rates) <= 0.02
    assert fitted(n).beyond == pytest.approx(0.01)


def test_strange_cells_lie_beyond_it() -> None:
    found = fitted()
    assert (found.distances(drawn(100, 3, shift=1.0)[0]) > 1).mean() > 0.95
    assert (found.distances(drawn(100, 3)[0][:, ::-1]) > 1).mean() > 0.9


def test_a_few_very_long_features_do_not_hide_the_others() -> None:
    train, classes = drawn(300, 1)
    held = drawn(300, 2)[0]
    held[:6] *= 50
    found = fit_reference(train, classes, held, {}, np.arange(600))
    assert np.median(found.distances(held)) > 0.1  # 50 times as far, and it were 0.02
    assert np.median(found.distances(50 * held[6:])) > 2 * np.median(found.distances(held[6:]))  # and a length still counts


def test_fields_of_held_out_cells_set_how_far_the_middle_of_a_field_lies() -> None:
    train, classes = drawn(200, 1)
    fields = np.concatenate([np.zeros(200), 1 + np.arange(200) // 20])
    found = fit_reference(train, classes, drawn(200, 2)[0], {}, fields)
    low, high = found.ranges["training_distance"]
    assert low < np.median(found.distances(drawn(20, 8)[0])) < high < 1


def test_a_direction_that_never_varied_counts_too() -> None:
    """What a principal-component analysis would throw away is where strange images show."""
    rng = np.random.default_rng(0)
    flat = np.zeros((200, D))
    flat[:, :5] = rng.normal(size=(200, 5))
    found = fit_reference(flat[:100], np.zeros(100), flat[100:], {}, np.zeros(200))
    strange = flat[:1].copy()
    strange[0, 50] = 1.0
    assert found.distances(strange)[0] > 2 > found.distances(flat[100:]).max()


def test_the_nearer_class_counts() -> None:
    features, classes = drawn(300, 1)
    found = fit_reference(features, classes, drawn(300, 2)[0], {}, np.zeros(600))
    assert found.means.shape == (2, D + 1)
    one, other = (replace(found, means=found.means[[k]]).distances(features) for k in (0, 1))
    assert np.array_equal(found.distances(features), np.minimum(one, other))
    assert np.mean((one < other) == (classes == 0)) > 0.9


def test_the_axes_are_few_and_their_mahalanobis_distance_is_that_of_the_whole_covariance() -> None:
    from sklearn.covariance import LedoitWolf

    rng = np.random.default_rng(3)
    train, held = rng.normal(size=(90, AXES)) * np.linspace(0.2, 3, AXES), rng.normal(size=(50, AXES))
    train, held = (one / np.linalg.norm(one, axis=1, keepdims=True) for one in (train, held))
    found = fit_reference(train, np.zeros(90), held, {}, np.zeros(140))
    assert found.axes.shape == (AXES, AXES + 1)  # all directions but that of the length, which never varies: nothing is pooled
    train, held = (np.pad(one, ((0, 0), (0, 1))) for one in (train, held))
    whole = LedoitWolf(assume_centered=True).fit(train - train.mean(axis=0))
    wanted = np.sqrt(((held - train.mean(axis=0)) @ whole.precision_ * (held - train.mean(axis=0))).sum(axis=1))
    np.testing.assert_allclose(found.distances(held[:, :-1]) * found.limit, wanted, rtol=1e-4)
    assert fitted().axes.shape == (AXES, D + 1)


@pytest.mark.parametrize("held", [1, 5, 60])
def test_few_held_out_cells_say_how_rare_a_strange_cell_can_be(held: int) -> None:
    found = fitted(held=held)
    assert found.beyond == pytest.approx(1 / (held + 1))
    assert found.distances(drawn(held, 2)[0]).max() == pytest.approx(1, rel=1e-4)


def test_constant_features_are_no_obstacle() -> None:
    same = np.full((4, D), 0.25)
    found = fit_reference(same, [0, 0, 1, 1], same, {}, np.zeros(8))
    assert np.isfinite(found.distances(same)).all()
    assert found.distances(same).max() <= 1 < found.distances(same + 0.1 * np.eye(4, D)).min()


def test_too_few_cells_are_refused() -> None:
    features, classes = drawn(2, 0)
    with pytest.raises(InputError, match="two training cells"):
        fit_reference(features[:1], classes[:1], features, {}, np.zeros(3))
    with pytest.raises(InputError, match="found 2 and 0"):
        fit_reference(features, classes, features[:0], {}, np.zeros(2))


@pytest.mark.parametrize("n", [3, 8, 40])
def test_medians_of_like_fields_lie_in_the_range(n: int) -> None:
    rng, outside = np.random.default_rng(n), 0
    for _ in range(1000):
        levels = np.exp(0.3 * rng.normal(size=n + 1))
        low, high = field_ranges({"focus": levels[:n]}, np.arange(n))["focus"]
        assert low <= levels[:n].min() <= levels[:n].max() <= high
        outside += not low <= levels[n] <= high
    assert outside <= 20


def test_a_range_is_of_fields_and_not_of_cells() -> None:
    fields = np.repeat(np.arange(10), 30)
    values = np.random.default_rng(0).normal(1, 0.4, 300).clip(0.05)
    low, high = field_ranges({"focus": values}, fields)["focus"]
    assert values.min() < low < 1 < high < values.max()


def test_fields_that_are_all_the_same_leave_some_room() -> None:
    low, high = field_ranges({"focus": np.full(9, 0.3)}, np.arange(9))["focus"]
    assert (low, high) == (pytest.approx(0.294, abs=1e-3), pytest.approx(0.306, abs=1e-3))


def test_what_is_not_known_has_no_range() -> None:
    fields = np.arange(6) // 2
    numbers = {"known": np.ones(6), "unknown": np.full(6, np.nan), "partly": [1, 1, 2, 2, np.nan, np.nan], "zero": np.zeros(6)}
    assert set(field_ranges(numbers, fields)) == {"known"}
    assert field_ranges({"known": np.ones(6)}, np.arange(6) % (LEAST_FIELDS - 1)) == {}


def test_there_and_back() -> None:
    found = fitted(focus=np.random.default_rng(0).uniform(0.2, 0.4, 600))
    read = from_plain(found.plain(), D)
    features = drawn(20, 8)[0]
    assert np.array_equal(read.distances(features), found.distances(features))
    assert read.summary() == found.summary()
    assert (read.cells, read.held_out, read.fields) == (300, 300, 600)


@pytest.mark.parametrize(
    "change",
    [
        {"means": None},
        {"limit": 0.0},
        {"rest": float("nan")},
        {"ranges": {"focus": 3}},
        {"axes": "x"},
        {"cells": None},
    ],
)
def test_a_damaged_reference_is_refused(change: dict) -> None:
    with pytest.raises(ValueError, match="reference of the training images"):
        from_plain(fitted().plain() | change, D)


def test_a_reference_of_another_network_is_refused() -> None:
    with pytest.raises(ValueError, match=r"means of shape \(2, 8\)"):
        from_plain(fitted().plain(), 7)
