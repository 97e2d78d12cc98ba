"""Unmixing one stain, and measuring its colour from clicks."""

import numpy as np
import pytest
from scipy import ndimage

from core.errors import InputError
from core.stain.unmixing import XGAL, measure_vector, parse_vector, unmix

VECTOR = np.array([1.0, 0.45, 0.2])


def test_unmixing_recovers_the_amount_beside_any_grey(rng: np.random.Generator) -> None:
    amount, grey = rng.uniform(0, 1, (2, 8, 9))
    density = amount[..., None] * VECTOR + grey[..., None]
    np.testing.assert_allclose(unmix(density, VECTOR), amount, atol=1e-5)
    np.testing.assert_allclose(unmix(density, 7 * VECTOR), amount, atol=1e-5)  # only the direction matters


@pytest.fixture
def clicked(rng: np.random.Generator) -> np.ndarray:
    density = np.zeros((60, 60))
    density[10:30, 10:30], density[40:50, 40:50] = 0.6, 0.3
    light = np.array([215, 220, 200]) * 10 ** (-density[..., None] * VECTOR)
    return np.clip(np.rint(light + 2 * rng.standard_normal(light.shape)), 0, 255).astype(np.uint8)


def test_the_vector_is_measured_from_clicks(clicked: np.ndarray) -> None:
    found = measure_vector(clicked, np.array([[20, 20], [15.4, 26], [45, 45]]), np.array([[5, 50], [55, 5]]))
    np.testing.assert_allclose(found, VECTOR, atol=0.04)
    assert parse_vector(" ".join(map(str, found))) == pytest.approx(found)


def test_the_vector_of_a_real_field_is_near_the_default(ashraf: tuple[np.ndarray, np.ndarray]) -> None:
    image = ashraf[0]
    inside = ndimage.binary_erosion(image.sum(axis=2) > 30, iterations=3)
    red = ndimage.gaussian_filter(image[..., 0].astype(float), 1)
    dark, bright = (np.argwhere(inside & (red > low) & (red < high))[::50] for low, high in ((10, 35), (110, 125)))
    found = np.array(measure_vector(image, dark, bright))
    cosine = found @ np.array(XGAL) / np.linalg.norm(found) / np.linalg.norm(XGAL)
    assert np.rad2deg(np.arccos(cosine)) < 10


@pytest.mark.parametrize(
    ("stained", "unstained", "words"),
    [([], [[5, 50]], "at least one stained"), ([[20, 20]], [], "at least one unstained"), ([[99, 2]], [[5, 5]], "outside"), ([[5, 5]], [[20, 20]], "darker")],
)
def test_clicks_that_say_nothing_are_refused(clicked: np.ndarray, stained: list, unstained: list, words: str) -> None:
    with pytest.raises(InputError, match=words):
        measure_vector(clicked, np.array(stained), np.array(unstained))


def test_a_grey_stain_is_refused(clicked: np.ndarray) -> None:
    grey = np.repeat(clicked[..., :1], 3, axis=2)
    with pytest.raises(InputError, match="grey"):
        measure_vector(grey, np.array([[20, 20]]), np.array([[5, 50]]))
    for wrong in ((1, 1, 1), (0, 0, 0), (1, 2), (np.nan, 1, 0)):
        with pytest.raises(InputError, match="Stain colour"):
            unmix(np.zeros((2, 2, 3)), wrong)


def test_a_vector_as_text() -> None:
    assert parse_vector(" ") == XGAL
    assert parse_vector("0.9; 0.4, 0.1") == (0.9, 0.4, 0.1)
    for wrong in ("blue", "1 2", "1 1 1"):
        with pytest.raises(InputError, match="Stain colour"):
            parse_vector(wrong)
