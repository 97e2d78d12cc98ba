"""Writing the crops of a dataset field by field, so that a kill or a full disk costs at most the field under way."""

import io
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.dataset.crops import Background, bounding_boxes, smoothed
from core.dataset.packing import INDEX, Piece, Scaling, centred_piece, cut_piece, describe, ends, extent_of, touching


class CropWriter:
    """Writes the crops of a dataset field by field into ``folder``; what is finished stays and is not cut again.

    Raises OSError where the disk is full or not writable; then nothing of the field under way counts as finished.
    """

    def __init__(self, folder: Path, crop_px: int, background: Background) -> None:
        self.folder, self.crop_px, self.background = Path(folder), crop_px, background
        (self.folder / "parts").mkdir(parents=True, exist_ok=True)
        self.pixels = self.folder / "pixels.bin"
        done = [np.load(file) for file in (self.folder / "parts").glob("*.npy")]
        self.end = max((int(ends(part).max(initial=0)) for part in done), default=0)
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
        index["extent"] = [extent_of(mask) for mask in masks]
        cut = (centred_piece(picture, mask, self.crop_px, self.background) for picture, mask in zip(pictures, masks, strict=True))
        return self._append(name, index, cut, how)

    def finish(self, names: Sequence[str]) -> NDArray[np.void]:
        """Join the fields ``names``, in this order, to ``index.npy`` and return it."""
        parts = [np.load(self._part(name)) for name in names]
        index = np.concatenate(parts) if parts else np.zeros(0, INDEX)
        with self.pixels.open("ab") as file:
            os.fsync(file.fileno())
        _save(self.folder / "index.npy", index)
        for part in (self.folder / "parts").glob("*.npy"):
            part.unlink()
        (self.folder / "parts").rmdir()
        return index

    def _append(self, name: str, index: NDArray[np.void], cut: Iterator[Piece], how: Scaling | Sequence[Scaling]) -> NDArray[np.void]:
        end = self.end
        with self.pixels.open("r+b") as file:
            file.seek(end)
            for i, (row, piece) in enumerate(zip(index, cut, strict=True)):
                data = piece.packed()
                describe(row, piece, how if isinstance(how, Scaling) else how[i])
                row["offset"] = end
                write(file, data)
                end += len(data)
        _save(self._part(name), index)  # last: its presence says that the field is finished
        self.end = end
        return index

    def _part(self, name: str) -> Path:
        return self.folder / "parts" / f"{name}.npy"


def write(file: io.BufferedIOBase | Any, data: bytes) -> None:
    """One write to pixels.bin."""
    file.write(data)


def _save(path: Path, array: NDArray) -> None:
    """Whole or not at all."""
    out = io.BytesIO()
    np.save(out, array, allow_pickle=False)
    scratch = path.with_name(f".{path.name}.new")
    scratch.write_bytes(out.getvalue())
    scratch.replace(path)
