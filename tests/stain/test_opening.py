"""Area opening against removing small spots, at every threshold."""

import numpy as np
import pytest
from scipy import ndimage

from core.errors import InputError
from core.stain.opening import area_opening

SHAPES = {4: ndimage.generate_binary_structure(2, 1), 8: ndimage.generate_binary_structure(2, 2)}


def without_small_spots(mask: np.ndarray, smallest: int, connectivity: int) -> np.ndarray:
    spots, _ = ndimage.label(mask, SHAPES[connectivity])
    return mask & (np.bincount(spots.ravel())[spots] >= smallest)


@pytest.mark.parametrize("connectivity", [4, 8])
@pytest.mark.parametrize("smallest", [1, 2, 5, 23, 100])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_thresholding_the_opened_signal_removes_small_spots_at_all_thresholds(rng: np.random.Generator, connectivity: int, smallest: int, dtype: type) -> None:
    for height, width, highest in ((1, 9, 3), (17, 1, 2), (13, 16, 4), (20, 24, 200)):
        smooth = ndimage.gaussian_filter(rng.random((height, width)), 1.5)
        ranks = np.argsort(np.argsort(smooth, axis=None)).reshape(smooth.shape)
        for image in (rng.integers(0, highest, (height, width)), ranks * highest // ranks.size):
            opened = area_opening(image.astype(dtype), smallest, connectivity)
            assert opened.dtype == dtype
            for threshold in range(highest):
                assert np.array_equal(opened > threshold, without_small_spots(image > threshold, smallest, connectivity))


def test_equals_scikit_image(rng: np.random.Generator) -> None:
    from skimage.morphology import area_opening as reference

    image = rng.integers(0, 60, (40, 50)).astype(np.uint8)
    assert np.array_equal(area_opening(image, 12, 4), reference(image, 12, connectivity=1))
    assert np.array_equal(area_opening(image, 12, 8), reference(image, 12, connectivity=2))


def test_equals_removing_small_spots_of_a_real_image(ashraf: tuple[np.ndarray, np.ndarray]) -> None:
    image = 255 - ashraf[0][300:556, 300:556, 0]
    opened = area_opening(image, 30)
    for threshold in range(256):
        assert np.array_equal(opened > threshold, without_small_spots(image > threshold, 30, 8)), threshold


def test_corners_join_spots_only_with_eight_neighbours() -> None:
    stair = np.eye(5, dtype=np.uint8) * 9
    assert np.array_equal(area_opening(stair, 5, 8), stair)
    assert not area_opening(stair, 5, 4).any()


def test_a_field_smaller_than_the_smallest_spot_has_none() -> None:
    assert not area_opening(np.full((3, 3), 200, np.uint8), 10).any()
    assert area_opening(np.full((3, 3), 200, np.uint8), 9).all()


def test_the_input_is_not_changed_and_may_be_any_slice(rng: np.random.Generator) -> None:
    image = rng.integers(0, 9, (30, 30)).astype(np.uint16)
    before, part = image.copy(), image[::2, 3:]
    part.setflags(write=False)
    assert np.array_equal(area_opening(part, 4), area_opening(part.copy(), 4))
    assert np.array_equal(image, before)


@pytest.mark.parametrize(("image", "smallest", "connectivity"), [(np.zeros((4, 4)), 2, 8), (np.zeros(4, np.uint8), 2, 8), (np.zeros((4, 4), np.uint8), 0, 8)])
def test_wrong_input_is_named(image: np.ndarray, smallest: int, connectivity: int) -> None:
    with pytest.raises(InputError, match="wanted"):
        area_opening(image, smallest, connectivity)
