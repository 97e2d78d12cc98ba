"""An EfficientNet that computes the empty background of a crop only once.

A crop of a cell is one colour outside the cell. Far enough from the cell and from the rim of the crop, all rows of the first
feature maps are then equal, and so are all columns, so one row (or column) can stand for many: the others are left out before
the layers of a level, and put back, as far as the next level sees more of them, behind it. The means over a map that
squeeze-and-excitation takes (Hu et al. 2018, arXiv:1709.01507) count a row as often as it stands for one. The result is the
same up to rounding; the first layers, a third of the work, shrink to the cell and a frame around it.
"""

import itertools
import math
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from core.classifier.network import logit_and_features
from core.inference import Compiled, Precision, compiled

STEPS: Final = (2, 4)  # pixels of the crop along a side of a pixel of the map: a level of layers for each; behind them all see too far
QUANTUM: Final = 32  # pixels: cells count as longer up to a multiple of it, since every new size costs the compiler time and memory

Ints = NDArray[np.intp]


class Level(NamedTuple):
    """Layers whose maps have one resolution, the first of them by its stride.

    Attributes
    ----------
    margin : pixels of the crop around a pixel that the last of these layers sees, at most
    step : pixels of the crop along a side of a pixel of its map
    side : pixels along a side of its map of a whole crop
    blocks : how many blocks of the network end with it
    """

    margin: int
    step: int
    side: int
    blocks: int


def levels_of(network: Any, size: int) -> tuple[Level, ...]:
    """The levels of an EfficientNet for crops of ``size`` pixels."""
    found = []
    margin, step, side = 0, 1, size
    for blocks, conv in enumerate((network._conv_stem, *(block._depthwise_conv for block in network._blocks))):
        stride, kernel = conv.stride[0], conv.kernel_size[0]
        if step in STEPS and stride > 1:
            found.append(Level(margin, step, side, blocks - 1))
        # with a stride the padding is uneven, so one side may see a pixel more than half of the kernel
        margin += (kernel // 2 + (stride > 1)) * step
        side = (side + sum(getattr(conv.static_padding, "padding", (0, 0))[:2]) - kernel) // stride + 1
        step *= stride
    return tuple(found)


def shrunk(crop: NDArray[np.float32], levels: Sequence[Level]) -> tuple[NDArray[Any], ...]:
    """What `Quick` takes of a crop (S, S) float32: without the rows and columns that repeat others.

    Whatever differs from the pixel in its first corner counts as something; a crop with something everywhere stays whole.

    Returns
    -------
    tuple of arrays
        The crop (1, h, w) float32, as the first level takes it; then for each level how many pixels of the whole map each pixel
        of its map stands for, (1, 1, h', w') float32, and where in its flattened map the pixels lie that the next level takes,
        (h", w") int32; behind the last level these are those of the whole map.
    """
    something = crop != crop[0, 0]
    rows, columns = (_along(something.any(axis), levels) for axis in (1, 0))
    found: list[NDArray[Any]] = [np.ascontiguousarray(crop[rows.first][:, columns.first])[None]]
    for high, wide, down, across in zip(rows.stand_for, columns.stand_for, rows.taken, columns.taken, strict=True):
        found.append(np.outer(high, wide).astype(np.float32)[None, None])
        found.append((down[:, None] * len(wide) + across).astype(np.int32))
    return tuple(found)


class _Along(NamedTuple):
    """Of one axis: rows of the crop that the first level takes; per level, how many rows each row of its map stands for, and
    which rows of its map the next one takes."""

    first: Ints
    stand_for: list[Ints]
    taken: list[Ints]


def _along(used: NDArray[np.bool_], levels: Sequence[Level]) -> _Along:
    low, high = _extent(used)
    step, where = 1, np.arange(len(used))  # of each row of the map before: the row that was computed for it
    taken, stand_for = [], []
    for level in levels:
        blocks = _standing_for(len(used), low, high, level)
        taken.append(where[np.repeat(blocks > 0, level.step // step)[: len(where)]])
        blocks = blocks[: level.side]  # the padding of the published B6 leaves the last row out
        stand_for.append(blocks[blocks > 0])
        step, where = level.step, np.cumsum(blocks > 0) - 1
    return _Along(taken[0], stand_for, [*taken[1:], where])


def _extent(used: NDArray[np.bool_]) -> tuple[int, int]:
    """First row of what is on a crop and the row behind its last, wider up to round numbers, so that few sizes occur."""
    places = np.flatnonzero(used)
    if not len(places):
        return 0, 0
    low, end = int(places[0]) // STEPS[-1] * STEPS[-1], int(places[-1]) + 1
    length = math.ceil((end - low) / QUANTUM) * QUANTUM
    low = max(0, low - (low + length - end) // 2 // STEPS[-1] * STEPS[-1])
    return low, min(len(used), low + length)


def _standing_for(size: int, low: int, high: int, level: Level) -> Ints:
    """How many rows of a map each of its rows stands for where all is empty above row ``low`` and below ``high``; 0: it is left out."""
    blocks = np.ones(math.ceil(size / level.step), np.intp)
    for top, bottom in ((0, low), (high, size)):
        start = math.ceil((top + level.margin) / level.step)
        spare = max(0, (bottom - level.margin) // level.step - start - 1)
        if spare:
            blocks[start] += spare
            blocks[start + 1 : start + 1 + spare] = 0
    return blocks


class Quick(nn.Module):
    """An EfficientNet in evaluation mode that takes what `shrunk` makes of one crop, the crop (1, 1, h, w): (1, 1 + D), the logit
    and the pooled features as in `network.WithFeatures`."""

    def __init__(self, network: Any, levels: Sequence[Level]) -> None:
        super().__init__()
        self.stem: Any = nn.Sequential(network._conv_stem, network._bn0, network._swish)
        starts = [0, *(level.blocks for level in levels)]
        self.levels: Any = nn.ModuleList(network._blocks[start:end] for start, end in itertools.pairwise(starts))
        self.rest = nn.Sequential(*network._blocks[starts[-1] :], network._conv_head, network._bn1, network._swish)
        self._avg_pooling, self._fc = network._avg_pooling, network._fc
        self._side = levels[-1].side

    def forward(self, crop: Tensor, *more: Tensor) -> Tensor:
        x = self.stem(crop)
        whole = more[-1].reshape(self._side, self._side)  # so that a compiler knows the sizes of all that follows
        for blocks, counts, places in zip(self.levels, more[::2], [*more[1:-1:2], whole], strict=True):
            for block in blocks:
                x = _block(block, x, counts)
            x = x.permute(0, 2, 3, 1).flatten(1, 2)[:, places].permute(0, 3, 1, 2)  # channels last: a pixel is copied at once
        return logit_and_features(self, self.rest(x))


def _block(block: Any, x: Tensor, counts: Tensor) -> Tensor:
    """``MBConvBlock.forward`` of efficientnet_pytorch in evaluation mode, but for the mean of squeeze-and-excitation."""
    arguments, before = block._block_args, x
    if arguments.expand_ratio != 1:
        x = block._swish(block._bn0(block._expand_conv(x)))
    x = block._swish(block._bn1(block._depthwise_conv(x)))
    mean = (x * counts).sum((2, 3), keepdim=True) / counts.sum((2, 3), keepdim=True)
    x = torch.sigmoid(block._se_expand(block._swish(block._se_reduce(mean)))) * x
    x = block._bn2(block._project_conv(x))
    return x + before if arguments.input_filters == arguments.output_filters and block._depthwise_conv.stride[0] == 1 else x


@dataclass(frozen=True)
class OnlyOnce:
    """A compiled `Quick`: crops (S, S) in, logits with features (1 + D,) out, in their order."""

    network: Compiled
    levels: tuple[Level, ...]

    @property
    def about(self) -> str:
        """Who computes, as in `Compiled`."""
        return self.network.about

    def stream(self, crops: Iterable[NDArray[np.float32]]) -> Generator[NDArray[np.float32], None, None]:
        yield from self.network.stream(shrunk(np.asarray(crop, np.float32), self.levels) for crop in crops)


def compiled_once(network: nn.Module, size: int, precision: Precision, name: str) -> OnlyOnce:
    """Compile a network for crops of ``size`` pixels; it is in evaluation mode, with its batch normalisation folded in or not."""
    levels = levels_of(network, size)
    _, *more = shrunk(np.random.default_rng(0).random((size, size), np.float32), levels)
    return OnlyOnce(compiled(Quick(network, levels), (1, 1, size, size), precision, f"{name}, background once", any_size=True, more=more), levels)
