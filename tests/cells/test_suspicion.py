"""Suspicious outlines: every reason on a cell made for it, and no reason on good cells."""

import numpy as np
import pandas as pd
import pytest

from core.cells.suspicion import MEASURES, measure, parts_of, suspicion
from core.errors import InputError

SHAPE = (300, 400)


def disc(y: float, x: float, a: float, b: float | None = None) -> np.ndarray:
    yy, xx = np.mgrid[: SHAPE[0], : SHAPE[1]]
    return ((yy - y) / a) ** 2 + ((xx - x) / (b or a)) ** 2 < 1


@pytest.fixture
def good() -> np.ndarray:
    """15 ovals of slightly different size, ids 2, 4, ..., none at the border."""
    labels = np.zeros(SHAPE, np.int32)
    for k in range(15):
        labels[disc(30 + 55 * (k // 5), 35 + 75 * (k % 5), 11 + k % 3, 18 - k % 4)] = 2 + 2 * k
    return labels


def reasons(labels: np.ndarray, **more: object) -> dict[int, str]:
    table = suspicion(measure(labels, **more))  # type: ignore[arg-type]
    return dict(zip(table["label"], table["reason"], strict=True))


def test_good_cells_have_no_reason(good: np.ndarray) -> None:
    table = suspicion(measure(good))
    assert len(table) == 15
    assert (table["score"] == 0).all()
    assert (table["reason"] == "").all()


def test_measures_of_a_rectangle() -> None:
    labels = np.zeros((40, 60), np.int32)
    labels[10:20, 5:45] = 8
    row = measure(labels).iloc[0]
    assert tuple(measure(labels).columns) == MEASURES
    assert (row["label"], row["y_px"], row["x_px"], row["area_px"]) == (8, 14.5, 24.5, 400)
    assert row["solidity"] == pytest.approx(1.0)
    assert row["elongation"] == pytest.approx(4.0)
    assert (row["parts"], row["pieces"]) == (1, 1)
    assert not row["touches_border"]
    assert np.isnan(row["neck"])
    assert np.isnan(row["flow_error"])


def test_two_touching_cells_in_one_outline_come_first(good: np.ndarray) -> None:
    good[disc(240, 60, 14) | disc(240, 84, 13)] = 100
    table = suspicion(measure(good))
    assert table["label"][0] == 100
    assert "2 thick parts, perhaps 2 cells" in table["reason"][0]
    assert (table["score"][1:] == 0).all()


def test_three_cells_and_a_thin_neck() -> None:
    mask = disc(100, 60, 12) | disc(100, 92, 12) | disc(100, 124, 12)
    mask[98:102, 60:124] = True
    parts, neck, pieces = parts_of(mask)
    assert (parts, pieces) == (3, 1)
    assert neck < 0.5
    labels = np.where(mask, 5, 0).astype(np.int32)
    assert "thin neck" in reasons(labels)[5]


@pytest.mark.parametrize("mask", [disc(100, 100, 20, 25), disc(100, 100, 5, 60), disc(100, 100, 2), disc(100, 100, 20) | disc(100, 125, 2, 30)])
def test_one_cell_is_one_part_with_or_without_a_process(mask: np.ndarray) -> None:
    assert parts_of(mask)[0] == 1


def test_sizes_far_from_the_others(good: np.ndarray) -> None:
    good[disc(240, 60, 40, 50)] = 100
    good[disc(240, 200, 4)] = 101
    found = reasons(good)
    assert found[100] == "much larger than the others"
    assert found[101] == "much smaller than the others"
    assert not any(found[label] for label in found if label < 100)


def test_few_cells_are_compared_with_the_experiment() -> None:
    labels = np.where(disc(150, 150, 40), 1, 0).astype(np.int32)
    assert reasons(labels) == {1: ""}
    table = suspicion(measure(labels), areas=np.random.default_rng(0).normal(600, 60, 200))
    assert table["reason"][0] == "much larger than the others"


def test_a_piece_cut_by_the_border_is_no_small_cell(good: np.ndarray) -> None:
    good[0:4, 200:212] = 101
    assert reasons(good)[101] == "cut by the border"


def test_pieces_bent_and_long(good: np.ndarray) -> None:
    good[disc(240, 60, 12) | disc(240, 110, 12)] = 100
    good[disc(240, 200, 30) & ~disc(240, 210, 24)] = 101
    good[disc(240, 320, 4, 60)] = 102
    found = reasons(good)
    assert found[100].startswith("in several pieces")
    assert "ragged or bent outline" in found[101]
    assert found[102] == "very long"


def test_flow_errors_where_they_are_known(good: np.ndarray) -> None:
    found = reasons(good, flow_error={2: 0.1, 4: 0.39})
    assert found[4] == "the network was unsure (flow error 0.39)"
    assert found[2] == found[6] == ""


def test_the_same_whether_measured_alone_or_with_others(good: np.ndarray) -> None:
    good[disc(240, 60, 14) | disc(240, 84, 13)] = 100
    whole = measure(good)
    some = measure(good, ids=[100, 4, 77])
    pd.testing.assert_frame_equal(some, whole[whole["label"].isin([4, 100])].reset_index(drop=True))


@pytest.mark.parametrize("ids", [None, [], [3]])
def test_an_empty_field(ids: list[int] | None) -> None:
    table = suspicion(measure(np.zeros((20, 20), np.int32), ids))
    assert len(table) == 0
    assert list(table.columns) == ["label", "y_px", "x_px", "score", "reason", "clear"]


def test_odd_fields() -> None:
    assert reasons(np.ones((1, 1), np.uint8)) == {1: "cut by the border"}
    huge = np.zeros((30, 30), np.int32)
    huge[5:10, 5:10] = 2**31 - 1
    assert list(reasons(huge)) == [2**31 - 1]
    assert list(reasons(np.full((9, 9), 7, np.int32))) == [7]


def test_what_is_no_label_image_is_refused() -> None:
    with pytest.raises(InputError, match="Label image"):
        measure(np.zeros((3, 3)))
