"""The crops of a dataset on disk: every cell once, as the raw grey values of its bounding box, packed behind each other.

``crops/pixels.bin`` holds, cell by cell, the grey values as the camera wrote them (8 or 16 bit; float32 where cells were
resampled or the image has other numbers) and, with a black background, one bit a pixel for the cell's mask.
``crops/index.npy`` says where they lie and how they become intensities. The square crop is composed when it is read, so a
dataset takes a few kilobytes a cell, opens at once, and costs no memory but that of the crops that are asked for.
"""

import io
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from core.dataset.crops import Background, Intensity, bounding_boxes, magnified, normalise, smoothed
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


class CropWriter:
    """Writes the crops of a dataset field by field into ``folder``; what is finished stays and is not cut again.

    Raises OSError where the disk is full or not writable; then nothing of the field under way counts as finished.
    """

    def __init__(self, folder: Path, crop_px: int, background: Background) -> None:
        self.folder, self.crop_px, self.background = Path(folder), crop_px, background
        (self.folder / "parts").mkdir(parents=True, exist_ok=True)
        self.pixels = self.folder / "pixels.bin"
        done = [np.load(file) for file in (self.folder / "parts").glob("*.npy")]
        self.end = max((int(_ends(part).max(initial=0)) for part in done), default=0)
        with self.pixels.open("ab") as file:
            file.truncate(self.end)  # the beginnings of a field that was interrupted

    def finished(self, name: str) -> NDArray[np.void] | None:
        """The index (INDEX) of a field that was cut before, else None."""
        file = self._part(name)
        return np.load(file) if file.is_file() else None

    def add_field(
        self,
        name: str,
        image: NDArray,
        labels: NDArray,
        ids: Sequence[int] | NDArray,
        how: Scaling,
        scale: float = 1.0,
        pixel_size: float | None = None,
    ) -> NDArray[np.void]:
        """Cut the cells ``ids`` of one field (Y, X) and return their index, in that order.

        ``image`` holds the raw grey values; uint8 and uint16 are stored as they are, everything else as float32.
        ``scale`` is the field's µm a pixel divided by the dataset's.
        """
        boxes = bounding_boxes(labels, ids)
        source = smoothed(image if image.dtype in (np.uint8, np.uint16) else image.astype(np.float32), scale)
        index = np.zeros(len(boxes), INDEX)
        index["label"], index["border"] = ids, touching(boxes, labels.shape)
        index["extent"] = ((boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=0) + 1) * scale
        index["confluence"], index["pixel_size"] = np.count_nonzero(labels) / labels.size, pixel_size or np.nan
        cut = (cut_piece(source, labels, int(cell), box, self.crop_px, scale, self.background) for cell, box in zip(ids, boxes, strict=True))
        for row, (cell, box) in zip(index, zip(ids, boxes, strict=True), strict=True):
            row["area"] = np.count_nonzero(labels[box[0] : box[2] + 1, box[1] : box[3] + 1] == cell)
        return self._append(name, index, cut, how)

    def add_pictures(
        self, name: str, pictures: Sequence[NDArray], masks: Sequence[NDArray[np.bool_]], how: Sequence[Scaling], numbers: Sequence[int]
    ) -> NDArray[np.void]:
        """Take over crops that were cut elsewhere, each (Y, X) with the mask of its cell; centred, larger ones cut off.

        ``numbers`` come back as ``label`` in the index.
        """
        index = np.zeros(len(pictures), INDEX)
        index["label"], index["confluence"], index["pixel_size"] = numbers, np.nan, np.nan
        index["area"] = [np.count_nonzero(mask) for mask in masks]
        index["extent"] = [_extent(mask) for mask in masks]
        cut = (_centred(picture, mask, self.crop_px, self.background) for picture, mask in zip(pictures, masks, strict=True))
        return self._append(name, index, cut, how)

    def finish(self, names: Sequence[str]) -> NDArray[np.void]:
        """Join the fields ``names``, in this order, to ``index.npy`` and return it. Guessed bit depths become one (``agreed``)."""
        parts = [np.load(self._part(name)) for name in names]
        index = agreed(np.concatenate(parts) if parts else np.zeros(0, INDEX))
        with self.pixels.open("ab") as file:
            os.fsync(file.fileno())
        _save(self.folder / "index.npy", index)
        for part in (self.folder / "parts").glob("*.npy"):
            part.unlink()
        (self.folder / "parts").rmdir()
        return index

    def _append(self, name: str, index: NDArray[np.void], cut: "Iterator[Piece]", how: Scaling | Sequence[Scaling]) -> NDArray[np.void]:
        end = self.end
        with self.pixels.open("r+b") as file:
            file.seek(end)
            for i, (row, piece) in enumerate(zip(index, cut, strict=True)):
                data = piece.packed()
                _describe(row, piece, how if isinstance(how, Scaling) else how[i])
                row["offset"] = end
                write(file, data)
                end += len(data)
        _save(self._part(name), index)  # last: its presence says that the field is finished
        self.end = end
        return index

    def _part(self, name: str) -> Path:
        return self.folder / "parts" / f"{name}.npy"


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


class CropStore:
    """The crops of a finished dataset, read from disk when they are asked for. Row i of ``manifest.csv`` is crop i.

    Can be sent to another process (a loader of batches): each opens the file itself.
    """

    def __init__(self, folder: Path, index: NDArray[np.void], crop_px: int, mean: float, std: float) -> None:
        self.folder, self.index, self.crop_px, self.mean, self.std = Path(folder), index, crop_px, mean, std
        self._bytes: NDArray[np.uint8] | None = None

    def __len__(self) -> int:
        return len(self.index)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_bytes": None}

    def crop(self, i: int) -> NDArray[np.float32]:
        """Crop ``i``: (crop_px, crop_px) float32, intensities normalised with the dataset's mean and std, black is 0."""
        values, shown = self.values(i)
        return self._placed(i, np.where(shown, normalise(values, self.mean, self.std), np.float32(0)))

    def batch(self, indices: Sequence[int] | NDArray) -> NDArray[np.float32]:
        """(N, crop_px, crop_px) float32: the crops ``indices``, in that order."""
        out = np.zeros((len(indices), self.crop_px, self.crop_px), np.float32)
        for k, i in enumerate(indices):
            row = self.index[i]
            values, shown = self.values(i)
            place = out[k, row["top"] : row["top"] + row["height"], row["left"] : row["left"] + row["width"]]
            np.copyto(place, normalise(values, self.mean, self.std), where=shown)
        return out

    def values(self, i: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Intensities before normalisation, and what of them is shown: both (height, width) of the stored box."""
        pixels, shown = self.stored(i)
        row = self.index[i]
        return (pixels.astype(np.float32) - row["centre"]) / row["spread"], shown

    def grey(self, i: int) -> NDArray:
        """The crop in grey values as the camera wrote them (crop_px, crop_px), black is 0."""
        pixels, shown = self.stored(i)
        return self._placed(i, np.where(shown, pixels, pixels.dtype.type(0)))

    def mask(self, i: int) -> NDArray[np.bool_]:
        """What of the crop is shown: the cell, or with the background kept the field."""
        return self._placed(i, self.stored(i)[1])

    def stored(self, i: int) -> tuple[NDArray, NDArray[np.bool_]]:
        """Grey values of the stored box, and what of them is shown."""
        row = self.index[i]
        shape, dtype = (int(row["height"]), int(row["width"])), np.dtype(KINDS[row["kind"]])
        start, size = int(row["offset"]), shape[0] * shape[1]
        data = self._data()
        pixels = data[start : start + size * dtype.itemsize].view(dtype).reshape(shape)
        if not row["masked"]:
            return pixels, np.ones(shape, bool)
        bits = data[start + size * dtype.itemsize :][: (size + 7) // 8]
        return pixels, np.unpackbits(bits, count=size).astype(bool).reshape(shape)

    def _data(self) -> NDArray[np.uint8]:
        if self._bytes is None:
            file = self.folder / "pixels.bin"
            self._bytes = np.memmap(file, np.uint8, "r") if file.stat().st_size else np.zeros(0, np.uint8)
        return self._bytes

    def _placed(self, i: int, values: NDArray) -> NDArray:
        row = self.index[i]
        out = np.zeros((self.crop_px, self.crop_px), values.dtype)
        out[row["top"] : row["top"] + row["height"], row["left"] : row["left"] + row["width"]] = values
        return out


def open_crops(folder: Path) -> CropStore:
    """The crops of the dataset in ``folder`` (``datasets/<id>``), normalised as its ``statistics.json`` says.

    Raises
    ------
    InputError
        A file is missing, damaged, or shorter than the index says.
    """
    folder = Path(folder)
    try:
        about = json.loads((folder / "statistics.json").read_text(encoding="utf-8"))
        index = np.load(folder / "crops" / "index.npy")
        size = (folder / "crops" / "pixels.bin").stat().st_size
        crop_px, mean, std = int(about["crop_px"]), float(about["mean"]), float(about["std"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{folder}: wanted a dataset (statistics.json, crops/index.npy, crops/pixels.bin), but it is damaged: {error}.") from None
    if index.dtype != INDEX or int(_ends(index).max(initial=0)) > size:
        raise InputError(f"{folder}: the crops are damaged: pixels.bin is shorter than its index says, or of another version. Build the dataset again.")
    return CropStore(folder / "crops", index, crop_px, mean, std)


def agreed(index: NDArray[np.void]) -> NDArray[np.void]:
    """Give cells whose bit depth is a guess one full scale, the largest of their kind: a dark field is not a shallower camera.

    Changes only intensities by range, whose spread is the full scale.
    """
    out = index.copy()
    for kind in np.unique(out["kind"]):
        rows = (out["kind"] == kind) & (out["guessed"] == 1)
        if not rows.any():
            continue
        largest = out["full_scale"][rows].max()
        by_range = rows & (out["centre"] == 0) & (out["spread"] == out["full_scale"].astype(np.float32))
        factor = out["spread"][by_range].astype(np.float64) / largest
        out["total"][by_range] *= factor
        out["squares"][by_range] *= factor**2
        out["spread"][by_range] = largest
        out["full_scale"][rows] = largest
    return out


def touching(boxes: NDArray, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Whether each bounding box (N, 4) reaches the border of its field (Y, X): (N,)."""
    return (boxes[:, :2] <= 0).any(axis=1) | (boxes[:, 2:] >= np.array(shape) - 1).any(axis=1)


def write(file: io.BufferedIOBase | Any, data: bytes) -> None:
    """One write to pixels.bin."""
    file.write(data)


def _describe(row: Any, piece: Piece, how: Scaling) -> None:
    row["kind"] = KINDS.index(piece.pixels.dtype.type)
    row["masked"], row["top"], row["left"] = piece.hidden, piece.top, piece.left
    row["height"], row["width"] = piece.pixels.shape
    row["centre"], row["spread"], row["full_scale"], row["guessed"] = how.centre, how.spread, how.full_scale, how.guessed
    inside = piece.pixels[piece.cell].astype(np.float64)
    values = (inside - float(row["centre"])) / float(row["spread"])
    row["n"], row["total"], row["squares"] = len(values), values.sum(), (values**2).sum()
    if len(values):
        row["thumb"] = _thumb(piece, float(inside.mean()), float(inside.std()))


def _thumb(piece: Piece, mean: float, std: float) -> NDArray[np.uint8]:
    frame = _frame(piece.cell)
    flat = np.where(piece.cell[frame], (piece.pixels[frame] - np.float32(mean)) / np.float32(std or 1), 0).astype(np.float32)
    return np.clip(np.rint(128 + 48 * cv2.resize(flat, (THUMB_PX, THUMB_PX), interpolation=cv2.INTER_AREA)), 0, 255).astype(np.uint8)


def _centred(picture: NDArray, mask: NDArray[np.bool_], crop_px: int, background: Background) -> Piece:
    """A ready crop: its middle comes to the middle of the new crop."""
    first = np.array(picture.shape) // 2 - crop_px // 2
    low, high = np.maximum(first, 0), np.minimum(first + crop_px, picture.shape)
    if background == "black":
        rows, columns = _frame(mask[low[0] : high[0], low[1] : high[1]])
        low, high = low + np.array([rows.start, columns.start]), low + np.array([rows.stop, columns.stop])
    window = slice(low[0], high[0]), slice(low[1], high[1])
    pixels = picture if picture.dtype in (np.uint8, np.uint16) else picture.astype(np.float32)
    return Piece(pixels[window], mask[window], int(low[0] - first[0]), int(low[1] - first[1]), background == "black")


def _frame(mask: NDArray[np.bool_]) -> tuple[slice, slice]:
    """The bounding box of a mask; one pixel where it is empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return slice(0, 1), slice(0, 1)
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _extent(mask: NDArray[np.bool_]) -> int:
    rows, columns = _frame(mask)
    return max(rows.stop - rows.start, columns.stop - columns.start)


def _inside(shape: tuple[int, ...], middle: NDArray, crop_px: int, scale: float) -> tuple[slice, slice]:
    """The part of a magnified crop that lies in the field."""
    steps = (np.arange(crop_px) - crop_px // 2) / scale
    found = [np.flatnonzero((m + steps >= 0) & (m + steps <= size - 1)) for m, size in zip(middle, shape, strict=True)]
    return slice(int(found[0][0]), int(found[0][-1]) + 1), slice(int(found[1][0]), int(found[1][-1]) + 1)


def _ends(index: NDArray[np.void]) -> NDArray[np.int64]:
    """Where each cell's bytes end in pixels.bin."""
    size = index["height"].astype(np.int64) * index["width"]
    width = np.array([np.dtype(kind).itemsize for kind in KINDS])[index["kind"]]
    length = size * width + np.where(index["masked"] == 1, (size + 7) // 8, 0)
    return index["offset"] + length + (-length % 4)


def _save(path: Path, array: NDArray) -> None:
    """Whole or not at all."""
    out = io.BytesIO()
    np.save(out, array, allow_pickle=False)
    scratch = path.with_name(f".{path.name}.new")
    scratch.write_bytes(out.getvalue())
    scratch.replace(path)
