"""Which set every cell of a dataset belongs to: by hand, as earlier datasets have it, by files, or as proposed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core.dataset.original import splits_from
from core.dataset.split import checked_assignment, checked_shares, group_counts, propose_split
from core.errors import InputError
from core.settings import DatasetSettings
from core.stages.original_files import read_sets
from core.workspace import Experiment, Product

UPSTREAM = "annotation of "  # before the name of an experiment in the record of a dataset


@dataclass(frozen=True)
class Wanted:
    """What a dataset is made of, besides its settings."""

    experiments: Sequence[Path]
    out: Path
    annotations: Sequence[str] = ()  # ids; of an experiment that none belongs to: the newest
    assignment: Mapping[str, str] = field(default_factory=dict)  # group -> set, by hand
    split_from: Sequence[str] = ()  # train, test and perhaps validation file of the original pipeline


def settle_split(cells: pd.DataFrame, wanted: Wanted, settings: DatasetSettings, homes: Sequence[Experiment]) -> tuple[pd.Series, dict[str, Any]]:
    """The set of every cell ("" where it is not used), and the record of it: group -> set, or the files that say it."""
    used = cells[cells["reason"] == ""]
    splits = pd.Series("", index=cells.index, dtype=object)
    if wanted.split_from:
        if wanted.assignment:
            raise InputError("Split: wanted either files that give it or cultures placed by hand, found both.")
        splits[used.index] = splits_from(read_sets(wanted.split_from), used, settings.validation, settings.seed)
        digest = pd.util.hash_pandas_object(splits, index=False).to_numpy()
        return splits, {"files": [Path(name).name for name in wanted.split_from], "digest": int(digest.sum(dtype=np.uint64))}
    groups = group_counts(used)
    earlier, names = earlier_split(homes, settings), lasting_names(used, settings.group)
    fixed = {g: earlier[name] for g, name in names.items() if name in earlier} | checked_assignment(wanted.assignment, groups["group"].tolist())
    chosen = propose_split(groups, checked_shares(settings.validation, settings.test), settings.seed, fixed)
    splits[used.index] = used["group"].map(chosen)
    return splits, chosen


def earlier_split(homes: Sequence[Experiment], settings: DatasetSettings) -> dict[str, str]:
    """Where earlier datasets of these experiments, made with the same group, shares and seed, have put their groups, by lasting name.

    The newest counts.
    """
    same = ("group", "seed", "validation", "test")
    out: dict[str, str] = {}
    products = {product.path: product for home in homes if home.exists for product in home.products("datasets")}
    for product in sorted(products.values(), key=lambda p: p.created, reverse=True):
        before = product.settings.get("settings", {})
        split = before.get("split", {})
        if all(isinstance(one, str) for one in split.values()) and all(before.get(name) == getattr(settings, name) for name in same):
            out = (_by_field(split, product) if settings.group == "fov_id" else split) | out
    return out


def _by_field(split: Mapping[str, str], product: Product) -> dict[str, str]:
    """The split of a dataset by "experiment/field", whichever of its fields bore the experiment in their names."""
    experiments = [key.removeprefix(UPSTREAM) for key in product.settings.get("upstream") or ()]
    named = {name: {name} if "/" in name else {f"{one}/{name}" for one in experiments} for name in split}
    return {full: split[name] for name, every in named.items() for full in every}


def lasting_names(cells: pd.DataFrame, group: str) -> dict[str, str]:
    """For every group the name to remember it by: that of a field changes when an experiment with a field of that name is added."""
    names = cells["experiment"] + "/" + cells["fov_id"] if group == "fov_id" else cells["group"]
    return dict(zip(cells["group"], names, strict=True))


def assignment_of(cells: pd.DataFrame, group: str, decided: Mapping[str, str], shown: Mapping[str, str]) -> dict[str, str]:
    """Every group placed as the user saw it and with what they decided by hand; nothing where nothing was decided.

    ``shown`` counts too, as otherwise a group that is moved by hand would let the proposal move the others. Groups that are
    not in ``cells`` (of an experiment that was taken out again) wait for it. Both go by lasting names.
    """
    placed = {**shown, **decided} if decided else {}
    return {g: placed[name] for g, name in lasting_names(cells[cells["reason"] == ""], group).items() if name in placed}
