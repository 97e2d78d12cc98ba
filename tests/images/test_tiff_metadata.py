"""Pixel size, bit depth, names and times that a TIFF states."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from core.images import Plane, full_scale, inspect, read, write_image

PER_CM = 1e4 / 0.65


@pytest.mark.parametrize(
    ("how", "size"),
    [
        ({"resolution": (PER_CM, PER_CM), "resolutionunit": "CENTIMETER"}, 0.65),
        ({"resolution": (25400 / 0.65, 25400 / 0.65), "resolutionunit": "INCH"}, 0.65),
        ({"resolution": (72, 72), "resolutionunit": "INCH"}, None),
        ({"resolution": (96, 96), "resolutionunit": "INCH"}, None),
        ({"resolution": (300, 300), "resolutionunit": "INCH"}, None),
        ({"resolution": (1.5, 1.5), "resolutionunit": "NONE"}, None),
        ({"resolution": (PER_CM, PER_CM / 2), "resolutionunit": "CENTIMETER"}, None),
        ({"imagej": True, "resolution": (1 / 0.65, 1 / 0.65), "metadata": {"unit": "um"}}, 0.65),
        ({"imagej": True, "resolution": (1 / 0.65, 1 / 0.65), "metadata": {"unit": "micron"}}, 0.65),
        ({"imagej": True, "resolution": (1 / 0.65, 1 / 0.65), "metadata": {"unit": "\\u00B5m"}}, 0.65),
        ({"imagej": True, "resolution": (1 / 650, 1 / 650), "metadata": {"unit": "nm"}}, 0.65),
        ({"imagej": True, "resolution": (1 / 0.65, 1 / 0.65), "metadata": {"unit": "pixel"}}, None),
        ({"imagej": True, "resolution": (1 / 0.65, 1 / 0.65)}, None),
        ({"ome": True, "metadata": {"PhysicalSizeX": 0.65, "PhysicalSizeY": 0.65}}, 0.65),
        ({"ome": True, "metadata": {"PhysicalSizeX": 650, "PhysicalSizeXUnit": "nm", "PhysicalSizeY": 650, "PhysicalSizeYUnit": "nm"}}, 0.65),
        ({"ome": True, "metadata": {"PhysicalSizeX": 6.5e-7, "PhysicalSizeXUnit": "m"}}, 0.65),
        ({"ome": True, "metadata": {"PhysicalSizeX": 1, "PhysicalSizeXUnit": "pixel"}}, None),
        ({"ome": True, "metadata": {"PhysicalSizeX": 0}}, None),
        ({"extratags": [(65326, 12, 1, 0.65, True)]}, 0.65),
        ({"extratags": [(65326, 12, 1, 0.0, True)]}, None),
        ({"extratags": [(51123, 2, 0, '{"PixelSizeUm": 0.65, "BitDepth": 12}', True)]}, 0.65),
    ],
)  # fmt: skip
def test_pixel_size(tmp_path: Path, grey12: np.ndarray, how: dict[str, Any], size: float | None) -> None:
    tifffile.imwrite(tmp_path / "x.tif", grey12, **how)
    for found in (inspect(tmp_path / "x.tif").pixel_size_um, read(tmp_path / "x.tif").pixel_size_um):
        assert found == (None if size is None else pytest.approx(size, rel=1e-5))


@pytest.mark.parametrize(
    ("how", "bits", "guessed"),
    [
        ({}, 12, True),
        ({"ome": True, "metadata": {"SignificantBits": 14}}, 14, False),
        ({"ome": True, "metadata": {"SignificantBits": 8}}, 12, True),
        ({"extratags": [(281, 3, 1, 16383, True)]}, 14, False),
        ({"extratags": [(281, 3, 1, 4000, True)]}, 12, True),
        ({"imagej": True, "metadata": {"Info": "BitsPerPixel = 14\nx = 1"}}, 14, False),
        ({"description": "Bit Depth: 16"}, 16, False),
        ({"description": '<SignificantBits>12</SignificantBits>', "metadata": None}, 12, False),
        ({"extratags": [(51123, 2, 0, '{"BitDepth": 14}', True)]}, 14, False),
    ],
)  # fmt: skip
def test_bit_depth(tmp_path: Path, grey12: np.ndarray, how: dict[str, Any], bits: int, guessed: bool) -> None:
    tifffile.imwrite(tmp_path / "x.tif", grey12, **how)
    picture = read(tmp_path / "x.tif")
    assert (picture.bits, picture.bits_guessed, full_scale(picture)) == (bits, guessed, 2.0**bits - 1)
    info = inspect(tmp_path / "x.tif")
    assert info.bits_guessed in (guessed, False)
    assert ("guess" in info.depth) == info.bits_guessed


def test_packed_12_bits(tmp_path: Path, grey12: np.ndarray) -> None:
    tifffile.imwrite(tmp_path / "p.tif", grey12, bitspersample=12)
    picture = read(tmp_path / "p.tif")
    assert np.array_equal(picture.pixels, grey12)
    assert (picture.bits, picture.bits_guessed) == (12, False)


def test_names_and_times(tmp_path: Path) -> None:
    stack = np.zeros((3, 2, 8, 9), np.uint16)
    ome = {"axes": "TCYX", "Channel": {"Name": ["Phase", "Red"]}, "TimeIncrement": 30, "TimeIncrementUnit": "min"}
    tifffile.imwrite(tmp_path / "a.ome.tif", stack, photometric="minisblack", metadata=ome)
    tifffile.imwrite(tmp_path / "b.tif", stack, imagej=True, metadata={"axes": "TCYX", "finterval": 1800, "Labels": ["Phase", "Red"]})
    for name in ("a.ome.tif", "b.tif"):
        info = inspect(tmp_path / name)
        assert info.channels == ("Phase", "Red")
        assert info.times_h == (0.0, 0.5, 1.0)


@pytest.mark.parametrize("size", [0.65, 0.8708, 1.6125, None])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_written_images_read_back(tmp_path: Path, grey8: np.ndarray, size: float | None, dtype: type) -> None:
    for pixels in (grey8.astype(dtype), np.dstack([grey8, grey8 // 2, grey8 // 3]).astype(dtype)):
        write_image(tmp_path / "mappe æ" / "w (1).tif", pixels, size)
        picture = read(tmp_path / "mappe æ" / "w (1).tif")
        assert np.array_equal(picture.pixels, pixels)
        assert picture.pixels.dtype == dtype
        assert picture.pixel_size_um == (None if size is None else pytest.approx(size, rel=1e-5))
    assert [file.name for file in (tmp_path / "mappe æ").iterdir()] == ["w (1).tif"]


def test_written_bit_depth_reads_back(tmp_path: Path, grey8: np.ndarray) -> None:
    write_image(tmp_path / "w.tif", grey8.astype(np.uint16), bits=12)
    picture = read(tmp_path / "w.tif", Plane())
    assert (picture.bits, picture.bits_guessed) == (12, False)
