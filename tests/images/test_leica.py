"""LIF files, written here in the layout that LAS X uses (XML header, then blocks of pixels)."""

import struct
from pathlib import Path

import numpy as np
import pytest

from core.errors import InputError
from core.images import Plane, inspect, read

pytest.importorskip("liffile", reason="the optional LIF reader is not installed (requirements-formats.txt)")

IDS = {"X": 1, "Y": 2, "Z": 3, "T": 4, "M": 10}


def _element(number: int, name: str, axes: str, pixels: np.ndarray, bits: int, um: float) -> str:
    sizes, step, dimensions = dict(zip(axes, pixels.shape, strict=True)), pixels.itemsize, ""
    channels = sizes.get("S", sizes.get("C", 1))
    inner = pixels.itemsize
    increments = {}
    for axis in reversed(axes):
        increments[axis] = inner
        inner *= sizes[axis]
    for axis in [a for a in axes if a in IDS]:
        length = um * 1e-6 * (sizes[axis] - 1) if axis in "XY" else 1.0
        dimensions += (
            f'<DimensionDescription DimID="{IDS[axis]}" NumberOfElements="{sizes[axis]}" Origin="0" Length="{length}" Unit="m" '
            f'BitInc="0" BytesInc="{increments[axis]}"/>'
        )
    step = increments.get("S", increments.get("C", 0))
    described = "".join(
        f'<ChannelDescription DataType="0" ChannelTag="{3 - c if "S" in axes else 0}" Resolution="{bits}" NameOfMeasuredQuantity="" Min="0" Max="1" '
        f'Unit="" LUTName="LUT{c}" IsLUTInverted="0" BytesInc="{c * step}" BitInc="0"/>'
        for c in range(channels)
    )
    return (
        f'<Element Name="{name}" UniqueID="{number}"><Memory Size="{pixels.nbytes}" MemoryBlockID="MemBlock_{number}"/><Data><Image><ImageDescription>'
        f"<Channels>{described}</Channels><Dimensions>{dimensions}</Dimensions></ImageDescription></Image></Data></Element>"
    )


def write_lif(path: Path, images: list[tuple[str, str, np.ndarray]], bits: int = 12, um: float = 0.5) -> None:
    elements = "".join(_element(i, name, axes, pixels, bits, um) for i, (name, axes, pixels) in enumerate(images))
    xml = f'<LMSDataContainerHeader Version="2"><Element Name="project"><Children>{elements}</Children></Element></LMSDataContainerHeader>'
    out = struct.pack("<IIBI", 0x70, 2 * len(xml) + 5, 0x2A, len(xml)) + xml.encode("utf-16-le")
    for i, (_, _, pixels) in enumerate(images):
        name = f"MemBlock_{i}".encode("utf-16-le")
        out += struct.pack("<IIBQBI", 0x70, 0, 0x2A, pixels.nbytes, 0x2A, len(name) // 2) + name + pixels.tobytes()
    path.write_bytes(out)


@pytest.fixture
def project(tmp_path: Path) -> tuple[Path, np.ndarray, np.ndarray]:
    random = np.random.default_rng(1)
    stack, single = random.integers(0, 4000, (2, 3, 20, 26)).astype(np.uint16), random.integers(0, 4000, (12, 14)).astype(np.uint16)
    path = tmp_path / "prøve.lif"
    write_lif(path, [("stack", "ZCYX", stack), ("single", "YX", single)])
    return path, stack, single


def test_axes_and_metadata(project: tuple[Path, np.ndarray, np.ndarray]) -> None:
    info = inspect(project[0])
    assert (info.format, info.axes, info.shape) == ("LIF", "PZCYX", (2, 2, 3, 20, 26))
    assert (info.bits, info.bits_guessed, info.pixel_size_um) == (12, False, 0.5)
    assert info.positions == ("stack", "single")
    assert info.channels == ("LUT0", "LUT1", "LUT2")


def test_each_plane_is_the_chosen_one(project: tuple[Path, np.ndarray, np.ndarray]) -> None:
    path, stack, single = project
    assert np.array_equal(read(path, Plane(position=1)).pixels, single)
    for z in range(2):
        for channel in range(3):
            assert np.array_equal(read(path, Plane(channel=channel, z=z, position=0)).pixels, stack[z, channel])
    with pytest.raises(InputError, match="has no axis Z"):
        read(path, Plane(z=1, position=1))


def test_tiles_of_a_mosaic_are_positions(tmp_path: Path) -> None:
    tiles = np.arange(4 * 6 * 7, dtype=np.uint8).reshape(4, 6, 7)
    write_lif(tmp_path / "m.lif", [("mosaic", "MYX", tiles)], bits=8)
    assert inspect(tmp_path / "m.lif").shape == (4, 6, 7)
    assert np.array_equal(read(tmp_path / "m.lif", Plane(position=2)).pixels, tiles[2])


def test_colour(tmp_path: Path) -> None:
    blue_first = np.zeros((6, 7, 3), np.uint8) + np.array([1, 2, 3], np.uint8)
    write_lif(tmp_path / "c.lif", [("colour", "YXS", blue_first)], bits=8)
    assert inspect(tmp_path / "c.lif").axes == "YXS"
    assert read(tmp_path / "c.lif").pixels[0, 0].tolist() == [3, 2, 1]


def test_no_image_in_the_project(tmp_path: Path) -> None:
    write_lif(tmp_path / "line.lif", [("line", "TX", np.zeros((5, 9), np.uint8))], bits=8)
    with pytest.raises(InputError, match="axes Y and X"):
        inspect(tmp_path / "line.lif")


@pytest.mark.parametrize("keep", [13, 200, -10, -400])
def test_truncated(tmp_path: Path, project: tuple[Path, np.ndarray, np.ndarray], keep: int) -> None:
    cut = tmp_path / "cut.lif"
    cut.write_bytes(project[0].read_bytes()[:keep])
    with pytest.raises(InputError, match=r"cut\.lif"):
        read(cut, Plane(position=1))
