import numpy as np
import pytest

from core.report.heat_map import heat_overlay


def test_orange_speaks_for_and_blue_against():
    picture = np.full((60, 60), 100, np.uint8)
    found = heat_overlay(picture, np.array([[2.0, 0, -2.0]] * 3, np.float32)).astype(int)
    assert found.shape == (60, 60, 3)
    red, blue = found[30, 5, 0] - found[30, 5, 2], found[30, -5, 2] - found[30, -5, 0]
    assert min(red, blue) > 60
    np.testing.assert_allclose(found[30, 30], 100, atol=12)  # nothing is said there


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_strength_is_that_of_the_largest_place(scale):
    picture = np.arange(64, dtype=np.uint8).reshape(8, 8)
    one = np.array([[1.0, -0.5], [0.25, 0.0]], np.float32)
    np.testing.assert_array_equal(heat_overlay(picture, np.float32(scale) * one), heat_overlay(picture, one))


def test_a_map_of_nothing_leaves_the_picture():
    picture = np.random.default_rng(0).integers(0, 255, (30, 20)).astype(np.uint8)
    np.testing.assert_array_equal(heat_overlay(picture, np.zeros((1, 1), np.float32)), picture[..., None].repeat(3, axis=2))
