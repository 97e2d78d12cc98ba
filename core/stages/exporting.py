"""Export: the outlines of a segmentation or an assessment in the files of another program."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from core.cells.exchange import Format, find_format, write_coco, write_geojson, write_rois, write_seg_npy
from core.errors import InputError
from core.fields import FieldOfView, fields, split_reference
from core.images import read_labels, write_labels
from core.options import command
from core.progress import Progress, silent
from core.report import read_csv, write_csv
from core.stages.common import Failures, fail_if_all
from core.tables import ASSESSED_CELLS, SEGMENTED_FIELDS
from core.workspace import AlreadyPublished, Experiment, Product, file_errors, product_id, publish

READ_ME = "how_to_open.txt"
Calls = Mapping[int, bool | None]


@dataclass(frozen=True)
class Source:
    """What is exported: the segmentation that holds the outlines, and the assessment that holds the calls, if one was named."""

    segmentation: Product
    assessment: Product | None = None

    @property
    def named(self) -> Product:
        return self.assessment or self.segmentation


@dataclass(frozen=True)
class Item:
    """One field to export: ``stem`` names its file, ``image_file`` is the image that other programs look for."""

    fov_id: str
    stem: str
    image_file: str
    diameter_px: float


def run(params: dict[str, Any], progress: Progress) -> Path:
    """``params``: ``experiment``, ``format``, and ``segmentation`` or ``assessment`` (an id)."""
    return export(Path(params["experiment"]), params["format"], params.get("segmentation"), params.get("assessment"), progress=progress)


def export(
    path: Path,
    format: str,
    segmentation: str | None = None,
    assessment: str | None = None,
    out: Path | None = None,
    overwrite: bool = False,
    progress: Progress = silent,
) -> Path:
    """Write the outlines as ``format`` (a name of ``FORMATS``) and return the folder: ``exports/<id>``, or ``out``.

    Without an id it is the newest segmentation. The files are named like the phase images. With an assessment the formats that
    can say so carry senescent or not. A field whose outlines cannot be written is listed in ``failures.csv``.

    Raises
    ------
    InputError
        An unknown format or id, nothing to export, or files in ``out`` that would be overwritten.
    """
    experiment, wanted = Experiment(path), find_format(format)
    source = source_of(experiment, segmentation, assessment)
    items = _items(experiment, source)
    if out is not None:
        _write_into(Path(out), experiment, source, wanted, items, overwrite, progress)
        return Path(out)
    payload = _payload(source, wanted, items)
    about: dict[str, Any] = {"upstream": {source.named.kind.removesuffix("s"): source.named.id}, "inputs": [{"fov_id": item.fov_id} for item in items]}
    words: dict[str, Any] = {"format": format, **({"assessment": assessment} if assessment else {"segmentation": source.segmentation.id})}
    try:
        with publish(experiment, "exports", product_id(format, payload), {"format": format}, command=command("export", path, **words), **about) as made:
            _write(made.path, source, wanted, items, progress)
    except AlreadyPublished as ready:
        return ready.path
    return made.final


def exported(experiment: Experiment, product: Product, format: str) -> Product | None:
    """The finished export of a segmentation or assessment, if there is one."""
    source = source_of(experiment, **{product.kind.removesuffix("s"): product.id})
    id = product_id(format, _payload(source, find_format(format), _items(experiment, source)))
    return next((one for one in experiment.products("exports") if one.id == id), None)


def source_of(experiment: Experiment, segmentation: str | None = None, assessment: str | None = None) -> Source:
    """The products named, or the newest segmentation. InputError where there is none, or both are named."""
    if segmentation and assessment:
        raise InputError("Wanted a segmentation or an assessment, found both; an assessment knows its segmentation.")
    if assessment:
        made = experiment.product("assessments", assessment)
        return Source(experiment.product("segmentations", made.settings["upstream"]["segmentation"]), made)
    if segmentation:
        return Source(experiment.product("segmentations", segmentation))
    products = experiment.products("segmentations")
    if not products:
        raise InputError(f"{experiment.path}: no outlines to export yet; segment the fields first, or add ready outlines.")
    return Source(products[0])


def _items(experiment: Experiment, source: Source) -> list[Item]:
    """The fields of the segmentation. A file is named like the phase image, or like the field where two share one image file."""
    known = {fov.fov_id: fov for fov in fields(experiment.fields())}
    stems = [_stem(fov).casefold() for fov in known.values()]
    out = []
    for row in read_csv(source.segmentation.path / "fields.csv", SEGMENTED_FIELDS).to_dict("records"):
        fov = known.get(row["fov_id"])
        alone = fov is not None and stems.count(_stem(fov).casefold()) == 1
        image = _file_name(fov) if fov is not None and alone else f"{row['fov_id']}.tif"
        diameter = row["diameter_px"]
        out.append(
            Item(
                row["fov_id"],
                _stem(fov) if fov is not None and alone else row["fov_id"],
                image,
                30.0 if diameter is None or diameter != diameter else float(diameter),
            )
        )
    return out


def _file_name(fov: FieldOfView) -> str:
    return Path(split_reference(fov.phase)[0].replace("\\", "/")).name


def _stem(fov: FieldOfView) -> str:
    name = _file_name(fov)
    return name.rsplit(".", 1)[0]


def _payload(source: Source, format: Format, items: Sequence[Item]) -> dict[str, Any]:
    return {"format": format.name, "of": [source.named.kind, source.named.id], "files": [[item.fov_id, item.stem, item.image_file] for item in items]}


def _write_into(out: Path, experiment: Experiment, source: Source, format: Format, items: list[Item], overwrite: bool, progress: Progress) -> None:
    names = [format.one_file] if format.one_file else [item.stem + format.ending for item in items]
    there = [name for name in (*names, READ_ME) if (out / name).exists()]
    if there and not overwrite:
        shown = ", ".join(there[:3]) + (" …" if len(there) > 3 else "")
        raise InputError(f"{out}: {len(there)} of the files exist already ({shown}). Name another folder, or add --overwrite to replace them.")
    with file_errors(out, "write the export"):
        out.mkdir(parents=True, exist_ok=True)
        _write(out, source, format, items, progress, again=True)


def _write(folder: Path, source: Source, format: Format, items: list[Item], progress: Progress, again: bool = False) -> None:
    """All files; what an interrupted run finished is kept unless it is to be written ``again``."""
    failures = Failures()
    calls = _calls(source)
    if format.one_file:
        write = partial(_write_one_file, source=source, items=items, calls=calls, failures=failures, progress=progress)
        _whole(folder / format.one_file, write)
    for done, item in enumerate([] if format.one_file else items):
        progress(done, len(items), f"exporting {item.fov_id}")
        file = folder / (item.stem + format.ending)
        if again or not file.is_file():
            with failures.collecting(item.fov_id, file.name):
                _whole(file, partial(_write_field, format=format, labels=_labels(source, item), item=item, calls=calls))
    fail_if_all(failures, len(items), "exported", folder)
    if failures.rows:
        write_csv(folder / "failures.csv", failures.table())
    else:
        (folder / "failures.csv").unlink(missing_ok=True)
    (folder / READ_ME).write_text(_how_to_open(format, source), encoding="utf-8", newline="\n")
    progress(len(items), len(items), "done")


def _whole(file: Path, write: Callable[[Path], None]) -> None:
    """A file appears complete or not at all."""
    part = file.with_name(f".part-{file.name}")
    try:
        write(part)
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


def _write_field(file: Path, format: Format, labels: np.ndarray, item: Item, calls: Mapping[str, Calls] | None) -> None:
    mine = None if calls is None else calls.get(item.fov_id, {})
    if format.name == "tiff":
        write_labels(file, labels)
    elif format.name == "seg-npy":
        write_seg_npy(file, labels, item.image_file, item.diameter_px)
    elif format.name == "imagej":
        write_rois(file, labels, mine)
    else:
        write_geojson(file, labels, item.image_file, mine)


def _write_one_file(file: Path, source: Source, items: Sequence[Item], calls: Mapping[str, Calls] | None, failures: Failures, progress: Progress) -> None:
    with write_coco(file, with_calls=calls is not None) as out:
        for done, item in enumerate(items):
            progress(done, len(items), f"exporting {item.fov_id}")
            with failures.collecting(item.fov_id, item.image_file):
                out.add(item.image_file, _labels(source, item), None if calls is None else calls.get(item.fov_id, {}))


def _labels(source: Source, item: Item) -> np.ndarray:
    return read_labels(source.segmentation.path / "labels" / f"{item.fov_id}.tif")


def _calls(source: Source) -> dict[str, dict[int, bool | None]] | None:
    """Senescent or not by field and label; None where nothing was assessed."""
    if source.assessment is None:
        return None
    out: dict[str, dict[int, bool | None]] = {}
    cells = read_csv(source.assessment.path / "cells.csv", ASSESSED_CELLS)
    known = cells["senescent"].notna()
    for fov_id, label, call, sure in zip(cells["fov_id"], cells["label"], cells["senescent"].fillna(0), known, strict=True):
        out.setdefault(fov_id, {})[int(label)] = bool(call) if sure else None
    return out


def _how_to_open(format: Format, source: Source) -> str:
    silent_calls = source.assessment is not None and format.name in ("tiff", "seg-npy")
    lines = [
        f"{format.title}",
        "",
        format.opens,
        "",
        f"Outlines of segmentation {source.segmentation.id}" + (f", calls of assessment {source.assessment.id}." if source.assessment else "."),
        "The number of a cell is the same here and in the tables (column label).",
    ]
    if silent_calls:
        lines.append("This format has no place for senescent or not; the assessment's cells.csv says it for every number.")
    if format.name in ("imagej", "qupath", "coco"):
        lines.append("Outlines follow the edges of the pixels: the pixel in column x and row y covers x to x + 1 and y to y + 1.")
    return "\n".join(lines) + "\n"
