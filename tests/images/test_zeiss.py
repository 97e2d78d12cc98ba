"""CZI files, written with the writer of the same library."""

from pathlib import Path

import numpy as np
import pytest

from core.errors import InputError
from core.images import Plane, inspect, planes, read

czi = pytest.importorskip("pylibCZIrw.czi", reason="the optional CZI reader is not installed (requirements-formats.txt)")


@pytest.fixture
def stack(tmp_path: Path) -> tuple[Path, np.ndarray]:
    pixels = np.random.default_rng(2).integers(0, 4000, (2, 3, 20, 26)).astype(np.uint16)
    path = tmp_path / "a b.czi"
    with czi.create_czi(str(path)) as file:
        for z in range(2):
            for channel in range(3):
                file.write(pixels[z, channel][..., None], plane={"Z": z, "C": channel})
        file.write_metadata("d", channel_names={0: "Ph", 1: "Red", 2: "Green"}, scale_x=0.65e-6, scale_y=0.65e-6)
    return path, pixels


def test_axes_and_metadata(stack: tuple[Path, np.ndarray]) -> None:
    info = inspect(stack[0])
    assert (info.format, info.axes, info.shape, info.dtype) == ("CZI", "ZCYX", (2, 3, 20, 26), "uint16")
    assert info.pixel_size_um == 0.65
    assert info.channels == ("Ph", "Red", "Green")
    assert info.bits >= 12


def test_each_plane_is_the_chosen_one(stack: tuple[Path, np.ndarray]) -> None:
    path, truth = stack
    assert len(planes(inspect(path))) == 6
    for plane in planes(inspect(path)):
        assert np.array_equal(read(path, plane).pixels, truth[plane.z, plane.channel])
    with pytest.raises(InputError, match="Z 2, C 3"):
        read(path)


def test_scenes_are_positions_and_tiles_are_put_together(tmp_path: Path) -> None:
    left, right, other = (np.full((10, 12, 1), value, np.uint8) for value in (10, 20, 30))
    with czi.create_czi(str(tmp_path / "s.czi")) as file:
        file.write(left, location=(0, 0), scene=0)
        file.write(right, location=(12, 0), scene=0)
        file.write(other, location=(100, 50), scene=1)
        file.write_metadata("d")
    info = inspect(tmp_path / "s.czi")
    assert [layout.shape for layout in info.layouts] == [(10, 24), (10, 12)]
    first = read(tmp_path / "s.czi", Plane(position=0)).pixels
    assert (first[:, :12] == 10).all()
    assert (first[:, 12:] == 20).all()
    assert (read(tmp_path / "s.czi", Plane(position=1)).pixels == 30).all()


def test_colour_is_stored_blue_first(tmp_path: Path) -> None:
    with czi.create_czi(str(tmp_path / "c.czi")) as file:
        file.write(np.zeros((6, 7, 3), np.uint8) + np.array([1, 2, 3], np.uint8))
        file.write_metadata("d")
    assert inspect(tmp_path / "c.czi").axes == "YXS"
    assert read(tmp_path / "c.czi").pixels[0, 0].tolist() == [3, 2, 1]


def test_a_plane_never_recorded_is_not_black(tmp_path: Path) -> None:
    with czi.create_czi(str(tmp_path / "gap.czi")) as file:
        for z in (0, 2):
            file.write(np.ones((6, 7, 1), np.uint8), plane={"Z": z})
        file.write_metadata("d")
    assert read(tmp_path / "gap.czi", Plane(z=2)).pixels.all()
    with pytest.raises(InputError, match="never recorded"):
        read(tmp_path / "gap.czi", Plane(z=1))


@pytest.mark.parametrize("keep", [20, 600, 2000, -2000])
def test_truncated(tmp_path: Path, stack: tuple[Path, np.ndarray], keep: int) -> None:
    cut = tmp_path / "cut.czi"
    cut.write_bytes(stack[0].read_bytes()[:keep])
    with pytest.raises(InputError, match=r"cut\.czi"):
        read(cut, Plane(channel=1, z=1))
