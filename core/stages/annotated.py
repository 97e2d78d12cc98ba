"""Annotated cells of one or many experiments, as the dataset stage and its page need them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from core.dataset.crops import Background, cut_crops, extents
from core.dataset.sentences import CONTROL
from core.errors import InputError
from core.fields import FieldOfView, fields
from core.images import grey, preview, read_labels
from core.report import read_csv
from core.stages.common import Failures, read_phase
from core.tables import ANNOTATED_CELLS
from core.workspace import Experiment, Product

DESCRIBED = ("sample", "role", "passage", "condition", "well")
SHOWN_FIELDS = 6
GROUPS = ("sample", "donor", "passage", "condition", "well", "experiment", "fov_id")
NOT_CHOSEN = ("phase", "stain", "colour", "time_h", "pixel_size_um")


@dataclass(frozen=True)
class Source:
    """One annotation and what it rests on."""

    experiment: Experiment
    annotation: Product
    segmentation: Product

    @property
    def record(self) -> dict[str, str]:
        return {
            "experiment": self.experiment.name,
            "path": self.experiment.path.as_posix(),
            "annotation": self.annotation.id,
            "segmentation": self.segmentation.id,
        }

    def labels_file(self, fov_id: str) -> Path:
        return self.segmentation.path / "labels" / f"{fov_id}.tif"

    @cached_property
    def fields(self) -> dict[str, FieldOfView]:
        return {fov.fov_id: fov for fov in fields(self.experiment.fields())}


def sources(paths: Sequence[Path], annotations: Sequence[str] = ()) -> list[Source]:
    """The annotation of each experiment: the one that ``annotations`` names, else the newest.

    Raises
    ------
    InputError
        An experiment without annotation, named twice, or an id in ``annotations`` that none of them has.
    """
    if not paths:
        raise InputError("Dataset: wanted at least one experiment with an annotation.")
    if len({p.resolve() for p in paths}) < len(paths):
        raise InputError("Dataset: an experiment is named twice.")
    names = [p.name for p in paths]
    if len(set(names)) < len(names):
        raise InputError(f"Dataset: two experiments are called {max(names, key=names.count)!r}; give them different names.")
    found = [_source(Experiment(path), annotations) for path in paths]
    unused = sorted(set(annotations) - {one.annotation.id for one in found})
    if unused:
        raise InputError(f"Dataset: no annotation {unused[0]!r} in {', '.join(names)}.")
    return found


def _source(experiment: Experiment, annotations: Sequence[str]) -> Source:
    experiment.fields()  # says so where there is no experiment
    known = experiment.products("annotations")
    if not known:
        raise InputError(f"{experiment.path}: no annotation yet. Annotate the cells first (page Threshold, or python -m core annotate {experiment.name}).")
    annotation = next((p for p in known if p.id in annotations), known[0])
    return Source(experiment, annotation, experiment.product("segmentations", _segmentation_of(annotation)))


def _segmentation_of(annotation: Product) -> str:
    named = annotation.settings.get("upstream", {}).get("segmentation")
    if not named:
        raise InputError(f"{annotation.path / 'settings.json'}: does not name the segmentation (upstream.segmentation) that the annotation belongs to.")
    return str(named)


def annotated_cells(found: Sequence[Source], group: str, leave_out_fragile: bool = False, controls: bool = True) -> pd.DataFrame:
    """Every annotated cell: ``tables.ANNOTATED_CELLS`` with the field's metadata, and

    ``experiment``, ``cell_id``, ``group`` (text), ``image``, ``source`` (number of its Source) and ``reason``: "" for a cell to be
    used, else why it is left out. ``controls``: whether cells of negative controls are used.

    Raises
    ------
    InputError
        A class other than 0 and 1, a cell twice, no column ``group``, no cell with a class, or none but those of controls that are left out.
    """
    table = pd.concat([_cells_of(one, number) for number, one in enumerate(found)], ignore_index=True)
    table["cell_id"] = _cell_ids(table)
    table["group"] = _groups(table, group)
    table["reason"] = _reasons(table, leave_out_fragile)
    if not controls:
        table.loc[(table["reason"] == "") & (table["role"] == CONTROL), "reason"] = CONTROL
        if (table["reason"] == CONTROL).any() and not (table["reason"] == "").any():
            raise InputError("Dataset: every cell with a class comes from a negative control, and these are left out. Use them, or annotate stained fields.")
    if not (table["reason"] == "").any():
        raise InputError(f"{found[0].annotation.path / 'cells.csv'}: no cell has a class, so there is nothing to learn from.")
    return table


def _cells_of(one: Source, number: int) -> pd.DataFrame:
    file = one.annotation.path / "cells.csv"
    cells = read_csv(file, ANNOTATED_CELLS)
    wrong = cells["class"].dropna()[lambda c: ~c.isin([0, 1])]
    if len(wrong):
        raise InputError(f"{file}: wanted classes 0 and 1, found {wrong.iloc[0]} in row {int(wrong.index[0]) + 1}.")
    twice = cells[cells.duplicated(["fov_id", "label"])]
    if len(twice):
        raise InputError(f"{file}: cell {twice['label'].iloc[0]} of {twice['fov_id'].iloc[0]} stands there twice.")
    known = one.experiment.fields().drop(columns=[c for c in NOT_CHOSEN if c not in ("phase", "pixel_size_um")]).rename(columns={"phase": "image"})
    known = known.assign(listed=True, order=np.arange(len(known)))
    kept = [c for c in cells if c not in known or c == "fov_id"]
    table = cells[kept].merge(known, on="fov_id", how="left").sort_values("order", kind="stable").drop(columns="order")
    for column in (*DESCRIBED, "image"):
        table[column] = table[column].fillna("")
    return table.assign(experiment=one.experiment.name, source=number, listed=table["listed"].notna())


def _cell_ids(table: pd.DataFrame) -> pd.Series:
    return field_names(table) + ":" + table["label"].astype(str)


def field_names(table: pd.DataFrame) -> pd.Series:
    """Of every cell its field: ``fov_id``, with the experiment before it where two experiments share the name."""
    shared = table.groupby("fov_id")["experiment"].transform("nunique") > 1
    return (table["experiment"] + "/").where(shared, "") + table["fov_id"]


def _groups(table: pd.DataFrame, group: str) -> pd.Series:
    possible = group_columns(table)
    if group not in possible:
        raise InputError(f"Dataset: no column {group!r} to split by; the field table has {', '.join(possible)}.")
    return group_names(table, group)


def group_names(table: pd.DataFrame, group: str) -> pd.Series:
    """Of every cell the text that the split keeps together: the value of the column ``group``, of fields a unique name."""
    return field_names(table) if group == "fov_id" else table[group].astype(object).where(table[group].notna(), "").map(str)


def group_columns(table: pd.DataFrame) -> list[str]:
    """Columns of ``annotated_cells`` that can keep cells together."""
    first = [c for c in GROUPS if c in table]
    own = {"listed", "source", "cell_id", "group", "reason", "image", "pixel_size_um", *ANNOTATED_CELLS} - {"role"}
    return [*first, *(c for c in table.columns if c not in own and c not in first)]


def _reasons(table: pd.DataFrame, leave_out_fragile: bool) -> list[str]:
    rows = zip(table["listed"], table["class"], table["decision"], table["automatic_class"], table["fragile"].fillna(False), strict=True)
    return [_reason(listed, known, decision, automatic, leave_out_fragile and bool(fragile)) for listed, known, decision, automatic, fragile in rows]


def _reason(listed: bool, known: object, decision: str, automatic: object, noisy: bool) -> str:
    if not listed:
        return "its field is not in the field table any more"
    if pd.isna(known):
        if decision:
            return f"decided by a person: {decision}"
        return "no class (not covered by the stain image)" if pd.isna(automatic) else "no class"
    return "fragile class" if noisy else ""


def cell_extents(found: Sequence[Source], cells: pd.DataFrame, pixel_size_um: float = 0.0) -> pd.Series:
    """Longer side in px of each cell to be used (index as in ``cells``), at ``pixel_size_um`` where that is not 0.

    Cells of fields that cannot be read are left out.
    """
    out = [pd.Series(dtype=float)]
    used = cells[cells["reason"] == ""]
    for (number, fov_id), rows in used.groupby(["source", "fov_id"], sort=False):
        size = rows["pixel_size_um"].iloc[0]
        scale = float(size) / pixel_size_um if pixel_size_um and pd.notna(size) else 1.0
        with Failures().collecting(str(fov_id), fov_id):  # named when the dataset is built
            longer = extents(read_labels(found[int(number)].labels_file(str(fov_id))), rows["label"].to_numpy(dtype=np.int64))
            out.append(pd.Series(longer * scale, index=rows.index))
    return pd.concat(out[1:] or out)


def sample_crops(found: Sequence[Source], cells: pd.DataFrame, crop_px: int, background: Background, many: int = 12) -> dict[int, list[np.ndarray]]:
    """A few crops of each class for the eye, uint8 (crop_px, crop_px), from fields spread over the cultures: {0: [...], 1: [...]}."""
    out: dict[int, list[np.ndarray]] = {0: [], 1: []}
    fields_of = cells[cells["reason"] == ""].groupby("group", sort=False)[["source", "fov_id"]].first().itertuples(index=False)
    for number, fov_id in list(fields_of)[:SHOWN_FIELDS]:
        rows = cells[(cells["source"] == number) & (cells["fov_id"] == fov_id) & (cells["reason"] == "")]
        with Failures().collecting(fov_id, fov_id):
            one = found[int(number)]
            image = preview(grey(read_phase(one.experiment, one.fields[fov_id])))
            labels = read_labels(one.labels_file(fov_id))
            for c in out:
                ids = rows.loc[rows["class"] == c, "label"].to_numpy(dtype=np.int64)[: -(-many // SHOWN_FIELDS)]
                out[c] += [crop.astype(np.uint8) for crop in cut_crops(image, labels, ids, crop_px, background=background)]
    return {c: crops[:many] for c, crops in out.items()}
