"""Grey values, white level, bit depth, previews, units."""

import numpy as np
import pytest

from core.images import Picture, full_scale, grey, preview
from core.images.depth import guess, of_maximum, stated_in, true_bits
from core.images.units import hours, micrometres, square


def test_grey_keeps_the_units() -> None:
    pixels = np.array([[0, 4095]], np.uint16)
    out = grey(Picture(pixels, 12, None))
    assert out.dtype == np.float32
    assert out.tolist() == [[0.0, 4095.0]]


def test_grey_of_colour_is_the_luminance() -> None:
    colours = np.array([[[100, 0, 0], [0, 100, 0], [0, 0, 100], [100, 100, 100]]], np.uint8)
    assert grey(Picture(colours, 8, None))[0] == pytest.approx([21.26, 71.52, 7.22, 100.0], abs=1e-4)


@pytest.mark.parametrize(
    ("pixels", "bits", "white"),
    [
        (np.array([[3]], np.uint8), 8, 255.0),
        (np.array([[3]], np.uint16), 12, 4095.0),
        (np.array([[0.2, 1.0]]), 0, 1.0),
        (np.array([[0.0, 0.0]]), 0, 1.0),
        (np.array([[0.0, 812.5]]), 0, 812.5),
        (np.array([[-0.5, 0.5]]), 0, 0.5),
        (np.array([[-3.0, -1.0]]), 0, 1.0),
    ],
)
def test_full_scale(pixels: np.ndarray, bits: int, white: float) -> None:
    assert full_scale(Picture(pixels, bits, None)) == white


@pytest.mark.parametrize(
    ("highest", "bits"), [(0, 8), (255, 8), (256, 10), (1023, 10), (1024, 12), (4095, 12), (4096, 14), (16384, 16), (65536, 24), (2**40, 48)]
)
def test_guess(highest: int, bits: int) -> None:
    assert guess(highest) == bits


def test_true_bits() -> None:
    pixels = np.array([[1000]], np.uint16)
    assert true_bits(pixels, None) == (10, True)
    assert true_bits(pixels, 12) == (12, False)
    assert true_bits(pixels, 8) == (10, True)  # contradicted by the pixels
    assert true_bits(pixels.astype(np.uint8), None) == (8, False)
    assert true_bits(pixels.astype(float), 12) == (0, False)
    assert true_bits(pixels > 0, None) == (1, False)
    assert true_bits(np.array([[-5]], np.int16), None) == (8, True)


@pytest.mark.parametrize(
    ("text", "bits"),
    [
        ("SignificantBits=12", 12), ('SignificantBits="14"', 14), ('"BitDepth": 12,', 12), ("Bit depth = 16\nBitsPerPixel = 12", 12),
        ("<bitsPerComponentSignificant>11</bits>", 11), ("rabbit depth", None), ("BitsPerSample=16", None), ("", None), ("BitDepth: 4096", None),
    ],
)  # fmt: skip
def test_bits_in_a_text(text: str, bits: int | None) -> None:
    assert stated_in(text) == bits


def test_bits_of_a_maximum() -> None:
    assert [of_maximum([v]) for v in (255, 4095, 16383, 65535, 4000, 0)] == [8, 12, 14, 16, None, None]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.float32, np.float64])
def test_preview_stretches(dtype: type) -> None:
    pixels = np.linspace(10, 110, 10_000).reshape(100, 100).astype(dtype)
    out = preview(pixels)
    assert (out.dtype, out.shape, out.min(), out.max()) == (np.uint8, (100, 100), 0, 255)
    assert (np.diff(out.ravel().astype(int)) >= 0).all()


def test_preview_of_colour_keeps_hues() -> None:
    colours = np.zeros((50, 50, 3), np.uint16) + np.array([100, 50, 50], np.uint16)
    colours[:25] *= 2
    out = preview(colours)
    assert out.shape == colours.shape
    assert np.array_equal(out[..., 1], out[..., 2])
    assert (out[..., 0] > out[..., 1]).all()


def test_preview_of_strange_images() -> None:
    assert (preview(np.full((5, 6), 7, np.uint16)) == 128).all()
    assert (preview(np.full((5, 6), np.nan)) == 0).all()
    assert preview(np.array([[5]], np.uint8)).tolist() == [[128]]
    speck = np.zeros((100, 100), np.uint16)
    speck[3, 4] = 900
    assert preview(speck).max() == 255
    holes = np.linspace(0, 1, 10_000).reshape(100, 100)
    holes[0] = np.nan
    assert (preview(holes)[0] == 0).all()
    assert preview(np.zeros((3000, 2, 3), np.uint8) + np.arange(3, dtype=np.uint8)).shape == (3000, 2, 3)


@pytest.mark.parametrize(
    ("value", "unit", "um"),
    [
        (0.65, "µm", 0.65), (0.65, "μm", 0.65), ("0.65", "micron", 0.65), (650, "nm", 0.65), (6.5e-7, "m", 0.65), (6.5e-5, "cm", 0.65), (1, "pixel", None),
        (1, "", None), (None, "um", None), ("x", "um", None), (float("nan"), "um", None), (-1, "um", None), (352.8, "um", None),
    ],
)  # fmt: skip
def test_micrometres(value: object, unit: str, um: float | None) -> None:
    assert micrometres(value, unit) == um


def test_hours_and_squares() -> None:
    assert (hours(30, "min"), hours(3600, "s"), hours(1, "d"), hours(0, "s"), hours(1, "frames")) == (0.5, 1.0, 24.0, None, None)
    assert (square(0.65, 0.651), square(0.65, 0.9), square(None, 0.65), square(None, None)) == (0.65, None, 0.65, None)
