"""What users' files suffer from: each ends in one clear line, never in a traceback, a warning or wrong pixels."""

import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from core.errors import InputError
from core.images import Plane, inspect, planes, read, read_labels

CALLS = [inspect, read, read_labels]


def _one_line(call: Callable, path: Path) -> str:
    with pytest.raises(InputError) as caught:
        call(path)
    message = str(caught.value)
    assert path.name in message
    assert "\n" not in message
    assert len(message) < 400
    return message


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("name", ["a.tif", "a.png", "a.jpg", "a.nd2", "æ ø (1).tif"])
def test_empty_file(tmp_path: Path, call: Callable, name: str) -> None:
    (tmp_path / name).write_bytes(b"")
    assert "empty" in _one_line(call, tmp_path / name)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"fov_id,phase\na,b\n", "text that starts with 'fov_id,phase"),
        ("blåbærgrød ".encode() * 60, "text that starts"),
        (b"PK\x03\x04" + bytes(99), "ZIP"),
        (b"%PDF-1.7", "PDF"),
        (b"GIF89a", "GIF"),
        (bytes(5000), "only zero bytes"),
        (b"\x01\x02\xff\xfe" * 9, "unknown format"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
    ],
)
def test_other_content_renamed(tmp_path: Path, call: Callable, content: bytes, said: str) -> None:
    (tmp_path / "renamed.tif").write_bytes(content)
    assert said in _one_line(call, tmp_path / "renamed.tif")


@pytest.mark.parametrize("call", CALLS)
def test_missing_and_folders(tmp_path: Path, call: Callable) -> None:
    assert "no such file" in _one_line(call, tmp_path / "gone.tif")
    (tmp_path / "folder.tif").mkdir()
    _one_line(call, tmp_path / "folder.tif")


FORMS = {
    "strips": {},
    "zlib": {"compression": "zlib", "rowsperstrip": 7},
    "tiles": {"compression": "lzw", "tile": (32, 32)},
    "jpeg": {"compression": "jpeg"},
    "big": {"bigtiff": True, "compression": "zlib"},
}


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.9, 0.98])
@pytest.mark.parametrize("form", FORMS)
def test_truncated_tiff(tmp_path: Path, grey8: np.ndarray, form: str, share: float) -> None:
    tifffile.imwrite(tmp_path / "whole.tif", grey8, **FORMS[form])
    whole = (tmp_path / "whole.tif").read_bytes()
    (tmp_path / "cut.tif").write_bytes(whole[: int(share * len(whole))])
    for call in (read, read_labels):
        assert "damaged or incomplete" in _one_line(call, tmp_path / "cut.tif")


@pytest.mark.parametrize("how", [{}, {"compression": "zlib"}, {"imagej": True}, {"ome": True}], ids=str)
@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_truncated_stack_does_not_become_a_shorter_one(tmp_path: Path, grey8: np.ndarray, how: dict, share: float) -> None:
    tifffile.imwrite(tmp_path / "whole.tif", np.stack([grey8 + i for i in range(5)]), photometric="minisblack", **how)
    whole = (tmp_path / "whole.tif").read_bytes()
    last = planes(inspect(tmp_path / "whole.tif"))[-1]
    (tmp_path / "cut.tif").write_bytes(whole[: int(share * len(whole))])
    _one_line(lambda path: read(path, last), tmp_path / "cut.tif")


@pytest.mark.parametrize("share", [0.01, 0.3, 0.6, 0.95])
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp"])
def test_truncated_picture(tmp_path: Path, grey8: np.ndarray, suffix: str, share: float) -> None:
    Image.fromarray(grey8).save(tmp_path / f"whole{suffix}")
    whole = (tmp_path / f"whole{suffix}").read_bytes()
    (tmp_path / f"cut{suffix}").write_bytes(whole[: int(share * len(whole))])
    _one_line(read, tmp_path / f"cut{suffix}")


@pytest.mark.parametrize("kept", [2, 4, 7, 8, 12, 100])
def test_only_the_beginning_of_a_header(tmp_path: Path, kept: int) -> None:
    tifffile.imwrite(tmp_path / "w.tif", np.zeros((9, 9), np.uint8))
    (tmp_path / "h.tif").write_bytes((tmp_path / "w.tif").read_bytes()[:kept])
    for call in CALLS:
        _one_line(call, tmp_path / "h.tif")


def test_flipped_bytes_never_escape(tmp_path: Path, grey8: np.ndarray) -> None:
    """Whatever is flipped: pixels or an InputError, nothing else (warnings are errors here)."""
    random = np.random.default_rng(9)
    tifffile.imwrite(tmp_path / "a.tif", grey8, compression="zlib")
    tifffile.imwrite(tmp_path / "b.ome.tif", np.stack([grey8] * 3), photometric="minisblack", metadata={"axes": "ZYX"})
    Image.fromarray(grey8).save(tmp_path / "c.png")
    Image.fromarray(np.dstack([grey8] * 3)).save(tmp_path / "d.jpg")
    for path in sorted(tmp_path.iterdir()):
        whole = np.frombuffer(path.read_bytes(), np.uint8)
        for _ in range(40):
            broken = whole.copy()
            where = random.integers(0, min(500, len(whole)) if random.random() < 0.7 else len(whole), 4)
            broken[where] = random.integers(0, 256, 4)
            (tmp_path / "x").write_bytes(broken.tobytes())
            for call in (*CALLS, lambda p: read(p, Plane(z=2))):
                with suppress(InputError):
                    call(tmp_path / "x")


def test_no_pixels(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "w.tif", np.zeros((9, 9), np.uint8))
    with tifffile.TiffFile(tmp_path / "w.tif") as file:
        width = file.pages.first.tags["ImageWidth"].valueoffset
    raw = bytearray((tmp_path / "w.tif").read_bytes())
    raw[width : width + 2] = b"\0\0"
    (tmp_path / "none.tif").write_bytes(raw)
    for call in CALLS:
        _one_line(call, tmp_path / "none.tif")
    empty = b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, 0, 0, 1, 24, 0, 0, 0, 0, 0, 0)
    (tmp_path / "none.bmp").write_bytes(empty)
    for call in CALLS:
        _one_line(call, tmp_path / "none.bmp")


def test_missing_strips_are_not_black(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "w.tif", np.ones((64, 64), np.uint8), compression="zlib", rowsperstrip=16)
    with tifffile.TiffFile(tmp_path / "w.tif") as file:
        counts = file.pages.first.tags["StripByteCounts"]
        size = counts.dataformat
        at = counts.valueoffset
    raw = bytearray((tmp_path / "w.tif").read_bytes())
    raw[at : at + struct.calcsize(size[-1])] = bytes(struct.calcsize(size[-1]))
    (tmp_path / "hole.tif").write_bytes(raw)
    assert "strips or tiles are missing" in _one_line(read, tmp_path / "hole.tif")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_that_are_no_numbers(tmp_path: Path, value: float, dtype: type) -> None:
    pixels = np.zeros((9, 10), dtype)
    pixels[2, 3:6] = value
    tifffile.imwrite(tmp_path / "n.tif", pixels)
    assert "NaN or infinity in 3 of 90" in _one_line(read, tmp_path / "n.tif")
    assert inspect(tmp_path / "n.tif").bits == 0


def test_a_bomb_is_refused_before_it_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tifffile.imwrite(tmp_path / "bomb.tif", shape=(60_000, 60_000), dtype=np.uint8, data=_zeros(60_000), compression="zlib", rowsperstrip=6000)
    assert (tmp_path / "bomb.tif").stat().st_size < 10_000_000
    assert inspect(tmp_path / "bomb.tif").shape == (60_000, 60_000)
    monkeypatch.setattr("core.images.files.free_memory", lambda: 4 * 2**30)
    assert "60000 x 60000 px need about 7.2 GB while being read, and 4.3 GB are free" in _one_line(read, tmp_path / "bomb.tif")


def _zeros(side: int):
    from imagecodecs import zlib_encode

    strip = zlib_encode(bytes(6000 * side))
    return iter([strip] * (side // 6000))


def test_an_absurd_side_is_refused(tmp_path: Path) -> None:
    header = b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, 2**20, 3, 1, 8, 0, 0, 0, 0, 0, 0)
    (tmp_path / "wide.bmp").write_bytes(header + bytes(2000))
    for call in CALLS:
        _one_line(call, tmp_path / "wide.bmp")


@pytest.mark.parametrize("name", ["æøå (1).tif", "a b  c.tif", "日本語.tif", "a#b.tif", "x" * 200 + ".tif", "'\"$(echo).tif", "[1].tif", "100%.tif"])
def test_names(tmp_path: Path, grey8: np.ndarray, name: str) -> None:
    try:
        tifffile.imwrite(tmp_path / name, grey8)
    except OSError:
        pytest.skip("this file system does not allow such a name")
    assert np.array_equal(read(tmp_path / name).pixels, grey8)
    assert np.array_equal(read_labels(str(tmp_path / name)), grey8)


def test_reading_leaves_no_message_behind(tmp_path: Path, grey8: np.ndarray, capfd: pytest.CaptureFixture[str]) -> None:
    tifffile.imwrite(tmp_path / "w.tif", np.stack([grey8] * 5), photometric="minisblack", metadata=None)
    (tmp_path / "cut.tif").write_bytes((tmp_path / "w.tif").read_bytes()[:9000])
    with pytest.raises(InputError):
        read(tmp_path / "cut.tif", Plane(position=0))
    assert capfd.readouterr() == ("", "")
