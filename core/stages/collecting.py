"""Collect: annotated cells of one or many experiments become a dataset: crops, split, statistics, report."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core.dataset.numbers import PIXELS, class_counts, mean_intensities, train_statistics
from core.dataset.report import describe
from core.dataset.sizes import advised_crop_px
from core.dataset.split import LEFT_OUT, checked_shares, unit_of
from core.dataset.store import INDEX, CropWriter, Scaling, scaling
from core.errors import InputError
from core.images import Picture, full_scale, grey, read_labels
from core.options import command, settings_from
from core.progress import Progress, silent
from core.report import write_csv
from core.settings import DatasetSettings
from core.stages.annotated import Source, annotated_cells, cell_extents, field_names, sources
from core.stages.common import Failures, fail_if_all, read_phase
from core.stages.splitting import UPSTREAM, Wanted, settle_split
from core.tables import MANIFEST, typed
from core.workspace import AlreadyPublished, Experiment, create_experiment, product_id, publish, write_json

UNREADABLE = "its field could not be read"
NOT_LISTED = "not in the files that give the split"


def run(params: dict[str, Any], progress: Progress) -> Path:
    """``params``: ``experiments`` (paths), ``out``, ``settings`` (of DatasetSettings) and the other fields of Wanted."""
    given = {k: v for k, v in params.items() if k not in ("settings", "experiments", "out", "experiment")}
    wanted = Wanted([Path(p) for p in params["experiments"]], Path(params["out"]), **given)
    return collect(wanted, settings_from(DatasetSettings, params.get("settings") or {}), progress)


def collect(wanted: Wanted, settings: DatasetSettings, progress: Progress = silent) -> Path:
    """Build the dataset in the experiment ``wanted.out`` (made where it does not exist) and return its folder.

    The same cells, settings and split give the same id: a finished dataset is returned at once, an interrupted one goes on
    after the last finished field. A field that cannot be read is listed in ``failures.csv`` and left out.
    """
    check_settings(settings)
    found = sources(wanted.experiments, wanted.annotations)
    cells = annotated_cells(found, settings.group, settings.leave_out_fragile, settings.controls)
    home = home_of(wanted.out)
    cells["split"], assignment = settle_split(cells, wanted, settings, [home, *(one.experiment for one in found)])
    for split, reason in ((LEFT_OUT, f"their {unit_of(settings.group)} was left out by hand"), ("", NOT_LISTED)):
        cells.loc[(cells["reason"] == "") & (cells["split"] == split), "reason"] = reason
    crop_px = settings.crop_px or advised_crop_px(cell_extents(found, cells, settings.pixel_size_um))
    chosen = replace(settings, crop_px=crop_px)
    inputs = _inputs(found, cells)
    identity = product_id(f"cells-{crop_px}px", {"settings": vars(chosen), "split": assignment, "sources": inputs})
    about: dict[str, Any] = {
        "command": dataset_command(wanted, settings),
        "upstream": {UPSTREAM + one.experiment.name: one.annotation.id for one in found},
        "models": {},
        "inputs": inputs,
    }
    try:
        with publish(home, "datasets", identity, {**vars(chosen), "split": assignment}, **about) as partial:
            Maker(found, cells, chosen, partial.path, progress).write()
    except AlreadyPublished as ready:
        return ready.path
    progress(1.0, 1.0, "done")
    return partial.final


def check_settings(settings: DatasetSettings) -> None:
    """Settings that bounds alone cannot check."""
    checked_shares(settings.validation, settings.test)
    for name, choices in (("background", ("black", "kept")), ("intensity", ("range", "field"))):
        if getattr(settings, name) not in choices:
            raise InputError(f"{name.capitalize()}: wanted {' or '.join(choices)}, found {getattr(settings, name)!r}.")


def home_of(out: Path) -> Experiment:
    """The experiment that gets the dataset; made where there is none."""
    experiment = Experiment(out)
    return experiment if experiment.exists else create_experiment(out.absolute())


def foresee(cells: pd.DataFrame, splits: pd.Series, extent: pd.Series, crop_px: int, group: str) -> dict[str, Any]:
    """The report (``core.dataset.report.describe``) of a dataset before it is built, as far as it can be known then.

    ``extent`` as from ``cell_extents``; near-duplicates and intensities are known only when the cells are cut.
    """
    extent = extent[splits.loc[extent.index] != LEFT_OUT]
    rows = cells.loc[extent.index].assign(split=splits.loc[extent.index], extent_px=extent, cut_off=extent > crop_px, rescaled=False)
    index = np.zeros(len(rows), INDEX)
    index["thumb"] = 128
    left = cells.loc[cells["reason"] != "", "reason"].value_counts().to_dict()
    return describe(typed(rows.drop(columns="pixel_size_um"), MANIFEST), index, left, crop_px, group)


def _inputs(found: Sequence[Source], cells: pd.DataFrame) -> list[dict[str, Any]]:
    """One row a field: where its cells and pixels come from."""
    rows = []
    for number, one in enumerate(found):
        for fov_id in cells.loc[(cells["source"] == number) & (cells["reason"] == ""), "fov_id"].unique():
            image = one.experiment.resolve(one.fields[fov_id].phase)[0]
            seen = image.stat() if image.is_file() else None
            rows.append({**one.record, "fov_id": fov_id, "bytes": seen.st_size if seen else None, "changed": seen.st_mtime_ns if seen else None})
    return rows


def dataset_command(wanted: Wanted, settings: DatasetSettings) -> str:
    """The command that builds this dataset."""
    first, *others = [str(p) for p in wanted.experiments]
    by_hand = [f"{group}={split}" for group, split in wanted.assignment.items()]
    extra: dict[str, Any] = {"out": str(wanted.out), "annotation": list(wanted.annotations), "split_from": list(wanted.split_from), "assign": by_hand}
    words = shlex.split(command("dataset", first, settings, **extra))
    return shlex.join([*words[:5], *others, *words[5:]])


@dataclass
class Maker:
    """Cuts the cells field by field and writes the tables of a dataset into ``folder``."""

    found: Sequence[Source]
    cells: pd.DataFrame
    settings: DatasetSettings
    folder: Path
    progress: Progress
    failures: Failures = field(default_factory=Failures)

    def write(self) -> None:
        writer = CropWriter(self.folder / "crops", self.settings.crop_px, self.settings.background)  # type: ignore[arg-type]
        names, kept = self._cut(writer)
        self.progress(0.95, 1.0, "looking for leakage, writing tables")
        index = writer.finish(names)
        rows = pd.concat(kept, ignore_index=True)
        assert (rows["label"].to_numpy(dtype=np.int64) == index["label"]).all()
        left = self.cells["reason"][self.cells["reason"] != ""].value_counts().to_dict()
        lost = int((self.cells["reason"] == "").sum()) - len(rows)
        write_dataset(self.folder, manifest_of(rows, index, self.settings), index, self.settings, {**left, **({UNREADABLE: lost} if lost else {})})
        write_csv(self.folder / "failures.csv", self.failures.table())

    def _cut(self, writer: CropWriter) -> tuple[list[str], list[pd.DataFrame]]:
        used = self.cells[self.cells["reason"] == ""]
        fields = list(used.groupby(["source", "fov_id"], sort=False))
        names, kept = [], []
        for done, ((number, fov_id), rows) in enumerate(fields):
            self.progress(0.95 * done / len(fields), 1.0, f"cutting the cells of {fov_id}")
            name = f"{done:06d}"
            with self.failures.collecting(field_names(used).loc[rows.index[0]], rows["image"].iloc[0]):
                if writer.finished(name) is None:
                    self._cut_field(writer, name, self.found[int(number)], str(fov_id), rows["label"].to_numpy(dtype=np.int64))
                names.append(name)
                kept.append(rows)
        fail_if_all(self.failures, len(fields), "cut into cells", self.found[0].experiment.path)
        return names, kept

    def _cut_field(self, writer: CropWriter, name: str, one: Source, fov_id: str, ids: np.ndarray) -> None:
        fov = one.fields[fov_id]
        picture = read_phase(one.experiment, fov)
        labels = read_labels(one.labels_file(fov_id))
        image = raw_grey(picture)
        if labels.shape != image.shape:
            raise InputError(f"The label image of {fov_id} is {labels.shape} px and its phase image {image.shape}; they must have the same size.")
        pixel_size = fov.pixel_size_um or picture.pixel_size_um
        scale = self._scale(fov_id, pixel_size)
        writer.add_field(name, image, labels, ids, scaled(image, picture, self.settings), scale, pixel_size)

    def _scale(self, fov_id: str, pixel_size: float | None) -> float:
        if not self.settings.pixel_size_um:
            return 1.0
        if pixel_size is None:
            raise InputError(f"Field {fov_id}: its pixel size is unknown, so its cells cannot be rescaled to {self.settings.pixel_size_um:g} µm; enter it.")
        return pixel_size / self.settings.pixel_size_um


def raw_grey(picture: Picture) -> np.ndarray:
    """(Y, X) grey values as stored: uint8 and uint16 stay, everything else becomes float32."""
    return picture.pixels if picture.pixels.ndim == 2 and picture.pixels.dtype in (np.uint8, np.uint16) else grey(picture)


def scaled(image: np.ndarray, picture: Picture, settings: DatasetSettings) -> Scaling:
    """How the grey values of a field become intensities."""
    return scaling(image, settings.intensity, full_scale(picture), picture.bits_guessed)  # type: ignore[arg-type]


def manifest_of(rows: pd.DataFrame, index: np.ndarray, settings: DatasetSettings) -> pd.DataFrame:
    """``tables.MANIFEST`` of the cells ``rows``, whose crops are ``index``."""
    size = index["pixel_size"].astype(float)
    made = {
        "curated": rows["decision"] != "",
        "touches_border": index["border"] == 1,
        "cut_off": index["extent"] > settings.crop_px,
        "rescaled": (settings.pixel_size_um > 0) & (size != settings.pixel_size_um),
        "area_px": index["area"],
        "area_um2": index["area"] * size**2,
        "extent_px": index["extent"].astype(float),
        "mean_intensity": mean_intensities(index),
        "confluence": index["confluence"].astype(float),
        "pixel_size_um": size,
    }
    table = typed(rows.drop(columns=[c for c in rows if c in made]).assign(**made), MANIFEST)
    return table[list(MANIFEST)]


def write_dataset(folder: Path, manifest: pd.DataFrame, index: np.ndarray, settings: DatasetSettings, left_out: Mapping[str, int]) -> None:
    """manifest.csv, statistics.json and report.json of a dataset whose crops are cut."""
    mean, std = train_statistics(index, manifest["split"].to_numpy())
    write_csv(folder / "manifest.csv", manifest)
    write_json(
        folder / "statistics.json",
        {
            "mean": mean,
            "std": std,
            "over": PIXELS,
            "counts": class_counts(manifest),
            "cells": len(manifest),
            "crop_px": settings.crop_px,
            "background": settings.background,
            "intensity": settings.intensity,
            "pixel_size_um": settings.pixel_size_um or None,
            "class_names": ["not senescent", "senescent"],
        },
    )
    write_json(folder / "report.json", describe(manifest, index, dict(left_out), settings.crop_px, settings.group))
