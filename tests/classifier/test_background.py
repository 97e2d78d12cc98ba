"""Crops without their repeated background: the same feature maps, the same probabilities."""

import numpy as np
import pytest
import torch

from core.classifier.background import QUANTUM, FirstPart, SecondPart, compiled_parts, first_blocks, reach, shrunk
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


def test_every_pixel_is_stood_for():
    for name, crop in CROPS.items():
        planes, rows, columns = shrunk(crop, 12)
        assert planes[1].sum() == SIZE**2, name
        assert (rows.sum(), columns.sum()) == (SIZE / 4, SIZE / 4), name
        assert {(SIZE - side) % QUANTUM for side in planes.shape[1:]} == {0}, name
        np.testing.assert_array_equal(np.unique(planes[0]), np.unique(crop), err_msg=name)


def test_small_cells_leave_little_and_full_crops_stay_whole():
    assert shrunk(CROPS["one pixel"], 12).planes.shape == (2, 64, 64)
    assert shrunk(CROPS["nothing"], 12).planes.shape == (2, 32, 32)
    np.testing.assert_array_equal(shrunk(CROPS["something everywhere"], 12).planes[0], CROPS["something everywhere"])


@pytest.mark.parametrize("name", CROPS)
def test_the_parts_give_the_logit_and_the_features_of_the_whole(network, name):
    crop = shrunk(CROPS[name], reach(network))
    with torch.inference_mode():
        wanted = WithFeatures(network)(torch.from_numpy(CROPS[name])[None, None])
        middle = crop.whole(FirstPart(network)(torch.from_numpy(crop.planes)[None])[0].numpy())
        found = SecondPart(network)(torch.from_numpy(middle)[None])
    np.testing.assert_allclose(found, wanted, atol=1e-5)


@pytest.mark.parametrize(("architecture", "size", "padding"), [("efficientnet-b4", 380, 380), ("efficientnet-b6", 490, 528), ("efficientnet-b0", 250, 250)])
def test_the_first_map_is_the_same_in_networks_and_sizes_of_all_kinds(architecture, size, padding):
    network = awake(build_network(architecture, size, padding_px=padding))
    crop = drawn((size // 2 - 20, size // 2 - 30, 40, 60), size=size)
    less = shrunk(crop, reach(network))
    assert less.planes.shape[1] < size
    with torch.inference_mode():
        whole = FirstPart(network)(torch.from_numpy(np.stack([crop, np.ones_like(crop)]))[None])[0].numpy()
        small = FirstPart(network)(torch.from_numpy(less.planes)[None])[0].numpy()
    np.testing.assert_allclose(less.whole(small), whole, atol=1e-5 * np.abs(whole).max())


def test_the_reach_is_as_far_as_one_pixel_is_seen(network):
    """No less than what changes where one pixel changes, and not much more."""
    one, other = np.zeros((2, SIZE, SIZE), np.float32), np.zeros((2, SIZE, SIZE), np.float32)
    one[1], other[1] = 1, 1
    other[0, 112, 112] = 100
    for block in network._blocks[: first_blocks(network)]:
        block._se_expand.weight.data.zero_()  # it sees the whole crop, and is told how many pixels there are
    with torch.inference_mode():
        changed = (FirstPart(network)(torch.from_numpy(one)[None]) != FirstPart(network)(torch.from_numpy(other)[None]))[0].any(0).any(1).numpy()
    far = max(abs(4 * place - 112) for place in np.flatnonzero(changed))
    assert far <= reach(network) <= far + 8


def test_openvino_computes_the_parts_in_order(network):
    pytest.importorskip("openvino", reason="the quick engine is not installed")
    parts = compiled_parts(network, SIZE, "fp32", "")
    assert parts.about.startswith("openvino")
    crops = np.stack([*CROPS.values()] * 2)
    with torch.inference_mode():
        wanted = WithFeatures(network)(torch.from_numpy(crops)[:, None]).numpy()
    np.testing.assert_allclose(list(parts.stream(crops)), wanted, atol=1e-4)
