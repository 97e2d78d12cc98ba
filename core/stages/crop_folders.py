"""Crops as PNG folders by set and class: written from a dataset, and taken over as one."""

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from core.dataset.folders import CLASS_FOLDERS, SET_FOLDERS, Placed, class_numbers, file_name, picture_of, placed, png, white_of
from core.dataset.original import to_original
from core.dataset.sentences import CLASSES
from core.dataset.split import SPLITS, checked_shares, group_counts, propose_split, split_cells
from core.dataset.store import CropWriter
from core.errors import InputError
from core.images import IMAGE_SUFFIXES
from core.options import command
from core.progress import Progress, silent
from core.report import read_csv, write_csv
from core.settings import DatasetSettings
from core.stages.annotated import group_names
from core.stages.collecting import check_settings, home_of, manifest_of, write_dataset
from core.stages.common import Failures
from core.stages.crop_pictures import COMMON, OF_THE_CELL, as_told, common_pixel_size, largest, listed, lost, picture_in, take
from core.stages.datasets import open_dataset
from core.tables import EXPORTED_CROPS, typed
from core.workspace import AlreadyPublished, file_errors, product_id, publish

MANY = 256  # pictures at a time
MANIFEST_FILE = "manifest.csv"


@dataclass(frozen=True)
class Brought:
    """Crops that were cut elsewhere: where they lie now, and what they are known by.

    ``name``: of their folder, part of the id of the dataset; ``called``: in messages; ``given``: what the user named;
    ``sha256``: of the ZIP that they came in, "" where they came in none.
    """

    folder: Path
    name: str
    called: str
    given: Path
    sha256: str = ""


def export_folder(dataset: Path, target: Path, progress: Progress = silent, bits: int = 16) -> Path:
    """Write ``target``/train|val|test/not_senescent|senescent/*.png, ``manifest.csv`` (EXPORTED_CROPS) and one
    file a set in the columns of the original pipeline; return ``target``. See ``folders.picture_of`` for the values.

    Raises
    ------
    InputError
        ``target`` exists already, or cannot be written.
    """
    data = open_dataset(dataset)
    if target.exists():
        raise InputError(f"{target}: exists already; name a new folder for the pictures.")
    partial = target.with_name(target.name + ".partial")
    with file_errors(partial, "write"):
        shutil.rmtree(partial, ignore_errors=True)
        files, whites = [], []
        for i, row in enumerate(data.manifest.to_dict("records")):
            if i % 50 == 0:
                progress(i, len(data.manifest), "writing pictures")
            file = f"{SET_FOLDERS[row['split']]}/{CLASS_FOLDERS[row['class']]}/{file_name(i, row['cell_id'])}"
            (partial / file).parent.mkdir(parents=True, exist_ok=True)
            (partial / file).write_bytes(png(picture_of(data.crops, i, bits)))
            files.append(file)
            whites.append(white_of(data.crops, i, bits))
        common = data.statistics["pixel_size_um"]
        more = {"file": files, "white": whites, "white_guessed": data.crops.index["guessed"] == 1, "common_pixel_size_um": pd.NA if common is None else common}
        write_csv(partial / MANIFEST_FILE, typed(data.manifest.assign(**more), EXPORTED_CROPS))
        for split in SPLITS:
            write_csv(partial / f"{split}_set.csv", to_original(data.manifest, split))
        partial.rename(target)
    progress(1, 1, "done")
    return target


def import_folder(folder: Path, out: Path, settings: DatasetSettings, only: str = "", positive: str = "", progress: Progress = silent) -> Path:
    """Make a dataset, in the experiment ``out``, of crops that were cut elsewhere; return its folder.

    The folder holds ``[train|val|test/]CLASS/[CULTURE/]picture``, or was written by ``export_folder``. Sets are those of the
    folders; where there is none for validation it is taken from training: whole cultures where they are known, else cell by cell.
    Pictures are taken as they are, centred, without rescaling; one that cannot be used is listed in ``failures.csv``. ``only`` is a
    regular expression that the path must match.
    """
    return take_over(Brought(folder, folder.name, str(folder), folder), out, settings, only, positive, progress)


def take_over(brought: Brought, out: Path, settings: DatasetSettings, only: str, positive: str, progress: Progress) -> Path:
    """``import_folder`` for crops that may come from somewhere else than their folder."""
    check_settings(settings)
    if settings.pixel_size_um:
        raise InputError("Crops from a folder: they are taken as they are; a common pixel size cannot be given.")
    if not settings.controls:
        raise InputError("Crops from a folder: they are taken as they are; leave negative controls out when the dataset is built, or choose files (--only).")
    cells = _listed(brought, only, positive)
    cells["split"], sets = _settled(cells, settings)
    crop_px = settings.crop_px or largest(brought.folder, cells["image"], brought.called)
    settings = replace(settings, crop_px=crop_px, pixel_size_um=common_pixel_size(cells, brought.called))
    home, record = home_of(out), {**vars(settings), "split": sets, "folder": _known_by(brought, cells)}
    identity = product_id(f"{brought.name}-{crop_px}px", {**record, "only": only, "positive": positive})
    try:
        with publish(home, "datasets", identity, record, command=_command(brought.given, out, settings, only, positive)) as partial:
            _build(brought, cells, settings, partial.path, progress)
    except AlreadyPublished as ready:
        return ready.path
    progress(1, 1, "done")
    return partial.final


def _known_by(brought: Brought, cells: pd.DataFrame) -> dict[str, Any]:
    """What tells these pictures from others of the same name. Unpacked files have the time of the unpacking, so a ZIP has its hash."""
    if brought.sha256:
        return {"folder": brought.name, "files": len(cells), "sha256": brought.sha256}
    seen = [(brought.folder / name).stat() for name in cells["image"]]
    return {"folder": brought.name, "files": len(cells), "bytes": sum(s.st_size for s in seen), "changed": max(s.st_mtime_ns for s in seen)}


def _listed(brought: Brought, only: str, positive: str) -> pd.DataFrame:
    """One row a picture: image, split, class, and what the folder's own manifest.csv says of it."""
    folder = brought.folder
    if not folder.is_dir():
        raise InputError(f"{brought.called}: there is no such folder.")
    names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file() and p.name.lower().endswith(tuple(IMAGE_SUFFIXES)))
    found, numbers = places(names, brought.called, only, positive)
    table = pd.DataFrame([_row(brought.name, name, where, numbers) for name, where in found.items()])
    own = folder / MANIFEST_FILE
    return _described(table, read_csv(own, EXPORTED_CROPS)) if own.is_file() else table


def places(names: Sequence[str], called: str, only: str, positive: str) -> tuple[dict[str, Placed], dict[str, int]]:
    """Where each picture that is to be taken lies, and the class of every class folder; InputError where there is none to take."""
    pattern = checked_pattern(only, "--only")
    found = {name: where for name in names if pattern.search(name) and (where := placed(name)) is not None}
    if not found:
        raise InputError(f"{called}: wanted pictures in class folders ([train|val|test/]CLASS/picture), found none{' that match ' + only if only else ''}.")
    return found, class_numbers([where.folder for where in found.values()], positive)


def checked_pattern(only: str, name: str) -> re.Pattern[str]:
    """The regular expression that paths must match; ``name`` is what the user knows it by."""
    try:
        return re.compile(only)
    except re.error as error:
        raise InputError(f"{name}: {only!r} is not a regular expression: {error}.") from None


def _row(folder: str, name: str, where: Placed, numbers: Mapping[str, int]) -> dict[str, Any]:
    stem = name.rsplit(".", 1)[0]
    row = {"image": name, "split": where.split, "class": numbers[where.folder], "sample": where.sample, "fov_id": stem, "cell_id": f"{stem}:1"}
    return row | {"experiment": folder, "decision": "", "fragile": False, "label": 1, "white": pd.NA, "white_guessed": pd.NA}


def _described(table: pd.DataFrame, own: pd.DataFrame) -> pd.DataFrame:
    known = own.drop_duplicates("file").set_index("file")
    for column in ("cell_id", "experiment", "fov_id", "label", "sample", "role", "passage", "condition", "well", "fragile", "white", "white_guessed"):
        values = table["image"].map(known[column])
        table[column] = values.where(values.notna(), table.get(column, ""))
    for column in (*OF_THE_CELL, COMMON):
        table[f"told_{column}"] = table["image"].map(known[column])
    return table


def _settled(cells: pd.DataFrame, settings: DatasetSettings) -> tuple[pd.Series, dict[str, Any]]:
    """The set of every picture, and how it came about."""
    group = settings.group if settings.group in cells else "sample"
    cells["group"] = group_names(cells, group)
    shares = checked_shares(settings.validation, settings.test)
    given = cells["split"] != ""
    if not given.any():
        return _divided(cells, shares, settings.seed), {"folders": [], "drawn": list(SPLITS)}
    if not given.all():
        raise InputError(f"Crops from a folder: {cells.loc[~given, 'image'].iloc[0]} lies in no set, others do (train, val, test).")
    splits, names = cells["split"].copy(), sorted(cells["split"].unique())
    if "validation" not in names and settings.validation > 0:
        train = cells[cells["split"] == "train"]
        part = settings.validation / (1 - settings.test) if "test" in names else settings.validation
        splits[train.index] = _divided(train, (1 - part, part, 0.0), settings.seed)
    return splits, {"folders": names, "drawn": ["validation"] if "validation" not in names else []}


def _divided(cells: pd.DataFrame, shares: tuple[float, float, float], seed: int) -> pd.Series:
    """By culture where there are several, else cell by cell."""
    if cells["group"].nunique() > 1:
        return cells["group"].map(propose_split(group_counts(cells), shares, seed))
    return pd.Series(split_cells(cells["class"].to_numpy(), shares, seed, cells["image"].to_numpy()), index=cells.index, dtype=object)


def _build(brought: Brought, cells: pd.DataFrame, settings: DatasetSettings, target: Path, progress: Progress) -> None:
    writer, failures = CropWriter(target / "crops", settings.crop_px, settings.background), Failures()  # type: ignore[arg-type]
    names = []
    for start in range(0, len(cells), MANY):
        progress(start, len(cells), "reading pictures")
        names.append(f"{start:08d}")
        part = listed(cells.iloc[start : start + MANY])
        done = writer.finished(names[-1])
        if done is None:
            take(writer, names[-1], brought.folder, part, start, settings, failures)
        else:  # an interrupted import goes on: what could not be used is looked at again, to say why
            again = [about for number, about in enumerate(part, start + 1) if number not in done["label"]]
            for about in again:
                with failures.collecting("", about.file):
                    picture_in(brought.folder, about, settings)
    index = writer.finish(names)
    rows = cells.iloc[index["label"] - 1].reset_index(drop=True)
    _check_classes(brought.called, cells, rows, failures)
    left = {"the picture could not be used": len(cells) - len(rows)} if len(rows) < len(cells) else {}
    write_dataset(target, as_told(manifest_of(rows, index, settings), rows), index, settings, left)
    write_csv(target / "failures.csv", failures.table())


def _check_classes(called: str, cells: pd.DataFrame, rows: pd.DataFrame, failures: Failures) -> None:
    """Some bad pictures are listed and left out; a whole class of them is an error, not a dataset of the other class."""
    if rows.empty:
        raise InputError(lost(called, f"none of the {len(cells)} pictures", failures))
    for number in sorted(set(cells["class"]) - set(rows["class"])):
        n = int((cells["class"] == number).sum())
        raise InputError(lost(called, f"none of the {n} {CLASSES[number]} pictures", failures))


def _command(folder: Path, out: Path, settings: DatasetSettings, only: str, positive: str) -> str:
    words = command("dataset", "", settings, from_folder=str(folder), out=str(out), only=only, positive=positive)
    return words.replace(" '' ", " ", 1)
