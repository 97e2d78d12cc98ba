"""Fields of view as values, and metadata imported as a table."""

from pathlib import Path

import pandas as pd
import pytest

from core.errors import InputError
from core.fields import FieldOfView, fields, merge_metadata, read_fields, table_of


@pytest.fixture
def table() -> pd.DataFrame:
    return table_of(["images/a_phase.tif", "images/b_phase.tif", "images/c.tif"]).table


def test_rows_become_values(table: pd.DataFrame) -> None:
    table.loc[0, "pixel_size_um"] = 0.65
    first, second, _ = fields(table)
    assert first == FieldOfView("a", "images/a_phase.tif", sample="a", pixel_size_um=0.65)
    assert second.pixel_size_um is None
    assert second.time_h is None


def test_merge_by_id_and_by_file(table: pd.DataFrame) -> None:
    merged = merge_metadata(table, pd.DataFrame({"fov_id": ["b", "a"], "sample": ["MSC1", ""], "time_h": ["24", "1,5"], "role": ["negative control", ""]}))
    assert merged["sample"].tolist() == ["a", "MSC1", "c"]
    assert merged["time_h"].tolist()[:2] == [1.5, 24.0]
    assert merged["role"].tolist() == ["sample", "negative control", "sample"]
    for name in ("images/b_phase.tif", "b_phase.tif", "b_phase"):
        assert merge_metadata(table, pd.DataFrame({"phase": [name], "passage": ["4+2"]}))["passage"].tolist() == ["", "4+2", ""]


def test_a_blank_cell_keeps_or_clears(table: pd.DataFrame) -> None:
    table["pixel_size_um"] = 0.5
    blank = pd.DataFrame({"fov_id": ["a"], "pixel_size_um": [None], "sample": [""]})
    assert merge_metadata(table, blank)["pixel_size_um"].tolist() == [0.5, 0.5, 0.5]
    cleared = merge_metadata(table, blank, clear_blank=True)
    assert cleared["pixel_size_um"].isna().tolist() == [True, False, False]
    assert cleared["sample"].tolist() == ["a", "b", "c"]


def test_further_columns_of_the_table_are_filled_too(table: pd.DataFrame) -> None:
    merged = merge_metadata(table.assign(donor=""), pd.DataFrame({"fov_id": ["b"], "donor": ["D2"]}))
    assert merged["donor"].tolist() == ["", "D2", ""]


def test_a_table_merged_with_itself_is_unchanged(table: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(merge_metadata(table, table), table)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ({"fov_id": ["a"], "weather": ["x"]}, "'weather' is not known"),
        ({"sample": ["x"]}, "fov_id or phase"),
        ({"fov_id": ["nobody"], "sample": ["x"]}, "row 1: fov_id 'nobody' is in no field"),
        ({"phase": ["b.tif"], "sample": ["x"]}, "is in no field"),
        ({"fov_id": ["a", "a"], "sample": ["x", "y"]}, "more than one row"),
        ({"fov_id": ["a"], "pixel_size_um": ["small"]}, "pixel_size_um: wanted a number, found 'small'"),
        ({"fov_id": ["a"], "pixel_size_um": [0]}, "usable number for pixel_size_um"),
        ({"fov_id": ["a"], "pixel_size_um": [-1.0]}, "usable number"),
        ({"fov_id": ["a"], "time_h": [float("inf")]}, "usable number for time_h"),
        ({"fov_id": ["b", "a"], "role": ["sample", "control"]}, "row 2: wanted the role"),
        ({"fov_id": ["a"], "phase": ["other.tif"]}, "has the phase image"),
    ],
)
def test_wrong_metadata_is_refused(table: pd.DataFrame, rows: dict, said: str) -> None:
    with pytest.raises(InputError, match=said):
        merge_metadata(table, pd.DataFrame(rows))


def test_a_file_name_that_fits_two_fields_is_refused() -> None:
    both = table_of(["d1/x.tif", "d2/x.tif"]).table
    with pytest.raises(InputError, match="more than one field"):
        merge_metadata(both, pd.DataFrame({"phase": ["x.tif"], "sample": ["s"]}))
    assert merge_metadata(both, pd.DataFrame({"phase": ["d2/x.tif"], "sample": ["s"]}))["sample"].tolist() == ["d1", "s"]


def test_fields_csv_is_read(tmp_path: Path, table: pd.DataFrame) -> None:
    table.to_csv(tmp_path / "fields.csv", index=False, encoding="utf-8-sig")
    assert fields(read_fields(tmp_path / "fields.csv")) == fields(table)
