"""Counting stained pixels against the brute force at every threshold."""

import numpy as np
import pytest

from core.errors import InputError
from core.stain.counting import NEVER, classes, count_cells, critical_threshold, needed_pixels, stained_area, stained_pixels
from core.stain.quantisation import DENSITY, Quantisation, stored

WHOLE = stored(65535.0)


def brute(opened: np.ndarray, labels: np.ndarray, code: int) -> np.ndarray:
    return np.array([np.count_nonzero((opened > code) & (labels == n)) for n in np.unique(labels[labels > 0])], np.int64)


@pytest.fixture
def field(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    labels = np.kron(rng.integers(0, 7, (5, 6)), np.ones((4, 5), int)) * 3  # gapped ids, touching cells, cells at the border
    return rng.integers(0, 40, labels.shape).astype(np.uint16) * 7, labels


def test_stained_area_and_class_equal_brute_force_at_every_threshold(field: tuple[np.ndarray, np.ndarray]) -> None:
    opened, labels = field
    counts = count_cells(opened, labels, Quantisation(0.0, 1.0))
    critical = {f: critical_threshold(counts, f) for f in (0.0, 0.05, 0.3, 0.5, 1.0)}
    for code in range(-1, 300):
        expected = brute(opened, labels, code)
        assert np.array_equal(stained_area(counts, code), expected)
        for f, values in critical.items():
            assert np.array_equal(classes(expected, counts.area, f), (code < values).astype(int)), (code, f)


def test_all_65536_codes_of_one_cell(rng: np.random.Generator) -> None:
    opened = rng.integers(0, 65536, (40, 40)).astype(np.uint16)
    opened[0, :2] = 0, 65535
    counts = count_cells(opened, np.ones(opened.shape, np.uint16), WHOLE)
    expected = opened.size - np.cumsum(np.bincount(opened.ravel(), minlength=65536))
    values = WHOLE.values()
    some = [*range(0, 65536, 11), 65534, 65535]
    assert [stained_area(counts, values[code])[0] for code in some] == expected[some].tolist()
    critical = critical_threshold(counts, 0.2)[0]
    assert np.array_equal(expected / opened.size >= 0.2, values < critical)


def test_a_float_signal_is_exact_in_its_quantised_steps(rng: np.random.Generator) -> None:
    signal = rng.normal(0.1, 0.2, (60, 60)).astype(np.float32)
    labels = np.kron(np.arange(1, 10).reshape(3, 3), np.ones((20, 20), int))
    codes = DENSITY.codes(signal)
    counts, quantised = count_cells(codes, labels, DENSITY), DENSITY.value(codes)
    thresholds = np.concatenate([rng.uniform(-0.6, 0.9, 50), quantised.ravel()[:50], [-np.inf, np.inf]])
    for threshold in thresholds:
        expected = [np.count_nonzero(quantised[labels == n] > threshold) for n in counts.labels]
        assert np.array_equal(stained_area(counts, threshold), expected)


def test_fractions_equal_the_per_cell_loop(rng: np.random.Generator) -> None:
    labels = np.kron(rng.integers(0, 9, (6, 6)), np.ones((7, 7), int)).astype(np.int32)
    stain = rng.random(labels.shape) > 0.6
    ids, area, stained = stained_pixels(stain, labels)
    loop = np.array([np.mean(stain * (labels == n)) / np.mean(labels == n) for n in ids])
    assert np.array_equal(ids, np.unique(labels[labels > 0]))
    np.testing.assert_allclose(stained / area, loop, rtol=1e-12)
    assert np.array_equal(stained_pixels(stain.astype(np.uint8) * 255, labels)[2], stained)


def test_mean_signal_is_that_before_opening() -> None:
    codes = np.array([[10, 20], [30, 41]], np.uint16)
    counts = count_cells(np.zeros_like(codes), np.array([[1, 1], [2, 2]]), Quantisation(-1.0, 10.0), codes)
    np.testing.assert_allclose(counts.mean_signal, [0.5, 2.55])


def test_pixels_that_were_not_seen_belong_to_the_cell_but_are_never_stained() -> None:
    opened, labels = np.full((4, 4), 9, np.uint16), np.repeat([[1], [1], [2], [2]], 4, axis=1)
    covered = np.ones((4, 4), bool)
    covered[0], covered[2:] = False, False
    counts = count_cells(opened, labels, Quantisation(0.0, 1.0), covered=covered)
    assert counts.area.tolist() == [8, 8]
    assert counts.covered.tolist() == [4, 0]
    assert stained_area(counts, -5).tolist() == [4, 0]
    assert critical_threshold(counts, 0.5).tolist() == [9, NEVER]
    assert critical_threshold(counts, 0.51).tolist() == [NEVER, NEVER]
    assert np.isnan(counts.mean_signal[1])


@pytest.mark.parametrize("labels", [np.zeros((3, 3), np.int32), np.zeros((0, 4), np.int32)])
def test_no_cells(labels: np.ndarray) -> None:
    counts = count_cells(np.zeros(labels.shape, np.uint16), labels, WHOLE)
    assert len(counts) == 0
    assert stained_area(counts, 0.1).shape == critical_threshold(counts, 0.1).shape == (0,)


@pytest.mark.parametrize("huge", [[5, 4_000_000_000], [0, 2**40]])
def test_huge_ids_with_gaps_are_kept(huge: list[int]) -> None:
    labels = np.array([huge, huge[::-1]])
    counts = count_cells(np.array([[1, 2], [3, 4]], np.uint16), labels, Quantisation(0.0, 1.0))
    assert counts.labels.tolist() == [n for n in huge if n]
    assert stained_area(counts, 1.0).sum() == np.count_nonzero(labels * np.array([[0, 1], [1, 1]]))


def test_needed_pixels_are_the_smallest_that_reach_the_fraction() -> None:
    area = np.arange(1, 3000)
    for f in (0.0, 0.01, 0.05, 0.1, 1 / 3, 0.29, 0.57, 1.0):
        needed = needed_pixels(area, f)
        assert ((needed / area >= f) & (needed >= 1)).all()
        assert (((needed - 1) / area < f) | (needed == 1)).all()


def test_input_that_does_not_fit_is_named() -> None:
    signal = np.zeros((4, 4), np.uint16)
    with pytest.raises(InputError, match="align the stain"):
        count_cells(signal, np.zeros((4, 5), int), WHOLE)
    with pytest.raises(InputError, match="Label image"):
        count_cells(signal, np.zeros((4, 4)), WHOLE)
    with pytest.raises(InputError, match="8 or 16 bits"):
        count_cells(signal.astype(float), np.ones((4, 4), int), WHOLE)
    with pytest.raises(InputError, match="wanted 0 to 1"):
        needed_pixels(np.array([5]), 1.5)
