"""Training in less memory: the same numbers, in the memory that is counted."""

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn

from core.classifier import economy
from core.classifier.economy import Economy, Need, computing_again, need, way
from core.classifier.engine import TrainingStopped
from core.classifier.fitting import FitSettings
from core.classifier.network import build_network
from core.classifier.training import fit
from tests.classifier.toy_cells import GENTLE, network, toy, training, validation

CPU = torch.device("cpu")
SETTINGS = FitSettings(epochs=2, steps=3, rate=3e-3, warmup=2, augmentation=GENTLE)
SIDE = 64


def b0(drop: float = 0.2):
    torch.manual_seed(0)
    return build_network("efficientnet-b0", SIDE, dropout=0.2, drop_connect=drop).train()


def learned(way_there):
    """Loss, gradients and state of a network after one step forward and back."""
    net, crops = b0(), torch.randn(6, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    torch.manual_seed(2)  # dropout and drop connect
    with way_there(net):
        loss = nn.functional.softplus(net(crops)).mean()
        loss.backward()
    return loss.detach(), {name: one.grad for name, one in net.named_parameters()}, net.state_dict()


@pytest.mark.parametrize("device_way", [True, False], ids=["with the quick way back", "with that of torch"])
def test_blocks_that_compute_again_give_the_same_bits(device_way):
    def chosen(again):
        ways = Economy(CPU, 1)
        ways.again = again
        return ways.computing

    plain = chosen(False) if device_way else lambda _: torch.enable_grad()
    loss, gradients, state = learned(plain)
    other = learned(chosen(True) if device_way else computing_again)
    assert torch.equal(loss, other[0])
    assert gradients.keys() == other[1].keys()
    assert all(torch.equal(one, other[1][name]) for name, one in gradients.items())
    assert all(torch.equal(one, other[2][name]) for name, one in state.items())  # the running statistics and their counter too
    assert any("running_mean" in name for name in state)


def test_afterwards_the_network_is_as_before():
    net = b0()
    with computing_again(net):
        assert all("forward" in vars(block) for block in net._blocks)
    assert not any("forward" in vars(block) for block in net._blocks)
    assert {one.momentum for one in net.modules() if isinstance(one, nn.BatchNorm2d)} == {net._bn0.momentum}
    assert all(one.track_running_stats for one in net.modules() if isinstance(one, nn.BatchNorm2d))


def kept_bytes(crops, way_there=lambda _: torch.enable_grad()):
    """What a real forward pass keeps of its crops."""
    net, kept = b0(drop=0.0), {}

    def keep(tensor):
        if tensor.shape[:1] == crops.shape[:1]:
            kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with way_there(net), torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        out = net(crops)
    assert out.requires_grad
    return sum(one.untyped_storage().nbytes() for one in kept.values())


def test_what_a_crop_takes_is_counted_without_computing_it():
    net = b0()
    found, state = need(net, SIDE), copy.deepcopy(net.state_dict())
    crops = torch.randn(3, 1, SIDE, SIDE)
    assert found.plain == pytest.approx(economy.KEPT * kept_bytes(crops) / 3, rel=0.02)
    assert found.fixed == 3 * 4 * sum(one.numel() for one in net.parameters())
    assert found.economical < 0.7 * found.plain
    assert all(torch.equal(one, state[name]) for name, one in net.state_dict().items())
    assert not any(one.is_meta for one in net.parameters())


def test_a_network_without_blocks_has_nothing_to_save():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 1))
    found = need(net, 12)
    assert found.economical == found.plain > 0


NEED = Need(fixed=1_000, plain=100, economical=40)


@pytest.mark.parametrize(
    ("room", "wanted"),
    [
        (2_600, (False, None)),
        (2_599, (True, None)),
        (1_640, (True, None)),
        (1_639, (True, 8)),
        (1_319, (True, 4)),
        (1_079, (True, 2)),
        (0, (True, 2)),  # an estimate forbids nothing: two are tried
    ],
)
def test_the_quickest_way_that_fits(room, wanted):
    assert way(NEED, 16, int(room / economy.ROOM) + 1) == wanted


def test_odd_numbers_are_halved_up_and_one_crop_is_never_alone():
    assert way(NEED, 19, int(1_450 / economy.ROOM) + 1) == (True, 10)
    assert way(NEED, 3, 0) == (True, 2)
    assert way(NEED, 2, 0) == (True, None)


def test_where_blocks_may_not_compute_again_fewer_are_taken_at_once():
    assert way(NEED, 16, int(2_000 / economy.ROOM) + 1, may_again=False) == (False, 8)


def free(monkeypatch, net, crops, plain_share):
    """As if memory held this share of what a plain step of so many crops takes."""
    needed = need(net, 32)
    monkeypatch.setattr(economy, "free_memory", lambda: int((needed.fixed + plain_share * crops * needed.plain) / economy.ROOM))


@pytest.mark.parametrize("bf16", [False, True])
def test_a_training_short_of_memory_gives_the_same_results(monkeypatch, bf16):
    settings = replace(SETTINGS, bf16=bf16)
    plenty = list(fit(network(), training, validation, settings))
    free(monkeypatch, network(), 16, 0.9)
    short = list(fit(network(), training, validation, settings))
    assert [(one.again, one.at_once) for one in plenty] == [(False, None)] * 2
    assert [(one.again, one.at_once) for one in short] == [(True, None)] * 2
    for one, other in zip(plenty, short, strict=True):
        assert {k: v for k, v in one.row().items() if k != "seconds"} == {k: v for k, v in other.row().items() if k != "seconds"}
        assert all(torch.equal(value, other.weights[key]) for key, value in one.weights.items())


def test_with_hardly_any_memory_it_learns_from_a_few_crops_at_once(monkeypatch):
    monkeypatch.setattr(economy, "free_memory", lambda: 0)
    net, seen = network(), set()
    net.register_forward_pre_hook(lambda module, given: seen.add(len(given[0])) if module.training and not given[0].is_meta else None)
    first = next(fit(net, training, validation, replace(SETTINGS, epochs=1)))
    assert (first.again, first.at_once) == (True, 2)
    assert seen == {2}


def test_a_resumed_training_keeps_how_many_crops_it_took_at_once(monkeypatch):
    monkeypatch.setattr(economy, "free_memory", lambda: 0)
    whole = list(fit(network(), training, validation, SETTINGS))
    monkeypatch.undo()
    resumed = next(fit(network(), training, validation, SETTINGS, resume=whole[0].resume))
    assert (resumed.at_once, resumed.again) == (2, False)  # two at once fit as they come
    assert all(torch.equal(value, resumed.weights[key]) for key, value in whole[1].weights.items())


def test_the_head_alone_learns_with_little_memory_too(monkeypatch):
    settings = replace(SETTINGS, head_epochs=1)
    plenty = list(fit(network(), training, validation, settings))
    free(monkeypatch, network(), 16, 0.9)
    short = list(fit(network(), training, validation, settings))
    assert all(torch.equal(value, short[1].weights[key]) for key, value in plenty[1].weights.items())


def test_each_process_has_its_share_of_the_memory(monkeypatch):
    net, crops = network(), toy(1)[0]
    free(monkeypatch, net, len(crops), 1.01)
    alone, two = Economy(CPU, 1), Economy(CPU, 2)
    alone.plan(net, crops)
    two.plan(net, crops)
    assert (alone.again, two.again) == (False, True)


def test_on_cuda_it_is_tried_and_on_mps_nothing_is_computed_again(monkeypatch):
    monkeypatch.setattr(economy, "free_memory", lambda: 0)
    net, crops = network(), toy(1)[0]
    cuda, mps = Economy(torch.device("cuda"), 1), Economy(torch.device("mps"), 1)
    cuda.plan(net, crops)
    mps.plan(net, crops)
    assert (cuda.again, cuda.at_once) == (False, None)
    assert (mps.again, mps.at_once) == (False, 2)
    with pytest.raises(TrainingStopped, match="not enough memory for 2 crops"):
        mps.retreat(16)
