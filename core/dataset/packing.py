"""How one cell is stored: its grey values and mask, where they lie in the crop, and how they become intensities."""

from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from core.dataset.crops import Background, Intensity, magnified
from core.errors import InputError

THUMB_PX: Final = 16
KINDS: Final = (np.uint8, np.uint16, np.float32)
INDEX: Final = np.dtype(
    [
        ("label", "i8"),
        ("offset", "i8"),  # of the grey values in pixels.bin, bytes
        ("kind", "u1"),  # index into KINDS
        ("masked", "u1"),  # 1: bits of the mask follow the grey values; 0: every stored pixel is shown
        ("top", "i4"),  # place of the stored box in the crop
        ("left", "i4"),
        ("height", "i4"),
        ("width", "i4"),
        ("centre", "f4"),  # intensity = (grey value - centre) / spread
        ("spread", "f4"),
        ("full_scale", "f8"),  # white, in grey values
        ("guessed", "u1"),  # 1: full_scale rests on a guessed bit depth
        ("area", "i8"),  # of the whole cell in the field, px
        ("extent", "f8"),  # longer side of its bounding box, px of the crop
        ("border", "u1"),  # 1: the cell touches the border of its field
        ("confluence", "f8"),  # share of the field that cells cover; NaN where there is no field
        ("pixel_size", "f8"),  # µm a pixel of the field; NaN: unknown
        ("n", "i8"),  # pixels of the cell in the crop, and the sum and the sum of squares of their intensities
        ("total", "f8"),
        ("squares", "f8"),
        ("thumb", "u1", (THUMB_PX, THUMB_PX)),  # small picture of the cell, for near-duplicates; 128 is its mean and the outside
    ]
)


@dataclass(frozen=True)
class Scaling:
    """How the grey values of one field become intensities: (value - centre) / spread, as in ``crops.scale_intensity``."""

    centre: float
    spread: float
    full_scale: float
    guessed: bool = False


def scaling(image: NDArray, how: Intensity, full_scale: float, guessed: bool = False) -> Scaling:
    """The numbers behind ``crops.scale_intensity`` of a field (Y, X); a field without contrast gets an infinite spread, so zeros."""
    if how == "range":
        return Scaling(0.0, full_scale, full_scale, guessed)
    if how != "field":
        raise InputError(f"Intensity scaling: wanted 'range' or 'field', found {how!r}.")
    low, middle, high = np.percentile(image, (1, 50, 99))
    return Scaling(float(middle), float(high - low) if high > low else float("inf"), full_scale, guessed)


@dataclass(frozen=True)
class Piece:
    """What is stored of one cell: grey values and mask (height, width), and their place in the crop.

    ``cell`` is the mask for the statistics; ``hidden`` says that what lies outside it is black in the crop.
    """

    pixels: NDArray
    cell: NDArray[np.bool_]
    top: int
    left: int
    hidden: bool

    def packed(self) -> bytes:
        data = self.pixels.tobytes() + (np.packbits(self.cell).tobytes() if self.hidden else b"")
        return data + bytes(-len(data) % 4)


def cut_piece(image: NDArray, labels: NDArray, cell: int, box: NDArray, crop_px: int, scale: float, background: Background) -> Piece:
    """One cell of a field as it is stored; with ``background="black"`` its bounding box as far as it fits into the crop, else
    everything of the field that lies in the crop."""
    middle = (box[:2] + box[2:]) // 2
    first = middle - crop_px // 2
    if scale != 1:
        pixels, mask = magnified(image, labels, cell, box, crop_px, scale)
        inside = _frame(mask) if background == "black" else _inside(labels.shape, middle, crop_px, scale)
        return Piece(pixels[inside], mask[inside], inside[0].start, inside[1].start, background == "black")
    low, high = np.maximum(first, 0), np.minimum(first + crop_px, labels.shape)
    if background == "black":
        low, high = np.maximum(low, box[:2]), np.minimum(high, box[2:] + 1)
    window = slice(low[0], high[0]), slice(low[1], high[1])
    return Piece(image[window], labels[window] == cell, int(low[0] - first[0]), int(low[1] - first[1]), background == "black")


def centred_piece(picture: NDArray, mask: NDArray[np.bool_], crop_px: int, background: Background) -> Piece:
    """A ready crop: its middle comes to the middle of the new crop."""
    first = np.array(picture.shape) // 2 - crop_px // 2
    low, high = np.maximum(first, 0), np.minimum(first + crop_px, picture.shape)
    if background == "black":
        rows, columns = _frame(mask[low[0] : high[0], low[1] : high[1]])
        low, high = low + np.array([rows.start, columns.start]), low + np.array([rows.stop, columns.stop])
    window = slice(low[0], high[0]), slice(low[1], high[1])
    pixels = picture if picture.dtype in (np.uint8, np.uint16) else picture.astype(np.float32)
    return Piece(pixels[window], mask[window], int(low[0] - first[0]), int(low[1] - first[1]), background == "black")


def touching(boxes: NDArray, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Whether each bounding box (N, 4) reaches the border of its field (Y, X): (N,)."""
    return (boxes[:, :2] <= 0).any(axis=1) | (boxes[:, 2:] >= np.array(shape) - 1).any(axis=1)


def ends(index: NDArray[np.void]) -> NDArray[np.int64]:
    """Where each cell's bytes end in pixels.bin."""
    size = index["height"].astype(np.int64) * index["width"]
    width = np.array([np.dtype(kind).itemsize for kind in KINDS])[index["kind"]]
    length = size * width + np.where(index["masked"] == 1, (size + 7) // 8, 0)
    return index["offset"] + length + (-length % 4)


def describe(row: Any, piece: Piece, how: Scaling) -> None:
    row["kind"] = KINDS.index(piece.pixels.dtype.type)
    row["masked"], row["top"], row["left"] = piece.hidden, piece.top, piece.left
    row["height"], row["width"] = piece.pixels.shape
    row["centre"], row["spread"], row["full_scale"], row["guessed"] = how.centre, how.spread, how.full_scale, how.guessed
    inside = piece.pixels[piece.cell].astype(np.float64)
    values = (inside - float(row["centre"])) / float(row["spread"])
    row["n"], row["total"], row["squares"] = len(values), values.sum(), (values**2).sum()
    if len(values):
        row["thumb"] = _thumb(piece, float(inside.mean()), float(inside.std()))


def extent_of(mask: NDArray[np.bool_]) -> int:
    rows, columns = _frame(mask)
    return max(rows.stop - rows.start, columns.stop - columns.start)


def _thumb(piece: Piece, mean: float, std: float) -> NDArray[np.uint8]:
    frame = _frame(piece.cell)
    flat = np.where(piece.cell[frame], (piece.pixels[frame] - np.float32(mean)) / np.float32(std or 1), 0).astype(np.float32)
    return np.clip(np.rint(128 + 48 * cv2.resize(flat, (THUMB_PX, THUMB_PX), interpolation=cv2.INTER_AREA)), 0, 255).astype(np.uint8)


def _frame(mask: NDArray[np.bool_]) -> tuple[slice, slice]:
    """The bounding box of a mask; one pixel where it is empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return slice(0, 1), slice(0, 1)
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _inside(shape: tuple[int, ...], middle: NDArray, crop_px: int, scale: float) -> tuple[slice, slice]:
    """The part of a magnified crop that lies in the field."""
    steps = (np.arange(crop_px) - crop_px // 2) / scale
    found = [np.flatnonzero((m + steps >= 0) & (m + steps <= size - 1)) for m, size in zip(middle, shape, strict=True)]
    return slice(int(found[0][0]), int(found[0][-1]) + 1), slice(int(found[1][0]), int(found[1][-1]) + 1)
