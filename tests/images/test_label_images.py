"""Label images are written and read with their numbers."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from core.errors import InputError
from core.images import read_labels, write_labels


@pytest.mark.parametrize(
    ("numbers", "stored"),
    [([0], "uint16"), ([0, 1, 2], "uint16"), ([0, 7, 65535], "uint16"), ([0, 5, 65536, 70_001], "uint32"), ([0, 2**31 - 1], "uint32")],
)
@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint32, np.uint64])
def test_numbers_are_kept(tmp_path: Path, numbers: list[int], stored: str, dtype: type) -> None:
    labels = np.random.default_rng(0).choice(np.array(numbers, dtype), (40, 50))
    labels[0, 0] = numbers[-1]
    write_labels(tmp_path / "new folder" / "æ.tif", labels)
    found = read_labels(tmp_path / "new folder" / "æ.tif")
    assert found.dtype == np.int32
    assert np.array_equal(found, labels)
    assert tifffile.imread(tmp_path / "new folder" / "æ.tif").dtype == stored
    assert [f.name for f in (tmp_path / "new folder").iterdir()] == ["æ.tif"]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_labels(tmp_path / "l.tif", np.ones((5, 6), np.int32))

    def full(*args: object, **more: object) -> None:
        Path(str(args[0])).write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr("core.images.labels.tifffile.imwrite", full)
    with pytest.raises(OSError, match="No space"):
        write_labels(tmp_path / "l.tif", np.zeros((5, 6), np.int32))
    assert [f.name for f in tmp_path.iterdir()] == ["l.tif"]
    assert read_labels(tmp_path / "l.tif").all()


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int8, np.int16, np.uint16, np.int32, np.int64])
def test_any_whole_numbers_are_read(tmp_path: Path, dtype: type) -> None:
    labels = np.eye(12, 13).astype(dtype)
    tifffile.imwrite(tmp_path / "l.tif", labels)
    assert np.array_equal(read_labels(tmp_path / "l.tif"), labels)


def test_png(tmp_path: Path) -> None:
    labels = np.arange(12, dtype=np.uint16).reshape(3, 4) * 1000
    Image.fromarray(labels).save(tmp_path / "l.png")
    assert np.array_equal(read_labels(tmp_path / "l.png"), labels)
    Image.fromarray(labels > 3000).save(tmp_path / "m.png")
    assert np.array_equal(read_labels(tmp_path / "m.png"), labels > 3000)


def test_a_palette_only_tints_the_numbers(tmp_path: Path) -> None:
    numbers = (np.arange(12, dtype=np.uint8) % 5).reshape(3, 4)
    image = Image.fromarray(numbers).convert("P")
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9, 1, 2, 3] + [0] * 753)
    image.save(tmp_path / "p.png")
    assert np.array_equal(read_labels(tmp_path / "p.png"), numbers)
    colours = np.random.default_rng(1).integers(0, 65535, (3, 256)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "p.tif", numbers, photometric="palette", colormap=colours)
    assert np.array_equal(read_labels(tmp_path / "p.tif"), numbers)
    tifffile.imwrite(tmp_path / "w.tif", numbers, photometric="miniswhite")
    assert np.array_equal(read_labels(tmp_path / "w.tif"), numbers)


def test_grey_saved_as_colour(tmp_path: Path) -> None:
    numbers = np.arange(12, dtype=np.uint8).reshape(3, 4)
    Image.fromarray(np.dstack([numbers] * 3)).save(tmp_path / "c.png")
    assert np.array_equal(read_labels(tmp_path / "c.png"), numbers)
    Image.fromarray(np.dstack([numbers, numbers, numbers + 1])).save(tmp_path / "d.png")
    with pytest.raises(InputError, match=r"d\.png.*a colour image"):
        read_labels(tmp_path / "d.png")


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (np.ones((4, 5), np.float32), "found float32"),
        (np.full((4, 5), -1, np.int16), "found -1 to -1"),
        (np.full((4, 5), 2**31, np.uint32), "found 2147483648"),
        (np.ones((3, 4, 5), np.uint16), "several planes"),
    ],
    ids=["float", "negative", "too large", "stack"],
)
def test_no_label_image(tmp_path: Path, labels: np.ndarray, said: str) -> None:
    tifffile.imwrite(tmp_path / "x.tif", labels, photometric="minisblack")
    with pytest.raises(InputError, match=said):
        read_labels(tmp_path / "x.tif")


def test_jpeg_does_not_keep_numbers(tmp_path: Path) -> None:
    Image.new("L", (8, 8)).save(tmp_path / "x.jpg")
    with pytest.raises(InputError, match="does not keep label numbers"):
        read_labels(tmp_path / "x.jpg")


@pytest.mark.parametrize(
    "labels", [np.ones((4, 5)), np.ones((2, 4, 5), int), np.zeros((0, 4), int), np.full((4, 5), -2)], ids=["float", "3-D", "empty", "negative"]
)
def test_what_is_no_label_image_is_not_written(tmp_path: Path, labels: np.ndarray) -> None:
    with pytest.raises(InputError, match="wanted"):
        write_labels(tmp_path / "x.tif", labels)
    assert list(tmp_path.iterdir()) == []
