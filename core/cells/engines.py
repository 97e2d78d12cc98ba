"""What runs the Cellpose network, and in which precision.

On the processor the network is compiled (`core.inference`); on CUDA and MPS devices PyTorch runs it. ``exact`` is fp32: the
labels are those of Cellpose. ``fast`` is bf16 where the processor multiplies it in hardware, some times faster.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from itertools import islice
from typing import Any, Final, Literal, cast, get_args

import numpy as np

from core.cells.weights import WIDTHS, Weights
from core.errors import InputError
from core.inference import NO_BF16, ONLY_PROCESSORS, Compiled, Precision, Sample, compiled, has_bf16

Speed = Literal["exact", "fast"]
ARCHITECTURE: Final = "cellpose3-cpnet-2"  # of the exported network: another number where `flows_only` changes
EXAMPLE_PX: Final = 64
DEVICE_BATCH: Final = 8  # tiles


class Engine:
    """Runs one network at one speed.

    Attributes
    ----------
    speed : "exact" or "fast"
        What is really done: "exact" where "fast" was wanted and is not possible; ``about`` then says why.
    about : str
        For people: "openvino 2026.4.1 fp32".
    """

    def __init__(self, weights: Weights, device: str, speed: Speed) -> None:
        precision, why_not = _precision(device, speed)
        network = build(weights)
        self._runs: Compiled
        if device == "cpu":
            self._runs = compiled(flows_only(network), (1, weights.channels, EXAMPLE_PX, EXAMPLE_PX), precision, ARCHITECTURE, any_size=True)
        else:
            self._runs = _OnDevice(network, device)
        self.speed: Speed = "fast" if precision == "bf16" else "exact"
        self.about = self._runs.about + why_not
        self.stream = self._runs.stream


def best_device() -> str:
    """ "cuda", "mps" or "cpu"."""
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def build(weights: Weights) -> Any:
    """Cellpose's network with these weights, in evaluation mode."""
    from cellpose.resnet_torch import CPnet

    network = CPnet([weights.channels, *WIDTHS], 3, sz=3, mkldnn=False, diam_mean=weights.diam_mean)
    optional = {k: v for k, v in network.state_dict().items() if k.endswith("num_batches_tracked") or k.startswith("diam_")}
    state = {k: v.reshape(optional[k].shape) if k in optional else v for k, v in weights.state.items()}
    wanted = set(network.state_dict())
    network.load_state_dict({**optional, **{k: v for k, v in state.items() if k in wanted}}, strict=True)
    return network.eval().requires_grad_(False)


def flows_only(network: Any) -> Any:
    """A module that returns the first output of a CPnet only, written so that tiles of any size can be exported.

    Where Cellpose doubles the pixels before a block, the block's first two convolutions run on the single pixels instead: the
    same sums (differences of some 1e-6, like those of the compiler), a tenth of the network's time less.
    """
    import torch
    from torch.nn.functional import conv_transpose2d

    class Flows(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network
            self.doubling = torch.nn.ParameterList(doubled(block.conv[0][2].weight) for block in list(network.upsample.up)[:-1])

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            levels = self.network.downsample(x)
            style = levels[-1].mean((2, 3))
            style = style / torch.sum(style**2, dim=1, keepdim=True) ** 0.5
            *others, lowest = self.network.upsample.up
            x = lowest(levels[-1], levels[-1], style)
            for block, kernel, level in reversed(list(zip(others, self.doubling, levels, strict=False))):
                normalise, rectify, convolution = block.conv[0]
                first = conv_transpose2d(rectify(normalise(x)), kernel, convolution.bias, stride=2, padding=1)
                x = self.network.upsample.upsampling(block.proj(x)) + block.conv[1](style, first, y=level)
                x = x + block.conv[3](style, block.conv[2](style, x))
            return self.network.output(x)

    return Flows().eval().requires_grad_(False)


def doubled(kernel: Any) -> Any:
    """The kernel (I, O, 4, 4) of a transposed convolution of stride 2 and padding 1 that equals doubling every pixel along both
    axes and then convolving with ``kernel`` (O, I, 3, 3) and padding 1 (Shi et al. 2016, arXiv:1609.07009, the other way round)."""
    import torch

    # of the three rows of a doubled picture that an output row sees, two are one row of the single picture
    sums = torch.tensor([[0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]], dtype=torch.float64)
    return torch.einsum("ak,oikl,bl->ioab", sums, kernel.double(), sums).to(kernel.dtype)


def checked_speed(speed: str) -> Speed:
    """The same word; InputError for any but those of `Speed`."""
    if speed not in get_args(Speed):
        raise InputError(f"Speed: wanted {' or '.join(get_args(Speed))}, found {speed!r}.")
    return cast(Speed, speed)


def _precision(device: str, speed: Speed) -> tuple[Precision, str]:
    if checked_speed(speed) == "exact":
        return "fp32", ""
    if device != "cpu":
        return "fp32", f" ({ONLY_PROCESSORS} {device})"
    return ("bf16", "") if has_bf16() else ("fp32", f" ({NO_BF16})")


class _OnDevice(Compiled):
    """PyTorch on a CUDA or an MPS device, in true fp32: cuDNN would round to TF32 by default, and may choose other algorithms
    from call to call."""

    def __init__(self, network: Any, device: str) -> None:
        import torch

        self._device = torch.device(device)
        self._network = network.to(self._device)
        self.about = f"pytorch {torch.__version__.split('+')[0]} fp32 on {device}"

    def stream(self, samples: Iterable[Sample]) -> Generator[np.ndarray, None, None]:
        import torch

        waiting = iter(samples)
        while batch := list(islice(waiting, DEVICE_BATCH)):
            with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
                out = self._network(torch.from_numpy(np.stack(batch)).to(self._device))[0].float().cpu().numpy()
            yield from out
