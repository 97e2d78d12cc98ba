"""The 16-bit steps of the stain signal, and thresholds between them."""

import numpy as np
import pytest

from core.stain.quantisation import DENSITY, SHARE, Quantisation, stored


@pytest.mark.parametrize("scale", [DENSITY, SHARE, stored(255), stored(4095), stored(65535), Quantisation(0.3, 777.7)])
def test_a_threshold_parts_the_codes_as_it_parts_their_values(scale: Quantisation, rng: np.random.Generator) -> None:
    values = scale.values()
    assert (np.diff(values) > 0).all()
    picked = values[rng.integers(0, 65536, 400)]
    thresholds = np.concatenate([picked, np.nextafter(picked, np.inf), np.nextafter(picked, -np.inf), [-1e9, 1e9, -np.inf, np.inf, values[0], values[-1]]])
    for threshold in thresholds:
        assert scale.code_of(threshold) == np.count_nonzero(values <= threshold) - 1


def test_whole_numbers_keep_every_value() -> None:
    for full in (1, 255, 4095, 65535):
        shares = (np.arange(full + 1) / full).astype(np.float32)
        assert np.array_equal(stored(full).codes(shares), np.arange(full + 1))
    assert stored(255).code_of(128 / 255) == 128


def test_the_nearest_step_is_taken_and_the_ends_clip() -> None:
    assert DENSITY.codes(np.array([-9.0, -0.5, 0.0, 9.0, np.nan])).tolist() == [0, 0, 8192, 65535, 0]
    signal = np.linspace(-0.5, 3.4, 999)
    assert np.abs(DENSITY.value(DENSITY.codes(signal)) - signal).max() <= 2.0**-15
