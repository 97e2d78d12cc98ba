"""The crops of a dataset on disk: every cell once, as the raw grey values of its bounding box, packed behind each other.

``crops/pixels.bin`` holds, cell by cell, the grey values as the camera wrote them (8 or 16 bit; float32 where cells were
resampled or the image has other numbers) and, with a black background, one bit a pixel for the cell's mask.
``crops/index.npy`` says where they lie and how they become intensities. The square crop is composed when it is read, so a
dataset takes a few kilobytes a cell, opens at once, and costs no memory but that of the crops that are asked for.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.dataset.crops import normalise
from core.dataset.packing import INDEX, KINDS, Scaling, ends, scaling
from core.dataset.writing import CropWriter
from core.errors import InputError

__all__ = ["INDEX", "CropStore", "CropWriter", "Scaling", "open_crops", "scaling"]


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
            # As a plain array: every slice of a memmap costs some microseconds more.
            self._bytes = np.asarray(np.memmap(file, np.uint8, "r")) if file.stat().st_size else np.zeros(0, np.uint8)
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
    if index.dtype != INDEX or int(ends(index).max(initial=0)) > size:
        raise InputError(f"{folder}: the crops are damaged: pixels.bin is shorter than its index says, or of another version. Build the dataset again.")
    return CropStore(folder / "crops", index, crop_px, mean, std)
