"""Activation maps add up to the logit, point at what differs, and know the temperature."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from core.classifier.activation import activation_maps
from core.classifier.checkpoint import load_checkpoint
from core.errors import Cancelled, InputError

DEMO = Path(__file__).resolve().parents[2] / "core" / "embedded" / "demo-simulated" / "weights.pt"


@pytest.fixture(scope="module")
def checkpoint():
    """A trained one: an untrained network hardly tells crops apart."""
    return load_checkpoint(DEMO)


@pytest.fixture(scope="module")
def crops(checkpoint):
    """Round cells of different size and texture on black, as the network knows them."""
    rng, size = np.random.default_rng(0), checkpoint.crop_px
    y, x = np.mgrid[:size, :size] - size / 2
    cells = [(np.hypot(y, x) < size * share) * rng.normal(0, spread, (size, size)) for share, spread in ((0.1, 1), (0.45, 0.5))]
    return np.stack(cells).astype(np.float32)


def test_a_map_and_the_bias_add_up_to_the_logit_at_the_temperature(checkpoint, crops):
    one = replace(checkpoint, temperature=2.5)
    maps, bias = activation_maps(one, crops)
    assert maps.shape[1] == maps.shape[2] >= 3
    assert maps.dtype == np.float32
    with torch.no_grad():
        wanted = one.network()(torch.from_numpy(crops)[:, None])[:, 0].numpy() / 2.5
    np.testing.assert_allclose(maps.sum(axis=(1, 2)) + bias, wanted, atol=2e-4)
    assert np.ptp(wanted) > 0.5  # what adds up is not the same for all


def test_the_bias_is_that_of_the_last_layer(checkpoint, crops):
    state = checkpoint.state | {"_fc.bias": checkpoint.state["_fc.bias"].float() + 3}
    before, after = activation_maps(checkpoint, crops[:1]), activation_maps(replace(checkpoint, state=state), crops[:1])
    assert after.bias == pytest.approx(before.bias + 3 / checkpoint.temperature, abs=1e-5)
    np.testing.assert_allclose(after.maps, before.maps, atol=1e-6)


def test_a_change_in_a_corner_shows_in_that_corner(checkpoint, crops):
    changed = crops[:1].copy()
    changed[0, :32, :32] += np.random.default_rng(1).normal(0, 2, (32, 32))
    change = np.abs(activation_maps(checkpoint, changed).maps - activation_maps(checkpoint, crops[:1]).maps)[0]
    half = change.shape[0] // 2
    assert change[:half, :half].mean() > 2 * change[-half:, -half:].mean()


def test_no_crop_gives_no_map_and_wrong_ones_are_refused(checkpoint):
    assert len(activation_maps(checkpoint, np.zeros((0, checkpoint.crop_px, checkpoint.crop_px), np.float32)).maps) == 0
    with pytest.raises(InputError, match=r"found \(1, 32, 32\)"):
        activation_maps(checkpoint, np.zeros((1, 32, 32), np.float32))


def test_it_can_be_stopped(checkpoint, crops):
    def stop(done, total, item):
        raise Cancelled

    with pytest.raises(Cancelled):
        activation_maps(checkpoint, crops, stop)
