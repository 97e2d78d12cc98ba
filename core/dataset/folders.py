"""Crops as picture files in folders by set and class, as torchvision's ImageFolder reads them: names, masks, values."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from core.dataset.packing import KINDS
from core.dataset.split import NAMES, SPLITS
from core.dataset.store import CropStore
from core.errors import InputError

CLASS_FOLDERS: Final = ("not_senescent", "senescent")
SET_FOLDERS: Final = {"train": "train", "validation": "val", "test": "test"}
POSITIVE: Final = ("senescent", "positive", "stained", "pos", "sen", "1")
LOSSY: Final = (".jpg", ".jpeg")
LOSSY_BLACK: Final = 8  # JPEG leaves faint specks on black, of 255


@dataclass(frozen=True)
class Placed:
    """Where a picture lies in such a folder: set ("" where the folder has none), class folder, culture ("" where unknown)."""

    split: str
    folder: str
    sample: str


def placed(path: str) -> Placed | None:
    """Read ``[train|val|test/]CLASS/[CULTURE/]file`` (POSIX, relative); None for a file that lies in no class folder."""
    parts = PurePosixPath(path).parts[:-1]
    split = NAMES.get(parts[0].lower(), "") if len(parts) > 1 else ""
    split = split if split in SPLITS else ""
    rest = parts[1:] if split else parts
    return Placed(split, rest[0], "/".join(rest[1:])) if rest else None


def class_numbers(folders: Sequence[str], positive: str = "") -> dict[str, int]:
    """The class of each class folder: 1 for ``positive`` (or a name like "senescent"), 0 for the other.

    Raises
    ------
    InputError
        More than two folders, or none of them is known to be the senescent one.
    """
    names = sorted(set(folders))
    if len(names) > 2:
        raise InputError(f"Crops from a folder: wanted two class folders, found {len(names)}: {', '.join(names[:8])}.")
    if positive and positive not in names:
        raise InputError(f"Crops from a folder: no class folder {positive!r}; there is {', '.join(names)}.")
    chosen = [positive] if positive else [n for n in names if n.lower() in POSITIVE]
    if len(chosen) != 1 and len(names) == 2:
        raise InputError(f"Crops from a folder: which of {' and '.join(names)} is the senescent class? Name its folder (on the command line --positive).")
    return {name: int(name in chosen) for name in names}


def cell_mask(picture: NDArray, file: str, background: str) -> NDArray[np.bool_]:
    """What of a ready crop (Y, X) is the cell: with a black background everything above black, holes filled; else all of it.

    Black is 0, in JPEG files up to 8 of 255.
    """
    if background == "kept":
        return np.ones(picture.shape, bool)
    black = LOSSY_BLACK if file.lower().endswith(LOSSY) else 0
    return np.asarray(ndimage.binary_fill_holes(picture > black), bool)


def picture_of(crops: CropStore, i: int, bits: int = 16) -> NDArray:
    """Crop ``i`` as a picture (crop_px, crop_px), black is 0.

    bits=16: the camera's own values, uint8 for an 8-bit camera, else uint16 (resampled values are rounded; floating-point images
    are stretched from 0..white to 0..65535). bits=8: uint8 for programs that read nothing else; mean - 4 std to mean + 4 std of the
    training cells becomes 1..255.
    """
    if bits == 8:
        normal = crops.crop(i)
        return np.where(crops.mask(i), np.clip(np.rint(128 + normal * (127 / 4)), 1, 255), 0).astype(np.uint8)
    if bits != 16:
        raise InputError(f"Pictures: wanted 8 or 16 bits, found {bits}.")
    grey, white = crops.grey(i), float(crops.index[i]["full_scale"])
    if grey.dtype != np.float32:
        return grey
    values = np.rint(grey if _of_camera(white) else grey / np.float32(white) * 65535)
    return np.clip(values, 0, 65535).astype(np.uint8 if white == 255 else np.uint16)


def white_of(crops: CropStore, i: int, bits: int = 16) -> float:
    """The value of white in ``picture_of(crops, i, bits)``, which its pixels alone do not say."""
    if bits == 8:
        return 255.0
    row = crops.index[i]
    white = float(row["full_scale"])
    return white if KINDS[row["kind"]] != np.float32 or _of_camera(white) else 65535.0


def _of_camera(white: float) -> bool:
    return white >= 255 and white == int(white) and white <= 65535


def png(picture: NDArray) -> bytes:
    """A grey picture, uint8 or uint16, as PNG."""
    done, data = cv2.imencode(".png", picture)
    assert done
    return bytes(data)


def file_name(i: int, cell_id: str) -> str:
    """A name for the picture of crop ``i`` that every file system takes."""
    kept = "".join(c if c.isalnum() or c in "-._" else "_" for c in cell_id)
    return f"{i:06d}_{kept[-120:]}.png"
