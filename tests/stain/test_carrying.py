"""Decisions carried over to another segmentation."""

import numpy as np
import pandas as pd
import pytest

from core.errors import InputError
from core.stain.carrying import carry_over, match_cells, not_yet_carried
from core.stain.curation import current, decision


@pytest.fixture
def old() -> np.ndarray:
    labels = np.zeros((20, 40), np.int32)
    labels[2:8, 2:12], labels[2:8, 20:30], labels[12:18, 2:12], labels[12:18, 20:30] = 4, 9, 11, 30
    return labels


@pytest.fixture
def new(old: np.ndarray) -> np.ndarray:
    labels = np.zeros_like(old)
    labels[2:8, 3:13] = 1  # 4, moved by one pixel
    labels[2:8, 20:25], labels[2:8, 25:30] = 2, 3  # 9, cut in two halves
    labels[12:18, 2:30] = 7  # 11 and 30 merged
    return labels


def rows(*cells: tuple[str, int, str]) -> pd.DataFrame:
    return pd.concat(
        [decision("old", {"fov_id": f, "label": n, "y_px": 0.0, "x_px": 0.0, "area_px": 60}, what, "A") for f, n, what in cells], ignore_index=True
    )


def test_overlap_is_that_of_the_best_partner(old: np.ndarray, new: np.ndarray) -> None:
    found = match_cells(old, new).set_index("label")
    assert found.index.tolist() == [4, 9, 11, 30]
    assert found.loc[4, "new_label"] == 1
    assert found.loc[4, "overlap"] == pytest.approx(54 / 66)
    assert (found.loc[4, "y_px"], found.loc[4, "x_px"], found.loc[4, "area_px"]) == (4.5, 7.5, 60)
    assert found.loc[9, "overlap"] == 0.5
    assert found.loc[[11, 30], "overlap"].tolist() == pytest.approx([60 / 168, 60 / 168])


def test_matching_equals_brute_force_and_is_one_to_one(rng: np.random.Generator) -> None:
    old = np.kron(rng.integers(0, 9, (6, 7)), np.ones((3, 4), int)) * 2
    new = np.where(rng.random(old.shape) < 0.8, old // 2 * 5, 5)
    for row in match_cells(old, new).to_dict("records"):
        best = max((np.sum((old == row["label"]) & (new == n)) / np.sum((old == row["label"]) | (new == n)) for n in np.unique(new[new > 0])), default=0)
        assert row["overlap"] == pytest.approx(best)
    same = match_cells(old, old)
    assert (same["overlap"] == 1).all()
    assert (same["label"] == same["new_label"]).all()


def test_decisions_follow_the_same_cell_and_the_others_are_listed(old: np.ndarray, new: np.ndarray) -> None:
    given = rows(("f1", 4, "positive"), ("f1", 9, "negative"), ("f1", 11, "exclude"), ("f2", 1, "positive"), ("f1", 5, "negative"))
    carried, lost = carry_over(given, "old", "new", {"f1": match_cells(old, new)})
    assert carried[["segmentation", "fov_id", "label", "decision", "rater", "carried_from", "area_px"]].to_numpy().tolist() == [
        ["new", "f1", 1, "positive", "A", "old:4", 60]
    ]
    assert carried["time"].tolist() == given["time"].tolist()[:1]
    assert lost["label"].tolist() == [9, 11, 1, 5]
    assert lost["reason"].tolist() == [
        "the cell there now shares only 50 % with it",
        "the cell there now shares only 36 % with it",
        "the new segmentation lacks this field",
        "the old segmentation has no such cell",
    ]
    both = pd.concat([given, carried], ignore_index=True)
    assert current(both, "new")["decision"].tolist() == ["positive"]
    assert len(current(both, "old")) == 5  # nothing was lost there


def test_what_was_undone_is_not_carried_and_carrying_twice_adds_nothing(old: np.ndarray) -> None:
    given = rows(("f1", 4, "positive"), ("f1", 9, "negative"), ("f1", 9, "undo"))
    carried, lost = carry_over(given, "old", "new", {"f1": match_cells(old, old)})
    assert carried["label"].tolist() == [4]
    assert lost.empty
    assert len(not_yet_carried(carried, given)) == 1
    assert not_yet_carried(carried, pd.concat([given, carried])).empty


@pytest.mark.parametrize("which", ["old", "new", "both"])
def test_empty_label_images(old: np.ndarray, which: str) -> None:
    nothing = np.zeros_like(old)
    found = match_cells(nothing if which != "new" else old, nothing if which != "old" else old)
    assert len(found) == (4 if which == "new" else 0)
    assert (found["overlap"] == 0).all()
    _, lost = carry_over(rows(("f1", 4, "positive")), "old", "new", {"f1": found})
    assert lost["reason"].tolist() == ["no cell lies there any more" if which == "new" else "the old segmentation has no such cell"]


def test_label_images_of_two_sizes_are_refused(old: np.ndarray) -> None:
    with pytest.raises(InputError, match="one size"):
        match_cells(old, old[:5])
