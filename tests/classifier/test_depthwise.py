"""The quick gradient is the gradient."""

import pytest
import torch
from torch.nn import functional as F

from core.classifier.depthwise import _Depthwise, quick_backward
from core.classifier.network import build_network


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(("channels", "side"), [(3, 3), (300, 5)])
def test_gradients_are_those_of_torch(stride, channels, side):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, channels, 9, 11, generator=generator, requires_grad=True)
    weight = torch.randn(channels, 1, side, side, generator=generator, requires_grad=True)
    ours, theirs = _Depthwise.apply(x, weight, stride), F.conv2d(x, weight, stride=stride, groups=channels)
    torch.testing.assert_close(ours, theirs)
    grad = torch.randn(ours.shape, generator=generator)
    for mine, wanted in zip(torch.autograd.grad(ours, (x, weight), grad), torch.autograd.grad(theirs, (x, weight), grad), strict=True):
        torch.testing.assert_close(mine, wanted, rtol=1e-4, atol=1e-4)


def test_a_network_has_the_same_gradients_and_is_left_as_it_was():
    torch.manual_seed(0)
    network = build_network("efficientnet-b0", 32, dropout=0.0, drop_connect=0.0).eval()
    x = torch.randn(2, 1, 32, 32)
    network(x).sum().backward()
    wanted = {name: p.grad.clone() for name, p in network.named_parameters()}
    network.zero_grad()
    with quick_backward(network):
        network(x).sum().backward()
    for name, parameter in network.named_parameters():
        torch.testing.assert_close(parameter.grad, wanted[name], rtol=1e-3, atol=1e-5)
    assert not any("forward" in vars(m) for m in network.modules())
