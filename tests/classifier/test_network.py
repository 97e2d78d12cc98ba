"""Networks and their recognition by shapes."""

import pytest
import torch

from core.classifier.network import ARCHITECTURES, architecture_of, build_network, grey_stem
from core.errors import InputError


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_architecture_is_known_by_its_shapes(name):
    with torch.device("meta"):
        network = build_network(name, 64)
    assert architecture_of(network.state_dict()) == name
    assert network._conv_stem.weight.shape[1] == 1
    assert network._fc.weight.shape[0] == 1


def test_other_weights_are_no_efficientnet():
    assert architecture_of({}) is None
    assert architecture_of({"conv1.weight": torch.zeros(8, 3, 7, 7)}) is None
    assert architecture_of({"_conv_stem.weight": torch.zeros(7, 1, 3, 3), "_fc.weight": torch.zeros(1, 5)}) is None


def test_an_unknown_name_is_refused():
    with pytest.raises(InputError, match="efficientnet-b4"):
        build_network("resnet50", 64)


def test_grey_stem_answers_as_the_rgb_stem_did():
    from efficientnet_pytorch import EfficientNet

    torch.manual_seed(0)
    colour = EfficientNet.from_name("efficientnet-b0", num_classes=1, image_size=32).eval()
    grey = build_network("efficientnet-b0", 32).eval()
    grey.load_state_dict(grey_stem(colour.state_dict()))
    x = torch.randn(2, 1, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(grey(x), colour(x.expand(-1, 3, -1, -1)), atol=1e-5, rtol=1e-5)


def test_the_published_b6_is_padded_as_its_authors_built_it():
    with torch.device("meta"):
        network = build_network("efficientnet-b6", 490, padding_px=528)
        native = build_network("efficientnet-b6", 528)
        stem = build_network("efficientnet-b6", 490)
    assert network._conv_stem.static_padding.padding == stem._conv_stem.static_padding.padding
    for ours, theirs in zip(network._blocks, native._blocks, strict=True):
        assert getattr(ours._depthwise_conv.static_padding, "padding", 0) == getattr(theirs._depthwise_conv.static_padding, "padding", 0)
