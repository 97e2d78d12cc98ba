"""Agreement of label images on named cases."""

import math

import numpy as np
import pytest

from core.cells.agreement import IOUS, agreement, changed_cells
from core.errors import InputError


def squares(*corners: tuple[int, int], side: int = 10, size: int = 64, ids: tuple[int, ...] = ()) -> np.ndarray:
    labels = np.zeros((size, size), np.int32)
    for k, (y, x) in enumerate(corners):
        labels[y : y + side, x : x + side] = ids[k] if ids else k + 1
    return labels


TWO = squares((5, 5), (5, 15))  # touching
EMPTY = np.zeros_like(TWO)


def test_identical_images_agree_wholly() -> None:
    row = agreement(TWO, TWO)
    assert (row.true_cells, row.found_cells, row.ap50, row.ap75, row.ap_mean, row.f1_50, row.merges, row.splits) == (2, 2, 1, 1, 1, 1, 0, 0)


def test_nothing_to_find_and_nothing_found_has_no_score() -> None:
    row = agreement(EMPTY, EMPTY)
    assert all(math.isnan(v) for v in (row.ap50, row.ap75, row.ap_mean, row.f1_50))
    assert (row.true_cells, row.found_cells, row.merges, row.splits) == (0, 0, 0, 0)


@pytest.mark.parametrize(("truth", "found"), [(TWO, EMPTY), (EMPTY, TWO)])
def test_all_missed_or_all_false_is_zero(truth: np.ndarray, found: np.ndarray) -> None:
    row = agreement(truth, found)
    assert (row.ap50, row.ap75, row.ap_mean, row.f1_50) == (0, 0, 0, 0)
    assert (row.true_cells, row.found_cells) == (int(truth.max()), int(found.max()))


def test_two_cells_found_as_one_are_a_merge() -> None:
    row = agreement(TWO, (TWO > 0).astype(np.int32))
    assert (row.merges, row.splits, row.found_cells) == (1, 0, 1)
    assert row.ap50 == pytest.approx(1 / 2)  # half of the merged outline is one of the cells: IoU 0.5
    assert row.ap75 == 0


def test_one_cell_found_as_two_is_a_split_and_mirrors_the_merge() -> None:
    one = (TWO > 0).astype(np.int32)
    row, mirrored = agreement(one, TWO), agreement(TWO, one)
    assert (row.merges, row.splits) == (0, 1)
    assert row.f1_50 == mirrored.f1_50


def test_a_speck_inside_a_cell_is_no_split() -> None:
    found = squares((5, 5), side=20)
    found[10:13, 10:13] = 7
    assert agreement(squares((5, 5), side=20), found).splits == 0


def test_a_shifted_cell_matches_while_its_iou_allows() -> None:
    row = agreement(squares((20, 20)), squares((22, 20)))  # IoU 80 / 120
    assert (row.ap50, row.ap75) == (1, 0)
    assert row.ap_mean == pytest.approx(np.mean([iou <= 80 / 120 for iou in IOUS]))


def test_a_missed_and_a_false_cell_count_once_each() -> None:
    row = agreement(squares((5, 5), (30, 30)), squares((5, 5), (50, 5)))
    assert row.ap50 == pytest.approx(1 / 3)
    assert row.f1_50 == pytest.approx(1 / 2)


def test_gaps_between_ids_and_their_order_do_not_matter() -> None:
    gapped = squares((5, 5), (5, 15), ids=(900, 17))
    assert agreement(gapped, TWO) == agreement(TWO, gapped) == agreement(TWO, TWO)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int64])
def test_any_whole_numbers_will_do(dtype: type) -> None:
    assert agreement(TWO.astype(dtype), TWO).ap50 == 1


def test_ap_is_that_of_cellpose(discs: np.ndarray) -> None:
    from cellpose.metrics import average_precision

    rng = np.random.default_rng(0)
    found = np.roll(discs, 2, axis=1)
    found[found == 3] = 0
    found[rng.random(found.shape) < 0.1] = 0
    found[np.isin(found, (1, 2))] = 1
    found = np.unique(found, return_inverse=True)[1].reshape(found.shape).astype(np.int32)
    row = agreement(discs, found)
    theirs = average_precision(discs, found, threshold=list(IOUS))[0]
    assert 0 < row.ap75 < row.ap50 < 1
    assert (row.ap50, row.ap75, row.ap_mean) == pytest.approx((theirs[0], theirs[5], theirs.mean()))


def test_other_sizes_and_fractions_are_refused() -> None:
    with pytest.raises(InputError, match="same size"):
        agreement(TWO, TWO[:-1])
    with pytest.raises(InputError, match="whole numbers"):
        agreement(TWO, TWO.astype(float))


def test_changed_cells_are_counted_as_a_person_would() -> None:
    four = squares((5, 5), (5, 15), (30, 30), (50, 50))
    removed, merged, drawn, moved = four.copy(), four.copy(), four.copy(), four.copy()
    removed[removed == 1] = 0
    merged[merged == 2] = 1
    drawn[40:45, 5:15] = 9
    moved[30, 30:40] = 0
    assert changed_cells(four, squares((5, 5), (5, 15), (30, 30), (50, 50), ids=(8, 3, 4, 70))) == 0
    assert [changed_cells(four, after) for after in (removed, merged, drawn, moved)] == [1, 2, 1, 1]
    assert changed_cells(merged, four) == 2
    assert changed_cells(EMPTY, four) == 4
