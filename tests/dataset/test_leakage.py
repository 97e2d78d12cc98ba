"""Leakage that is there is found, and none is invented."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.dataset.leakage import confounding, near_duplicates, rank_auc, shared
from core.dataset.report import describe
from core.dataset.sentences import warnings_of
from core.dataset.store import INDEX, CropWriter, scaling

Make = Callable[..., pd.DataFrame]


def levels(report: dict, level: str) -> str:  # type: ignore[type-arg]
    return "\n".join(one["text"] for one in report["warnings"] if one["level"] == level)


def plain(n: int) -> np.ndarray:
    """The index of ``n`` cells without any contrast."""
    index = np.zeros(n, INDEX)
    index["thumb"] = 128
    return index


def blobs(seed: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """A textured field of ``n`` x ``n`` round cells."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: 40 * n, : 40 * n]
    labels = np.where((y % 40 - 20) ** 2 + (x % 40 - 20) ** 2 < 17**2, 1 + (y // 40) * n + x // 40, 0).astype(np.int32)
    image = gaussian_filter(rng.normal(size=labels.shape), 2)
    return np.clip(2000 + 4000 * image, 0, 4095).astype(np.uint16), labels


def thumbs(folder: Path, image: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return CropWriter(folder, 64, "black").add_field("0", image, labels, np.unique(labels)[1:], scaling(image, "range", 4095))["thumb"]


def test_near_duplicates_across_sets_are_found_and_others_are_not(tmp_path: Path) -> None:
    image, labels = blobs(0, 8)
    other, _ = blobs(1, 8)
    dimmed = (image * 0.6 + 300 + np.random.default_rng(2).normal(0, 20, image.shape)).astype(np.uint16)
    half = np.where(labels <= 32, dimmed, other)  # 32 cells photographed again, 32 of another culture
    pictures = np.concatenate([thumbs(tmp_path / "a", image, labels), thumbs(tmp_path / "b", half, labels)])
    pairs = near_duplicates(pictures, ["train"] * 64 + ["test"] * 64)
    assert sorted(zip(pairs["first"], pairs["second"], strict=True)) == [(i, 64 + i) for i in range(32)]
    assert (pairs["correlation"] > 0.95).all()
    assert near_duplicates(pictures, ["train"] * 128).empty


def test_cells_without_contrast_are_no_duplicates() -> None:
    assert near_duplicates(np.full((4, 16, 16), 128, np.uint8), ["train", "train", "test", "validation"]).empty


def test_shared_fields_and_cultures(manifest: Make) -> None:
    table = manifest(fov_id=["a", "a", "b", "a"], experiment=["e", "e", "e", "other"], split=["train", "test", "test", "train"], sample=["s", "s", "", ""])
    assert shared(table, "fov_id", ("experiment",)) == [{"name": "a", "train": 1, "validation": 0, "test": 1}]
    assert shared(table, "sample") == [{"name": "s", "train": 1, "validation": 0, "test": 1}]  # an unnamed culture is none


def test_auc_by_ranks() -> None:
    assert rank_auc([0, 0, 1, 1], [1, 2, 3, 4]) == 1
    assert rank_auc([0, 1], [5, 5]) == 0.5
    assert np.isnan(rank_auc([1, 1], [1, 2]))


def test_confounding_points_the_way_that_training_cells_say(manifest: Make) -> None:
    rng = np.random.default_rng(0)
    classes = [i % 2 for i in range(200)]
    area = [int(100 - 20 * c + rng.normal()) for c in classes]  # senescent cells are smaller here
    found = confounding(manifest(**{"class": classes, "area_px": area, "split": ["train"] * 100 + ["test"] * 100, "sample": ["x"] * 200}))
    assert found["cell area"] == {"train": 1.0, "validation": None, "test": 1.0}
    assert found["culture"]["test"] == 0.5
    assert found["confluence"]["test"] == 0.5


def test_a_culture_that_is_the_class_is_named(manifest: Make) -> None:
    classes = [0] * 30 + [1] * 30
    table = manifest(**{"class": classes, "sample": ["young"] * 30 + ["old"] * 30})
    report = describe(table, plain(60), {}, 32)
    assert "Culture alone tells the classes apart (AUC 1.00" in levels(report, "warning")
    assert "Every senescent cell comes from one culture (old)" in levels(report, "warning")


def test_what_is_kept_together_is_named(manifest: Make) -> None:
    classes = [0] * 30 + [1] * 30
    table = manifest(**{"class": classes, "group": ["control"] * 30 + ["irradiated"] * 30})
    found = levels(describe(table, plain(60), {}, 32, "condition"), "warning")
    assert "Condition alone tells the classes apart" in found
    assert "Every senescent cell comes from one condition (irradiated): the classifier may learn that condition instead" in found
    assert "There is no condition left to choose the best epoch" in found
    assert "There is no field left to choose the best epoch" in levels(describe(table, plain(60), {}, 32, "fov_id"), "warning")


@pytest.mark.parametrize(
    ("columns", "level", "text"),
    [
        ({"class": [0] * 30}, "error", "No cell of the dataset is senescent"),
        ({"split": ["train"] * 20 + ["test"] * 10}, "warning", "no culture left to choose the best epoch"),
        ({"split": ["train"] * 28 + ["test"] * 2}, "warning", "test set has only 1 senescent cell;"),
        ({"cut_off": [True] * 30}, "error", "Every cell is larger than the crop"),
        ({"cut_off": [True] * 3 + [False] * 27}, "warning", "10% of the cells are larger"),
        ({"fragile": [True] * 6 + [False] * 24}, "warning", "20% of the classes are fragile"),
        ({"fov_id": ["a"] * 30, "split": ["train"] * 15 + ["test"] * 15}, "error", "1 of 1 test fields are also in training"),
        ({"sample": ["a"] * 30, "split": ["train"] * 15 + ["test"] * 15}, "error", "1 culture lies on both sides of the split (a)"),
        ({"sample": [""] * 30, "group": [""] * 30}, "warning", "Nobody knows which culture"),
        ({"pixel_size_um": [0.5] * 15 + [1.0] * 15}, "warning", "Pixel sizes differ (0.5 to 1 µm)"),
        ({"role": ["negative control"] * 9 + ["sample"] * 21}, "warning", "9 cells come from negative controls"),
        ({"split": ["test"] * 30}, "error", "no culture to train on"),
    ],
)
def test_sentences(manifest: Make, columns: dict, level: str, text: str) -> None:  # type: ignore[type-arg]
    table = manifest(**columns)
    report = describe(table, plain(len(table)), {"cannot tell": 2}, 32)
    assert text in levels(report, level)
    assert "2 cells left out: cannot tell." in levels(report, "note")


def test_the_sets_that_rest_on_negative_controls_are_named(manifest: Make) -> None:
    """A control of 7 cells among 10 not senescent ones in validation, and one of 2 among 8 in training; all test cells are stained."""
    rows = [("train", "negative control", 0, 2), ("train", "sample", 0, 6), ("train", "sample", 1, 9)]
    rows += [("validation", "negative control", 0, 7), ("validation", "sample", 0, 3), ("validation", "negative control", 1, 1), ("test", "sample", 0, 5)]
    cells = [row[:3] for row in rows for _ in range(row[3])]
    columns = {name: [cell[k] for cell in cells] for k, name in enumerate(("split", "role", "class"))}
    said = levels(describe(manifest(**columns), plain(len(cells)), {}, 32), "warning")
    assert "10 cells come from negative controls." in said
    assert "They are 7 of 10 not senescent cells in validation, where they would choose epoch and threshold." in said
    assert "not senescent cells in training" not in said
    both = columns | {"role": ["negative control"] * len(cells)}
    said = levels(describe(manifest(**both), plain(len(cells)), {}, 32), "warning")
    assert "They are 8 of 8 not senescent cells in training, from which the classifier would learn what is not senescent; 10 of 10" in said
    assert "5 of 5 not senescent cells in test, where they would decide how good the classifier looks." in said


def test_guessed_bit_depths_that_differ_within_a_culture_are_named(manifest: Make) -> None:
    index = plain(40)
    index["full_scale"] = index["spread"] = [1023, 4095] * 10 + [4095] * 20
    table = manifest(sample=["a"] * 20 + ["b"] * 20)
    index["guessed"] = 1
    assert "The images of a do not say" in levels(describe(table, index, {}, 32), "warning")
    index["guessed"] = 0
    assert describe(table, index, {}, 32)["mixed_depths"] == {}


def test_a_sound_dataset_has_no_errors_and_no_warnings(manifest: Make) -> None:
    n = 300
    splits = ["train"] * 100 + ["validation"] * 100 + ["test"] * 100
    samples = [f"{s}{i % 4 // 2}" for i, s in enumerate(splits)]
    rng = np.random.default_rng(0)
    noise = {"area_px": rng.integers(50, 150, n), "mean_intensity": rng.random(n), "confluence": rng.random(n)}
    table = manifest(split=splits, sample=samples, **noise)
    report = describe(table, plain(n), {}, 32)
    assert warnings_of(table, report) == []
