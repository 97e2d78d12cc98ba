"""Two people edit one table of fields."""

import pandas as pd
import pytest

from core.field_edits import Clash, carried_over
from core.fields import table_of


@pytest.fixture
def before() -> pd.DataFrame:
    return table_of(["images/a.tif", "images/b.tif", "images/c.tif"]).table.assign(donor="")


def test_changes_of_both_are_kept(before: pd.DataFrame) -> None:
    edited, now = before.copy(), before.copy()
    edited.loc[0, "condition"], edited.loc[1, "pixel_size_um"] = "doxo", 0.5
    now.loc[0, "passage"], now.loc[2, "donor"] = "4", "D1"
    both, clashes = carried_over(before, edited, now)
    assert clashes == []
    expected = now.copy()
    expected.loc[0, "condition"], expected.loc[1, "pixel_size_um"] = "doxo", 0.5
    pd.testing.assert_frame_equal(both, expected)


def test_a_cell_that_both_changed_stays_as_the_other_left_it(before: pd.DataFrame) -> None:
    edited, now = before.copy(), before.copy()
    edited.loc[[0, 1], "condition"] = ["doxo", "ctrl"]
    now.loc[[0, 1], "condition"] = ["H2O2", "ctrl"]
    both, clashes = carried_over(before, edited, now)
    assert both["condition"].to_list() == ["H2O2", "ctrl", ""]
    assert clashes == [Clash("a", "condition", "doxo", "H2O2")]


def test_rows_added_elsewhere_stay_and_rows_deleted_here_go(before: pd.DataFrame) -> None:
    now = table_of(["images/d.tif"], existing=before).table
    both, clashes = carried_over(before, before.iloc[[0, 2]], now)
    assert both["fov_id"].to_list() == ["a", "c", "d"]
    assert clashes == []


def test_a_row_deleted_here_and_changed_elsewhere_stays(before: pd.DataFrame) -> None:
    now = before.copy()
    now.loc[1, "time_h"] = 24.0
    both, clashes = carried_over(before, before.iloc[[0, 2]], now)
    assert both["fov_id"].to_list() == ["a", "b", "c"]
    assert clashes == [Clash("b", "", "", "")]


def test_a_change_of_a_row_deleted_elsewhere_is_said(before: pd.DataFrame) -> None:
    edited = before.copy()
    edited.loc[1, "time_h"] = 24.0
    both, clashes = carried_over(before, edited, before.iloc[[0, 2]])
    assert both["fov_id"].to_list() == ["a", "c"]
    assert clashes == [Clash("b", "time_h", "24", "")]
