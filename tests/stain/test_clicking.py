"""The colour of a stain from clicked spots: the truth comes back; too few, saturated and contradictory spots are told apart."""

from collections.abc import Sequence

import numpy as np
import pytest
from scipy import ndimage

from core.errors import InputError
from core.stain.clicking import Spot, SpotError, StainColour, spot_at, stain_colour
from core.stain.unmixing import XGAL, parse_vector

VECTOR = np.array([1.0, 0.45, 0.2])
LIGHT = np.array([215, 220, 200])
DARK, PALE, DUST, BARE = (20, 20), (45, 45), (20, 50), (55, 5)


@pytest.fixture
def image(rng: np.random.Generator) -> np.ndarray:
    """A strong and a pale stained square, and grey dust, on bare ground with noise."""
    density = np.zeros((60, 60, 3))
    density[10:30, 10:30], density[40:50, 40:50], density[15:25, 45:55] = 0.6 * VECTOR, 0.3 * VECTOR, 0.4
    light = LIGHT * 10**-density
    return np.clip(np.rint(light + 2 * rng.standard_normal(light.shape)), 0, 255).astype(np.uint8)


def spots(image: np.ndarray, stained: Sequence[tuple[float, float]], unstained: Sequence[tuple[float, float]], name: str = "f1") -> list[Spot]:
    return [spot_at(image, y, x, kind, 255, name) for kind, places in ((True, stained), (False, unstained)) for y, x in places]


GOOD = ([DARK, (15.4, 26), PALE], [(5, 50), BARE, (35, 5)])


def test_the_vector_comes_back(image: np.ndarray) -> None:
    found = stain_colour(spots(image, *GOOD))
    np.testing.assert_allclose(found.vector, VECTOR, atol=0.05)
    assert max(found.angles_deg) < 6
    assert parse_vector(" ".join(f"{value:.3g}" for value in found.vector)) == pytest.approx(found.vector, abs=1e-3)


def test_depth_does_not_matter(image: np.ndarray) -> None:
    deep = [spot_at(image.astype(np.uint16) * 257, y, x, kind, 65535, "f1") for kind, some in zip((True, False), GOOD, strict=True) for y, x in some]
    assert stain_colour(deep).vector == pytest.approx(stain_colour(spots(image, *GOOD)).vector)


def test_every_image_is_compared_with_its_own_light(image: np.ndarray) -> None:
    darker = (image // 2).astype(np.uint8)
    both = [*spots(image, [DARK, PALE], [BARE, (5, 50)]), *spots(darker, [DARK], [BARE], "f2")]
    np.testing.assert_allclose(stain_colour(both).vector, VECTOR, atol=0.06)
    with pytest.raises(SpotError, match="f2 has stained spots but no unstained one"):
        stain_colour([*spots(image, *GOOD), *spots(darker, [DARK], [], "f2")])


def cleaned(clicked: list[Spot]) -> StainColour:
    """As a person does it: what the message names is removed, until nothing is named any more."""
    for _ in range(9):
        try:
            return stain_colour(clicked)
        except SpotError as problem:
            if not problem.spots:
                raise
            clicked = [one for k, one in enumerate(clicked) if k not in problem.spots]
    raise AssertionError("spots are named without an end")


def test_the_vector_of_a_real_field_is_near_the_default(ashraf: tuple[np.ndarray, np.ndarray]) -> None:
    pixels = ashraf[0]
    inside = ndimage.binary_erosion(pixels.sum(axis=2) > 30, iterations=3)
    red = ndimage.gaussian_filter(pixels[..., 0].astype(float), 1)
    dark, bright = (np.argwhere(inside & (red > low) & (red < high))[::50] for low, high in ((10, 35), (110, 125)))
    clicked = spots(pixels, [tuple(p) for p in dark], [tuple(p) for p in bright])
    found = np.array(cleaned(clicked).vector)
    cosine = found @ np.array(XGAL) / np.linalg.norm(found) / np.linalg.norm(XGAL)
    assert np.rad2deg(np.arccos(cosine)) < 10


@pytest.mark.parametrize(("stained", "unstained"), [(0, 0), (3, 2), (2, 3)])
def test_too_few_spots(image: np.ndarray, stained: int, unstained: int) -> None:
    with pytest.raises(SpotError, match=f"at least 3 stained and 3 unstained spots, found {stained} and {unstained}"):
        stain_colour(spots(image, GOOD[0][:stained], GOOD[1][:unstained]))


@pytest.mark.parametrize(("value", "word", "help"), [(255, "white", "shorter"), (0, "black", "longer")])
def test_saturated_spots(image: np.ndarray, value: int, word: str, help: str) -> None:
    image[40:50, 40:50, 0] = value  # one colour is enough
    with pytest.raises(SpotError, match=rf"spot 3 is saturated \({word}\).*{help} exposure") as problem:
        stain_colour(spots(image, *GOOD))
    assert problem.value.spots == (2,)


@pytest.mark.parametrize(
    ("stained", "unstained", "words", "wrong"),
    [
        ([*GOOD[0], (50, 20)], GOOD[1], "spot 4 is not darker than the unstained ones", (3,)),
        ([*GOOD[0], DUST], GOOD[1], "stained spots contradict each other: spot 4 has another colour", (3,)),
        (GOOD[0], [*GOOD[1], PALE, DUST], "unstained spots of f1 contradict each other: spots 7, 8 have another brightness", (6, 7)),
        (GOOD[1], GOOD[0], "unstained spots of f1 contradict each other", (5,)),  # the wrong way round
        ([DUST, (17, 47), (22, 52)], GOOD[1], "is grey, so colour cannot tell it from dust", ()),
    ],
)
def test_contradictory_spots_are_named(image: np.ndarray, stained: list, unstained: list, words: str, wrong: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=words) as problem:
        stain_colour(spots(image, stained, unstained))
    assert getattr(problem.value, "spots", ()) == wrong


def test_a_spot_outside_and_a_grey_image_are_refused(image: np.ndarray) -> None:
    with pytest.raises(InputError, match="x 2, y 99 lies outside the image of 60 x 60 px"):
        spot_at(image, 99, 2, True, 255)
    with pytest.raises(InputError, match=r"wanted a colour image \(Y, X, 3\), found shape \(60, 60\)"):
        spot_at(image[..., 0], 5, 5, True, 255)
