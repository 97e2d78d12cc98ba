"""The crops of a dataset as PyTorch wants them; they are read from disk when they are asked for."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

Batches = Iterable[tuple[Tensor, Tensor]]
"""Normalised crops (N, 1, S, S) float32 and their classes (N,), 0 or 1."""


class Crops(Protocol):
    """Anything that holds normalised crops, e.g. ``core.dataset.store.CropStore``."""

    def __len__(self) -> int: ...

    def crop(self, i: int) -> NDArray[np.float32]:
        """(S, S) float32."""

    def batch(self, indices: Sequence[int] | NDArray) -> NDArray[np.float32]:
        """(N, S, S) float32."""


class CropData(Dataset[tuple[Tensor, int]]):
    """Some crops with their classes: item k is (crop (1, S, S) float32, class 0 or 1).

    Memory does not grow with the number of crops. Works in the worker processes of a DataLoader: each opens the file itself.

    Parameters
    ----------
    crops : all crops of a dataset.
    classes : class of every crop (len(crops),), 0 or 1.
    indices : the crops that belong here, e.g. those of the training set; all by default.
    """

    def __init__(self, crops: Crops, classes: Sequence[int] | NDArray, indices: Sequence[int] | NDArray | None = None) -> None:
        self.crops, self.classes = crops, np.asarray(classes, np.int64)
        self.indices = np.arange(len(crops)) if indices is None else np.asarray(indices, np.int64)
        if len(self.classes) != len(crops):
            raise ValueError(f"wanted a class for each of {len(crops)} crops, found {len(self.classes)}")

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, k: int) -> tuple[Tensor, int]:
        i = int(self.indices[k])
        return torch.from_numpy(self.crops.crop(i))[None], int(self.classes[i])

    def __getitems__(self, some: Sequence[int]) -> list[tuple[Tensor, int]]:
        """Several items at once: what a DataLoader asks for."""
        chosen = self.indices[np.asarray(some, np.int64)]
        crops = torch.from_numpy(self.crops.batch(chosen))[:, None]
        return [(crop, int(c)) for crop, c in zip(crops, self.classes[chosen], strict=True)]

    def batches(self, size: int, order: Sequence[int] | NDArray | None = None, share: tuple[int, int] = (0, 1)) -> Iterator[tuple[Tensor, Tensor]]:
        """Crops (N, 1, S, S) float32 and classes (N,) int64, ``size`` at a time, in the order of the items or in ``order``.

        ``share`` (k, n): of every batch only the k-th of n parts, for process k of n.
        """
        items = np.arange(len(self)) if order is None else np.asarray(order, np.int64)
        for start in range(0, len(items), size):
            chosen = self.indices[np.array_split(items[start : start + size], share[1])[share[0]]]
            yield torch.from_numpy(self.crops.batch(chosen))[:, None], torch.from_numpy(self.classes[chosen])
