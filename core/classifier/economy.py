"""Training in less memory: the blocks of an EfficientNet keep what goes into them only, and compute the rest again on the way back.

Nothing but the time changes: the same numbers come out, bit for bit. What a step takes is counted before it is tried, since a
system that runs out of memory kills the process instead of telling it.
"""

import copy
import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import partial
from typing import Any, Final, NamedTuple

import torch
from efficientnet_pytorch.model import MBConvBlock
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from core.classifier.engine import TrainingStopped
from core.classifier.swapping import other_forward
from core.memory import free_memory

KEPT: Final = 1.25  # what a step takes, of what its tensors count: gradients on their way, and gaps between blocks of memory
AGAIN: Final = 3.3  # the same of the largest block alone
LEAST: Final = 2  # crops at once: of one alone batch normalisation has no statistics
ROOM: Final = 0.9  # of the free memory


class Need(NamedTuple):
    """Bytes of memory that a training takes beside the network.

    Attributes
    ----------
    fixed : gradients and the state of AdamW
    plain : for each crop of a step
    economical : for each crop of a step where the blocks compute again
    """

    fixed: int
    plain: int
    economical: int


class Economy:
    """How the steps of a training are computed, so that they fit into memory.

    Attributes
    ----------
    again : whether the blocks compute what they did not keep a second time
    at_once : crops at once, whose gradients are then added; None: all of a step
    """

    def __init__(self, device: torch.device, processes: int) -> None:
        self.device, self.processes = device, processes
        self.again = False
        self.at_once: int | None = None
        self._planned = device.type == "cuda"  # it tells where memory ran out, so it is simply tried there

    @property
    def said(self) -> str:
        """What follows the loss in the progress."""
        return ", saving memory" if self.again or self.at_once else ""

    def plan(self, network: nn.Module, crops: Tensor) -> None:
        """Before the first step, which is of ``crops`` (N, 1, S, S): take the quickest way that fits into the free memory."""
        if self._planned:
            return
        self._planned = True
        here = min(len(crops), self.at_once or len(crops))
        again, at_once = way(need(network, crops.shape[-1]), here, free_memory() // self.processes, self.device.type != "mps")
        self.again, self.at_once = again, at_once or self.at_once

    def retreat(self, most: int) -> None:
        """Memory ran out: take less from now on, for ``most`` crops. TrainingStopped where there is no less."""
        now = min(self.at_once or most, most)
        if not self.again and self.device.type != "mps":
            self.again = True
        elif now < 2 * LEAST:
            raise TrainingStopped(f"There is not enough memory for {now} crops at once. Use a smaller network or smaller crops.")
        else:
            self.at_once = math.ceil(now / 2)
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    @contextmanager
    def computing(self, network: nn.Module) -> Iterator[None]:
        """Within this context the network goes forward and back as was chosen, and quickly on the processor."""
        with ExitStack() as ways:
            if self.device.type == "cpu":
                from core.classifier.depthwise import quick_backward

                ways.enter_context(quick_backward(network))
            if self.again:
                ways.enter_context(computing_again(network))
            yield


def need(network: nn.Module, side: int) -> Need:
    """Count what the network (float32, on any device) keeps of a crop (1, side, side) for its way back; nothing is computed."""
    shadow: Any = copy.deepcopy(network).to("meta").train()
    kept: dict[nn.Module | None, dict[int, Tensor]] = {None: {}}  # by block, None: outside of all
    entering, inside = [], [None]

    def enter(block: Any, given: tuple[Tensor, ...]) -> None:
        entering.append(given[0].nbytes)
        inside[0] = block

    def leave(*_: Any) -> None:
        inside[0] = None

    def keep(tensor: Tensor) -> Tensor:
        if tensor.shape[:1] == (LEAST,):  # of the crops, not of the weights
            kept[inside[0]][tensor.untyped_storage()._cdata] = tensor
        return tensor

    for block in _blocks(shadow):
        kept[block] = {}
        block.register_forward_pre_hook(enter)
        block.register_forward_hook(leave)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        shadow(torch.empty(LEAST, 1, side, side, device="meta"))
    outside, *blocks = (sum(one.untyped_storage().nbytes() for one in tensors.values()) / LEAST for tensors in kept.values())
    weights = sum(one.numel() * 4 for one in network.parameters())
    plain = KEPT * (outside + sum(blocks))
    economical = KEPT * (outside + sum(entering) / LEAST) + AGAIN * max(blocks) if blocks else plain
    return Need(3 * weights, math.ceil(plain), math.ceil(min(plain, economical)))


def way(needed: Need, crops: int, free: int, may_again: bool = True) -> tuple[bool, int | None]:
    """The quickest way to compute a step of so many crops that fits into the free bytes: whether blocks compute again, and how
    many crops at once (None: all). On Apple's MPS they may not: it draws other random numbers the second time."""
    room = ROOM * free - needed.fixed
    if crops * needed.plain <= room:
        return False, None
    at_once, each = crops, needed.economical if may_again else needed.plain
    while at_once > LEAST and at_once * each > room:
        at_once = max(LEAST, math.ceil(at_once / 2))
    return may_again, at_once if at_once < crops else None


def computing_again(network: nn.Module) -> AbstractContextManager[None]:
    """Within this context the blocks of an EfficientNet keep their input only; the way back must lie within it too."""
    return other_forward(_blocks(network), _again)


def _blocks(network: nn.Module) -> list[nn.Module]:
    return [one for one in network.modules() if isinstance(one, MBConvBlock)]


def _again(block: nn.Module, x: Tensor, **more: Any) -> Any:
    forward = partial(MBConvBlock.forward, block)
    return checkpoint(forward, x, use_reentrant=False, context_fn=lambda: (nullcontext(), _unmoved(block)), **more)


@contextmanager
def _unmoved(block: nn.Module) -> Iterator[None]:
    """The running statistics of batch normalisation have seen these crops already."""
    norms = [one for one in block.modules() if isinstance(one, nn.BatchNorm2d) and one.training]
    momenta = [one.momentum for one in norms]
    for one in norms:
        one.momentum = 0.0
    try:
        yield
    finally:
        for one, momentum in zip(norms, momenta, strict=True):
            one.momentum = momentum
            if one.num_batches_tracked is not None:
                one.num_batches_tracked.sub_(1)
