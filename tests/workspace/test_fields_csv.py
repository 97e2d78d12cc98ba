"""fields.csv: as we write it, as Excel leaves it, damaged."""

from pathlib import Path

import pandas as pd
import pytest

from core.errors import InputError
from core.tables import FIELDS, typed
from core.workspace import Experiment, files

HEADER = "fov_id,phase,stain,colour,sample,role,passage,condition,well,time_h,pixel_size_um"


@pytest.fixture
def table() -> pd.DataFrame:
    rows = [
        {"fov_id": "æøå_f01", "phase": 'images/a "b", c.tif', "sample": "001", "role": "sample", "time_h": 0.1 + 0.2, "pixel_size_um": 1 / 3, "note": "x;y"},
        {"fov_id": "f02", "phase": "images/細胞.tif#C=1", "passage": "P4", "note": "line\nbreak"},
    ]
    return typed(pd.DataFrame(rows), FIELDS)


def test_round_trip_is_exact_and_shows_in_excel(experiment: Experiment, table: pd.DataFrame) -> None:
    experiment.save_fields(table)
    data = experiment.fields_csv.read_bytes()
    assert data.startswith(b"\xef\xbb\xbf" + HEADER.encode())
    assert b"\r" not in data
    back = experiment.fields()
    pd.testing.assert_frame_equal(back[list(FIELDS)], table[list(FIELDS)])
    assert list(back["note"]) == ["x;y", "line\nbreak"]
    assert pd.isna(back["time_h"][1])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_files_saved_by_excel_are_read(experiment: Experiment, encoding: str, newline: str) -> None:
    text = HEADER.replace(",", ";") + ";;\næøå;images/å.tif;;;MSC 1;sample;4;;A1;1,5;0,65;;\n;;;;;;;;;;;;\nb;images/b.tif\n"
    experiment.fields_csv.write_bytes(text.replace("\n", newline).encode(encoding))
    found = experiment.fields()
    assert list(found.columns) == list(FIELDS)
    assert list(found["fov_id"]) == ["æøå", "b"]
    assert (found["time_h"][0], found["pixel_size_um"][0]) == (1.5, 0.65)
    assert found["passage"][0] == "4"
    assert found["sample"][1] == ""


def test_other_separators_and_missing_columns(experiment: Experiment) -> None:
    experiment.fields_csv.write_text("phase\tfov_id\tpixel_size_um\ni/a.tif\ta\t0.65\n", encoding="utf-8")
    assert experiment.fields()["pixel_size_um"][0] == 0.65
    experiment.fields_csv.write_text('fov_id,phase,pixel_size_um\na,i/a.tif,"0,65"\n', encoding="utf-8")
    assert experiment.fields()["pixel_size_um"][0] == 0.65


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n",
        b"name,value\n1,2\n",
        b"II*\0\x08\0\0\0" + bytes(range(256)),
        b"fov_id,phase\na,b,c\n",
        b'fov_id,phase\n"a,b\n',
        b"fov_id,phase,phase\na,b,c\n",
        b"fov_id,,phase\na,b,c\n",
        b"fov_id,phase,time_h\na,b,soon\n",
        b"fov_id,phase\na,b\nA,c\n",
        b"fov_id,phase\n,b\n",
        b"fov_id,phase\n../../a,b\n",
        b"fov_id,phase\nCON,b\n",
        "fov_id,phase\n".encode("utf-16")[:-1],
    ],
)
def test_damaged_tables_name_the_file(experiment: Experiment, content: bytes) -> None:
    experiment.fields_csv.write_bytes(content)
    with pytest.raises(InputError, match=r"fields\.csv"):
        experiment.fields()


def test_wrong_tables_are_not_saved(experiment: Experiment, table: pd.DataFrame) -> None:
    experiment.save_fields(table)
    before = experiment.fields_csv.read_bytes()
    with pytest.raises(InputError, match="unique"):
        experiment.save_fields(pd.concat([table, table]))
    with pytest.raises(InputError, match="a path"):
        experiment.save_fields(table.assign(fov_id=["a", "../b"]))
    assert experiment.fields_csv.read_bytes() == before


def test_missing_experiment(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no experiment here"):
        Experiment(tmp_path / "nothing").fields()


@pytest.mark.parametrize(("number", "words"), [(28, "disk is full"), (13, "permission denied"), (5, "Input/output")])
def test_a_save_that_fails_leaves_the_old_file(experiment: Experiment, table: pd.DataFrame, monkeypatch: pytest.MonkeyPatch, number: int, words: str) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(number, "Input/output error")

    before = experiment.fields_csv.read_bytes()
    monkeypatch.setattr(files.os, "fsync", fail)
    with pytest.raises(InputError, match=words) as caught:
        experiment.save_fields(table)
    assert str(experiment.fields_csv) in str(caught.value)
    assert experiment.fields_csv.read_bytes() == before
    assert [p.name for p in experiment.path.iterdir() if p.suffix == ".part"] == []
