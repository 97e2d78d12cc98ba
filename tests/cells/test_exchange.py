"""Cellpose's _seg.npy: round trip, Cellpose reads ours, we read Cellpose's, and no code is run."""

import pathlib
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import pytest

from core.cells.exchange import read_seg_npy, write_seg_npy
from core.errors import InputError


def saved(path: Path, content: object) -> Path:
    np.save(path, np.array(content, dtype=object), allow_pickle=True)
    return path


@pytest.mark.parametrize("highest", [9, 70_000])
def test_round_trip_keeps_ids(tmp_path: Path, discs: np.ndarray, highest: int) -> None:
    labels = np.where(discs == 5, highest, discs)
    write_seg_npy(tmp_path / "æ field_seg.npy", labels, "æ field.tif", 22.0)
    found = read_seg_npy(tmp_path / "æ field_seg.npy")
    assert found.dtype == np.int32
    assert np.array_equal(found, labels)
    assert [p.name for p in tmp_path.iterdir()] == ["æ field_seg.npy"]


def test_what_the_gui_needs(tmp_path: Path, discs: np.ndarray) -> None:
    from cellpose.utils import masks_to_outlines

    write_seg_npy(tmp_path / "a_seg.npy", discs, "a.tif")
    content = np.load(tmp_path / "a_seg.npy", allow_pickle=True).item()
    assert {"masks", "outlines", "filename", "chan_choose", "ismanual", "flows"} <= set(content)
    assert content["masks"].dtype == np.uint16
    assert len(content["ismanual"]) == discs.max()
    outlined = content["outlines"] > 0
    assert (content["outlines"][outlined] == discs[outlined]).all()
    assert np.mean(outlined == masks_to_outlines(discs)) > 0.99


@pytest.mark.parametrize("name", ["dense ids", "gapped ids", "no background", "no cell"])
def test_the_cellpose_window_opens_it(tmp_path: Path, discs: np.ndarray, name: str, cellpose_models: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cellpose's own loading code, with a window that shows no image and only remembers what it is given."""
    from cellpose.gui import io as gui

    monkeypatch.setattr(gui, "_initialize_images", lambda *given, **named: None)
    labels = {"dense ids": discs, "gapped ids": np.where(discs == 3, 50, discs), "no background": np.ones_like(discs), "no cell": discs * 0}[name]
    write_seg_npy(tmp_path / "a_seg.npy", labels, "a.tif")
    window = MagicMock(NZ=1, restore=None, colormap=np.zeros((1000, 4), np.uint8), flows=[])
    gui._load_seg(window, str(tmp_path / "a_seg.npy"), image=np.zeros(discs.shape, np.float32), image_file=str(tmp_path / "a.tif"))
    assert window.loaded is True
    assert window.ncells == len(np.unique(labels[labels > 0]))
    assert np.array_equal(window.cellpix[0] > 0, labels > 0)
    assert len(window.ismanual) == window.ncells


def test_the_keys_are_those_that_cellpose_writes(tmp_path: Path, discs: np.ndarray) -> None:
    from cellpose.io import masks_flows_to_seg

    zeros = np.zeros(discs.shape, np.float32)
    flows = [np.zeros((*discs.shape, 3), np.uint8), np.stack([zeros, zeros]), zeros]
    masks_flows_to_seg(zeros, discs.astype(np.uint16), flows, str(tmp_path / "theirs.tif"))
    write_seg_npy(tmp_path / "ours_seg.npy", discs, "ours.tif")
    theirs, ours = (np.load(tmp_path / f"{who}_seg.npy", allow_pickle=True).item() for who in ("theirs", "ours"))
    assert set(ours) == set(theirs)
    for key in ("masks", "outlines", "ismanual"):
        assert (ours[key].dtype, ours[key].shape) == (theirs[key].dtype, theirs[key].shape), key


def test_reads_what_cellpose_writes(tmp_path: Path, discs: np.ndarray) -> None:
    from cellpose.io import masks_flows_to_seg

    zeros = np.zeros(discs.shape, np.float32)
    flows = [np.zeros((*discs.shape, 3), np.uint8), np.stack([zeros, zeros]), zeros, np.stack([zeros, zeros])]
    masks_flows_to_seg(zeros, discs.astype(np.uint16), flows, str(tmp_path / "b.tif"), diams=30.0, channels=[0, 0])
    assert np.array_equal(read_seg_npy(tmp_path / "b_seg.npy"), discs)


def test_what_the_gui_writes(tmp_path: Path, discs: np.ndarray) -> None:
    """Colours, lists of changes, paths, nested flows."""
    content = {
        "outlines": discs.astype(np.uint16),
        "colors": np.zeros((8, 3), np.uint8),
        "masks": discs.astype(np.uint16),
        "chan_choose": [0, 0],
        "filename": pathlib.PurePosixPath("/data/a.tif"),
        "flows": [np.zeros((1, 2, 2, 3), np.uint8), [], [np.zeros(3)]],
        "ismanual": np.zeros(8, bool),
        "manual_changes": [["2024-01-01", "added mask", [3, 4]]],
        "model_path": 0,
        "normalize_params": OrderedDict(percentile=[1.0, 99.0], tile=np.float64(0)),
        "restore": None,
        "diameter": np.float32(30),
    }
    assert np.array_equal(read_seg_npy(saved(tmp_path / "gui_seg.npy", content)), discs)


def test_numpy_1_spelling(tmp_path: Path, discs: np.ndarray) -> None:
    path = saved(tmp_path / "old_seg.npy", {"masks": discs, "diameter": np.float64(3)})
    data = path.read_bytes()
    old = data.replace(b"\x16numpy._core.multiarray", b"\x15numpy.core.multiarray").replace(b"cnumpy._core.multiarray", b"cnumpy.core.multiarray")
    assert old != data
    head = data.index(b"\n") + 1
    path.write_bytes(old[:head] + _reframed(old[head:]))
    assert np.array_equal(read_seg_npy(path), discs)


def _reframed(stream: bytes) -> bytes:
    """Protocol 4 states the length of its first frame, which the shorter names changed; protocol 3 has no frames."""
    if stream[:2] == b"\x80\x04" and stream[2:3] == b"\x95":
        return stream[:2] + stream[11:]
    return stream


def test_background_of_early_cellpose(tmp_path: Path, discs: np.ndarray) -> None:
    assert np.array_equal(read_seg_npy(saved(tmp_path / "early_seg.npy", {"masks": discs - 1})), discs)


def test_plain_label_array_and_single_plane(tmp_path: Path, discs: np.ndarray) -> None:
    np.save(tmp_path / "plain.npy", discs)
    assert np.array_equal(read_seg_npy(tmp_path / "plain.npy"), discs)
    assert np.array_equal(read_seg_npy(saved(tmp_path / "plane_seg.npy", {"masks": discs[None]})), discs)


class Calls:
    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple:
        return self.call


@pytest.mark.parametrize(
    "evil",
    [
        Calls(print, "ran"),
        Calls(eval, "1/0"),
        Calls(getattr, "text", "upper"),
        Calls(np.load, "/etc/passwd"),
        Calls(np.fromfile, "/etc/passwd"),
        Calls(pickle.loads, b"."),
        Calls(np.ma.masked_array, [1]),
    ],
)
@pytest.mark.parametrize("key", ["masks", "extra"])
def test_code_is_refused(tmp_path: Path, evil: Calls, key: str, capsys: pytest.CaptureFixture) -> None:
    content = {"masks": np.ones((2, 2), int), key: evil}
    with pytest.raises(InputError, match="would run"):
        read_seg_npy(saved(tmp_path / "evil_seg.npy", content))
    assert capsys.readouterr().out == ""


def test_memory_bomb_is_refused(tmp_path: Path) -> None:
    reconstruct = np.zeros(1).__reduce__()[0]
    with pytest.raises(InputError, match="would run"):
        read_seg_npy(saved(tmp_path / "bomb_seg.npy", {"masks": Calls(reconstruct, np.ndarray, (10**12,), b"d")}))


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ({"outlines": np.ones((2, 2), int)}, "outlines"),
        ({"masks": np.ones((2, 2))}, "masks"),
        ({"masks": [[1, 2]]}, "masks"),
        ({"masks": np.ones((3, 2, 2), int)}, "stack"),
        ({"masks": np.zeros((0, 4), int)}, "at least one pixel"),
        ({"masks": np.full((2, 2), 2**40)}, "2^31"),
        ({"masks": np.full((2, 2), -7)}, "-7"),
        ({}, "nothing"),
        ("text", "str"),
    ],
)
def test_other_content(tmp_path: Path, content: object, word: str) -> None:
    with pytest.raises(InputError) as caught:
        read_seg_npy(saved(tmp_path / "x_seg.npy", content))
    assert word in str(caught.value)


def test_damaged(tmp_path: Path, discs: np.ndarray) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_seg_npy(tmp_path / "none_seg.npy")
    good = saved(tmp_path / "good_seg.npy", {"masks": discs}).read_bytes()
    for data in (b"", b"hello", good[:40], good[:300], good[:-20]):
        (tmp_path / "bad_seg.npy").write_bytes(data)
        with pytest.raises(InputError, match="damaged"):
            read_seg_npy(tmp_path / "bad_seg.npy")
