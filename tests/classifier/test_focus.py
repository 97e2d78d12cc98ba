import cv2
import numpy as np
import pytest

from core.classifier.focus import sharpness


def cells(blur: float = 0.0, gain: float = 1.0, offset: float = 0.0, noise: float = 0.0) -> np.ndarray:
    rng, disc = np.random.default_rng(0), np.hypot(*np.indices((64, 64)) - 32) < 24
    image = cv2.GaussianBlur(rng.normal(size=(3, 64, 64)).transpose(1, 2, 0), (0, 0), 1.2).transpose(2, 0, 1)
    image = np.stack([cv2.GaussianBlur(one, (0, 0), blur) for one in image]) if blur else image
    image = image + noise * rng.normal(size=image.shape)
    return np.where(disc, gain * image + offset, 0).astype(np.float32)


def test_more_blur_is_less_sharp() -> None:
    found = [sharpness(cells(blur)).mean() for blur in (0, 1, 2, 4)]
    assert found == sorted(found, reverse=True)
    assert found[3] < 0.5 * found[0]


def test_light_and_contrast_do_not_matter() -> None:
    np.testing.assert_allclose(sharpness(cells(gain=3, offset=7)), sharpness(cells()), rtol=1e-3)


def test_the_edge_of_the_cell_is_no_detail() -> None:
    """The same texture, far above the black around it."""
    np.testing.assert_allclose(sharpness(cells(2, offset=100)), sharpness(cells(2)), rtol=0.02)


def test_noise_is_fine_detail() -> None:
    assert sharpness(cells(4, noise=0.5)).mean() > 1.5 * sharpness(cells(4)).mean()


@pytest.mark.parametrize("crop", [np.zeros((8, 8)), np.ones((8, 8)), np.eye(8) * 0 + np.pad(np.ones((1, 1)), ((3, 4), (3, 4)))])
def test_a_cell_without_contrast_or_pixels_has_none(crop: np.ndarray) -> None:
    assert sharpness(crop[None].astype(np.float32)).tolist() == [0.0]


def test_no_cells() -> None:
    assert sharpness(np.zeros((0, 8, 8), np.float32)).shape == (0,)
