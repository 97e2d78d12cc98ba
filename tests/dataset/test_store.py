"""What is read from disk equals what is cut from the field, bit for bit."""

import errno
import pickle
from pathlib import Path

import numpy as np
import pytest

from core.dataset import writing
from core.dataset.crops import cut_crops, normalise, scale_intensity
from core.dataset.numbers import mean_exposures, mean_intensities, train_statistics
from core.dataset.store import CropStore, CropWriter, open_crops, scaling
from core.errors import InputError

IDS = [70, 3, 12, 5, 1000, 44]
MEAN, STD = 0.3, 0.2


def field(dtype: str, shape: tuple[int, int], seed: int = 0) -> tuple[np.ndarray, float]:
    """A field and its white."""
    rng = np.random.default_rng(seed)
    if dtype == "float32":
        return rng.random(shape).astype(np.float32), 1.0
    white = {"uint8": 255, "uint16": 4095, "int32": 70_000}[dtype]
    return rng.integers(0, white, shape).astype(dtype), float(white)


def written(folder: Path, image: np.ndarray, labels: np.ndarray, white: float, size: int, how="range", background="black", scale=1.0) -> CropStore:  # type: ignore[no-untyped-def]
    writer = CropWriter(folder, size, background)
    writer.add_field("0", image, labels, IDS, scaling(image, how, white), scale)
    return CropStore(folder, writer.finish(["0"]), size, MEAN, STD)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "float32"])
@pytest.mark.parametrize("how", ["range", "field"])
@pytest.mark.parametrize("background", ["black", "kept"])
@pytest.mark.parametrize("size", [9, 32])
def test_crops_equal_those_cut_from_the_normalised_field(tmp_path: Path, labels: np.ndarray, dtype: str, how: str, background: str, size: int) -> None:
    image, white = field(dtype, labels.shape)
    made = written(tmp_path, image, labels, white, size, how, background)
    wanted = cut_crops(normalise(scale_intensity(image.astype(np.float32), how, white), MEAN, STD), labels, IDS, size, background=background)  # type: ignore[arg-type]
    np.testing.assert_array_equal(made.batch(range(len(IDS))), wanted)
    np.testing.assert_array_equal(np.stack([made.crop(i) for i in range(len(made))]), wanted)


def test_grey_values_come_back_as_the_camera_wrote_them(tmp_path: Path, labels: np.ndarray) -> None:
    image, white = field("uint16", labels.shape)
    made = written(tmp_path, image, labels, white, 32)
    grey = made.grey(1)
    assert grey.dtype == np.uint16
    np.testing.assert_array_equal(grey, cut_crops(image.astype(np.float32), labels, [3], 32)[0])
    np.testing.assert_array_equal(made.mask(1), cut_crops(np.ones(labels.shape), labels, [3], 32)[0] == 1)


@pytest.mark.parametrize("scale", [0.6, 1.7])
@pytest.mark.parametrize("background", ["black", "kept"])
def test_rescaled_crops_equal_those_cut_from_the_normalised_field(tmp_path: Path, scale: float, background: str) -> None:
    labels = np.zeros((90, 100), np.int32)
    labels[20:45, 30:70], labels[50:70, 10:30] = 7, 9
    image, white = field("uint16", labels.shape)
    writer = CropWriter(tmp_path, 48, background)  # type: ignore[arg-type]
    writer.add_field("0", image, labels, [9, 7], scaling(image, "range", white), scale)
    made = CropStore(tmp_path, writer.finish(["0"]), 48, MEAN, STD).batch([0, 1])
    wanted = cut_crops(normalise(scale_intensity(image, "range", white), MEAN, STD), labels, [9, 7], 48, scale=scale, background=background)  # type: ignore[arg-type]
    inside = (made != 0) if background == "kept" else np.ones(made.shape, bool)  # at the very edge of the field, cut_crops mixes in black
    np.testing.assert_allclose(made[inside], wanted[inside], atol=2e-5)
    assert inside.mean() > 0.5


def test_a_field_without_contrast_gives_zeros(tmp_path: Path, labels: np.ndarray) -> None:
    made = written(tmp_path, np.full(labels.shape, 7, np.uint8), labels, 255, 16, "field")
    values, _ = made.values(0)
    assert not values.any()


def test_statistics_are_those_of_the_pixels_of_the_training_cells(tmp_path: Path, labels: np.ndarray) -> None:
    image, white = field("uint16", labels.shape)
    made = written(tmp_path, image, labels, white, 100)
    splits = np.array(["train", "test", "train", "validation", "train", "train"])
    pixels = image[np.isin(labels, np.array(IDS)[splits == "train"])] / white
    mean, std = train_statistics(made.index, splits)
    assert (mean, std) == pytest.approx((pixels.mean(), pixels.std()), rel=1e-6)
    np.testing.assert_allclose(mean_intensities(made.index), [image[labels == i].mean() / white for i in IDS], rtol=1e-6)


def test_no_training_cells_or_no_contrast_is_an_error(tmp_path: Path, labels: np.ndarray) -> None:
    flat = written(tmp_path, np.full(labels.shape, 7, np.uint8), labels, 255, 16)
    with pytest.raises(InputError, match="no cell to train on"):
        train_statistics(flat.index, np.array(["test"] * 6))
    with pytest.raises(InputError, match="no contrast"):
        train_statistics(flat.index, np.array(["train"] * 6))


def test_describes_cells(tmp_path: Path, labels: np.ndarray) -> None:
    index = written(tmp_path, *_range(labels), 16).index
    assert index["border"].astype(bool).tolist() == [False, True, False, False, True, False]
    assert index["extent"].tolist() == [8, 9, 46, 4, 1, 13]
    assert index["area"].tolist() == [int((labels == i).sum()) for i in IDS]
    assert index["confluence"][0] == pytest.approx((labels > 0).mean())


def _range(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    image, white = field("uint8", labels.shape)
    return image, labels, white


def test_an_interrupted_writer_goes_on_after_the_last_finished_field(tmp_path: Path, labels: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    images = [field("uint16", labels.shape, seed)[0] for seed in range(3)]
    whole = CropWriter(tmp_path / "whole", 24, "black")
    for n, image in enumerate(images):
        whole.add_field(str(n), image, labels, IDS, scaling(image, "range", 4095))
    first = CropWriter(tmp_path / "broken", 24, "black")
    first.add_field("0", images[0], labels, IDS, scaling(images[0], "range", 4095))
    calls = []

    def full_disk(file, data: bytes) -> None:  # type: ignore[no-untyped-def]
        calls.append(len(data))
        if len(calls) > 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        file.write(data)

    with monkeypatch.context() as patch:
        patch.setattr(writing, "write", full_disk)
        with pytest.raises(OSError, match="No space left"):
            first.add_field("1", images[1], labels, IDS, scaling(images[1], "range", 4095))
    second = CropWriter(tmp_path / "broken", 24, "black")
    assert second.finished("0") is not None
    assert second.finished("1") is None
    for n in (1, 2):
        second.add_field(str(n), images[n], labels, IDS, scaling(images[n], "range", 4095))
    names = ["0", "1", "2"]
    assert second.finish(names).tobytes() == whole.finish(names).tobytes()
    assert (tmp_path / "broken" / "pixels.bin").read_bytes() == (tmp_path / "whole" / "pixels.bin").read_bytes()


def test_ready_crops_are_centred_and_cut(tmp_path: Path) -> None:
    small, large = np.arange(1, 26, dtype=np.uint8).reshape(5, 5), np.arange(400, dtype=np.uint16).reshape(20, 20)
    masks = [small > 3, np.ones(large.shape, bool)]
    writer = CropWriter(tmp_path, 9, "black")
    hows = [scaling(one, "range", 255) for one in (small, large)]
    writer.add_pictures("0", [small, large], masks, hows, [4, 8])
    made = CropStore(tmp_path, writer.finish(["0"]), 9, 0.0, 1.0)
    assert made.index["label"].tolist() == [4, 8]
    np.testing.assert_array_equal(made.grey(0)[2:7, 2:7], np.where(masks[0], small, 0))
    np.testing.assert_array_equal(made.grey(1), large[6:15, 6:15])


def test_an_open_store_travels_to_another_process(tmp_path: Path, labels: np.ndarray) -> None:
    made = written(tmp_path, *_range(labels), 16)
    made.crop(0)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(made)).crop(2), made.crop(2))


@pytest.mark.parametrize("damage", ["short", "no index", "no statistics", "no numbers"])
def test_a_damaged_dataset_is_refused(tmp_path: Path, labels: np.ndarray, damage: str) -> None:
    written(tmp_path / "crops", *_range(labels), 16)
    about = tmp_path / "statistics.json"
    about.write_text('{"crop_px": 16, "mean": 0.5, "std": 0.1}', encoding="utf-8")
    assert len(open_crops(tmp_path)) == 6
    if damage == "short":
        with (tmp_path / "crops" / "pixels.bin").open("r+b") as file:
            file.truncate(10)
    elif damage == "no index":
        (tmp_path / "crops" / "index.npy").unlink()
    elif damage == "no statistics":
        about.unlink()
    else:
        about.write_text('{"crop_px": 16}', encoding="utf-8")
    with pytest.raises(InputError, match="damaged"):
        open_crops(tmp_path)


@pytest.mark.parametrize("how", ["range", "field"])
def test_the_exposure_of_a_cell_does_not_depend_on_how_intensities_are_scaled(tmp_path: Path, labels: np.ndarray, how: str) -> None:
    image, white = field("uint16", labels.shape)
    found = mean_exposures(written(tmp_path, image, labels, white, 200, how).index)
    np.testing.assert_allclose(found, [image[labels == label].mean() / white for label in IDS], rtol=1e-6)
    flat = mean_exposures(written(tmp_path / "flat", np.full_like(image, 1000), labels, white, 200, how).index)
    np.testing.assert_allclose(flat, 1000 / white, rtol=1e-6)
