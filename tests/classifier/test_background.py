"""Crops without their repeated background: the same feature maps, the same probabilities."""

import numpy as np
import pytest
import torch

from core.classifier.background import Quick, compiled_once, levels_of, shrunk
from core.classifier.network import WithFeatures, build_network

SIZE = 224


def drawn(*boxes: tuple[int, int, int, int], size: int = SIZE, background: float = -0.7) -> np.ndarray:
    """A crop with noise in some boxes (top, left, height, width)."""
    crop = np.full((size, size), background, np.float32)
    for number, (top, left, height, width) in enumerate(boxes):
        crop[top : top + height, left : left + width] = np.random.default_rng(number).normal(size=(height, width))
    return crop


CROPS = {
    "a cell in the middle": drawn((92, 80, 40, 64)),
    "a cell at the rim": drawn((0, 150, 30, 74)),
    "one pixel": drawn((112, 112, 1, 1)),
    "two places": drawn((20, 30, 20, 20), (180, 190, 20, 20)),
    "nothing": drawn(),
    "something everywhere": drawn((0, 0, SIZE, SIZE)),
    "black background of zeros": drawn((92, 80, 40, 64), background=0.0),
}


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    return awake(build_network("efficientnet-b0", SIZE))


def awake(network: torch.nn.Module) -> torch.nn.Module:
    """Random statistics, so that the background is not carried through as zeros."""
    torch.manual_seed(3)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(module.running_mean, std=0.2)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, std=0.3)
    return network.eval()


def test_every_pixel_is_stood_for(network):
    levels = levels_of(network, SIZE)
    for name, crop in CROPS.items():
        first, *more = shrunk(crop, levels)
        np.testing.assert_array_equal(np.unique(first), np.unique(crop), err_msg=name)
        for level, counts in zip(levels, more[::2], strict=True):
            assert counts.sum() == level.side**2 == (SIZE / level.step) ** 2, name
        assert more[-1].shape == (SIZE / 4, SIZE / 4), name


def test_small_cells_leave_little_and_full_crops_stay_whole(network):
    levels = levels_of(network, SIZE)
    assert [level.margin for level in levels] == [4, 12]
    assert shrunk(CROPS["nothing"], levels)[0].shape == (1, 10, 10)  # two rims of 4 px, and 2 px for all else
    assert shrunk(CROPS["one pixel"], levels)[0].shape == (1, 52, 52)  # a cell of 32 px in a frame, and both sides of it
    first, _, places, _, last = shrunk(CROPS["something everywhere"], levels)
    np.testing.assert_array_equal(first[0], CROPS["something everywhere"])
    np.testing.assert_array_equal(places.ravel(), np.arange((SIZE // 2) ** 2))
    np.testing.assert_array_equal(last.ravel(), np.arange((SIZE // 4) ** 2))


def test_cells_of_similar_size_share_a_size(network):
    """Wherever they lie: every new size costs the compiler time."""
    levels = levels_of(network, SIZE)
    crops = [drawn((90 + i, 70 + i, 50 + i % 7, 60 + i % 9)) for i in range(20)]
    assert len({tuple(one.shape for one in shrunk(crop, levels)) for crop in crops}) <= 2


def computed(network: torch.nn.Module, crop: np.ndarray) -> torch.Tensor:
    levels = levels_of(network, crop.shape[0])
    first, *more = shrunk(crop, levels)
    with torch.inference_mode():
        return Quick(network, levels)(torch.from_numpy(first)[None], *map(torch.from_numpy, more))


@pytest.mark.parametrize("name", CROPS)
def test_the_logit_and_the_features_are_those_of_the_whole(network, name):
    with torch.inference_mode():
        wanted = WithFeatures(network)(torch.from_numpy(CROPS[name])[None, None])
    np.testing.assert_allclose(computed(network, CROPS[name]), wanted, atol=1e-5)


@pytest.mark.parametrize(("architecture", "size", "padding"), [("efficientnet-b4", 380, 380), ("efficientnet-b6", 490, 528), ("efficientnet-b0", 250, 250)])
@pytest.mark.parametrize("moved", [0, 3, -50])
def test_the_same_in_networks_and_sizes_of_all_kinds(architecture, size, padding, moved):
    network = awake(build_network(architecture, size, padding_px=padding))
    crop = drawn((size // 2 - 20 + moved, size // 2 - 30 - moved, 40, 60), size=size)
    assert shrunk(crop, levels_of(network, size))[0].shape[1] < size / 2
    with torch.inference_mode():
        wanted = WithFeatures(network)(torch.from_numpy(crop)[None, None]).numpy()
    np.testing.assert_allclose(computed(network, crop), wanted, atol=1e-5 * np.abs(wanted).max())


def test_the_margin_is_as_far_as_one_pixel_is_seen(network):
    """No less than what changes where one pixel changes, and not much more."""
    crops = torch.zeros(2, 1, SIZE, SIZE)
    crops[1, 0, 112, 112] = 100
    levels = levels_of(network, SIZE)
    with torch.inference_mode():
        x, first = network._swish(network._bn0(network._conv_stem(crops))), 0
        for level in levels:
            for block in network._blocks[first : level.blocks]:
                x = block._swish(block._bn0(block._expand_conv(x))) if block._block_args.expand_ratio != 1 else x
                x = block._bn2(block._project_conv(block._swish(block._bn1(block._depthwise_conv(x)))))  # no mean over all
            first = level.blocks
            assert x.shape[2] == level.side
            changed = np.flatnonzero((x[0] != x[1]).any(0).any(1).numpy())
            far = max(max(abs(level.step * changed - 112)), 0)
            assert far <= level.margin <= far + 2 * level.step


def test_openvino_computes_crops_of_all_kinds_in_order(network):
    pytest.importorskip("openvino", reason="the quick engine is not installed")
    run = compiled_once(network, SIZE, "fp32", "")
    assert run.about.startswith("openvino")
    crops = np.stack([*CROPS.values()] * 2)
    with torch.inference_mode():
        wanted = WithFeatures(network)(torch.from_numpy(crops)[:, None]).numpy()
    np.testing.assert_allclose(list(run.stream(crops)), wanted, atol=1e-4)
