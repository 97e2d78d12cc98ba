import numpy as np
import pandas as pd
import pytest

from core.errors import InputError
from core.report.csv_files import csv_bytes, read_csv, write_csv
from core.tables import ASSESSED_CELLS, FIELDS, typed

COLUMNS = {"name": "str", "count": "Int64", "value": "Float64", "flag": "boolean"}


def example() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    values = [0.1 + 0.2, 1e-300, -1.5e22, None, 1 / 3, *rng.normal(size=3)]
    names = ["ærø Å µm", 'quote " and, comma; semicolon', "", "=1+1", "line\nbreak", "1,5", " space ", "007"]
    flags = [True, False, None] * 2 + [True, None]
    return typed(pd.DataFrame({"name": names, "count": [1, None, 2**40, 0, -3, 5, 6, 7], "value": values, "flag": flags}), COLUMNS)


@pytest.mark.parametrize("decimal_comma", [False, True])
def test_reading_back_gives_equal_values(tmp_path, decimal_comma):
    table = example()
    write_csv(tmp_path / "t.csv", table, decimal_comma)
    pd.testing.assert_frame_equal(read_csv(tmp_path / "t.csv", COLUMNS), table, check_exact=True)


def test_every_bit_survives(tmp_path):
    table = typed(pd.DataFrame({"value": np.random.default_rng(0).random(2000)}), COLUMNS)
    write_csv(tmp_path / "t.csv", table, True)
    assert (read_csv(tmp_path / "t.csv", COLUMNS)["value"] == table["value"]).all()


def test_what_excel_gets():
    table = example()
    assert csv_bytes(table.head(1)).decode() == "\ufeffname,count,value,flag\nærø Å µm,1,0.30000000000000004,True\n"
    assert csv_bytes(table.head(1), True).decode() == "\ufeffname;count;value;flag\nærø Å µm;1;0,30000000000000004;True\n"
    assert csv_bytes(table.iloc[[2]]).decode().splitlines()[1] == f",{2**40},-1.5e+22,"
    assert csv_bytes(table.iloc[[3]], True).decode().splitlines()[1] == "=1+1;0;;True"


def test_plain_numpy_columns_keep_their_values(tmp_path):
    table = pd.DataFrame({"value": np.float32([0.1, np.nan]), "count": np.uint8([3, 4]), "name": ["a", None], "mixed": [0.5, "x"]})
    for decimal_comma in (False, True):
        write_csv(tmp_path / "t.csv", table, decimal_comma)
        back = read_csv(tmp_path / "t.csv", COLUMNS)
        assert back["value"][0] == float(np.float32(0.1))
        assert pd.isna(back["value"][1])
        assert list(back["name"]) == ["a", ""]
        assert list(back["mixed"]) == ["0,5" if decimal_comma else "0.5", "x"]


def test_empty_table_keeps_its_columns(tmp_path):
    write_csv(tmp_path / "t.csv", typed(pd.DataFrame(), ASSESSED_CELLS))
    pd.testing.assert_frame_equal(read_csv(tmp_path / "t.csv", ASSESSED_CELLS), typed(pd.DataFrame(), ASSESSED_CELLS))


@pytest.mark.parametrize(
    "content",
    [
        "fov_id,sample,time_h\nf1,A,1.5\n",
        "fov_id;sample;time_h\r\nf1;A;1,5\r\n",
        "fov_id;sample;time_h\nf1;A;1.5\n",
        "fov_id\tsample\ttime_h\nf1\tA\t1,5\n\n",
        "fov_id,sample,time_h,,\nf1,A,1.5,,\n,,,,\n".replace(",,\n", "\n"),
        '"fov_id","sample","time_h"\n"f1","A","1,5"\n',
        "\n\nfov_id,sample,time_h\nf1,A,1.5",
    ],
)
def test_forms_that_excel_and_people_save(tmp_path, content):
    for encoding in ("utf-8", "utf-8-sig"):
        (tmp_path / "t.csv").write_bytes(content.encode(encoding))
        table = read_csv(tmp_path / "t.csv", FIELDS)
        assert list(table.columns) == list(FIELDS)
        assert table[["fov_id", "sample", "time_h"]].to_dict("records") == [{"fov_id": "f1", "sample": "A", "time_h": 1.5}]


def test_rows_cut_short_by_excel_are_filled_and_further_columns_kept(tmp_path):
    (tmp_path / "t.csv").write_text("fov_id,note,sample\nf1,0012\n", encoding="utf-8")
    row = read_csv(tmp_path / "t.csv", FIELDS).iloc[0]
    assert (row["fov_id"], row["note"], row["sample"]) == ("f1", "0012", "")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "an empty file"),
        (b"a,b\n1,2\n", "wanted a table with columns such as fov_id"),
        (b"fov_id,fov_id\n1,2\n", "more than once"),
        (b"fov_id,sample\n1,2,3\n", "line 2 has 3 cells"),
        (b"fov_id,time_h\nf,abc\n", "column time_h: wanted a number, found 'abc'"),
        (b"fov_id,time_h\nf,1_000\n", "wanted a number, found '1_000'"),
        (b"fov_id;time_h\nf;1.234,5\n", "column time_h: wanted a number, found '1.234,5'"),
        ("fov_id,sample\nf,å\n".encode("cp1252"), "CSV UTF-8"),
        ("fov_id,sample\nf,å\n".encode("utf-16"), "CSV UTF-8"),
        (b'fov_id,sample\n"f,a\n', "not readable as CSV"),
    ],
)
def test_what_cannot_be_read_is_explained(tmp_path, content, message):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(InputError, match=message) as error:
        read_csv(tmp_path / "t.csv", FIELDS)
    assert "t.csv" in str(error.value)


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_csv(tmp_path / "t.csv", FIELDS)
