"""Where a training starts: from nothing, from ImageNet, or from another classifier."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from core.classifier.checkpoint import FORMAT, load_checkpoint, read_weights, unwrapped
from core.classifier.network import architecture_of, build_network, grey_stem
from core.errors import InputError

NORM_MOMENTUM = 0.1  # running statistics follow within tens of steps; the library's 1 % is for hundreds of thousands
_HEAD = ("_fc.weight", "_fc.bias")


@dataclass(frozen=True)
class Start:
    """Trained weights with one grey channel; ``head`` says whether their last layer has one output and is among them."""

    state: dict[str, Tensor]
    head: bool
    simulated: bool  # known to be trained on simulated cells
    card: dict[str, Any] = field(default_factory=dict)  # of a classifier file of ours


def read_start(path: Path, architecture: str) -> Start:
    """Start weights from a classifier file of ours, or from any state dict of efficientnet-pytorch, that of ImageNet included.

    A stem for RGB is summed over its channels: it then answers to a grey image as it did to the same image in all three.
    A last layer with other than one output is left out.

    Raises
    ------
    InputError
        Not a file of weights, another network than ``architecture``, a stem of neither 1 nor 3 channels, missing weights.
    """
    content = read_weights(path)
    ours = load_checkpoint(path) if content.get("format") == FORMAT else None
    state = dict(ours.state) if ours else {k: v for k, v in unwrapped(content).items() if isinstance(v, Tensor)}
    found = architecture_of(state)
    if found is None:
        raise InputError(f"{path}: wanted weights of an EfficientNet B0 to B7 (efficientnet-pytorch) to start from, found other weights.")
    if found != architecture:
        raise InputError(f"{path}: wanted start weights of {architecture}, found those of {found}. Choose that network (--network {found}), or another start.")
    channels = state["_conv_stem.weight"].shape[1]
    if channels not in (1, 3):
        raise InputError(f"{path}: wanted start weights with 1 or 3 input channels, found {channels}.")
    state = grey_stem(state) if channels == 3 else state
    head = state["_fc.weight"].shape[0] == 1
    if not head:
        state = {key: value for key, value in state.items() if key not in _HEAD}
    _check_shapes(path, architecture, state, head)
    return Start(state, head, bool(ours and ours.simulated), ours.card if ours else {})


def starting_network(architecture: str, crop_px: int, start: Start | None, *, dropout: float, seed: int) -> nn.Module:
    """A network to train, on the CPU. Without ``start`` the last normalisation of every block with a shortcut is 0, so that
    the network starts out shallow (Goyal et al. 2017, arXiv:1706.02677)."""
    torch.manual_seed(seed)
    network = build_network(architecture, crop_px, dropout=dropout, drop_connect=0.0 if start is None else None)
    if start is None:
        _flatten_blocks(network)
    else:
        network.load_state_dict(start.state, strict=False)  # _check_shapes has seen that only the head may be missing
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = NORM_MOMENTUM
    return network


def _flatten_blocks(network: Any) -> None:
    for block in network._blocks:
        about = block._block_args
        if about.stride in (1, [1]) and about.input_filters == about.output_filters:
            nn.init.zeros_(block._bn2.weight)


def _check_shapes(path: Path, architecture: str, state: dict[str, Tensor], head: bool) -> None:
    with torch.device("meta"):
        wanted = {key: value.shape for key, value in build_network(architecture).state_dict().items()}
    for key, shape in wanted.items():
        if key.endswith("num_batches_tracked") or (key in _HEAD and not head):
            continue
        if key not in state or state[key].shape != shape:
            found = f"shape {tuple(state[key].shape)}" if key in state else "none"
            raise InputError(f"{path}: wanted {key} of shape {tuple(shape)}, found {found}.")
        if not torch.isfinite(state[key]).all():
            raise InputError(f"{path}: wanted finite weights, found NaN or infinity in {key}.")
    strangers = sorted(set(state) - set(wanted))
    if strangers:
        raise InputError(f"{path}: wanted an {architecture} only, found also {strangers[0]}.")
