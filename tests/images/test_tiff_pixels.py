"""Every way in which a TIFF stores pixels is read back exactly."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from core.errors import InputError
from core.images import full_scale, inspect, read


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"])
@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("how", [{}, {"compression": "zlib"}, {"compression": "lzw", "tile": (32, 32)}], ids=["plain", "zlib", "lzw tiles"])
def test_round_trip(tmp_path: Path, grey8: np.ndarray, dtype: str, byteorder: str, how: dict[str, Any]) -> None:
    pixels = (grey8 // 2).astype(dtype)
    tifffile.imwrite(tmp_path / "x.tif", pixels, byteorder=byteorder, **how)
    picture = read(tmp_path / "x.tif")
    assert np.array_equal(picture.pixels, pixels)
    assert picture.pixels.dtype == np.dtype(dtype)
    assert picture.pixels.dtype.isnative
    info = inspect(tmp_path / "x.tif")
    assert (info.axes, info.shape, info.dtype) == ("YX", (60, 80), np.dtype(dtype).name)
    assert (info.bits, info.bits_guessed) == (picture.bits, picture.bits_guessed)


@pytest.mark.parametrize(
    "how",
    [
        {"bigtiff": True},
        {"bigtiff": True, "compression": "zstd", "tile": (16, 48)},
        {"compression": "lzma", "rowsperstrip": 7},
        {"compression": "zlib", "predictor": True},
        {"compression": "packbits"},
        {"imagej": True},
        {"ome": True},
    ],
    ids=str,
)
def test_containers_and_compressions(tmp_path: Path, grey12: np.ndarray, how: dict[str, Any]) -> None:
    tifffile.imwrite(tmp_path / "x.tif", grey12, **how)
    assert np.array_equal(read(tmp_path / "x.tif").pixels, grey12)


def test_half_floats_become_floats(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "x.tif", np.full((4, 5), 0.5, np.float16))
    picture = read(tmp_path / "x.tif")
    assert picture.pixels.dtype == np.float32
    assert (picture.bits, full_scale(picture)) == (0, 1.0)


def test_one_bit_is_0_and_1(tmp_path: Path) -> None:
    mask = np.eye(13, 17, dtype=bool)
    tifffile.imwrite(tmp_path / "default.tif", mask)  # marked "minimum is white" by this writer, which does not mean it
    tifffile.imwrite(tmp_path / "black.tif", mask, photometric="minisblack")
    tifffile.imwrite(tmp_path / "white.tif", mask, photometric="miniswhite", software="a scanner")
    Image.fromarray(mask).save(tmp_path / "pillow.tif")
    for name in ("default.tif", "black.tif", "pillow.tif"):
        picture = read(tmp_path / name)
        assert picture.pixels.dtype == np.uint8
        assert np.array_equal(picture.pixels, mask)
        assert (picture.bits, full_scale(picture), inspect(tmp_path / name).bits) == (1, 1.0, 1)
    assert np.array_equal(read(tmp_path / "white.tif").pixels, ~mask)


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_colour(tmp_path: Path, planar: str, dtype: type, compression: str | None) -> None:
    colour = np.random.default_rng(3).integers(0, 256, (20, 30, 3)).astype(dtype)
    stored = colour if planar == "contig" else np.moveaxis(colour, -1, 0)
    tifffile.imwrite(tmp_path / "c.tif", stored, photometric="rgb", planarconfig=planar, compression=compression)
    assert np.array_equal(read(tmp_path / "c.tif").pixels, colour)
    assert (inspect(tmp_path / "c.tif").axes, inspect(tmp_path / "c.tif").needs_choice) == ("YXS", False)


def test_colour_in_jpeg_compression(tmp_path: Path) -> None:
    colour = np.zeros((32, 32, 3), np.uint8) + np.array([200, 100, 30], np.uint8)
    tifffile.imwrite(tmp_path / "c.tif", colour, photometric="rgb", compression="jpeg")
    assert np.abs(read(tmp_path / "c.tif").pixels.astype(int) - colour).max() <= 4


def test_equal_samples_are_grey(tmp_path: Path, grey8: np.ndarray) -> None:
    tifffile.imwrite(tmp_path / "g.tif", np.dstack([grey8] * 3), photometric="rgb")
    assert np.array_equal(read(tmp_path / "g.tif").pixels, grey8)


def test_transparency(tmp_path: Path, grey8: np.ndarray) -> None:
    opaque = np.dstack([grey8, grey8 // 2, grey8 // 3, np.full_like(grey8, 255)])
    veiled = np.dstack([grey8, grey8 // 2, grey8 // 3, grey8])
    for name, pixels in {"opaque.tif": opaque, "veiled.tif": veiled}.items():
        tifffile.imwrite(tmp_path / name, pixels, photometric="rgb", extrasamples=["unassalpha"])
    assert np.array_equal(read(tmp_path / "opaque.tif").pixels, opaque[..., :3])
    with pytest.raises(InputError, match=r"veiled\.tif.*transparency"):
        read(tmp_path / "veiled.tif")
    tifffile.imwrite(tmp_path / "la.tif", opaque[..., [0, 3]], photometric="minisblack", planarconfig="contig", extrasamples=["unassalpha"])
    assert np.array_equal(read(tmp_path / "la.tif").pixels, grey8)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16])
def test_minimum_is_white_is_inverted(tmp_path: Path, grey8: np.ndarray, dtype: type) -> None:
    pixels = grey8.astype(dtype)
    tifffile.imwrite(tmp_path / "w.tif", pixels, photometric="miniswhite")
    picture = read(tmp_path / "w.tif")
    assert np.array_equal(picture.pixels, ~pixels)
    assert picture.pixels.dtype == dtype
    assert inspect(tmp_path / "w.tif").bits == picture.bits == 8 * np.dtype(dtype).itemsize


def test_minimum_is_white_needs_a_white(tmp_path: Path, grey12: np.ndarray) -> None:
    tifffile.imwrite(tmp_path / "w12.tif", grey12, photometric="miniswhite", extratags=[(281, 3, 1, 4095, True)])
    assert np.array_equal(read(tmp_path / "w12.tif").pixels, 4095 - grey12)
    tifffile.imwrite(tmp_path / "wf.tif", grey12.astype(np.float32), photometric="miniswhite")
    with pytest.raises(InputError, match="not defined for floating point"):
        read(tmp_path / "wf.tif")


def test_colour_maps(tmp_path: Path, grey8: np.ndarray) -> None:
    colours = np.random.default_rng(4).integers(0, 256, (3, 256)).astype(np.uint16) * 257
    tifffile.imwrite(tmp_path / "p.tif", grey8, photometric="palette", colormap=colours)
    assert np.array_equal(read(tmp_path / "p.tif").pixels, (colours.T >> 8).astype(np.uint8)[grey8])
    assert inspect(tmp_path / "p.tif").shape == (60, 80, 3)
    tifffile.imwrite(tmp_path / "lut.tif", grey8, imagej=True, photometric="palette", colormap=colours)
    assert np.array_equal(read(tmp_path / "lut.tif").pixels, grey8)


def test_unknown_colour_spaces_are_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "cmyk.tif", np.zeros((4, 5, 4), np.uint8), photometric="separated")
    with pytest.raises(InputError, match="SEPARATED"):
        read(tmp_path / "cmyk.tif")


def test_complex_numbers_are_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "fft.tif", np.zeros((4, 5), np.complex64))
    for call in (inspect, read):
        with pytest.raises(InputError, match="whole or decimal numbers"):
            call(tmp_path / "fft.tif")


@pytest.mark.parametrize("shape", [(1, 1), (1, 100), (100, 1), (64, 65536), (65536, 3)], ids=str)
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_odd_sizes(tmp_path: Path, shape: tuple[int, int], compression: str | None) -> None:
    pixels = np.arange(shape[0] * shape[1], dtype=np.uint32).reshape(shape).astype(np.uint8)
    tifffile.imwrite(tmp_path / "odd.tif", pixels, compression=compression)
    assert inspect(tmp_path / "odd.tif").shape == shape
    assert np.array_equal(read(tmp_path / "odd.tif").pixels, pixels)


def test_constant_images_read_fine(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "c.tif", np.full((30, 30), 9, np.uint16))
    assert (read(tmp_path / "c.tif").pixels == 9).all()


def test_thumbnails_and_pyramids_are_left_out(tmp_path: Path, grey12: np.ndarray) -> None:
    with tifffile.TiffWriter(tmp_path / "thumb.tif") as file:
        file.write(grey12)
        file.write(grey12[::4, ::4].copy(), subfiletype=1)
    with tifffile.TiffWriter(tmp_path / "pyramid.ome.tif") as file:
        file.write(grey12, subifds=1, tile=(32, 32))
        file.write(grey12[::2, ::2].copy(), subfiletype=1, tile=(32, 32))
    for name in ("thumb.tif", "pyramid.ome.tif"):
        assert not inspect(tmp_path / name).needs_choice
        assert np.array_equal(read(tmp_path / name).pixels, grey12)
