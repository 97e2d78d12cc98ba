"""Fine-tuning: train a Cellpose 3 network further on a few labelled fields, one result an epoch.

Targets, augmentation and loss are those of `core.cells.training`. Every random choice follows from (seed, epoch), so that
a training that goes on from a saved state is, on a CPU, bit for bit the one that was never interrupted.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil, isnan, nan
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from cellpose.resnet_torch import CPnet
from torch import Tensor, nn

from core.cells.training import Labelled, Plan, TrainingField, _blend, _rate, flow_loss, tiles
from core.cells.weights import WIDTHS, Weights
from core.errors import InputError
from core.inference import has_bf16
from core.progress import Progress, silent

HELD_BACK_SEED: Final = 990_001  # the same tiles every epoch, whatever the seed
AVERAGE: Final = 0.95  # of the moving average of the weights, which is what is measured and kept
BROKEN_LOSS: Final = 1e3  # a working network is below 5, one of random weights below 30
TRAINING_COST: Final = 3.0  # of a tile, in passes forward


@dataclass(frozen=True)
class TunePlan:
    """How a network is tuned."""

    epochs: int = 20
    tiles: int = 8  # of every training field in one epoch
    batch: int = 8
    rate: float = 3e-4
    weight_decay: float = 1e-5
    scale_range: float = 0.5
    seed: int = 0
    device: str = "auto"

    def steps(self, n_fields: int) -> int:
        """Optimiser steps of an epoch."""
        return ceil(n_fields * self.tiles / self.batch)


@dataclass(frozen=True)
class Epoch:
    """One epoch; number 0 is the network as it was given, measured only."""

    epoch: int
    train_loss: float | None
    held_back_loss: float | None
    seconds: float
    state: dict[str, Any] = field(repr=False)  # hand it to `tune` to go on from here

    def row(self) -> dict[str, float | None]:
        """The numbers alone: a row of ``tables.TUNING_HISTORY``."""
        return {k: v for k, v in vars(self).items() if k != "state"}


def tune(
    weights: Weights,
    fields: Sequence[Labelled],
    held_back: Sequence[Labelled],
    plan: TunePlan,
    state: dict[str, Any] | None = None,
    progress: Progress = silent,
) -> Iterator[Epoch]:
    """Train further from ``weights`` on ``fields`` (see `core.cells.training.prepare`) and yield after every epoch.

    What is yielded refers to the tensors in training: save its state before asking for the next epoch.

    Parameters
    ----------
    held_back : fields that are never trained on; their loss, always on the same tiles, chooses the best epoch.
    state : ``Epoch.state`` of an earlier call with the same arguments; the epochs after it follow.
    progress : told passes of a tile through the network (see `cost`).

    Raises
    ------
    InputError
        The loss is no longer a number or has left all bounds; a device that is not here. Earlier epochs stay good.
    """
    device = compute_device(plan.device)
    network = _network(weights, fields).to(device, memory_format=_order(device))
    measured = _network(weights, fields).to(device, memory_format=_order(device))
    optimiser = torch.optim.AdamW((p for p in network.parameters() if p.requires_grad), lr=plan.rate, weight_decay=plan.weight_decay)
    if state is None:
        started = time.perf_counter()
        average = {k: v.detach().clone() for k, v in network.state_dict().items()}
        loss = held_back_loss(measured, held_back, plan, weights)
        state = _state(0, network, optimiser, average, None, None)
        yield Epoch(0, None, loss, time.perf_counter() - started, state)
    network.load_state_dict(state["network"])
    optimiser.load_state_dict(state["optimiser"])
    average = {k: v.to(device) for k, v in state["average"].items()}
    best, best_loss = state["best"], state["best_loss"]
    for epoch in range(state["epoch"] + 1, plan.epochs + 1):
        started = time.perf_counter()
        train_loss = _epoch(network, optimiser, average, fields, held_back, plan, weights, epoch, progress)
        measured.load_state_dict(average)
        loss = held_back_loss(measured, held_back, plan, weights)
        _refuse_broken(train_loss if loss is None else loss, epoch, plan)
        if best is None or loss is None or loss < best_loss:
            best, best_loss = {"epoch": epoch, "weights": _saved(average)}, loss
        yield Epoch(epoch, train_loss, loss, time.perf_counter() - started, _state(epoch, network, optimiser, average, best, best_loss))


def cost(plan: TunePlan, n_fields: int, n_held_back: int) -> float:
    """Passes of a tile through the network in one epoch, for progress: a training pass counts three times."""
    return plan.tiles * (TRAINING_COST * n_fields + n_held_back)


def held_back_loss(network: nn.Module, fields: Sequence[Labelled], plan: TunePlan, weights: Weights) -> float | None:
    """Mean loss over the same tiles of ``fields`` at every call: at their own scale, contrast untouched. None without fields."""
    if not fields:
        return None
    rng = np.random.default_rng(HELD_BACK_SEED)
    network.eval()
    total, device = 0.0, next(network.parameters()).device
    every = [one for one in fields for _ in range(plan.tiles)]
    for start in range(0, len(every), plan.batch):
        chosen = every[start : start + plan.batch]
        images, targets = tiles(chosen, rng, 0.0, weights.diam_mean, contrast=False)
        with torch.inference_mode():
            loss = _loss(network, images, targets, weights.channels, device)
        total += float(loss) * len(chosen)
    return total / len(every)


def compute_device(name: str = "auto") -> torch.device:
    """``auto``: CUDA, else Apple's MPS, else the CPU. InputError for a device that this machine does not have."""
    here = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(kind for kind, there in here.items() if there))
    if not here.get(name.split(":")[0]):
        raise InputError(f"Device: wanted one of auto, {', '.join(k for k, there in here.items() if there)} on this machine, found {name!r}.")
    return torch.device(name)


def _order(device: torch.device) -> torch.memory_format:
    return torch.contiguous_format if device.type == "mps" else torch.channels_last


def bf16_pays(device: torch.device) -> bool:
    """Whether bfloat16 is done in hardware there. On MPS it is left out: nobody has measured it here."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and has_bf16()


def save_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write a state (or weights) whole or not at all."""
    scratch = path.with_name(path.name + ".part")
    torch.save(dict(state), scratch)
    scratch.replace(path)


def load_state(path: Path) -> dict[str, Any]:
    """Read what `save_state` wrote; InputError where it is damaged."""
    try:
        return dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # torch raises half a dozen types here
        raise InputError(f"{path}: the saved state of the training is damaged ({error}). Delete its folder and train again.") from error


class StoredField:
    """A prepared field in a ``.npz`` file: hundreds of fields need no more memory than one. Stands in for a TrainingField."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with np.load(path) as data:
            self.diameter_px, self.weight = float(data["diameter_px"]), float(data["weight"])
            self.shape: tuple[int, ...] = data["grey"].shape

    @property
    def image(self) -> np.ndarray:
        with np.load(self.path) as data:
            return np.stack([data["grey"], np.zeros_like(data["grey"])])

    @property
    def targets(self) -> np.ndarray:
        with np.load(self.path) as data:
            return np.asarray(data["targets"])


def store_field(path: Path, one: TrainingField) -> StoredField:
    """Write a prepared field, whole or not at all."""
    scratch = path.with_name(path.name + ".part")
    with scratch.open("wb") as file:
        np.savez(file, grey=one.image[0], targets=one.targets, diameter_px=one.diameter_px, weight=one.weight)
    scratch.replace(path)
    return StoredField(path)


def _network(weights: Weights, fields: Sequence[Labelled]) -> CPnet:
    """The network of ``weights``; ``diam_labels`` becomes the mean diameter of the training fields, as in Cellpose."""
    network = CPnet([weights.channels, *WIDTHS], 3, sz=3, mkldnn=False, max_pool=True, diam_mean=weights.diam_mean)
    own = network.state_dict()
    found = {k: v.reshape(own[k].shape) for k, v in weights.state.items() if k in own}
    network.load_state_dict({**{k: v for k, v in own.items() if k.endswith("num_batches_tracked") or k.startswith("diam_")}, **found})
    network.diam_mean.data[:] = weights.diam_mean
    network.diam_labels.data[:] = float(np.mean([f.diameter_px for f in fields]))
    return network


def _epoch(
    network: CPnet,
    optimiser: torch.optim.Optimizer,
    average: dict[str, Tensor],
    fields: Sequence[Labelled],
    held_back: Sequence[Labelled],
    plan: TunePlan,
    weights: Weights,
    epoch: int,
    progress: Progress,
) -> float:
    """Every field ``plan.tiles`` times in random order; the mean loss."""
    rng = np.random.default_rng([plan.seed, epoch])
    steps = plan.steps(len(fields))
    schedule = Plan(steps=plan.epochs * steps, rate=plan.rate, warmup=min(10, steps))
    order = rng.permutation(np.repeat(np.arange(len(fields)), plan.tiles))
    device = next(network.parameters()).device
    each = cost(plan, len(fields), len(held_back))
    network.train()
    total = 0.0
    for k in range(steps):
        progress((epoch - 1 + k / steps) * each, plan.epochs * each, f"epoch {epoch} of {plan.epochs}")
        step = (epoch - 1) * steps + k
        chosen = [fields[i] for i in order[k * plan.batch : (k + 1) * plan.batch]]
        optimiser.param_groups[0]["lr"] = _rate(step, schedule)
        images, targets = tiles(chosen, rng, plan.scale_range, weights.diam_mean)
        loss = _loss(network, images, targets, weights.channels, device)
        _refuse_broken(float(loss.detach()), epoch, plan)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        _blend(average, network, min(AVERAGE, (step + 1) / (step + 10)))
        total += float(loss.detach()) * len(chosen)
    if not all(torch.isfinite(v).all() for v in average.values()):
        _refuse_broken(nan, epoch, plan)
    return total / len(order)


def _loss(network: nn.Module, images: Tensor, targets: Tensor, channels: int, device: torch.device) -> Tensor:
    if channels != images.shape[1]:  # the grey image is the first channel, the others are empty
        images = torch.cat([images[:, :1], images.new_zeros(len(images), channels - 1, *images.shape[2:])], 1)
    images = images.to(device, memory_format=_order(device))
    with torch.autocast(device.type, torch.bfloat16, enabled=bf16_pays(device)):
        predicted = network(images)[0].float()
    return flow_loss(predicted, targets.to(device))


def _refuse_broken(loss: float, epoch: int, plan: TunePlan) -> None:
    if not loss < BROKEN_LOSS:
        what = "is not a number" if isnan(loss) else f"has grown to {loss:.2g}"
        raise InputError(f"Training stopped in epoch {epoch}: the loss {what}. The learning rate is too high: take a lower one than {plan.rate:g}.")


def _state(
    epoch: int, network: nn.Module, optimiser: torch.optim.Optimizer, average: Mapping[str, Tensor], best: dict[str, Any] | None, best_loss: float | None
) -> dict[str, Any]:
    return {
        "epoch": epoch,
        "network": network.state_dict(),
        "optimiser": optimiser.state_dict(),
        "average": dict(average),
        "best": best,
        "best_loss": best_loss,
    }


def _saved(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {k: v.detach().cpu().clone().contiguous() for k, v in state.items()}
