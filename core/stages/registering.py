"""Register: lay the stain and colour images of every field on its phase image."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from core.errors import InputError
from core.fields import FieldOfView
from core.images import grey, read
from core.options import command, settings_from
from core.progress import Progress, silent
from core.registration import METHODS, register
from core.report import read_csv, write_csv
from core.settings import RegisterSettings
from core.stages.aligned import SIZED, current_registrations, decide, pooled
from core.stages.common import Failures, chosen_fields, fail_if_all
from core.tables import REGISTRATIONS, typed
from core.workspace import AlreadyPublished, Experiment, product_id, publish

__all__ = ["current_registrations", "decide", "register_pairs", "run"]

IMAGES = ("stain", "colour")


def run(params: dict[str, Any], progress: Progress) -> Path:
    """``params``: ``experiment``, ``settings`` (of RegisterSettings), ``fields`` (names, or none for all)."""
    settings = settings_from(RegisterSettings, params.get("settings") or {})
    return register_pairs(Path(params["experiment"]), settings, params.get("fields"), progress)


def register_pairs(path: Path, settings: RegisterSettings, only: Sequence[str] | None = None, progress: Progress = silent) -> Path:
    """Register every stain and colour image and return the folder: ``registration.csv`` (one row a pair), ``failures.csv``.

    The monochrome and the colour image of a field may come from two cameras, so each has its own row. A pair that
    failed takes the consensus of its culture, else that of the experiment, where there is one (``settings.consensus``).
    A field without such an image has no row; a pair that cannot be read is listed in ``failures.csv``.

    Raises
    ------
    InputError
        An unknown method, no field with a stain or colour image, or none that could be read.
    """
    if settings.method not in METHODS:
        raise InputError(f"Alignment: wanted one of {', '.join(METHODS)}, found {settings.method!r}.")
    experiment = Experiment(path)
    pairs = [(fov, image) for fov in chosen_fields(experiment, only) for image in IMAGES if getattr(fov, image) and settings.images in ("all", image)]
    if not pairs:
        raise InputError(f"{path}: no field has {'a stain or colour' if settings.images == 'all' else 'a ' + settings.images} image; add them first.")
    payload = {"settings": vars(settings), "inputs": pair_inputs(experiment, pairs)}
    about: dict[str, Any] = {"command": command("register", path, settings, fields=only), "inputs": payload["inputs"]}
    try:
        with publish(experiment, "registrations", product_id(settings.method, payload), settings, **about) as partial:
            _all_pairs(experiment, pairs, settings, partial.path, progress)
    except AlreadyPublished as ready:
        return ready.path
    return partial.final


def _all_pairs(experiment: Experiment, pairs: list[tuple[FieldOfView, str]], settings: RegisterSettings, folder: Path, progress: Progress) -> None:
    failures, own = Failures(), folder / "own.csv"
    table = read_csv(own, SIZED) if own.is_file() else typed(pd.DataFrame(), SIZED)
    done_before = set(zip(table["fov_id"], table["image"], strict=True))  # a resumed run keeps what is finished
    for done, (fov, image) in enumerate(pairs):
        progress(done, len(pairs), f"aligning the {image} image of {fov.fov_id}")
        if (fov.fov_id, image) in done_before:
            continue
        with failures.collecting(fov.fov_id, getattr(fov, image)):
            row = _pair(experiment, fov, image, settings)
            table = typed(pd.concat([table, typed(pd.DataFrame([row]), SIZED)], ignore_index=True), SIZED)
            write_csv(own, table)
    if table.empty:
        fail_if_all(failures, len({fov.fov_id for fov, _ in pairs}), "aligned", experiment.path)
    write_csv(folder / "registration.csv", typed(with_consensus(table) if settings.consensus else table, REGISTRATIONS)[list(REGISTRATIONS)])
    write_csv(folder / "failures.csv", failures.table())
    progress(len(pairs), len(pairs), "done")


def _pair(experiment: Experiment, fov: FieldOfView, image: str, settings: RegisterSettings) -> dict[str, Any]:
    phase = grey(read(*experiment.resolve(fov.phase)))
    stain = read(*experiment.resolve(getattr(fov, image))).pixels
    found = register(phase, stain, settings.method, pad=settings.pad_stain)
    return {"fov_id": fov.fov_id, "image": image, "sample": fov.sample, "height": phase.shape[0], "width": phase.shape[1], **found.row()}


def with_consensus(table: pd.DataFrame) -> pd.DataFrame:
    """``table`` (of own.csv) where failed pairs take the consensus of their session (see ``aligned.pooled``)."""
    rows = table.to_dict("records")
    for row in rows:
        shared = pooled(table, row["fov_id"], row["image"]).registration if row["verdict"] == "fail" else None
        if shared is not None:
            row |= shared.row() | {"reason": f"{row['reason']} {shared.reason}"}
    return typed(pd.DataFrame(rows), SIZED) if rows else table


def pair_inputs(experiment: Experiment, pairs: list[tuple[FieldOfView, str]]) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for fov, image in pairs:
        row: dict[str, object] = {"fov_id": fov.fov_id, "sample": fov.sample, "image": image}
        for kind in ("phase", image):
            reference = getattr(fov, kind)
            path = experiment.resolve(reference)[0]
            seen = path.stat() if path.is_file() else None
            row |= {kind: reference, f"{kind} bytes": seen.st_size if seen else None, f"{kind} changed": seen.st_mtime_ns if seen else None}
        rows.append(row)
    return rows
