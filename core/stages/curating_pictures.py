"""Pictures of single cells for the curation gallery: phase, stain and colour side by side, all on the phase grid."""

import threading
from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from core.errors import InputError
from core.fields import fields
from core.images import grey, preview, read, read_labels
from core.stages.common import read_phase
from core.stages.stained import open_stain
from core.workspace import Experiment, Product

SMALLEST_PX: Final = 40  # of the field: a tiny cell is not blown up beyond recognition
CLOSE, WIDE = 1.5, 3.0  # side of the picture over the longer side of the cell
OUTLINE, SHADOW = (255, 213, 79), (20, 20, 20)


@dataclass(frozen=True)
class FieldViews:
    """One field: ``pictures`` (name -> uint8 (Y, X) or (Y, X, 3), 8 bits for the screen), ``labels`` int (Y, X)."""

    pictures: dict[str, np.ndarray]
    labels: np.ndarray


def view_names(experiment: Experiment, annotation: Product) -> list[str]:
    """What there is to see of the cells: "Phase", and "Stain" and "Colour" where the annotation rests on such images."""
    stain_id = annotation.settings["upstream"].get("stain")
    if not stain_id:
        return ["Phase"]
    folder = open_stain(experiment, stain_id).product.path / "pictures"
    there = [name for name in ("Stain", "Colour") if any((folder / name.lower()).glob("*.jpg"))]
    return ["Phase", *there]


_reading: defaultdict[tuple[str, str, str], threading.Lock] = defaultdict(threading.Lock)


def field_views(experiment: str, annotation: str, fov_id: str) -> FieldViews:
    """The pictures of a field (a few are kept). InputError where the phase image or the label image cannot be read."""
    with _reading[experiment, annotation, fov_id]:  # a browser asks for many cells of a field at once: it is read once
        return _read_views(experiment, annotation, fov_id)


@lru_cache(maxsize=8)
def _read_views(experiment: str, annotation: str, fov_id: str) -> FieldViews:
    opened = Experiment(Path(experiment))
    made = opened.product("annotations", annotation)
    upstream = made.settings["upstream"]
    fov = next((one for one in fields(opened.fields()) if one.fov_id == fov_id), None)
    if fov is None:
        raise InputError(f"{opened.path}: no field named {fov_id} in the field table any more.")
    labels = read_labels(opened.product("segmentations", upstream["segmentation"]).path / "labels" / f"{fov_id}.tif")
    pictures = {"Phase": preview(grey(read_phase(opened, fov)))}
    for name in view_names(opened, made)[1:]:
        file = open_stain(opened, upstream["stain"]).stain_picture(fov_id, name.lower())
        pictures[name] = read(file).pixels if file else np.zeros(labels.shape, np.uint8)
    return FieldViews(pictures, labels.astype(np.uint16) if labels.max(initial=0) < 2**16 else labels)


def cell_strip(views: FieldViews, label: int, side: int, wide: bool = False, outline: bool = True) -> np.ndarray:
    """Phase, stain and colour of one cell beside each other, uint8 (side, side * pictures, 3).

    ``wide``: with more of its neighbourhood. ``outline``: the cell's own outline is drawn.

    Raises
    ------
    InputError
        The field has no such cell.
    """
    mask = views.labels == label
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        raise InputError(f"There is no cell {label} in this field.")
    longer = max(np.ptp(rows), np.ptp(columns)) + 1
    length = max(SMALLEST_PX, round(longer * (WIDE if wide else CLOSE)))
    window = _start(rows, length, mask.shape[0]), _start(columns, length, mask.shape[1]), length
    drawn = np.array(Image.fromarray(_cut(mask, window).astype(np.uint8) * 255).resize((side, side), Image.Resampling.BICUBIC)) > 127
    strip = [_panel(picture, window, side, drawn if outline else None) for picture in views.pictures.values()]
    return np.concatenate(strip, axis=1)


def _start(of_cell: np.ndarray, length: int, size: int) -> int:
    """Where a window around the cell begins along one side of the field: within the field, unless that is too small."""
    middle = (int(of_cell[0]) + int(of_cell[-1]) + 1 - length) // 2
    return min(max(middle, 0), size - length) if length <= size else (size - length) // 2


def _cut(picture: np.ndarray, window: tuple[int, int, int]) -> np.ndarray:
    """A square of the picture; what lies outside of the field is 0."""
    top, left, side = window
    out = np.zeros((side, side, *picture.shape[2:]), picture.dtype)
    y0, x0, y1, x1 = max(top, 0), max(left, 0), min(top + side, picture.shape[0]), min(left + side, picture.shape[1])
    if y1 > y0 and x1 > x0:
        out[y0 - top : y1 - top, x0 - left : x1 - left] = picture[y0:y1, x0:x1]
    return out


def _panel(picture: np.ndarray, window: tuple[int, int, int], side: int, mask: np.ndarray | None) -> np.ndarray:
    image = Image.fromarray(_cut(picture, window)).convert("RGB").resize((side, side), Image.Resampling.BICUBIC)
    out = np.array(image)
    if mask is not None:
        width = 2 if side < 400 else 3
        grown = _grown(mask, width)
        out[_grown(grown, 1) & ~grown] = SHADOW
        out[grown & ~mask] = OUTLINE
    return out


def _grown(mask: np.ndarray, by: int) -> np.ndarray:
    out = mask.copy()
    for _ in range(by):
        wider = out.copy()
        wider[1:] |= out[:-1]
        wider[:-1] |= out[1:]
        wider[:, 1:] |= out[:, :-1]
        wider[:, :-1] |= out[:, 1:]
        out = wider
    return out
