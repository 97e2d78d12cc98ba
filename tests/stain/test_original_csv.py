"""The annotation file of the original protocol, good and bad."""

from pathlib import Path

import pandas as pd
import pytest

from core.errors import InputError
from core.stain.original_csv import COLUMNS, match_files, match_labels, original_table, read_original, write_original

HEADER = "file name,mask name,mask number,class\n"


@pytest.fixture
def written(tmp_path: Path):
    def write(text: str, encoding: str = "utf-8") -> Path:
        path = tmp_path / "annotation.csv"
        path.write_bytes(text.encode(encoding))
        return path

    return write


@pytest.mark.parametrize(("name", "rows", "positive"), [("train_set.csv", 10975, 5487), ("test_set.csv", 2744, 1372), ("test_set_git.csv", 257, 10)])
def test_real_files_are_read_whole(annotation_files: Path, name: str, rows: int, positive: int) -> None:
    found = read_original(annotation_files / name)
    table = pd.read_csv(annotation_files / name)
    assert len(found.rows) + len(found.problems) == rows == len(table)
    if name != "test_set_git.csv":
        assert found.problems.empty
        assert found.rows["class"].sum() == positive
        assert found.rows["label"].tolist() == table["mask number"].tolist()
        assert not found.rows["image"].str.contains(r"[\\/]").any()


def test_doubled_rows_of_a_real_file_are_listed(annotation_files: Path) -> None:
    found = read_original(annotation_files / "test_set_git.csv")
    table = pd.read_csv(annotation_files / "test_set_git.csv")
    cell = ["File", "Mask", "Cell"]
    assert len(found.rows) == (table.groupby(cell)["Class"].nunique() == 1).sum()
    assert len(found.problems) >= table.duplicated(cell).sum()
    assert found.problems["problem"].str.startswith("the same cell").all()


@pytest.mark.parametrize(
    "header", ["file name,mask name,mask number,class", "File,Mask,Cell number,Class", " file , mask,Cell,CLASS", "class;mask number;mask;file"]
)
@pytest.mark.parametrize("folder", ["", "a\\b\\", "C:\\data\\", "/home/x/", "../m/"])
def test_spellings_separators_and_paths(written, header: str, folder: str) -> None:
    values = [f"{folder}Zelle ä.png", f"{folder}Zelle ä_seg.npy", "12", "1"]
    line = ";".join(reversed(values)) if ";" in header else ",".join(values)
    row = read_original(written(f"\ufeff{header}\r\n{line}\r\n\r\n")).rows.iloc[0]
    assert (row["image"], row["mask_file"], row["label"], row["class"]) == ("Zelle ä.png", "Zelle ä_seg.npy", 12, 1)


def test_bad_rows_are_listed_with_their_line_and_the_others_used(written) -> None:
    found = read_original(
        written(
            HEADER
            + "a.png,m,1,0\n"
            + "a.png,m,2,maybe\n"
            + "a.png,m,3,0.5\n"
            + "a.png,m,4,2\n"
            + "a.png,m,0,1\n"
            + "a.png,m,x,1\n"
            + ",m,5,1\n"
            + "a.png,m,6\n"
            + "a.png,m,1,0\n"
            + "a.png,m,7,1\n"
            + "a.png,m,7,0\n"
            + "a.png,m,8.0,1.0\n"
        )
    )
    assert found.rows[["label", "class"]].to_numpy().tolist() == [[1, 0], [8, 1]]
    assert found.problems.to_numpy().tolist() == [
        [3, "wanted class 0 or 1, found 'maybe'"],
        [4, "wanted class 0 or 1, found '0.5'"],
        [5, "wanted class 0 or 1, found '2'"],
        [6, "wanted a mask number from 1, found '0'"],
        [7, "wanted a mask number from 1, found 'x'"],
        [8, "no image file is named"],
        [9, "wanted 4 values, found 3"],
        [10, "the same cell as in row 2"],
        [11, "the same cell has another class in row 12; none of them is used"],
        [12, "the same cell has another class in row 11; none of them is used"],
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty file"),
        (HEADER, "at least one usable row, found none"),
        (HEADER + "a,b,1,x\n", "row 2: wanted class 0 or 1"),
        ("file,mask,number,class\na,b,1,0\n", "missing or double: mask number"),
        ("file,file name,mask,cell,class\n", "missing or double: file name"),
        ("\n" + HEADER, "no header line"),
    ],
)
def test_files_that_are_no_annotation(written, text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_original(written(text))


def test_not_text_or_not_there(written, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not UTF-8"):
        read_original(written(HEADER + "ä,b,1,0\n", "latin-1"))
    with pytest.raises(InputError, match="header line"):
        read_original(written("PK\0\1\0"))
    with pytest.raises(InputError, match="no such file"):
        read_original(tmp_path / "nowhere.csv")


def test_rows_find_their_field_and_cell(written) -> None:
    given = read_original(written(HEADER + "x\\A1.PNG,m,1,1\ny/A1.png,m,1,0\nB2.tif,m,3,0\nB2.tif,m,4,1\nB2.tif,m,99,1\nunknown.tif,m,1,1\n"))
    found = match_files(given, {"fov_a": "images/A1.png", "fov_b": "D:\\x\\B2.tiff#C=0,Z=1", "fov_c": "c.tif"})
    assert found.rows[["fov_id", "label"]].to_numpy().tolist() == [["fov_b", 3], ["fov_b", 4], ["fov_b", 99]]
    assert found.problems["row"].tolist() == [2, 3, 7]
    assert found.problems["problem"].iloc[2] == "image 'unknown.tif' is not in this experiment"
    matched = match_labels(found, {"fov_b": [3, 4, 5]})
    assert matched.rows["label"].tolist() == [3, 4]
    assert matched.problems.to_numpy().tolist()[-2:] == [[6, "field fov_b has no cell number 99"], [7, "image 'unknown.tif' is not in this experiment"]]


def test_a_file_of_another_experiment_is_refused(written) -> None:
    given = read_original(written(HEADER + "a.png,m,1,1\n"))
    with pytest.raises(InputError, match=r"none of its images is in this experiment, e.g. 'a.png'; the experiment has c.tif"):
        match_files(given, {"f": "images/c.tif"})
    with pytest.raises(InputError, match="has no fields"):
        match_files(given, {})


def test_a_name_without_suffix_that_two_fields_share_is_not_guessed(written) -> None:
    given = read_original(written(HEADER + "a.png,m,1,1\nb.tif,m,1,0\n"))
    found = match_files(given, {"one": "p/a.tif", "two": "q/a.jpg", "three": "b.tif"})
    assert found.rows["fov_id"].tolist() == ["three"]


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    cells = pd.DataFrame({"fov_id": ["f", "f", "g"], "label": pd.array([7, 9, 2], dtype="Int64"), "class": pd.array([1, None, 0], dtype="Int64")})
    table = original_table(cells, {"f": "f, phase.tif", "g": "g.tif"}, {"f": "f_seg.npy", "g": "g_seg.npy"})
    assert list(table) == list(COLUMNS)
    write_original(tmp_path / "annotation.csv", table)
    assert (tmp_path / "annotation.csv").read_bytes().startswith(b'file name,mask name,mask number,class\n"f, phase.tif",f_seg.npy,7,1\n')
    found = read_original(tmp_path / "annotation.csv")
    assert found.rows[["image", "label", "class"]].to_numpy().tolist() == [["f, phase.tif", 7, 1], ["g.tif", 2, 0]]
