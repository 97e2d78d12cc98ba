"""Channels, focal planes, times and positions of a TIFF: described, asked about, and read one at a time."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from core.errors import InputError
from core.images import Plane, inspect, planes, read


@pytest.fixture
def stack() -> np.ndarray:
    """TZCYX uint16 with another value range in each plane."""
    base = np.random.default_rng(5).integers(0, 1000, (3, 2, 4, 20, 30))
    return (base + 1000 * np.arange(3).reshape(3, 1, 1, 1, 1)).astype(np.uint16)


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("how", [{"ome": True}, {"imagej": True}], ids=["ome", "imagej"])
def test_hyperstacks(tmp_path: Path, stack: np.ndarray, how: dict[str, Any], compression: str | None) -> None:
    path = tmp_path / "s.tif"
    tifffile.imwrite(path, stack, compression=compression, metadata={"axes": "TZCYX"}, **how)
    info = inspect(path)
    assert (info.axes, info.shape) == ("TZCYX", stack.shape)
    assert len(planes(info)) == 24
    for plane in planes(info):
        assert np.array_equal(read(path, plane).pixels, stack[plane.time, plane.z, plane.channel])


def test_the_choice_is_asked_for(tmp_path: Path, stack: np.ndarray) -> None:
    path = tmp_path / "my stack.tif"
    tifffile.imwrite(path, stack[0], imagej=True, metadata={"axes": "ZCYX"})
    with pytest.raises(InputError, match=r"axes ZCYX: Z 2, C 4, 20 x 30 px.*my stack\.tif#C=0,Z=0"):
        read(path)
    with pytest.raises(InputError, match="several planes"):
        read(path, Plane(channel=1))
    with pytest.raises(InputError, match=r"wanted C=4, found C from 0 to 3"):
        read(path, Plane(channel=4, z=0))
    with pytest.raises(InputError, match=r"wanted T=1, but the file has no axis T"):
        read(path, Plane(channel=0, z=0, time=1))


def test_a_plain_image_takes_plane_0(tmp_path: Path, grey12: np.ndarray) -> None:
    tifffile.imwrite(tmp_path / "a.tif", grey12)
    assert planes(inspect(tmp_path / "a.tif")) == [Plane()]
    assert np.array_equal(read(tmp_path / "a.tif", Plane(0, 0, 0, 0)).pixels, grey12)


@pytest.mark.parametrize("how", [{}, {"compression": "zlib"}, {"metadata": None}, {"tile": (16, 16)}], ids=str)
def test_pages_of_unknown_meaning_are_positions(tmp_path: Path, stack: np.ndarray, how: dict[str, Any]) -> None:
    path = tmp_path / "pages.tif"
    tifffile.imwrite(path, stack[:, 0], photometric="minisblack", **how)
    info = inspect(path)
    assert (info.axes, info.shape) == ("PYX", (12, 20, 30))
    for position in (0, 5, 11):
        assert np.array_equal(read(path, Plane(position=position)).pixels, stack[position // 4, 0, position % 4])


def test_pages_of_several_sizes(tmp_path: Path, grey12: np.ndarray, grey8: np.ndarray) -> None:
    with tifffile.TiffWriter(tmp_path / "m.tif") as file:
        file.write(grey12)
        file.write(grey8[:20, :30].copy())
    assert [layout.shape for layout in inspect(tmp_path / "m.tif").layouts] == [(60, 80), (20, 30)]
    assert np.array_equal(read(tmp_path / "m.tif", Plane(position=1)).pixels, grey8[:20, :30])


def test_positions_of_ome(tmp_path: Path, stack: np.ndarray) -> None:
    path = tmp_path / "p.ome.tif"
    with tifffile.TiffWriter(path) as file:
        file.write(stack[0, 0], photometric="minisblack", metadata={"axes": "CYX", "Name": "well A1"})
        file.write(stack[1, 0, 0], metadata={"axes": "YX", "Name": "well B2"})
    info = inspect(path)
    assert (info.axes, info.positions) == ("PCYX", ("well A1", "well B2"))
    assert len(planes(info)) == 5
    assert np.array_equal(read(path, Plane(position=0, channel=3)).pixels, stack[0, 0, 3])
    assert np.array_equal(read(path, Plane(position=1)).pixels, stack[1, 0, 0])
    with pytest.raises(InputError, match="no axis C"):
        read(path, Plane(position=1, channel=1))


@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_samples_that_are_no_colours_are_channels(tmp_path: Path, planar: str) -> None:
    pixels = np.random.default_rng(6).integers(0, 255, (20, 30, 5)).astype(np.uint8)
    stored = pixels if planar == "contig" else np.moveaxis(pixels, -1, 0)
    tifffile.imwrite(tmp_path / "c.tif", stored, photometric="minisblack", planarconfig=planar)
    assert inspect(tmp_path / "c.tif").shape == (5, 20, 30)
    assert np.array_equal(read(tmp_path / "c.tif", Plane(channel=4)).pixels, pixels[..., 4])


def test_colour_planes(tmp_path: Path) -> None:
    pixels = np.random.default_rng(7).integers(0, 255, (3, 20, 30, 3)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "t.ome.tif", pixels, photometric="rgb", metadata={"axes": "TYXS"})
    assert inspect(tmp_path / "t.ome.tif").shape == (3, 20, 30, 3)
    assert np.array_equal(read(tmp_path / "t.ome.tif", Plane(time=2)).pixels, pixels[2])


def test_other_files_of_a_set_are_not_opened(tmp_path: Path, stack: np.ndarray) -> None:
    """An OME file may name siblings, anywhere on the disk: only its own planes are offered."""
    data = _tiff_data(0, "b.ome.tif", "b") + _tiff_data(1, "../other.ome.tif", "other")
    _write_with(tmp_path / "b.ome.tif", stack[0, 0, 0], data)
    _write_with(tmp_path.parent / "other.ome.tif", stack[0, 0, 1], data)
    assert inspect(tmp_path / "b.ome.tif").axes == "YX"
    assert np.array_equal(read(tmp_path / "b.ome.tif").pixels, stack[0, 0, 0])


def test_a_plane_never_recorded_is_not_black(tmp_path: Path, stack: np.ndarray) -> None:
    _write_with(tmp_path / "aborted.ome.tif", stack[0, 0, 0], '<TiffData FirstC="0" IFD="0" PlaneCount="1"/>')
    assert inspect(tmp_path / "aborted.ome.tif").shape == (2, 20, 30)
    assert np.array_equal(read(tmp_path / "aborted.ome.tif", Plane(channel=0)).pixels, stack[0, 0, 0])
    with pytest.raises(InputError, match="not in the file"):
        read(tmp_path / "aborted.ome.tif", Plane(channel=1))


def _write_with(path: Path, pixels: np.ndarray, data: str) -> None:
    """One page, whose metadata announce two channels."""
    tifffile.imwrite(path, np.stack([pixels, pixels]), photometric="minisblack", ome=True, metadata={"axes": "CYX"})
    with tifffile.TiffFile(path) as file:
        xml = re.sub(r"urn:uuid:[^\"]*", "urn:uuid:b", file.ome_metadata or "")
    xml = xml.replace('<TiffData IFD="0" PlaneCount="2"/>', data)
    tifffile.imwrite(path, pixels, description=xml.encode(), metadata=None)


def _tiff_data(channel: int, name: str, uuid: str) -> str:
    where = f'FirstC="{channel}" FirstZ="0" FirstT="0" IFD="0" PlaneCount="1"'
    return f'<TiffData {where}><UUID FileName="{name}">urn:uuid:{uuid}</UUID></TiffData>'


def test_one_plane_is_read_not_the_whole_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tifffile.imwrite(tmp_path / "big.tif", np.zeros((50, 64, 64), np.uint16), photometric="minisblack", compression="zlib")
    seen = []
    whole = tifffile.TiffPage.asarray
    monkeypatch.setattr(tifffile.TiffPage, "asarray", lambda self, **more: seen.append(self) or whole(self, **more))
    read(tmp_path / "big.tif", Plane(position=7))
    assert len(seen) <= 1
