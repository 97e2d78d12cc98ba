"""What a fine-tuning learns from: corrected or imported outlines, how much was corrected, which fields are held back."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from core.errors import InputError
from core.images import read_labels
from core.report import read_csv
from core.settings import TuneSettings
from core.tables import SEGMENTED_FIELDS, TUNING_FIELDS, typed
from core.workspace import Experiment, Product, same_bytes

TRAIN, HELD_BACK = "train", "held back"
IMPORTED, CORRECTED, MODEL = "imported", "corrected", "model"
ORIGINS = {IMPORTED: "imported label images", CORRECTED: "outlines of a model, corrected by hand", MODEL: "outlines of a model, not corrected"}
HOW = (
    "There are two ways to give some: correct cells on the page Segment, or add label images with 'python -m core add EXP --labels FILES'. "
    "To train on the outlines of a model as they are, name its segmentation with --segmentation ID and say --allow-uncorrected."
)


@dataclass(frozen=True)
class Material:
    """Outlines that can be trained on, and where they come from."""

    segmentation: Product
    origin: str  # a key of ORIGINS
    fields: pd.DataFrame  # tables.TUNING_FIELDS; ``part`` as it will be if every field can be used
    note: str  # how the held-back fields were chosen, one sentence


def material(
    experiment: Experiment, settings: TuneSettings, segmentation: str | None = None, only: Sequence[str] | None = None, allow_uncorrected: bool = False
) -> Material:
    """Find the outlines to train on: those of ``segmentation``, by default of the newest that was corrected or imported.

    Of a corrected segmentation of a model only the fields are used in which something was corrected, or that were looked
    through and found right, unless ``only`` names others: elsewhere nobody has checked the outlines.

    Raises
    ------
    InputError
        Nothing was corrected or imported (unless ``allow_uncorrected``), nothing is labelled, an unknown name.
    """
    product = _chosen(experiment, segmentation, allow_uncorrected)
    origin = origin_of(product)
    fields = _fields(experiment, product, origin)
    if only is not None:
        missing = sorted(set(only) - set(fields["fov_id"]))
        if missing:
            raise InputError(f"{product.id}: no outlines of {', '.join(missing)}; it has {', '.join(fields['fov_id'][:10])}.")
        fields = fields[fields["fov_id"].isin(only)]
    elif origin == CORRECTED and not allow_uncorrected:
        fields = fields[_checked(experiment, product, fields)]
        if fields.empty:
            raise InputError(f"{product.id}: no cell differs from the outlines of the model, so there is nothing to learn. {HOW}")
    fields = fields[fields["n_cells"] > 0].reset_index(drop=True)
    if fields.empty:
        raise InputError(f"{product.id}: wanted at least one field with labelled cells, found none. {HOW}")
    held, note = hold_back(fields, settings.held_back, settings.seed)
    fields["part"] = np.where(fields["fov_id"].isin(held), HELD_BACK, TRAIN)
    return Material(product, origin, typed(fields, TUNING_FIELDS), note)


def hold_back(fields: pd.DataFrame, share: float, seed: int) -> tuple[set[str], str]:
    """Choose about ``share`` of the fields (columns ``fov_id``, ``sample``) for measuring, and say how in one sentence.

    Whole cultures where there are two or more of them; single fields of the one culture otherwise; none of a single field.
    At least one culture, or field, stays for training.
    """
    if share == 0:
        return set(), "No field is held back, as asked: nothing can be measured."
    if len(fields) == 1:
        return set(), "There is one field only, so none is held back: nothing can be measured."
    by_sample = fields["sample"].nunique() > 1
    groups = fields.groupby("sample" if by_sample else "fov_id")["fov_id"].agg(list)
    names = np.random.default_rng(seed).permutation(sorted(groups.index))
    wanted, held = max(1, round(share * len(fields))), list[str]()
    taken = 0
    for name in sorted(names, key=lambda one: len(groups[one])):
        closer = abs(len(held) + len(groups[name]) - wanted) < abs(len(held) - wanted)
        if taken < len(groups) - 1 and (not held or closer):
            held, taken = held + groups[name], taken + 1
    if by_sample:
        return set(held), f"Held back by culture: no culture is on both sides ({taken} of {len(groups)} cultures held back)."
    return set(held), "All fields are of one culture, so single fields of it are held back; expect less on other cultures."


def origin_of(product: Product) -> str:
    """Whether the outlines were imported, corrected by hand, or are a model's own."""
    record = product.settings
    if "imported" in (record.get("settings") or {}):
        return IMPORTED
    return CORRECTED if (record.get("upstream") or {}).get("segmentation") else MODEL


def labels_of(product: Product, fov_id: str) -> Path:
    return product.path / "labels" / f"{fov_id}.tif"


def _chosen(experiment: Experiment, segmentation: str | None, allow_uncorrected: bool) -> Product:
    if segmentation:
        product = experiment.product("segmentations", segmentation)
        if origin_of(product) == MODEL and not allow_uncorrected:
            raise InputError(
                f"{product.id}: these outlines came straight from a model and were not corrected; training on them teaches it its own errors. {HOW}"
            )
        return product
    every = list(_readable(experiment))
    found = next((p for p in every if origin_of(p) != MODEL), every[0] if every and allow_uncorrected else None)
    if found is None:
        raise InputError(f"{experiment.name}: wanted corrected or imported outlines to train on, found none. {HOW}")
    return found


def _readable(experiment: Experiment) -> Iterator[Product]:
    for product in experiment.products("segmentations"):
        try:
            if (product.settings.get("settings") or {}) is not None:
                yield product
        except InputError:  # a damaged record
            continue


def _fields(experiment: Experiment, product: Product, origin: str) -> pd.DataFrame:
    """Every field of the segmentation that the experiment still has, in the order of fields.csv, with its corrections counted."""
    from core.cells.agreement import changed_cells

    known = experiment.fields()[["fov_id", "sample"]]
    table = known.merge(read_csv(product.path / "fields.csv", SEGMENTED_FIELDS)[["fov_id", "n_cells"]], on="fov_id")
    first: Product | None = _rounds(experiment, product)[-1]
    if origin != CORRECTED or first == product:
        first = None
    counts: list[int | None] = []
    for fov_id in table["fov_id"]:
        before, after = labels_of(first, fov_id) if first else None, labels_of(product, fov_id)
        if before is None or not before.is_file():
            counts.append(0 if origin == MODEL else None)
        elif after.is_file() and same_bytes(before, after):  # a review copies what nobody corrected
            counts.append(0)
        else:
            counts.append(changed_cells(read_labels(before), read_labels(after)))
    return typed(table.assign(corrections=counts), TUNING_FIELDS)


def _checked(experiment: Experiment, product: Product, fields: pd.DataFrame) -> "pd.Series[bool]":
    """Which fields a person stands for: corrected, looked through, or of imported outlines to begin with."""
    rounds = _rounds(experiment, product)
    if origin_of(rounds[-1]) == IMPORTED:
        return pd.Series(True, index=fields.index)
    looked_at = {fov_id for one in rounds for fov_id in (one.settings.get("settings") or {}).get("looked_at", ())}
    return (fields["corrections"].fillna(1) > 0) | fields["fov_id"].isin(looked_at)


def _rounds(experiment: Experiment, product: Product) -> list[Product]:
    """The segmentation, the one it was corrected from, and so on to the first that still exists."""
    found = [product]
    while upstream := (found[-1].settings.get("upstream") or {}).get("segmentation"):
        try:
            found.append(experiment.product("segmentations", upstream))
        except InputError:  # it was deleted
            break
    return found
