"""Augmentation keeps what it must keep."""

import subprocess
import sys

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


def test_what_comes_in_from_beyond_the_crop_is_black():
    full = torch.ones(8, 1, 32, 32)
    out = Augmentation(scale=0, shift_px=6, contrast=0, brightness=0, blur_px=0, noise=0)(full, _generator())
    assert (out.amin((1, 2, 3)) == 0).all()
    assert ((out >= 0) & (out <= 1 + 1e-5)).all()


def test_light_is_not_clipped_to_what_a_photograph_may_hold(cells):
    dark = cells * -3  # normalised crops are negative where they are darker than the mean
    out = Augmentation(rotate=False, scale=0, shift_px=0, contrast=0.2, brightness=0.2, blur_px=0, noise=0)(dark, _generator())
    for before, after in zip(dark, out, strict=True):
        x, y = before[before != 0], after[before != 0]
        slope = (y.max() - y.min()) / (x.max() - x.min())
        assert 0.8 <= slope <= 1.2
        torch.testing.assert_close(y - slope * x, (y - slope * x).mean().expand_as(y), atol=1e-4, rtol=0)
        assert abs(float((y - slope * x).mean())) <= 0.2 + 1e-4


def test_every_crop_may_be_turned_mirrored_and_magnified():
    rod = torch.zeros(40, 1, 33, 33)
    rod[:, :, 16, 4:29] = 1
    out = Augmentation(scale=0.3, shift_px=0, contrast=0, brightness=0, blur_px=0, noise=0)(rod, _generator())
    points = [torch.nonzero(one[0] > 0.2).float() - 16 for one in out]
    angles = torch.stack([torch.atan2(p[-1, 0] - p[0, 0], p[-1, 1] - p[0, 1]) for p in points])
    lengths = torch.stack([2 * p.norm(dim=1).max() for p in points])
    assert angles.std() > 0.4
    assert lengths.min() < 22
    assert lengths.max() > 28


def test_torchvision_is_imported_beside_a_torch_without_cuda():
    code = "from core.classifier.vision import transforms; import torch; print(transforms().horizontal_flip(torch.arange(3.0)).tolist())"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[2.0, 1.0, 0.0]", done.stderr
