"""Which culture goes to training, validation and test: whole groups, classes balanced, stable when cultures are added."""

import hashlib
from collections.abc import Mapping
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.errors import InputError
from core.settings import GROUP_WORDS

SPLITS: Final = ("train", "validation", "test")
LEFT_OUT: Final = "left out"  # in an assignment by hand: the group is not used
NAMES: Final = {  # how others call them
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
    LEFT_OUT: LEFT_OUT,
    "leave out": LEFT_OUT,
}


def unit_of(group: str) -> str:
    """What the split keeps together, in the words of the laboratory: the column ``group`` as "culture", "field", "donor"."""
    return GROUP_WORDS.get(group, group)


def propose_split(groups: pd.DataFrame, shares: tuple[float, float, float], seed: int, fixed: Mapping[str, str] | None = None) -> dict[str, str]:
    """Assign every group (culture, donor, ...) to "train", "validation" or "test".

    Groups are placed one after the other, in the order of the table, each by what it brings and by what was placed before it,
    never by what comes after: groups that are appended later do not move earlier ones. A group goes where most of its
    classes are missing still, to training and validation before test, so that few groups can be trained on and the first few cover
    all three sets; after that it goes to one of the sets that have fewer cells than their share, class by class, drawn with
    probabilities in proportion to what they lack. The draw is a hash of the seed and the group's name, so it does not depend on the
    other groups or on the computer.

    Nothing is resampled: each set keeps the prevalence of its cultures.

    Parameters
    ----------
    groups : one row a group in order of first appearance, columns ``group``, ``n_0``, ``n_1`` (cells of each class).
    shares : wanted shares of the cells in training, validation and test; their sum is 1. A share of 0 leaves a set empty.
    fixed : groups that are placed already (by the user or by an earlier dataset); placed first, whatever the order. "left out"
        leaves a group out of all sets.

    Raises
    ------
    InputError
        A fixed group that does not exist, or a set of an unknown name.
    """
    chosen = checked_assignment(fixed or {}, groups["group"].tolist())
    wanted = np.array(shares, float)
    counts = groups[["n_0", "n_1"]].to_numpy(float)
    held = np.zeros((3, 2))
    for name, cells in zip(groups["group"], counts, strict=True):
        if chosen.get(name, LEFT_OUT) != LEFT_OUT:
            held[SPLITS.index(chosen[name])] += cells
    for name, cells in zip(groups["group"], counts, strict=True):
        if name not in chosen:
            place = _place(cells, held, wanted, _draw(seed, name))
            held[place] += cells
            chosen[name] = SPLITS[place]
    return {name: chosen[name] for name in groups["group"]}


def _place(cells: NDArray, held: NDArray, wanted: NDArray, draw: float) -> int:
    lacking = ((held == 0) & (cells > 0)).sum(axis=1) * (wanted > 0)
    if lacking[:2].any():
        lacking[2] = 0  # without test cells a network can be trained, without the others it cannot
    open_sets = (lacking == lacking.max()) & (wanted > 0)
    total = held.sum(axis=0) + cells
    missing = np.where(total > 0, wanted[:, None] - held / np.maximum(total, 1), 0)[:, cells > 0].sum(axis=1)
    weight = np.where(open_sets, np.maximum(missing, 0), 0)
    if not weight.any():  # every open set has its share already, e.g. after a hand-made split
        weight = np.where(open_sets, wanted, 0)
    return int(np.searchsorted(np.cumsum(weight) / weight.sum(), draw, side="right"))


def _draw(seed: int, group: str) -> float:
    """A number in [0, 1) from the seed and the group alone."""
    digest = hashlib.sha256(f"{seed}\n{group}".encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def split_cells(classes: NDArray, shares: tuple[float, float, float], seed: int, names: NDArray) -> NDArray[np.object_]:
    """A split cell by cell, stratified by class: (N,) of "train", ... Only for crops whose culture nobody knows: it leaks.

    ``names`` (N,) identify the cells; a cell stays where it is when others are added, as only its own hash decides.
    """
    draws = np.array([_draw(seed, f"{c}\n{name}") for c, name in zip(classes, names, strict=True)])
    return np.array(SPLITS, object)[np.searchsorted(np.cumsum(shares)[:2], draws, side="right")]


def group_counts(cells: pd.DataFrame) -> pd.DataFrame:
    """One row a group of ``cells`` (columns ``group``, ``class``), in order of first appearance: ``group, n_0, n_1, n_cells, senescent_fraction``."""
    classes = cells["class"].astype(int)
    table = pd.DataFrame({"group": cells["group"], "n_0": classes == 0, "n_1": classes == 1}).groupby("group", sort=False).sum().astype(int).reset_index()
    table["n_cells"] = table["n_0"] + table["n_1"]
    table["senescent_fraction"] = table["n_1"] / table["n_cells"].clip(lower=1)
    return table


def checked_assignment(assignment: Mapping[str, str], known: list[str]) -> dict[str, str]:
    """A hand-made assignment with the names of the sets brought to ours. InputError for unknown groups or sets."""
    out = {}
    for group, split in assignment.items():
        if group not in known:
            raise InputError(f"Split: wanted one of {', '.join(map(repr, known[:12]))}, found {group!r}.")
        if str(split).strip().lower() not in NAMES:
            raise InputError(f"Split of {group!r}: wanted {', '.join(SPLITS)} or {LEFT_OUT}, found {split!r}.")
        out[group] = NAMES[str(split).strip().lower()]
    return out


def checked_shares(validation: float, test: float) -> tuple[float, float, float]:
    """Shares of the three sets. InputError where nothing is left to train on."""
    if validation < 0 or test < 0 or validation + test >= 1:
        raise InputError(f"Split: wanted shares of validation and test that leave cells to train on, found {validation:g} and {test:g}.")
    return 1 - validation - test, validation, test
