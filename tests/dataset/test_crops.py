"""Crops against a brute-force definition, pixel for pixel."""

import numpy as np
import pytest

from core.dataset.crops import bounding_boxes, cut_crops, extents, iterate_crops, normalise, scale_intensity
from core.errors import InputError


def brute(image, labels, cell, size):
    """The definition, one pixel at a time."""
    rows, columns = np.nonzero(labels == cell)
    middle = (rows.min() + rows.max()) // 2, (columns.min() + columns.max()) // 2
    crop = np.zeros((size, size), np.float32)
    for r in range(size):
        for c in range(size):
            y, x = middle[0] + r - size // 2, middle[1] + c - size // 2
            if 0 <= y < image.shape[0] and 0 <= x < image.shape[1] and labels[y, x] == cell:
                crop[r, c] = image[y, x]
    return crop


def original(image, labels, cell, size):
    """The original pipeline's crop: it loses the last row and column of the bounding box."""
    rows, columns = np.nonzero(labels == cell)
    top, bottom, left, right = rows.min(), rows.max(), columns.min(), columns.max()
    box = np.where(labels == cell, image, 0)[top:bottom, left:right]
    height, width = bottom - top, right - left
    if width > size:
        box = box[:, width // 2 - size // 2 : width // 2 + size - size // 2]
    if height > size:
        box = box[height // 2 - size // 2 : height // 2 + size - size // 2]
    height, width = box.shape
    crop = np.zeros((size, size), np.float32)
    y, x = size // 2 - height // 2, size // 2 - width // 2
    crop[y : y + height, x : x + width] = box
    return crop


@pytest.fixture
def field():
    """Touching cells, cells at the border, one larger than the crop, one of a single pixel; ids with gaps."""
    rng = np.random.default_rng(0)
    labels = np.zeros((40, 50), np.int32)
    labels[0:7, 0:9] = 3
    labels[7:15, 2:8] = 70
    labels[12:38, 20:45] = 12
    labels[18:22, 30:33] = 5  # inside another cell
    labels[39, 49] = 1000
    labels[1, 20:33] = 44
    return rng.normal(size=labels.shape).astype(np.float32), labels


IDS = [70, 3, 12, 5, 1000, 44]


@pytest.mark.parametrize("size", [9, 16, 31])
def test_crops_are_those_of_the_definition(field, size):
    image, labels = field
    crops = cut_crops(image, labels, IDS, size)
    assert crops.dtype == np.float32
    for crop, cell in zip(crops, IDS, strict=True):
        np.testing.assert_array_equal(crop, brute(image, labels, cell, size))


@pytest.mark.parametrize("size", [16, 31])
@pytest.mark.parametrize("cell", [70, 3, 12, 5])
def test_crops_are_the_original_ones_plus_the_lost_row_and_column(field, size, cell):
    image, labels = field
    rows, columns = np.nonzero(labels == cell)
    y, x = np.mgrid[:40, :50]
    lost = np.where((labels == cell) & ((y == rows.max()) | (x == columns.max())), image, 0)
    crop = cut_crops(image, labels, [cell], size)[0]
    np.testing.assert_array_equal(crop - cut_crops(lost, labels, [cell], size)[0], original(image, labels, cell, size))


def test_background_can_be_kept(field):
    image, labels = field
    crop = cut_crops(image, labels, [5], 11, background="kept")[0]
    np.testing.assert_array_equal(crop, image[14:25, 26:37][:11, :11])


def test_batches_hold_the_same_crops(field):
    image, labels = field
    batches = list(iterate_crops(image, labels, IDS, 16, batch=4))
    assert [len(b) for b in batches] == [4, 2]
    np.testing.assert_array_equal(np.concatenate(batches), cut_crops(image, labels, IDS, 16))


def test_no_cells_give_no_crops(field):
    assert cut_crops(*field, [], 16).shape == (0, 16, 16)
    assert bounding_boxes(np.zeros((4, 4), np.int32), []).shape == (0, 4)


@pytest.mark.parametrize("labels", [np.zeros((4, 4), np.int32), np.full((4, 4), 3, np.uint16)])
def test_a_cell_that_is_not_there_is_refused(labels):
    with pytest.raises(InputError, match="wanted cell 7"):
        cut_crops(np.zeros((4, 4), np.float32), labels, [7], 8)


def test_huge_ids_cost_no_memory():
    labels = np.zeros((6, 6), np.int64)
    labels[2:4, 1:5] = 2**40
    labels[0, 0] = 9
    np.testing.assert_array_equal(bounding_boxes(labels, [2**40, 9]), [[2, 1, 3, 4], [0, 0, 0, 0]])


def test_extents_are_the_longer_sides(field):
    np.testing.assert_array_equal(extents(field[1], [3, 12, 1000]), [9, 26, 1])


@pytest.mark.parametrize("scale", [0.5, 0.8, 1.3, 2.0])
def test_scaled_crops_show_the_same_cell_at_another_size(scale):
    y, x = np.mgrid[:120, :120]
    image = (2 + y / 100 + x / 50).astype(np.float32)  # a plane: linear resampling gives its exact values
    labels = np.zeros((120, 120), np.int32)
    labels[40:81, 50:71] = 1
    crop = cut_crops(image, labels, [1], 64, scale=scale)[0]
    rows, columns = np.nonzero(crop)
    assert abs(np.ptp(rows) + 1 - min(64, 41 * scale)) <= 1
    assert abs(np.ptp(columns) + 1 - 21 * scale) <= 1
    wanted = 2 + (60 + (rows - 32) / scale) / 100 + (60 + (columns - 32) / scale) / 50
    np.testing.assert_allclose(crop[rows, columns], wanted, atol=1e-3)


def test_a_cell_may_shrink_to_nothing():
    labels = np.zeros((200, 200), np.int32)
    labels[100, 100] = 1
    assert cut_crops(np.ones((200, 200), np.float32), labels, [1], 16, scale=0.1).shape == (1, 16, 16)


def test_a_strip_wider_than_opencv_allows():
    labels = np.zeros((3, 70_000), np.int32)
    labels[1, 69_990:69_995] = 1
    assert np.count_nonzero(cut_crops(np.ones(labels.shape, np.float32), labels, [1], 16, scale=1.5)) > 0


@pytest.mark.parametrize(
    ("image", "labels", "more"),
    [
        (np.zeros((4, 4)), np.zeros((4, 5), np.int32), {}),
        (np.zeros((4, 4, 3)), np.zeros((4, 4, 3), np.int32), {}),
        (np.zeros((4, 4)), np.zeros((4, 4)), {}),
        (np.zeros((4, 4)), np.zeros((4, 4), np.int32), {"scale": 0.0}),
        (np.zeros((4, 4)), np.zeros((4, 4), np.int32), {"background": "white"}),
    ],
)
def test_wrong_input_is_refused(image, labels, more):
    with pytest.raises(InputError):
        cut_crops(image, labels, [], 8, **more)


def test_intensity_by_range_and_by_field():
    image = np.arange(10_000, dtype=np.uint16).reshape(100, 100)
    assert scale_intensity(image, "range", 65535).max() == np.float32(9999 / 65535)
    field = scale_intensity(image, "field", 65535)
    assert field.dtype == np.float32
    assert np.median(field) == pytest.approx(0, abs=1e-4)
    np.testing.assert_allclose(scale_intensity(image.astype(np.float64) * 3 + 500, "field", 1.0), field, atol=1e-5)
    assert not scale_intensity(np.full((5, 5), 7, np.uint8), "field", 255).any()
    with pytest.raises(InputError):
        scale_intensity(image, "other", 1.0)


def test_normalise():
    np.testing.assert_allclose(normalise(np.array([1.0, 3.0]), 1.0, 2.0), [0.0, 1.0])
    with pytest.raises(InputError):
        normalise(np.zeros(2), 0.0, 0.0)
