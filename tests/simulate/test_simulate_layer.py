import numpy as np
import pytest
from scipy import ndimage

from core.simulate.layer import simulate_layer


@pytest.fixture(scope="module")
def layers() -> list:
    return [simulate_layer(seed, 256) for seed in range(6)]


def test_a_layer_has_an_8_bit_picture_and_labels_without_gaps(layers: list) -> None:
    for layer in layers:
        assert layer.image.dtype == np.uint8
        assert layer.image.shape == layer.labels.shape == (256, 256)
        assert np.array_equal(np.unique(layer.labels), np.arange(layer.labels.max() + 1))
        assert layer.labels.max() > 10


def test_the_same_seed_gives_the_same_layer() -> None:
    one, two, other = simulate_layer(3, 128), simulate_layer(3, 128), simulate_layer(4, 128)
    assert np.array_equal(one.image, two.image)
    assert np.array_equal(one.labels, two.labels)
    assert not np.array_equal(one.image, other.image)


def test_cells_show_in_the_picture(layers: list) -> None:
    """Cells differ from their background by texture: the local spread is larger inside than outside, in every layer."""
    for layer in layers:
        picture = layer.image[20:-60, 20:-20].astype(float)  # without frame and scale bar
        inside = layer.labels[20:-60, 20:-20] > 0
        spread = ndimage.generic_gradient_magnitude(picture, ndimage.sobel)
        assert spread[inside].mean() > spread[~ndimage.binary_dilation(inside, iterations=3)].mean()


def test_magnification_and_contrast_differ_between_seeds(layers: list) -> None:
    areas = [np.median(np.bincount(layer.labels.ravel())[1:]) for layer in layers]
    spreads = [layer.image[20:-60].std() for layer in layers]
    assert max(areas) > 2 * min(areas)
    assert max(spreads) > 1.3 * min(spreads)
