"""ND2 files, written here in the layout that NIS-Elements uses (chunks, a map of chunks at the end, metadata as XML)."""

import struct
from pathlib import Path

import numpy as np
import pytest

from core.errors import InputError
from core.images import Plane, inspect, planes, read

nd2 = pytest.importorskip("nd2", reason="the optional ND2 reader is not installed (requirements-formats.txt)")

MAGIC = 0x0ABECEDA
PROBE = {"m_ExcitationSpectrum": {"uiCount": 0}, "m_EmissionSpectrum": {"uiCount": 0}}


def _chunk(name: bytes, data: bytes, reserve: int = 4072) -> bytes:
    return struct.pack("<IIQ", MAGIC, reserve, len(data)) + name.ljust(reserve, b"\0") + data


def _xml(tree: dict) -> bytes:
    def node(name: str, value: object) -> str:
        if isinstance(value, dict):
            return f"<{name}>{''.join(node(k, v) for k, v in value.items())}</{name}>"
        kind = {bool: "bool", int: "lx_uint32", float: "double", str: "CLxStringW"}[type(value)]
        return f'<{name} runtype="{kind}" value="{str(value).lower() if isinstance(value, bool) else value}"/>'

    return node("variant", tree).encode()


def _loops(times: int, names: list[str], depth: int) -> dict:
    """Nested loops: time over positions over focus."""
    focus = {"eType": 4, "uLoopPars": {"uiCount": depth, "dZStep": 2.0, "dZLow": 0.0, "dZHigh": 8.0, "iType": 0}}
    points = {f"p{i}": {"dPosX": 1.0 * i, "dPosY": 0.0, "dPosName": name} for i, name in enumerate(names)}
    places = {"eType": 2, "uLoopPars": {"Points": points}, "ppNextLevelEx": {"i0": focus}}
    series = {"uiCount": times, "dStart": 0.0, "dPeriod": 1800e3, "dDuration": 0.0}
    return {"SLxExperiment": {"eType": 1, "uLoopPars": series, "ppNextLevelEx": {"i0": places}}}


def write_nd2(path: Path, frames: np.ndarray, experiment: dict | None = None, bits: int = 12, channels: int | None = None, leave_out: int = -1) -> None:
    """``frames`` (N, Y, X, components), as stored in the file."""
    count, height, width, components = frames.shape
    channels = components if channels is None else channels
    size = frames.dtype.itemsize
    attributes = {
        "uiWidth": width, "uiWidthBytes": width * size * components, "uiHeight": height, "uiComp": components,
        "uiBpcInMemory": 8 * size, "uiBpcSignificant": bits, "uiSequenceCount": count, "eCompression": 2,
    }  # fmt: skip
    names = ["Phase", "Red"] + [f"channel {i}" for i in range(channels)]
    pictures = {f"a{i}": {"sDescription": names[i], "uiCompCount": components // channels, "pFluorescentProbe": PROBE} for i in range(channels)}
    metadata = {"bCalibrated": True, "dCalibration": 0.65, "sPicturePlanes": {"uiCount": channels, "sPlaneNew": pictures}}
    chunks = [(f"ImageDataSeq|{i}!".encode(), bytes(8) + frames[i].tobytes()) for i in range(count) if i != leave_out]
    chunks += [(b"ImageAttributesLV!", _xml({"SLxImageAttributes": attributes})), (b"ImageMetadataSeqLV|0!", _xml({"SLxPictureMetadata": metadata}))]
    if experiment:
        chunks.append((b"ImageMetadataLV!", _xml(experiment)))
    head = b"ND2 FILE SIGNATURE CHUNK NAME01!"
    body = struct.pack("<IIQ", MAGIC, 32, 64) + head + b"Ver3.0".ljust(64, b"\0")
    entries = b""
    for name, data in chunks:
        entries += name + struct.pack("<QQ", len(body), len(data))
        body += _chunk(name, data)
    entries += b"ND2 CHUNK MAP SIGNATURE 0000001!" + struct.pack("<Q", len(body))
    body += struct.pack("<IIQ", MAGIC, 32, len(entries)) + b"ND2 FILEMAP SIGNATURE NAME 0001!" + entries
    path.write_bytes(body)


@pytest.fixture
def stack(tmp_path: Path) -> tuple[Path, np.ndarray]:
    frames = np.random.default_rng(0).integers(0, 4000, (2 * 3 * 2, 24, 30, 2)).astype(np.uint16)
    path = tmp_path / "a b.nd2"
    write_nd2(path, frames, _loops(2, ["A1", "A2", "B1"], 2))
    return path, frames.reshape(2, 3, 2, 24, 30, 2)


def test_axes_and_metadata(stack: tuple[Path, np.ndarray]) -> None:
    info = inspect(stack[0])
    assert (info.format, info.axes, info.shape, info.dtype) == ("ND2", "PTZCYX", (3, 2, 2, 2, 24, 30), "uint16")
    assert (info.bits, info.bits_guessed, info.pixel_size_um) == (12, False, 0.65)
    assert info.positions == ("A1", "A2", "B1")
    assert info.channels == ("Phase", "Red")
    assert info.times_h == (0.0, 0.5)
    assert len(planes(info)) == 3 * 2 * 2 * 2


def test_each_plane_is_the_chosen_one(stack: tuple[Path, np.ndarray]) -> None:
    path, truth = stack
    for plane in planes(inspect(path)):
        picture = read(path, plane)
        assert np.array_equal(picture.pixels, truth[plane.time, plane.position, plane.z, :, :, plane.channel])
        assert (picture.bits, picture.pixel_size_um) == (12, 0.65)


def test_without_a_choice_it_asks(stack: tuple[Path, np.ndarray]) -> None:
    with pytest.raises(InputError, match=r"PTZCYX: P 3, T 2, Z 2, C 2, 24 x 30 px.*#C=0,Z=0,T=0,P=0"):
        read(stack[0])


def test_colour_is_stored_blue_first(tmp_path: Path) -> None:
    frames = np.zeros((1, 8, 9, 3), np.uint8)
    frames[..., 2] = 200  # red
    frames[..., 1] = 50
    write_nd2(tmp_path / "c.nd2", frames, bits=8, channels=1)
    assert inspect(tmp_path / "c.nd2").axes == "YXS"
    assert read(tmp_path / "c.nd2").pixels[0, 0].tolist() == [200, 50, 0]


def test_a_frame_never_recorded_is_not_black(tmp_path: Path) -> None:
    frames = np.ones((12, 8, 9, 1), np.uint16)
    write_nd2(tmp_path / "aborted.nd2", frames, _loops(2, ["a", "b", "c"], 2), leave_out=11)
    assert read(tmp_path / "aborted.nd2", Plane(time=0, position=0, z=0)).pixels.all()
    with pytest.raises(InputError, match="never recorded"):
        read(tmp_path / "aborted.nd2", Plane(time=1, position=2, z=1))


@pytest.mark.parametrize("keep", [16, 100, 5000, -1, -30, -60])
def test_truncated(tmp_path: Path, stack: tuple[Path, np.ndarray], keep: int) -> None:
    cut = tmp_path / "cut.nd2"
    cut.write_bytes(stack[0].read_bytes()[:keep])
    for call in (inspect, read):
        with pytest.raises(InputError, match=r"cut\.nd2"):
            call(cut)
