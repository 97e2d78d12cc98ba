"""Training of a classifier: ``fit`` yields one result an epoch, and whoever reads it decides what to do with each."""

import copy
import math
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.classifier.augmentation import Augmentation
from core.classifier.scores import accuracy, roc_auc, youden_threshold
from core.errors import InputError
from core.progress import Progress, silent

Batches = Iterable[tuple[Tensor, Tensor]]
"""Normalised crops (N, 1, S, S) float32 and their classes (N,), 0 or 1."""


@dataclass(frozen=True)
class FitSettings:
    """How a network is trained."""

    epochs: int = 20
    steps: int = 100  # batches an epoch, for the schedule of the learning rate
    rate: float = 1e-3  # peak learning rate of AdamW (Loshchilov & Hutter 2019)
    weight_decay: float = 0.01
    warmup: int = 20  # steps of a linear rise, then a cosine fall to 0
    positive_weight: float = 1.0  # weight of a senescent cell in the loss
    smoothing: float = 0.0  # label smoothing
    clip: float = 1.0  # largest norm of the gradient
    average: float = 0.99  # decay of the moving average of the weights, which is what is validated and kept
    seed: int = 0
    bf16: bool = False  # bfloat16 arithmetic, weights in float32
    augmentation: Augmentation = field(default_factory=Augmentation)


@dataclass(frozen=True)
class EpochResult:
    """One epoch: a row of the history, and what is needed to use the network or to go on from here."""

    epoch: int  # from 1
    train_loss: float
    val_loss: float
    val_auc: float
    val_accuracy: float  # at ``threshold``
    threshold: float  # by Youden on the validation cells
    rate: float
    seconds: float
    weights: dict[str, Tensor] = field(repr=False)  # the averaged weights: state dict of the network
    resume: dict[str, Any] = field(repr=False)  # hand it to ``fit`` to go on

    def row(self) -> dict[str, float]:
        """The numbers alone: a row of history.csv."""
        return {key: value for key, value in vars(self).items() if key not in ("weights", "resume")}


class TrainingStopped(RuntimeError):
    """The training cannot go on; the message says why. The last epoch's result is still good."""


def fit(
    network: nn.Module,
    batches: Callable[[int], Batches],
    validation: Callable[[int], Batches],
    settings: FitSettings,
    *,
    resume: dict[str, Any] | None = None,
    progress: Progress = silent,
) -> Iterator[EpochResult]:
    """Train ``network`` in place, on the device it is on.

    Parameters
    ----------
    batches : gives the training batches of an epoch (from 1), the same ones each time it is asked, so that an interrupted
        training resumes to the same result. Their size may change from epoch to epoch.
    validation : gives the validation batches of an epoch: the same cells each time, of other cultures than those trained on.
    resume : ``EpochResult.resume`` of an earlier call with the same settings.

    Raises
    ------
    InputError
        An epoch has no batches, or the validation cells are of one class only.
    TrainingStopped
        The loss is no longer a number.
    """
    device = next(network.parameters()).device
    optimiser = torch.optim.AdamW(network.parameters(), lr=settings.rate, weight_decay=settings.weight_decay)
    average = {key: value.detach().clone() for key, value in network.state_dict().items()}
    step, first = 0, 1
    if resume is not None:
        network.load_state_dict(resume["network"])
        optimiser.load_state_dict(resume["optimiser"])
        average, step, first = {k: v.to(device) for k, v in resume["average"].items()}, resume["step"], resume["epoch"] + 1
    for epoch in range(first, settings.epochs + 1):
        start, losses = time.perf_counter(), []
        torch.manual_seed(settings.seed * 100_003 + epoch)  # dropout
        generator = torch.Generator().manual_seed(settings.seed * 100_003 + epoch)
        network.train()
        for crops, classes in batches(epoch):
            optimiser.param_groups[0]["lr"] = _rate(step, settings)
            crops = settings.augmentation(crops, generator).to(device, memory_format=torch.channels_last)
            losses.append(_step(network, optimiser, crops, classes.to(device), settings))
            step += 1
            _blend(average, network.state_dict(), min(settings.average, step / (step + 9)))
            progress((epoch - 1) + len(losses) / settings.steps, settings.epochs, f"epoch {epoch}, loss {np.mean(losses):.3f}")
        if not losses:
            raise InputError(f"Training: wanted cells to train on, found no batch in epoch {epoch}.")
        scores = _validate(network, average, validation(epoch), settings)
        yield EpochResult(
            epoch=epoch,
            train_loss=float(np.mean(losses)),
            rate=optimiser.param_groups[0]["lr"],
            seconds=time.perf_counter() - start,
            weights=_copied(average),
            resume={
                "network": _copied(network.state_dict()),
                "optimiser": copy.deepcopy(optimiser.state_dict()),
                "average": _copied(average),
                "step": step,
                "epoch": epoch,
            },
            **scores,
        )


def reestimate_statistics(network: nn.Module, batches: Batches, progress: Progress = silent) -> None:
    """Replace the running means and variances of batch normalisation by their plain average over ``batches``.

    The running ones of efficientnet_pytorch move by 1 % a step: after a short training, or one that went through several
    crop sizes, they describe another network.
    """
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    before = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # torch's way to say: the cumulative average
    training = network.training
    network.train()
    with torch.no_grad():
        for done, (crops, _) in enumerate(batches):
            network(crops.to(memory_format=torch.channels_last))
            progress(done + 1, done + 1, "batch statistics")
    network.train(training)
    for norm, momentum in zip(norms, before, strict=True):
        norm.momentum = momentum


def score(network: nn.Module, batches: Batches, *, bf16: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Classes and logits (each (N,)) of the cells in ``batches``; the network is left in evaluation mode."""
    network.eval()
    device = next(network.parameters()).device
    classes, logits = [], []
    with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=bf16):
        for crops, truth in batches:
            logits.append(network(crops.to(device, memory_format=torch.channels_last))[:, 0].float().cpu().numpy())
            classes.append(truth.numpy())
    return np.concatenate(classes), np.concatenate(logits)


def _step(network: nn.Module, optimiser: torch.optim.Optimizer, crops: Tensor, classes: Tensor, settings: FitSettings) -> float:
    with _arithmetic(network, settings):
        with torch.autocast(crops.device.type, torch.bfloat16, enabled=settings.bf16):
            logits = network(crops)[:, 0].float()
        wanted = classes.float() * (1 - settings.smoothing) + settings.smoothing / 2
        weight = torch.tensor(settings.positive_weight, device=crops.device)
        loss = F.binary_cross_entropy_with_logits(logits, wanted, pos_weight=weight)
        if not torch.isfinite(loss):
            raise TrainingStopped(
                f"The loss became {float(loss.detach())}: the learning rate ({settings.rate:g}) may be too large, or a crop holds values that are no numbers."
            )
        optimiser.zero_grad()
        loss.backward()
    nn.utils.clip_grad_norm_(network.parameters(), settings.clip)
    optimiser.step()
    return float(loss.detach())


def _arithmetic(network: nn.Module, settings: FitSettings) -> AbstractContextManager[Any]:
    stack = ExitStack()
    if next(network.parameters()).device.type == "cpu":
        from core.classifier.depthwise import quick_backward

        stack.enter_context(quick_backward(network))
    return stack


def _validate(network: nn.Module, average: dict[str, Tensor], batches: Batches, settings: FitSettings) -> dict[str, float]:
    """Score the averaged weights, then put the network's own back."""
    own = _copied(network.state_dict())
    network.load_state_dict(average)
    classes, logits = score(network, batches, bf16=settings.bf16)
    network.load_state_dict(own)
    if len(np.unique(classes)) < 2:
        raise InputError(f"Validation: wanted cells of both classes, found {len(classes)} cells of one.")
    probabilities = 1 / (1 + np.exp(-logits.astype(np.float64)))
    threshold = youden_threshold(classes, probabilities)
    return {
        "val_loss": float(np.mean(np.logaddexp(0, logits) - classes * logits)),
        "val_auc": roc_auc(classes, logits),
        "val_accuracy": accuracy(classes, probabilities, threshold),
        "threshold": threshold,
    }


def _rate(step: int, settings: FitSettings) -> float:
    total = settings.epochs * settings.steps
    if step < settings.warmup:
        return settings.rate * (step + 1) / settings.warmup
    return settings.rate * 0.5 * (1 + math.cos(math.pi * min(1.0, (step - settings.warmup) / max(1, total - settings.warmup))))


def _blend(average: dict[str, Tensor], state: dict[str, Tensor], decay: float) -> None:
    for key, value in state.items():
        if value.is_floating_point():
            average[key].lerp_(value, 1 - decay)
        else:
            average[key].copy_(value)


def _copied(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key: value.detach().clone() for key, value in state.items()}
