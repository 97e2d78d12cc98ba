"""An EfficientNet that computes the empty background of a crop only once.

A crop of a cell is one colour outside the cell. Far enough from the cell and from the rim of the crop, all rows of the first
feature maps are then equal, and so are all columns, so one row (or column) can stand for many: the others are left out before
the first layers, and put back before the layers whose receptive field is too wide for it. The means over a map that
squeeze-and-excitation takes (Hu et al. 2018, arXiv:1709.01507) count a row as often as it stands for one. The result is the
same up to rounding; the first layers, a third of the work, shrink to the cell and a frame around it.
"""

import math
from collections import deque
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from core.classifier.network import logit_and_features
from core.inference import Compiled, Precision, compiled

STEP: Final = 4  # pixels of the crop along a side of a pixel of the last map of the first part
QUANTUM: Final = 32  # pixels: crops shrink by multiples of it, since every new size costs the compiler some 50 ms


class Shrunk(NamedTuple):
    """A crop without its repeated rows and columns.

    ``planes`` (2, h, w) float32: the crop, and how many of its pixels each pixel stands for; ``rows``, ``columns``: how often
    each row and column of the map after the first part is repeated in the map of the whole crop.
    """

    planes: NDArray[np.float32]
    rows: NDArray[np.intp]
    columns: NDArray[np.intp]

    def whole(self, found: NDArray[np.float32]) -> NDArray[np.float32]:
        """The first part's map (C, h / 4, w / 4) of the crop, with all its rows and columns: (C, S / 4, S / 4)."""
        rows, columns = self.rows[: found.shape[1]], self.columns[: found.shape[2]]
        return found.repeat(rows, axis=1).repeat(columns, axis=2)


def shrunk(crop: NDArray[np.float32], margin: int) -> Shrunk:
    """Leave out rows and columns of ``crop`` (S, S) float32 that lie more than ``margin`` pixels from its rim and from all that is on it.

    Whatever differs from the pixel in its first corner counts as something; a crop with something everywhere stays whole.
    """
    something = crop != crop[0, 0]
    rows, columns = (_standing_for(something.any(axis), margin) for axis in (1, 0))
    planes = np.stack([crop[rows > 0][:, columns > 0], np.outer(rows[rows > 0], columns[columns > 0])])
    return Shrunk(planes.astype(np.float32), rows[rows > 0][::STEP], columns[columns > 0][::STEP])


def _standing_for(used: NDArray[np.bool_], margin: int) -> NDArray[np.intp]:
    """How many rows each row stands for; 0: it is left out."""
    size, places = len(used), np.flatnonzero(used)
    gaps = [(0, places[0]), (places[-1] + 1, size)] if len(places) else [(0, size)]
    starts = [math.ceil((low + margin) / STEP) for low, _ in gaps]
    spare = [max(0, (high - margin) // STEP - start - 1) for (_, high), start in zip(gaps, starts, strict=True)]
    total = sum(spare) - sum(spare) % (QUANTUM // STEP)
    blocks = np.ones(math.ceil(size / STEP), np.intp)
    for start, most in zip(starts, spare, strict=True):
        n = min(most, total)
        total -= n
        if n:
            blocks[start] += n
            blocks[start + 1 : start + 1 + n] = 0
    return np.repeat(blocks, STEP)[:size]


class FirstPart(nn.Module):
    """Stem and blocks down to a quarter of the resolution: ``Shrunk.planes`` (N, 2, h, w) -> (N, C, h / 4, w / 4)."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.stem: Any = nn.Sequential(network._conv_stem, network._bn0, network._swish)
        self.blocks: Any = network._blocks[: first_blocks(network)]

    def forward(self, planes: Tensor) -> Tensor:
        x, counts, step = self.stem(planes[:, :1]), planes[:, 1:], self.stem[0].stride[0]
        for block in self.blocks:
            step *= block._depthwise_conv.stride[0]
            x = _block(block, x, counts[:, :, ::step, ::step])
        return x


def _block(block: Any, x: Tensor, counts: Tensor) -> Tensor:
    """``MBConvBlock.forward`` of efficientnet_pytorch in evaluation mode, but for the mean of squeeze-and-excitation."""
    arguments, before = block._block_args, x
    if arguments.expand_ratio != 1:
        x = block._swish(block._bn0(block._expand_conv(x)))
    x = block._swish(block._bn1(block._depthwise_conv(x)))
    counts = counts[:, :, : x.shape[2], : x.shape[3]]  # the padding of the published B6 leaves the last row and column out
    mean = (x * counts).sum((2, 3), keepdim=True) / counts.sum((2, 3), keepdim=True)
    x = torch.sigmoid(block._se_expand(block._swish(block._se_reduce(mean)))) * x
    x = block._bn2(block._project_conv(x))
    return x + before if x.shape[1] == before.shape[1] and block._depthwise_conv.stride[0] == 1 else x


class SecondPart(nn.Module):
    """All other blocks: (N, C, S / 4, S / 4) -> (N, 1 + D), the logit and the pooled features as in `network.WithFeatures`."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*network._blocks[first_blocks(network) :], network._conv_head, network._bn1, network._swish)
        self._avg_pooling, self._fc = network._avg_pooling, network._fc

    def forward(self, x: Tensor) -> Tensor:
        return logit_and_features(self, self.blocks(x))


def first_blocks(network: Any) -> int:
    """Number of blocks before the map gets smaller than a quarter of the crop."""
    steps = np.cumprod([network._conv_stem.stride[0], *(block._depthwise_conv.stride[0] for block in network._blocks)])
    return int(np.argmax(steps > STEP)) - 1


def reach(network: Any) -> int:
    """Pixels of the crop around a pixel that the first part sees from it, at most."""
    convolutions = [network._conv_stem, *(block._depthwise_conv for block in network._blocks[: first_blocks(network)])]
    jumps = np.cumprod([1, *(conv.stride[0] for conv in convolutions)])
    # with a stride the padding is uneven, so one side may see a pixel more than half of the kernel
    return int(sum((conv.kernel_size[0] // 2 + (conv.stride[0] > 1)) * jump for conv, jump in zip(convolutions, jumps, strict=False)))


@dataclass(frozen=True)
class Parts:
    """Both parts compiled: crops (S, S) in, logits with features (1 + D,) out, in their order."""

    first: Compiled
    second: Compiled
    margin: int

    @property
    def about(self) -> str:
        """Who computes; where one part could not be compiled, what is said of it."""
        return min((self.first.about, self.second.about), key=lambda about: about.startswith("openvino"))

    def stream(self, crops: Iterable[NDArray[np.float32]]) -> Generator[NDArray[np.float32], None, None]:
        waiting: deque[Shrunk] = deque()

        def planes() -> Generator[NDArray[np.float32], None, None]:
            for crop in crops:
                waiting.append(shrunk(np.asarray(crop, np.float32), self.margin))
                yield waiting[-1].planes

        def whole() -> Generator[NDArray[np.float32], None, None]:
            for found in self.first.stream(planes()):
                yield waiting.popleft().whole(found)

        yield from self.second.stream(whole())


def compiled_parts(network: nn.Module, size: int, precision: Precision, name: str) -> Parts:
    """Compile a network for crops of ``size`` pixels; it is in evaluation mode, with its batch normalisation folded in or not."""
    first, second = FirstPart(network), SecondPart(network)
    with torch.inference_mode():
        middle = first(torch.ones(1, 2, size, size))
    return Parts(
        compiled(first, (1, 2, size, size), precision, f"{name}, first part", any_size=True),
        compiled(second, tuple(middle.shape), precision, f"{name}, second part"),
        reach(network),
    )
