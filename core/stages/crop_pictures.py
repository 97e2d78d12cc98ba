"""Pictures of single cells that were cut elsewhere: read one by one, those that cannot be used listed by their path."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from core.dataset.folders import cell_mask
from core.dataset.store import CropWriter, Scaling, scaling
from core.errors import InputError
from core.images import full_scale, inspect, read
from core.settings import DatasetSettings
from core.stages.collecting import raw_grey
from core.stages.common import Failures

COMMON = "common_pixel_size_um"
OF_THE_CELL = ("curated", "touches_border", "cut_off", "rescaled", "area_px", "area_um2", "extent_px", "confluence", "pixel_size_um")
"""What a picture does not show of its cell, and the manifest beside it tells."""


class Listed(NamedTuple):
    """A picture, and what the manifest beside it says of its white (NA where it says nothing)."""

    file: str
    white: Any
    guessed: Any


def listed(cells: pd.DataFrame) -> list[Listed]:
    return [Listed(*row) for row in cells[["image", "white", "white_guessed"]].itertuples(index=False)]


def largest(folder: Path, names: Sequence[str] | pd.Series, called: str) -> int:
    """The longer side of the largest picture; one that cannot be read is listed when the pictures are taken."""
    sizes, failures = [0], Failures()
    for name in names:
        with failures.collecting("", name), by_path(name):
            sizes.append(max(inspect(folder / name).layouts[0].plane_shape[:2]))
    if len(failures.rows) == len(names):
        raise InputError(lost(called, f"none of the {len(names)} pictures", failures))
    return max(sizes)


def lost(called: str, what: str, failures: Failures) -> str:
    return f"{called}: {what} could be used. {'; '.join(row['error'] for row in failures.rows[:5])}"


def take(writer: CropWriter, name: str, folder: Path, part: Sequence[Listed], start: int, settings: DatasetSettings, failures: Failures) -> None:
    taken: list[tuple[np.ndarray, np.ndarray, Scaling]] = []
    numbers: list[int] = []
    for number, about in enumerate(part, start + 1):
        with failures.collecting("", about.file):
            taken.append(picture_in(folder, about, settings))
            numbers.append(number)
    writer.add_pictures(name, [one[0] for one in taken], [one[1] for one in taken], [one[2] for one in taken], numbers)


def picture_in(folder: Path, about: Listed, settings: DatasetSettings) -> tuple[np.ndarray, np.ndarray, Scaling]:
    """Grey values, mask of the cell, and how the grey values become intensities.

    Where the manifest beside the pictures does not say what white is, the picture is asked.
    """
    file, white, guessed = about
    with by_path(file):
        picture = read(folder / file)
    grey = raw_grey(picture)
    mask = cell_mask(grey, file, settings.background)
    if not mask.any():
        raise InputError(f"{file}: the picture is all black.")
    if pd.isna(white):
        white, guessed = full_scale(picture), picture.bits_guessed
    if not white > 0:
        raise InputError(f"{file}: wanted a white above 0 in manifest.csv, found {white:g}.")
    return grey, mask, scaling(grey[mask], settings.intensity, float(white), bool(pd.notna(guessed) and guessed))  # type: ignore[arg-type]


@contextmanager
def by_path(file: str) -> Iterator[None]:
    """A reader names the file alone; here equal names lie in several folders."""
    try:
        yield
    except InputError as error:
        name, text = PurePosixPath(file).name, str(error)
        raise InputError(f"{file}{text.removeprefix(name)}" if text.startswith(name) else f"{file}: {text}") from None


def common_pixel_size(cells: pd.DataFrame, called: str) -> float:
    """To which the pictures were brought, where their manifest says so; 0: each has the one of its field."""
    told = cells.get(f"told_{COMMON}", pd.Series(dtype="Float64"))
    if told.isna().all():
        return 0.0
    if told.isna().any() or told.nunique() > 1:
        raise InputError(f"{called}: its pictures were brought to different pixel sizes ({COMMON} in manifest.csv). Take each kind over on its own.")
    return float(told.iloc[0])


def as_told(manifest: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """The manifest with what the one beside the pictures tells of their cells; a crop may be smaller here than there."""
    manifest = manifest.copy()
    for column in OF_THE_CELL:
        told = rows.get(f"told_{column}", pd.Series(pd.NA, index=rows.index)).astype(manifest[column].dtype)
        known = told | manifest[column] if column == "cut_off" else told
        manifest[column] = known.where(told.notna(), manifest[column])
    return manifest
