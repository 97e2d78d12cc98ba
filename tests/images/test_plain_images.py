"""PNG, JPEG and BMP."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.errors import InputError
from core.images import Plane, inspect, read


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "æøå (1).PNG", "no_suffix", "wrong.tif"])
def test_grey(tmp_path: Path, grey8: np.ndarray, name: str) -> None:
    Image.fromarray(grey8).save(tmp_path / name, "BMP" if name.endswith("bmp") else "PNG")
    picture, info = read(tmp_path / name), inspect(tmp_path / name)
    assert np.array_equal(picture.pixels, grey8)
    assert (picture.bits, picture.pixel_size_um, info.axes, info.shape, info.dtype) == (8, None, "YX", (60, 80), "uint8")


def test_jpeg(tmp_path: Path) -> None:
    smooth = np.tile(np.linspace(0, 255, 80).astype(np.uint8), (60, 1))
    Image.fromarray(smooth).save(tmp_path / "a.jpg", quality=95)
    Image.fromarray(np.dstack([smooth] * 3)).save(tmp_path / "grey_as_rgb.jpg", quality=95)
    colour = np.zeros((60, 80, 3), np.uint8) + np.array([200, 100, 30], np.uint8)
    Image.fromarray(colour).save(tmp_path / "c.jpg", quality=95)
    assert read(tmp_path / "a.jpg").pixels.shape == (60, 80)
    assert read(tmp_path / "grey_as_rgb.jpg").pixels.shape == (60, 80)
    assert np.abs(read(tmp_path / "c.jpg").pixels.astype(int) - colour).max() < 8
    assert inspect(tmp_path / "c.jpg").axes == "YXS"


def test_the_orientation_of_a_jpeg_is_left(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6  # turn by 90 degrees
    Image.fromarray(np.zeros((60, 80), np.uint8)).save(tmp_path / "turned.jpg", exif=exif)
    assert read(tmp_path / "turned.jpg").pixels.shape == inspect(tmp_path / "turned.jpg").shape == (60, 80)


def test_16_bits(tmp_path: Path, grey12: np.ndarray) -> None:
    Image.fromarray(grey12).save(tmp_path / "g.png")
    picture = read(tmp_path / "g.png")
    assert np.array_equal(picture.pixels, grey12)
    assert picture.pixels.dtype == np.uint16
    assert (picture.bits, picture.bits_guessed, inspect(tmp_path / "g.png").bits_guessed) == (12, True, True)


def test_16_bit_colour_is_not_cut_to_8(tmp_path: Path) -> None:
    colour = np.random.default_rng(8).integers(0, 65536, (20, 30, 3)).astype(np.uint16)
    (tmp_path / "c.png").write_bytes(_png(colour, 16, 2))
    assert np.array_equal(read(tmp_path / "c.png").pixels, colour)
    assert inspect(tmp_path / "c.png").dtype == "uint16"


def test_significant_bits(tmp_path: Path, grey8: np.ndarray) -> None:
    (tmp_path / "s.png").write_bytes(_png(grey8[..., None].astype(np.uint16), 16, 0, b"\x0c"))
    picture = read(tmp_path / "s.png")
    assert (picture.bits, picture.bits_guessed, inspect(tmp_path / "s.png").bits) == (12, False, 12)


def _png(pixels: np.ndarray, bits: int, kind: int, significant: bytes = b"") -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    height, width = pixels.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2" if bits == 16 else "u1").tobytes() for row in pixels)
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)) + (chunk(b"sBIT", significant) if significant else b"")
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def test_one_bit(tmp_path: Path) -> None:
    mask = np.eye(9, 21, dtype=bool)
    Image.fromarray(mask).save(tmp_path / "m.png")
    picture = read(tmp_path / "m.png")
    assert np.array_equal(picture.pixels, mask.astype(np.uint8))
    assert (picture.pixels.dtype, picture.bits, inspect(tmp_path / "m.png").bits) == (np.uint8, 1, 1)


def test_transparency(tmp_path: Path, grey8: np.ndarray) -> None:
    colour = np.dstack([grey8, grey8 // 2, grey8 // 3])
    Image.fromarray(np.dstack([colour, np.full_like(grey8, 255)])).save(tmp_path / "opaque.png")
    Image.fromarray(np.dstack([colour, grey8])).save(tmp_path / "veiled.png")
    Image.fromarray(np.dstack([grey8, np.full_like(grey8, 255)])).save(tmp_path / "la.png")
    assert np.array_equal(read(tmp_path / "opaque.png").pixels, colour)
    assert np.array_equal(read(tmp_path / "la.png").pixels, grey8)
    with pytest.raises(InputError, match=r"veiled\.png.*transparency"):
        read(tmp_path / "veiled.png")


def test_palettes_are_colours(tmp_path: Path) -> None:
    image = Image.fromarray((np.arange(12, dtype=np.uint8) % 3).reshape(3, 4)).convert("P")
    image.putpalette([10, 10, 10, 20, 20, 20, 200, 0, 0] + [0] * 759)
    image.save(tmp_path / "p.png")
    assert read(tmp_path / "p.png").pixels[0, :3].tolist() == [[10, 10, 10], [20, 20, 20], [200, 0, 0]]
    assert inspect(tmp_path / "p.png").axes == "YXS"


def test_other_colour_spaces_are_refused(tmp_path: Path) -> None:
    Image.new("CMYK", (8, 8)).save(tmp_path / "c.jpg")
    with pytest.raises(InputError, match="CMYK"):
        read(tmp_path / "c.jpg")


def test_there_is_no_plane_to_choose(tmp_path: Path, grey8: np.ndarray) -> None:
    Image.fromarray(grey8).save(tmp_path / "a.png")
    assert read(tmp_path / "a.png", Plane(channel=0)).pixels.shape == (60, 80)
    with pytest.raises(InputError, match="no axis Z"):
        read(tmp_path / "a.png", Plane(z=2))


def test_resolutions(tmp_path: Path, grey8: np.ndarray) -> None:
    for name, dpi, size in (("screen.png", 96, None), ("scope.png", 25400 / 0.65, 0.65), ("print.jpg", 300, None)):
        Image.fromarray(grey8).save(tmp_path / name, dpi=(dpi, dpi))
        assert inspect(tmp_path / name).pixel_size_um == (None if size is None else pytest.approx(size, rel=1e-3))


def test_a_strip_of_65k_px(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((4, 65_000), np.uint8)).save(tmp_path / "s.png")
    assert read(tmp_path / "s.png").pixels.shape == (4, 65_000)
    Image.fromarray(np.zeros((2000, 65_000), np.uint8)).save(tmp_path / "large.png", compress_level=1)
    assert inspect(tmp_path / "large.png").shape == (2000, 65_000)  # 130 million px: beyond Pillow's own limit


def test_a_bomb_is_refused_with_sizes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(np.zeros((3000, 4000), np.uint8)).save(tmp_path / "b.png")
    monkeypatch.setattr("core.images.files.free_memory", lambda: 10_000_000)
    for call in (inspect, read):
        with pytest.raises(InputError, match=r"b\.png: 3000 x 4000 px need about 0\.0 GB"):
            call(tmp_path / "b.png")
