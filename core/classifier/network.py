"""EfficientNet for single cells: one grey channel in, one logit out (Tan & Le 2019, arXiv:1905.11946)."""

from collections.abc import Mapping
from typing import Any, Final

import torch
from efficientnet_pytorch import EfficientNet
from efficientnet_pytorch.utils import Conv2dStaticSamePadding

from core.errors import InputError

ARCHITECTURES: Final[Mapping[str, tuple[int, int, int, int]]] = {
    # name: stem width, number of blocks, features before the last layer, native image size
    "efficientnet-b0": (32, 16, 1280, 224),
    "efficientnet-b1": (32, 23, 1280, 240),
    "efficientnet-b2": (32, 23, 1408, 260),
    "efficientnet-b3": (40, 26, 1536, 300),
    "efficientnet-b4": (48, 32, 1792, 380),
    "efficientnet-b5": (48, 39, 2048, 456),
    "efficientnet-b6": (56, 45, 2304, 528),
    "efficientnet-b7": (64, 55, 2560, 600),
}
CROP_PX: Final = {name: native for name, (*_, native) in ARCHITECTURES.items()} | {"efficientnet-b6": 490}
"""Crop size of state dicts that do not say theirs: the native size, and the 490 px of the published MSC model for B6."""


def build_network(
    architecture: str = "efficientnet-b4",
    image_px: int = 380,
    *,
    padding_px: int | None = None,
    dropout: float | None = None,
    drop_connect: float | None = None,
) -> EfficientNet:
    """A network with random weights: (N, 1, image_px, image_px) float32 -> (N, 1) logits.

    efficientnet_pytorch bakes the padding of every convolution in when it builds the network, so ``image_px`` belongs to
    the model as its weights do. ``padding_px`` is the size for which the blocks behind the stem are padded: the published
    B6 was built for 528 px and given a stem for 490 px. The swish is the plain one, which is faster than the
    library's memory-saving default and equal to it. ``dropout`` and ``drop_connect`` are for training; None: the library's.
    """
    if architecture not in ARCHITECTURES:
        raise InputError(f"Network: wanted one of {', '.join(ARCHITECTURES)}, found {architecture!r}.")
    override: dict[str, Any] = {"num_classes": 1, "image_size": padding_px or image_px}
    if dropout is not None:
        override["dropout_rate"] = dropout
    if drop_connect is not None:
        override["drop_connect_rate"] = drop_connect
    network = EfficientNet.from_name(architecture, in_channels=1, **override)
    if padding_px not in (None, image_px):
        width = ARCHITECTURES[architecture][0]
        network._conv_stem = Conv2dStaticSamePadding(1, width, kernel_size=3, stride=2, image_size=image_px, bias=False)
    network.set_swish(memory_efficient=False)
    return network


class WithFeatures(torch.nn.Module):
    """An EfficientNet in evaluation mode that also shows what its last layer sees: (N, 1, S, S) -> (N, 1 + D).

    Column 0 is the logit, the others are the pooled features, so that one pass gives both.
    """

    def __init__(self, network: EfficientNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return logit_and_features(self.network, self.network.extract_features(x))


def logit_and_features(network: Any, maps: torch.Tensor) -> torch.Tensor:
    """Logit and pooled features (N, 1 + D) of the last feature maps (N, D, h, w)."""
    features = network._avg_pooling(maps).flatten(start_dim=1)
    return torch.cat([network._fc(features), features], dim=1)


def architecture_of(state: Mapping[str, torch.Tensor]) -> str | None:
    """The EfficientNet that a state dict belongs to, by its shapes; None where it is none of B0 to B7."""
    stem, head = state.get("_conv_stem.weight"), state.get("_fc.weight")
    if stem is None or head is None or stem.ndim != 4 or head.ndim != 2:
        return None
    blocks = {key.split(".")[1] for key in state if key.startswith("_blocks.")}
    found = (stem.shape[0], len(blocks), head.shape[1])
    return next((name for name, shape in ARCHITECTURES.items() if shape[:3] == found), None)


def grey_stem(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A state dict with an RGB stem turned into one for grey images: the sum over the channels answers to a grey image as
    the RGB stem did to the same image in all three channels."""
    stem = state["_conv_stem.weight"]
    return {**state, "_conv_stem.weight": stem.sum(dim=1, keepdim=True)}
