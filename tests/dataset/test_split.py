"""Whole cultures, stable when others are added, both classes everywhere where that is possible."""

import numpy as np
import pandas as pd
import pytest

from core.dataset.split import checked_assignment, checked_shares, group_counts, propose_split, split_cells
from core.errors import InputError

SHARES = (0.7, 0.15, 0.15)


def cultures(counts: list[tuple[int, int]]) -> pd.DataFrame:
    return pd.DataFrame({"group": [f"MSC{i}" for i in range(len(counts))], "n_0": [a for a, _ in counts], "n_1": [b for _, b in counts]})


def mixed(n: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return cultures([(int(a), int(b)) for a, b in rng.integers(10, 300, (n, 2))])


@pytest.mark.parametrize("seed", range(5))
def test_added_cultures_do_not_move_old_ones(seed: int) -> None:
    groups = mixed(20, seed)
    whole = propose_split(groups, SHARES, seed)
    for n in range(1, 20):
        assert propose_split(groups.iloc[:n], SHARES, seed).items() <= whole.items()


@pytest.mark.parametrize("seed", range(5))
def test_three_mixed_cultures_fill_all_sets(seed: int) -> None:
    assert set(propose_split(mixed(3, seed), SHARES, seed).values()) == {"train", "validation", "test"}


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("counts", [[(27, 0), (30, 7), (12, 15)], [(30, 7), (27, 0), (12, 15)], [(0, 9), (30, 7), (12, 15)], [(30, 7), (12, 15)]])
def test_few_cultures_can_be_trained_on(counts: list[tuple[int, int]], seed: int) -> None:
    """The test set is what remains."""
    groups = cultures(counts)
    held = groups.groupby(groups["group"].map(propose_split(groups, SHARES, seed)))[["n_0", "n_1"]].sum()
    assert (held.loc[["train", "validation"]] > 0).all(axis=None)


def test_cultures_that_are_placed_stay_where_nothing_can_be_trained() -> None:
    groups = cultures([(27, 0), (30, 7), (12, 15)])
    fixed = {"MSC0": "train", "MSC1": "validation"}
    assert propose_split(groups, SHARES, 0, fixed) == {**fixed, "MSC2": "train"}


@pytest.mark.parametrize("seed", range(5))
def test_shares_come_near_the_wanted_ones_for_both_classes(seed: int) -> None:
    groups = mixed(40, seed)
    splits = groups["group"].map(propose_split(groups, SHARES, seed))
    for column in ("n_0", "n_1"):
        found = groups.groupby(splits)[column].sum() / groups[column].sum()
        assert found[["train", "validation", "test"]].to_numpy() == pytest.approx(SHARES, abs=0.08)


def test_cultures_of_one_class_do_not_take_the_place_of_the_other_class() -> None:
    groups = cultures([(100, 0), (100, 0), (100, 0), (0, 50), (0, 50), (0, 50)])
    splits = groups["group"].map(propose_split(groups, SHARES, 0))
    assert set(splits[:3]) == set(splits[3:]) == {"train", "validation", "test"}


def test_another_seed_gives_another_split() -> None:
    groups = mixed(12, 0)
    assert len({tuple(propose_split(groups, SHARES, seed).values()) for seed in range(6)}) > 3


def test_fixed_cultures_stay_and_others_make_up_for_them() -> None:
    groups = mixed(6, 1)
    chosen = propose_split(groups, SHARES, 0, {"MSC5": "test", "MSC0": "Val"})
    assert chosen["MSC5"] == "test"
    assert chosen["MSC0"] == "validation"
    assert list(chosen) == list(groups["group"])
    assert "train" in chosen.values()


def test_a_culture_can_be_left_out() -> None:
    groups = mixed(4, 0)
    chosen = propose_split(groups, SHARES, 0, {"MSC0": "Leave out"})
    assert chosen["MSC0"] == "left out"
    assert {chosen[name] for name in ("MSC1", "MSC2", "MSC3")} == {"train", "validation", "test"}


def test_a_share_of_nothing_leaves_a_set_empty() -> None:
    assert set(propose_split(mixed(12, 2), (0.8, 0.2, 0.0), 0).values()) == {"train", "validation"}


def test_everything_given_by_hand_is_taken() -> None:
    groups = mixed(3, 0)
    assert set(propose_split(groups, SHARES, 0, dict.fromkeys(groups["group"], "test")).values()) == {"test"}


@pytest.mark.parametrize("wrong", [{"MSC9": "test"}, {"MSC0": "holdout"}])
def test_unknown_cultures_and_sets_are_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(InputError, match="wanted"):
        checked_assignment(wrong, ["MSC0"])


@pytest.mark.parametrize("wrong", [(0.5, 0.5), (-0.1, 0.2), (0.9, 0.3)])
def test_shares_must_leave_something_to_train_on(wrong: tuple[float, float]) -> None:
    with pytest.raises(InputError, match="leave cells to train on"):
        checked_shares(*wrong)


def test_cells_without_culture_keep_their_set_when_others_are_added() -> None:
    classes, names = np.arange(400) % 2, np.array([f"cell{i}" for i in range(400)])
    whole = split_cells(classes, SHARES, 3, names)
    np.testing.assert_array_equal(split_cells(classes[100:], SHARES, 3, names[100:]), whole[100:])
    assert [(whole[classes == 1] == s).mean() for s in ("train", "validation", "test")] == pytest.approx(SHARES, abs=0.08)


def test_groups_are_counted_in_order_of_appearance() -> None:
    table = group_counts(pd.DataFrame({"group": ["b", "a", "b", "b"], "class": pd.array([1, 0, 0, 1], "Int64")}))
    assert table.to_dict("list") == {"group": ["b", "a"], "n_0": [1, 1], "n_1": [2, 0], "n_cells": [3, 1], "senescent_fraction": [2 / 3, 0.0]}
