"""Augmentation keeps what it must keep."""

import pytest
import torch

from core.classifier.augmentation import Augmentation

STILL = Augmentation(rotate=False, scale=0, shift_px=0, contrast=0, brightness=0, blur_px=0, noise=0)


@pytest.fixture
def cells():
    crops = torch.zeros(6, 1, 32, 32)
    crops[:, :, 10:20, 8:24] = torch.rand(6, 1, 10, 16, generator=torch.Generator().manual_seed(0)) + 1
    return crops


def _generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_nothing_asked_changes_nothing(cells):
    torch.testing.assert_close(STILL(cells, _generator()), cells, atol=1e-5, rtol=0)


def test_repeatable_and_different_for_each_crop(cells):
    every = Augmentation()
    first = every(cells, _generator())
    assert torch.equal(first, every(cells, _generator()))
    assert not torch.equal(first, every(cells, _generator(1)))
    same = every(cells[:1].expand(6, -1, -1, -1), _generator())
    assert not torch.equal(same[0], same[1])


def test_black_stays_black(cells):
    out = Augmentation(rotate=False, scale=0, shift_px=0)(cells, _generator())
    assert torch.equal(out == 0, cells == 0)


def test_turning_keeps_the_amount_of_cell(cells):
    out = Augmentation(scale=0, shift_px=0, contrast=0, brightness=0, blur_px=0, noise=0)(cells, _generator())
    assert not torch.equal(out, cells)
    torch.testing.assert_close(out.sum((1, 2, 3)), cells.sum((1, 2, 3)), rtol=0.05, atol=0)


def test_blur_takes_away_detail(cells):
    out = Augmentation(rotate=False, scale=0, shift_px=0, contrast=0, brightness=0, blur_px=2, noise=0)(cells, _generator(3))
    inside = cells[:, :, 13:17, 12:20]
    assert (out[:, :, 13:17, 12:20].std() < inside.std()).item()
