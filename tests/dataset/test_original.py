"""Files of the original pipeline: both spellings, Windows paths, their leakage."""

import os
from pathlib import Path

import pandas as pd
import pytest

from core.dataset.original import check_split, original_rows, splits_from, stem, to_original
from core.dataset.sentences import split_sentences
from core.errors import InputError

DATA = Path(os.environ.get("SENESCOPE_TEST_DATA", Path(__file__).resolve().parents[3] / "shared" / "data")) / "msc-annotation-csv"


def rows(files: list[str], labels: list[int], classes: list[int]) -> pd.DataFrame:
    return original_rows(pd.DataFrame({"file name": files, "mask name": "m", "mask number": labels, "class": classes}))


def test_both_spellings_are_read() -> None:
    table = original_rows(pd.DataFrame({"File": ["a.tif"], "Mask": ["a_seg.npy"], "Cell": ["7"], "Class": ["1.0"]}))
    assert table.to_dict("records") == [{"file": "a.tif", "mask": "a_seg.npy", "label": 7, "class": 1}]


@pytest.mark.parametrize("table", [{"a": [1]}, {"file name": ["x"], "mask name": ["y"], "mask number": ["7.5"], "class": [1]}])
def test_other_tables_are_refused(table: dict) -> None:  # type: ignore[type-arg]
    with pytest.raises(InputError, match="wanted"):
        original_rows(pd.DataFrame(table), "x.csv")


@pytest.mark.parametrize("path", [r"Small\218-6_part_6.png", "x/218-6_part_6.tif", "218-6_PART_6.ome.tif", "218-6_part_6.nd2#C=1"])
def test_files_are_matched_by_name(path: str) -> None:
    assert stem(path) == "218-6_part_6"


def test_leakage_of_a_split_is_counted() -> None:
    train, test = rows(["a.png", "a.png", "b.png"], [1, 2, 1], [0, 1, 1]), rows(["a.png", "c.png", "b.png"], [1, 1, 2], [0, 1, 1])
    found = check_split({"train": train, "test": test})
    assert found["fields_in_test"] == 3
    assert [f["name"] for f in found["shared_fields"]] == ["a", "b"]
    assert found["shared_cells"] == 1
    texts = [one["text"] for one in split_sentences(found) if one["level"] == "error"]
    assert any("2 of 3 test fields are also in training" in text for text in texts)


def test_cells_get_the_set_of_their_file() -> None:
    sets = {"train": rows([r"d\a.png"] * 2 + [f"g{i}.png" for i in range(40)], [1, 2] + [1] * 40, [0] * 42), "test": rows(["a.png", "b.png"], [3, 9], [1, 1])}
    names = ["a", "a", "a", "a", "b"] + [f"g{i}" for i in range(40)]
    cells = pd.DataFrame({"fov_id": names, "image": [f"images/{n}.tif" for n in names], "label": [1, 2, 3, 4, 9] + [1] * 40})
    found = splits_from(sets, cells, 0.0, 0)
    assert found.tolist() == ["train", "train", "test", "", "test"] + ["train"] * 40
    held = splits_from(sets, cells, 0.3, 0)
    assert 3 < (held == "validation").sum() < 24
    assert ((held == "test") == (found == "test")).all()
    assert held[0] == held[1]  # whole fields


def test_files_of_other_images_are_refused() -> None:
    cells = pd.DataFrame({"fov_id": ["z"], "image": ["z.tif"], "label": [1]})
    with pytest.raises(InputError, match="none of their cells"):
        splits_from({"train": rows(["a.png"], [1], [0])}, cells, 0.1, 0)


def test_the_original_columns_are_written() -> None:
    table = pd.DataFrame({"image": ["images/a.tif"] * 2, "fov_id": ["a"] * 2, "label": [4, 5], "class": [1, 0], "split": ["train", "test"]})
    written = to_original(table, "train")
    assert written.to_dict("records") == [{"file name": "images/a.tif", "mask name": "labels/a.tif", "mask number": 4, "class": 1}]
    assert original_rows(written)["label"].tolist() == [4]


@pytest.mark.skipif(not DATA.is_dir(), reason="the published annotation files are not here (SENESCOPE_TEST_DATA)")
def test_the_published_split_leaks() -> None:
    from core.stages.original_files import read_sets

    found = check_split(read_sets([DATA / "train_set.csv", DATA / "test_set.csv"]))
    assert (found["fields_in_test"], len(found["shared_fields"])) == (310, 309)
    assert split_sentences(found)[0]["text"].startswith("309 of 310 test fields are also in training")
