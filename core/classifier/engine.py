"""Where a training runs, on one device or on several with a process each: by Lightning Fabric.

Lightning Fabric (https://lightning.ai/docs/fabric, Apache-2.0) places, computes in half precision, and joins processes.
Here stands what a training asks of it: one process, a group of processes, and what they tell each other.
"""

import contextlib
import multiprocessing
import os
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import Any, Final

import numpy as np
import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments import LightningEnvironment
from lightning_fabric.strategies import DDPStrategy, SingleDeviceStrategy
from torch import Tensor, nn

from core.memory import keep_freed_memory

PRECISIONS: Final = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}
PATIENCE: Final = timedelta(minutes=10)  # for a process that says nothing, e.g. while the first one writes a checkpoint


class TrainingStopped(RuntimeError):
    """The training cannot go on; the message says why. The last epoch's result is still good."""


def alone(device: torch.device, precision: str = "fp32") -> Fabric:
    """This process on one device; precision "fp32", "bf16" or "fp16" (weights stay in float32)."""
    return Fabric(strategy=SingleDeviceStrategy(device), precision=PRECISIONS[precision])  # type: ignore[arg-type]


@contextlib.contextmanager
def group(count: int, device: torch.device, precision: str, follower: Callable[..., None], *given: Any) -> Iterator[Fabric]:
    """``count`` processes, one a device, of which this one is the first. The others run ``follower(fabric, *given)``, which
    must ask for the same things as the first in the same order; they end when the context does, or with this process.

    Raises
    ------
    TrainingStopped
        One of the others ended before it should; its own words are on stderr, the log of a job.
    """
    if count == 1:
        yield alone(device, precision)
        return
    spawn, threads = multiprocessing.get_context("spawn"), torch.get_num_threads()
    each = max(1, threads // count) if device.type == "cpu" else threads
    port, others, ready = _free_port(), [], []
    try:
        for rank in range(1, count):
            mine, theirs = spawn.Pipe()
            others.append(spawn.Process(target=_follow, args=(theirs, rank, count, port, device.type, precision, each, follower, given), daemon=True))
            others[-1].start()
            theirs.close()
            ready.append(mine)
        _await(others, ready)
        torch.set_num_threads(each)
        yield _joined(0, count, port, device.type, precision)
    except RuntimeError as error:
        if isinstance(error, torch.distributed.DistError) or "gloo" in str(error):  # the line to another process is broken
            raise _gone(others) or error from error
        raise
    finally:
        torch.set_num_threads(threads)
        for one in others:
            one.kill()
        for one in others:
            one.join()
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


def _follow(
    ready: Any, rank: int, count: int, port: int, kind: str, precision: str, threads: int, follower: Callable[..., None], given: tuple[Any, ...]
) -> None:
    """The life of one of the other processes."""
    keep_freed_memory()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(threads)
    ready.send(None)
    follower(_joined(rank, count, port, kind, precision), *given)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)  # whatever the main thread waits for will not come


def _await(others: list[Any], ready: list[Any]) -> None:
    """Until all others are up: who waits to join a process that is dead waits for long."""
    for pipe in ready:
        try:
            pipe.recv()
        except (EOFError, OSError) as error:
            raise _gone(others) or TrainingStopped("A process of the training ended at its start; the log holds its words.") from error


def _gone(others: list[Any]) -> TrainingStopped | None:
    for one in others:
        one.join(2)  # the first hears of its end before the system does
    ended = [(number, one.exitcode) for number, one in enumerate(others, 2) if one.exitcode is not None]
    if not ended:
        return None
    number, code = ended[0]
    return TrainingStopped(
        f"Process {number} of the {len(others) + 1} of this training ended with exit code {code}; the log holds its words. Use fewer devices."
    )


class _Place(LightningEnvironment):
    """Fabric is told which process this is, and starts none itself."""

    creates_processes_externally = True
    main_address = "127.0.0.1"
    main_port = 0

    def __init__(self, rank: int, port: int) -> None:
        super().__init__()
        self.rank, self.main_port = rank, port

    def local_rank(self) -> int:
        return self.rank

    def node_rank(self) -> int:
        return 0


def _joined(rank: int, count: int, port: int, kind: str, precision: str) -> Fabric:
    nccl = kind == "cuda" and torch.distributed.is_nccl_available()  # Windows has none
    strategy = DDPStrategy(process_group_backend="nccl" if nccl else "gloo", timeout=PATIENCE)
    place = _Place(rank, port)
    fabric = Fabric(accelerator=kind, devices=count, strategy=strategy, precision=PRECISIONS[precision], plugins=[place])  # type: ignore[arg-type]
    fabric.launch()
    return fabric


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def step_of_all(fabric: Fabric, loss: float, cells: int, short: bool) -> tuple[float, int, bool]:
    """Of one step: the mean loss over the cells of all processes, how many these are, and whether any ran out of memory."""
    if fabric.world_size == 1:
        return loss, cells, short
    total, number, out = _summed(fabric, np.array([0.0 if short else loss * cells, cells, short]))
    return total / number, int(number), out > 0


def share_gradients(fabric: Fabric, parameters: Iterable[nn.Parameter], share: float) -> None:
    """Replace the gradients on every process by the sum over the processes, each weighted by its share of the cells."""
    if fabric.world_size == 1:
        return
    gradients = [one.grad for one in parameters if one.grad is not None]
    flat = torch.cat([one.flatten() for one in gradients]) * share
    fabric.all_reduce(flat, reduce_op="sum")
    for one, summed in zip(gradients, flat.split([one.numel() for one in gradients]), strict=True):
        one.copy_(summed.view(one.shape))


def average_statistics(fabric: Fabric, state: dict[str, Tensor], parameters: Iterable[str]) -> None:
    """Replace what of ``state`` is no parameter, the running statistics of batch normalisation, by its mean over the processes."""
    if fabric.world_size == 1:
        return
    learned = set(parameters)
    for key, value in state.items():
        if key not in learned and value.is_floating_point():
            fabric.all_reduce(value, reduce_op="mean")


def gathered(fabric: Fabric, values: np.ndarray) -> np.ndarray:
    """The values (n,) of all processes behind each other; every process may have another n."""
    if fabric.world_size == 1:
        return values
    sizes = _summed(fabric, np.eye(fabric.world_size)[fabric.global_rank] * len(values)).astype(int)
    first = sizes[: fabric.global_rank].sum()
    whole = np.zeros(sizes.sum())
    whole[first : first + len(values)] = values  # the others' places stay 0, so that the sum is what each has put in
    return _summed(fabric, whole).astype(values.dtype)


def _summed(fabric: Fabric, values: np.ndarray) -> np.ndarray:
    total: np.ndarray = fabric.all_reduce(torch.from_numpy(values).to(fabric.device), reduce_op="sum").cpu().numpy()  # type: ignore[union-attr]
    return total
