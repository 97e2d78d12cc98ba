"""Crop sizes."""

import numpy as np

from core.dataset.sizes import advised_crop_px, whole_shares


def test_the_advised_size_keeps_nearly_all_cells_whole() -> None:
    extents = np.arange(1, 501)
    advised = advised_crop_px(extents)
    assert advised % 32 == 0
    assert (extents <= advised).mean() >= 0.98
    assert (extents <= advised - 32).mean() < 0.98


def test_odd_cells() -> None:
    assert advised_crop_px([]) == 380
    assert advised_crop_px([3]) == 64
    assert advised_crop_px([10_000]) == 2048


def test_the_curve_counts_cells_that_fit() -> None:
    table = whole_shares([10, 64, 65, 200], [64, 65, 128, 200])
    assert table["whole"].tolist() == [0.5, 0.75, 0.75, 1.0]
    curve = whole_shares([10, 64, 65, 200])
    assert curve["whole"].iloc[-1] == 1.0
    assert len(curve) < 10
    assert whole_shares([]).empty is False
