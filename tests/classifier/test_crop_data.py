"""Crops as PyTorch reads them, whatever holds them."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from core.classifier.crop_data import CropData


class Held:
    """Five crops of 4 px; crop i is full of i."""

    def __len__(self) -> int:
        return 5

    def crop(self, i: int) -> NDArray[np.float32]:
        return np.full((4, 4), i, np.float32)

    def batch(self, indices: Sequence[int] | NDArray) -> NDArray[np.float32]:
        return np.stack([self.crop(int(i)) for i in indices])


def test_items_are_the_chosen_crops_with_their_classes() -> None:
    data = CropData(Held(), [0, 1, 0, 1, 1], [4, 0, 3])
    assert [(float(crop[0, 0, 0]), c) for crop, c in (data[k] for k in range(len(data)))] == [(4, 1), (0, 0), (3, 1)]
    assert data[0][0].shape == (1, 4, 4)
    assert data[0][0].dtype == torch.float32


def test_a_loader_gives_the_same_batches() -> None:
    data = CropData(Held(), [0, 1, 0, 1, 1])
    pairs = zip(DataLoader(data, batch_size=2), data.batches(2), strict=True)
    for (crops, classes), (same, too) in pairs:
        assert torch.equal(crops, same)
        assert torch.equal(classes, too)


def test_batches_follow_an_order_of_items() -> None:
    data = CropData(Held(), [0, 1, 0, 1, 1], [4, 3, 2])
    [(crops, classes)] = data.batches(8, [2, 0])
    assert crops[:, 0, 0, 0].tolist() == [2, 4]
    assert classes.tolist() == [0, 1]


def test_processes_share_every_batch() -> None:
    data = CropData(Held(), [0, 1, 0, 1, 1])
    shares = [[crops[:, 0, 0, 0].tolist() for crops, _ in data.batches(3, [4, 3, 2, 1, 0], (k, 2))] for k in (0, 1)]
    assert shares == [[[4, 3], [1]], [[2], [0]]]


def test_every_crop_needs_a_class() -> None:
    with pytest.raises(ValueError, match="wanted a class for each of 5"):
        CropData(Held(), [0, 1])
