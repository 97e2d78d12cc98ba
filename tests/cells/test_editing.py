"""Corrections by hand: every action on named label images, the history of a log, and what is refused."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from core.cells import editing
from core.cells.edits import Edit, history, touched
from core.errors import InputError


@pytest.fixture
def field() -> np.ndarray:
    """Cells 2 (a bar of 10 x 30 px), 5 and 9 (touching), 7 (4 px from 9), 40 (on the border); the highest id is 40."""
    labels = np.zeros((80, 100), np.int32)
    labels[10:20, 10:40] = 2
    labels[40:60, 10:30] = 5
    labels[40:60, 30:50] = 9
    labels[40:60, 54:70] = 7
    labels[70:80, 90:100] = 40
    return labels


def only(labels: np.ndarray, before: np.ndarray, *changed: int) -> bool:
    """True where all cells but ``changed`` have the same pixels as before."""
    return all(((labels == one) == (before == one)).all() for one in set(np.unique(before)) - {0, *changed})


def box(top: float, left: float, bottom: float, right: float) -> list[tuple[float, float]]:
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def test_remove(field: np.ndarray) -> None:
    out = editing.remove(field, 5)
    assert not (out == 5).any()
    assert only(out, field, 5)
    assert (field == 5).any(), "the input stays as it was"


def test_merge_keeps_the_lowest_id(field: np.ndarray) -> None:
    out = editing.merge(field, [9, 5])
    assert (out == 5).sum() == 800
    assert not (out == 9).any()
    assert only(out, field, 5, 9)


def test_merge_closes_a_small_gap_with_background_only(field: np.ndarray) -> None:
    from scipy import ndimage

    field[50, 50:54] = 60  # a cell in the gap stays whole
    out = editing.merge(field, [7, 9])
    assert ndimage.label(np.isin(out, (7, 60)))[1] == 1
    assert (out == 60).sum() == 4
    assert (out == 7).sum() >= 20 * 20 + 20 * 16 + 4 * 14
    assert only(out, field, 7, 9)


def test_merge_at_the_border_of_the_field() -> None:
    labels = np.zeros((12, 12), np.int32)
    labels[0:3, 0:5], labels[0:3, 7:12] = 1, 2
    assert (editing.merge(labels, (1, 2))[0:2] == 1).all()


def test_cells_far_apart_are_not_merged(field: np.ndarray) -> None:
    with pytest.raises(InputError, match="more than 10 px apart"):
        editing.merge(field, [2, 40])
    with pytest.raises(InputError, match="2, 5 and 9"):
        editing.merge(field, [5, 9, 2])


def test_split_gives_the_larger_part_the_old_id(field: np.ndarray) -> None:
    out = editing.split(field, 2, [(20.5, 2), (20.5, 30)])
    left, right = out[10:20, 10:20], out[10:20, 21:40]
    assert (left == 41).all()
    assert (right == 2).all()
    assert only(out, field, 2)
    assert (np.isin(out, (2, 41)) == (field == 2)).all(), "no pixel is lost under the line"


def test_a_line_that_ends_inside_is_prolonged(field: np.ndarray) -> None:
    out = editing.split(field, 2, [(25.5, 13), (25.5, 16)])
    assert sorted(np.unique(out[10:20, 10:40])) == [2, 41]
    assert only(out, field, 2)


def test_a_slanted_line_leaves_no_bridge(field: np.ndarray) -> None:
    from scipy import ndimage

    out = editing.split(field, 5, [(8, 38), (14, 45), (33, 61)])
    assert ndimage.label(out == 5)[1] == 1
    assert ndimage.label(out == 41)[1] == 1


def test_a_line_through_a_ring_of_a_cell_makes_several_parts() -> None:
    labels = np.full((20, 20), 3, np.int32)
    labels[:15, 8:12] = 0  # a U
    out = editing.split(labels, 3, [(-5, 5.5), (25, 5.5)], new_id=10)
    parts = {int(one): int((out == one).sum()) for one in np.unique(out) if one}
    assert set(parts) == {3, 10, 11}
    assert parts[3] > parts[10] >= parts[11]


def test_the_far_piece_of_a_cell_in_pieces_is_not_touched_by_a_split() -> None:
    labels = np.zeros((20, 60), np.int32)
    labels[5:15, 2:22], labels[5:15, 40:58] = 4, 4
    out = editing.split(labels, 4, [(12.5, 0), (12.5, 20)])
    assert (out[5:15, 40:58] == 4).all()
    assert set(np.unique(out)) == {0, 4, 5}


def test_a_new_id_that_exists_is_refused(field: np.ndarray) -> None:
    with pytest.raises(InputError, match="exists already"):
        editing.draw(field, box(62, 40, 75, 60), new_id=7)


@pytest.mark.parametrize("line", [[(60, 2), (60, 30)], [(0, 0), (5, 5)], [(25, 15), (25, 15)], [(9.5, 8), (9.5, 30)]])
def test_a_line_that_does_not_cut_is_refused(field: np.ndarray, line: list[tuple[float, float]]) -> None:
    with pytest.raises(InputError, match="does not cut cell 2"):
        editing.split(field, 2, line)


def test_draw_takes_pixels_whose_centre_is_inside(field: np.ndarray) -> None:
    out = editing.draw(field, box(62, 40, 75, 60))
    assert (out[62:75, 40:60] == 41).all()
    assert (out == 41).sum() == 13 * 20
    assert only(out, field)


def test_draw_swallows_no_other_cell(field: np.ndarray) -> None:
    out = editing.draw(field, box(30, 5, 65, 75))  # around 5, 9 and 7
    assert only(out, field)
    assert (out == 41).sum() == 35 * 70 - 20 * (20 + 20 + 16)


def test_draw_takes_the_largest_piece_where_a_cell_lies_between(field: np.ndarray) -> None:
    out = editing.draw(field, box(5, 15, 40, 20))  # above and below the bar
    assert (out[20:40, 15:20] == 41).all()
    assert not (out[:10] == 41).any()


def test_draw_is_cut_off_at_the_field(field: np.ndarray) -> None:
    out = editing.draw(field, box(-20, 50, 8, 300))
    assert (out[:8, 50:] == 41).all()
    assert (out == 41).sum() == 8 * 50


def test_a_line_that_crosses_itself_leaves_no_hole(field: np.ndarray) -> None:
    out = editing.draw(field, [*box(20, 70, 40, 95), (70, 20), (80, 20), (80, 30), (70, 30)])
    assert (out[20:40, 70:95] == 41).all()


@pytest.mark.parametrize(
    ("polygon", "said"),
    [
        (box(12, 12, 18, 20), "only cells"),
        (box(-30, -30, -2, -2), "outside"),
        (box(90, 10, 99, 20), "outside"),
        ([(50, 5), (60, 5), (70, 5)], "no area"),
        (box(5, 50.6, 9, 51.4), "no area"),
        (box(1, 50, 2, 52), "no area"),
    ],
)
def test_polygons_without_a_cell_are_refused(field: np.ndarray, polygon: list[tuple[float, float]], said: str) -> None:
    with pytest.raises(InputError, match=said):
        editing.draw(field, polygon)


def test_outline_moves_the_edge_of_one_cell(field: np.ndarray) -> None:
    out = editing.outline(field, 5, box(35, 5, 65, 35))
    assert (out[35:65, 5:30] == 5).all()
    assert (out[35:40, 30:35] == 5).all()
    assert only(out, field, 5)
    smaller = editing.outline(field, 5, box(45, 15, 50, 20))
    assert (smaller == 5).sum() == 25


def test_outline_elsewhere_is_refused(field: np.ndarray) -> None:
    with pytest.raises(InputError, match="does not overlap cell 5"):
        editing.outline(field, 5, box(62, 70, 75, 85))


@pytest.mark.parametrize(
    "act",
    [
        lambda f: editing.remove(f, 3),
        lambda f: editing.merge(f, [2, 3]),
        lambda f: editing.split(f, 3, [(0, 0), (9, 9)]),
        lambda f: editing.outline(f, 3, box(0, 0, 9, 9)),
    ],
)
def test_a_cell_that_is_not_there(field: np.ndarray, act: Callable[[np.ndarray], object]) -> None:
    with pytest.raises(InputError, match="no cell 3 in this field"):
        act(field)


@pytest.mark.parametrize("bad", [np.zeros((3, 3)), np.zeros((2, 3, 3), int), np.array([[-1]])])
def test_what_is_no_label_image_is_refused(bad: np.ndarray) -> None:
    with pytest.raises(InputError, match="Label image"):
        editing.remove(bad, 1)


def test_apply_gives_ids_above_every_one_ever_used(field: np.ndarray) -> None:
    edits = [Edit("remove", (40,)), Edit("split", (2,), ((20.5, 2), (20.5, 30))), Edit("draw", points=tuple(box(62, 40, 75, 60)))]
    out, done = editing.numbered(field, edits, used=90)
    assert [edit.made for edit in done] == [(), (91,), (92,)]
    assert set(np.unique(out)) == {0, 2, 5, 7, 9, 91, 92}
    again = editing.apply(field, done)
    assert (again == out).all()
    assert touched(done) == {40, 2, 91, 92}


def test_apply_to_other_outlines_is_noticed(field: np.ndarray) -> None:
    with pytest.raises(InputError, match="other outlines"):
        editing.apply(field, [Edit("split", (2,), ((20.5, 2), (20.5, 30)), made=(41, 42))])


def test_edits_of_an_empty_field() -> None:
    empty = np.zeros((30, 30), np.int32)
    assert (editing.apply(empty, []) == empty).all()
    assert (editing.draw(empty, box(5, 5, 10, 10)) == 1).sum() == 25


def test_an_edit_is_a_row_and_back() -> None:
    edit = Edit("split", (2,), ((20.5, 2.0), (20.5, 30.0)), (41,), "Ada", "2026-01-01T00:00:00+00:00", "tab-1")
    assert Edit.from_row(edit.row()) == edit
    assert Edit("remove", (2,)).row() == {"action": "remove", "labels": [2]}


@pytest.mark.parametrize(
    "row",
    [
        {},
        {"action": "explode", "labels": [1]},
        {"action": "remove", "labels": []},
        {"action": "remove", "labels": [0]},
        {"action": "remove", "labels": ["1"]},
        {"action": "remove", "labels": [True]},
        {"action": "merge", "labels": [4, 4]},
        {"action": "split", "labels": [4], "points": [[1, 2]]},
        {"action": "split", "labels": [4], "points": [[1, 2], [1]]},
        {"action": "draw", "points": [[1, 2], [2, float("nan")], [3, 3]]},
        {"action": "draw", "points": [[1, 2], [2, 1e9], [3, 3]]},
        {"action": "draw", "labels": [4], "points": [[1, 2], [2, 2], [3, 3]]},
    ],
)
def test_rows_that_are_no_edit(row: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="Correction"):
        Edit.from_row(row)


def log(*names: str) -> list[dict[str, Any]]:
    rows = {
        "a": {"action": "remove", "labels": [1]},
        "b": {"action": "draw", "points": box(0, 0, 9, 9), "made": [41]},
        "c": {"action": "remove", "labels": [3]},
    }
    return [rows.get(name, {"action": name}) for name in names]


@pytest.mark.parametrize(
    ("names", "standing", "undone"),
    [
        ((), "", ""),
        (("a", "b"), "ab", ""),
        (("a", "b", "undo"), "a", "b"),
        (("a", "b", "undo", "undo", "redo"), "a", "b"),
        (("a", "b", "undo", "undo", "redo", "redo"), "ab", ""),
        (("a", "b", "undo", "c"), "ac", ""),
    ],
)
def test_undo_and_redo_are_rows(names: tuple[str, ...], standing: str, undone: str) -> None:
    found = history(log(*names))
    assert [edit.row() for edit in found.edits] == [edit.row() for edit in history(log(*standing)).edits]
    assert len(found.undone) == len(undone)
    assert found.version == history(log(*standing)).version
    assert found.highest == (41 if "b" in names else 0), "the id of an undone cell is not given again"


@pytest.mark.parametrize("names", [("undo",), ("a", "redo"), ("a", "undo", "undo"), ("a", "undo", "b", "redo")])
def test_nothing_to_take_back(names: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match="nothing to"):
        history(log(*names))


def test_looked_at_is_the_last_word() -> None:
    rows: list[dict[str, Any]] = [{"action": "looked_at", "value": True}, *log("a")]
    assert history(rows).looked_at
    assert not history([*rows, {"action": "looked_at", "value": False}]).looked_at
    assert history(rows).counts() == {"remove": 1}
