"""How images look before any network: defects that a network does not tell are far, like fields are not."""

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest

from core.classifier.looks import LEAST_FIELDS, Looks, appearance, exposure, fit_looks, from_plain
from core.tables import APPEARANCE

SIDE, CELLS = 48, 12
AT = {name: k for k, name in enumerate(APPEARANCE)}
DISC = np.hypot(*np.indices((SIDE, SIDE)) - SIDE // 2) < 18
Defect = Callable[[np.ndarray], np.ndarray]


def crops(seed: int, defect: Defect = lambda image: image, cells: int = CELLS) -> np.ndarray:
    """Cells (N, S, S) of one field, darker than what is around them, with bright spots; fields differ in focus, contrast and noise."""
    rng = np.random.default_rng(seed)
    blur, contrast, noise = rng.uniform(0.9, 1.2), rng.uniform(0.8, 1.2), rng.uniform(0.02, 0.03)
    out = []
    for _ in range(cells):
        texture = cv2.GaussianBlur(np.exp(rng.normal(size=(SIDE, SIDE))), (0, 0), blur)
        image = -0.5 + contrast * (texture - texture.mean()) + noise * rng.normal(size=(SIDE, SIDE))
        out.append(np.where(DISC, defect(image), 0))
    return np.array(out, np.float32)


def numbers(seeds: range, defect: Defect = lambda image: image) -> tuple[np.ndarray, np.ndarray]:
    return np.concatenate([appearance(crops(seed, defect)) for seed in seeds]), np.repeat(list(seeds), CELLS)


@pytest.fixture(scope="module")
def looks() -> Looks:
    found = fit_looks(*numbers(range(24)), *numbers(range(100, 124)))
    assert found is not None
    return found


def test_like_fields_lie_within_the_limit(looks: Looks) -> None:
    far = [looks.judge(appearance(crops(seed)))[0] > 1 for seed in range(200, 260)]
    assert np.mean(far) <= 0.05
    assert (looks.fields, looks.held_out, looks.typical) == (24, 24, CELLS)


@pytest.mark.parametrize(
    ("defect", "trait", "sign"),
    [
        (lambda image: -image, "level", 1),
        (lambda image: cv2.GaussianBlur(image, (0, 0), 1.5), "fine", -1),
        (lambda image: image + 0.15 * np.random.default_rng(0).normal(size=image.shape), "grain", 1),
        (lambda image: -0.5 + 0.3 * (image + 0.5), "spread", -1),
        (lambda image: image + 1, "level", 1),
    ],
    ids=["inverted", "blurred", "noisy", "flat", "bright"],
)
def test_a_defect_lies_beyond_it_and_shows_in_its_trait(looks: Looks, defect: Defect, trait: str, sign: int) -> None:
    for seed in range(200, 206):
        distance, away = looks.judge(appearance(crops(seed, defect)))
        assert distance > 1
        assert sign * away[AT[trait]] > 2.5


def test_traits_that_fit_each_other_badly_are_far_though_each_is_usual(looks: Looks) -> None:
    """What single ranges do not see: much fine detail and little noise never came together."""
    scale, vectors = np.linalg.eigh(np.asarray(looks.between, float))
    odd = looks.mean + 6 * np.sqrt(scale[0]) * vectors[:, 0]
    distance, away = looks.judge(np.tile(odd, (CELLS, 1)))
    assert distance * looks.limit == pytest.approx(6, rel=0.01)
    assert np.abs(away).max() < 6


def test_exposure_of_the_whole_image_is_the_business_of_its_scaling() -> None:
    found = appearance(crops(1))
    twice = appearance(2 * crops(1))
    changed = [name for name, k in AT.items() if not np.allclose(found[:, k], twice[:, k], atol=1e-4)]
    assert changed == ["level", "spread"]


def test_few_cells_are_allowed_to_scatter(looks: Looks) -> None:
    """A field of two cells is not strange because they are."""
    far = [looks.judge(appearance(crops(seed, cells=2)))[0] > 1 for seed in range(300, 360)]
    assert np.mean(far) <= 0.1
    one = appearance(crops(200, lambda image: -image, cells=1))
    assert looks.judge(one)[0] < looks.judge(np.tile(one, (CELLS, 1)))[0]


@pytest.mark.parametrize("crop", [np.zeros((8, 8)), np.ones((8, 8)), np.pad(np.ones((1, 1)), ((3, 4), (3, 4)))])
def test_a_cell_without_contrast_or_pixels_has_no_numbers(looks: Looks, crop: np.ndarray) -> None:
    found = appearance(crop[None].astype(np.float32))
    assert found.shape == (1, len(APPEARANCE))
    assert np.isnan(found).all()
    distance, away = looks.judge(found)
    assert np.isnan(distance)
    assert np.isnan(away).all()
    both = np.concatenate([found, appearance(crops(200))])
    assert looks.judge(both)[0] == looks.judge(both[1:])[0]


def test_no_cells(looks: Looks) -> None:
    assert appearance(np.zeros((0, 8, 8), np.float32)).shape == (0, len(APPEARANCE))
    assert np.isnan(looks.judge(np.zeros((0, len(APPEARANCE))))[0])


def test_fields_that_are_all_the_same_are_no_obstacle() -> None:
    same, fields = np.tile(appearance(crops(1))[:1], (60, 1)), np.arange(60) // 6
    found = fit_looks(same, fields, same, fields)
    assert found is not None
    assert found.judge(same)[0] <= 1 < found.judge(same + 1)[0]


def test_too_few_fields_say_nothing() -> None:
    few, enough = numbers(range(LEAST_FIELDS - 1)), numbers(range(LEAST_FIELDS))
    assert fit_looks(*few, *enough) is None
    assert fit_looks(*enough, *few) is None
    assert fit_looks(*enough, *enough) is not None


def test_there_and_back(looks: Looks) -> None:
    read, field = from_plain(looks.plain()), appearance(crops(1))
    assert read.judge(field)[0] == looks.judge(field)[0]
    assert np.array_equal(read.judge(field)[1], looks.judge(field)[1])


@pytest.mark.parametrize("change", [{"mean": None}, {"limit": 0.0}, {"typical": float("nan")}, {"between": 0}, {"fields": None}])
def test_damaged_looks_are_refused(looks: Looks, change: dict) -> None:
    with pytest.raises(ValueError, match="how the training images look"):
        from_plain(looks.plain() | change)
    negative = replace(looks, between=-looks.between)
    with pytest.raises(ValueError, match="how the training images look"):
        from_plain(negative.plain())


def test_exposure_is_in_shares_of_the_light() -> None:
    rng = np.random.default_rng(0)
    image = 1000 + 100 * cv2.GaussianBlur(rng.normal(size=(64, 64)), (0, 0), 3) * 8
    contrast, noise = exposure(image + rng.normal(0, 20, image.shape))
    assert noise == pytest.approx(0.02, rel=0.1)
    assert exposure(4 * image)[0] == pytest.approx(exposure(image)[0])
    assert exposure(1000 + (image - 1000) / 2)[0] == pytest.approx(exposure(image)[0] / 2, rel=0.05)
    assert exposure(image)[1] < 0.1 * noise  # smooth parts have none
    assert 0.1 < contrast < 1


@pytest.mark.parametrize("box", [np.zeros((9, 9)), np.ones((2, 9)), np.ones((0, 0)), -np.ones((9, 9))])
def test_black_or_tiny_boxes_have_no_exposure(box: np.ndarray) -> None:
    assert np.isnan(exposure(box)).all()
