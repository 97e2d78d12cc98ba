import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from core.errors import InputError
from core.report.overlay import (
    OUTLINE_NOT_SCORED,
    OUTLINE_NOT_SENESCENT,
    OUTLINE_SENESCENT,
    OUTLINE_UNCERTAIN,
    inner_outline,
    jpeg,
    outline_px,
    overlay,
)

CALLS = pd.DataFrame({"label": [7, 900, 3], "senescent": pd.array([1, 0, None], dtype="Int64"), "excluded": [False, False, True]})


def squares(*ids: int) -> np.ndarray:
    """Touching squares of 10 px beside each other, 5 px from the upper edge; the first touches the left edge."""
    labels = np.zeros((30, 10 * len(ids) + 10), dtype=np.int32)
    for i, label in enumerate(ids):
        labels[5:15, 10 * i : 10 * i + 10] = label
    return labels


def hex_of(pixel: np.ndarray) -> str:
    return "#" + "".join(f"{value:02X}" for value in pixel)


def test_each_cell_has_the_colour_of_its_call():
    labels = squares(7, 900, 3, 12)
    picture = overlay(np.zeros(labels.shape, np.float32), labels, CALLS)
    assert picture.shape == (*labels.shape, 3)
    assert picture.dtype == np.uint8
    colours = [hex_of(picture[5, 10 * i + 5]) for i in range(4)]
    assert colours == [OUTLINE_SENESCENT, OUTLINE_NOT_SENESCENT, OUTLINE_NOT_SCORED, OUTLINE_NOT_SCORED]


def test_a_cell_near_the_threshold_has_a_colour_of_its_own_whatever_it_is_called():
    labels = squares(7, 900, 3, 12)
    calls = CALLS.assign(uncertain=pd.array([1, 1, 1], dtype="Int64"))
    picture = overlay(np.zeros(labels.shape, np.float32), labels, calls)
    colours = [hex_of(picture[5, 10 * i + 5]) for i in range(4)]
    assert colours == [OUTLINE_UNCERTAIN, OUTLINE_UNCERTAIN, OUTLINE_NOT_SCORED, OUTLINE_NOT_SCORED]
    unknown = CALLS.assign(uncertain=pd.array([None, 0, None], dtype="Int64"))
    np.testing.assert_array_equal(overlay(picture[..., 0], labels, unknown), overlay(picture[..., 0], labels, CALLS))


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2)."""
    parts = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return float(np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4) @ (0.2126, 0.7152, 0.0722))


def test_colours_of_calls_differ_in_brightness_too():
    light = [luminance(one) for one in (OUTLINE_SENESCENT, OUTLINE_NOT_SENESCENT)]
    assert all(luminance(OUTLINE_UNCERTAIN) + 0.05 > 1.8 * (one + 0.05) for one in light)


def test_outline_lies_inside_its_cell_and_leaves_the_rest_alone():
    labels = squares(7, 900, 3)
    outline = inner_outline(labels, 2)
    assert not outline[labels == 0].any()
    expected = np.ones((10, 10), bool)
    expected[2:8, 2:8] = False
    np.testing.assert_array_equal(outline[5:15, 10:20], expected)
    picture = overlay(np.zeros(labels.shape, np.float32), labels, CALLS)
    assert (picture[~outline] == picture[29, 0]).all()


def test_a_cut_cell_has_no_outline_along_the_edge_of_the_image():
    assert not inner_outline(squares(7), 2)[7:13, 0].any()


@pytest.mark.parametrize("ids", [(1, 2, 3), (65535, 70000, 3), (2**31 - 1, 2**31 - 2, 5), (16_777_217, 16_777_216, 1)])
def test_outline_does_not_depend_on_the_numbers(ids):
    np.testing.assert_array_equal(inner_outline(squares(*ids), 3), inner_outline(squares(1, 2, 3), 3))


@pytest.mark.parametrize("labels", [np.zeros((8, 8), np.int32), np.ones((8, 8), np.int32), np.ones((1, 1), np.int32)])
def test_no_cell_one_cell_one_pixel(labels):
    picture = overlay(np.full(labels.shape, 5.0, np.float32), labels, CALLS)
    assert (picture == 128).all()
    assert overlay(np.ones(labels.shape, np.float32), labels, CALLS.head(0)).shape == (*labels.shape, 3)


def test_image_is_stretched_and_bad_pixels_do_not_spoil_it():
    image = np.linspace(1000, 3000, 900, dtype=np.float32).reshape(30, 30)
    image[3, 3] = np.nan
    picture = overlay(image, np.zeros((30, 30), np.int32), CALLS)
    assert picture.min() <= 1
    assert picture.max() >= 254


def test_thicker_on_larger_images():
    assert [outline_px((side, 100)) for side in (50, 1024, 2048, 4096)] == [2, 2, 4, 8]


def test_sizes_must_agree():
    with pytest.raises(InputError, match="one size"):
        overlay(np.zeros((5, 6), np.float32), np.zeros((6, 5), np.int32), CALLS)


def test_jpeg_is_scaled_down_and_keeps_its_colours():
    picture = np.zeros((300, 900, 3), np.uint8)
    picture[..., 0] = 200
    small = Image.open(io.BytesIO(jpeg(picture, 450)))
    assert small.size == (450, 150)
    assert np.abs(np.asarray(small).mean((0, 1)) - [200, 0, 0]).max() < 4
    assert Image.open(io.BytesIO(jpeg(picture, 5000))).size == (900, 300)
