"""What goes into a training, and what comes out of each of its epochs."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from core.classifier.augmentation import Augmentation


@dataclass(frozen=True)
class FitSettings:
    """How a network is trained."""

    epochs: int = 20
    steps: int = 100  # batches an epoch, for the schedule of the learning rate
    scored: int = 0  # batches of validation an epoch, for the progress
    rate: float = 1e-3  # peak learning rate of AdamW (Loshchilov & Hutter 2019)
    weight_decay: float = 0.01
    warmup: int = 20  # steps of a linear rise, then a cosine fall to 0
    head_epochs: int = 0  # first epochs in which only the last layer learns: for trained start weights
    positive_weight: float = 1.0  # weight of a senescent cell in the loss
    smoothing: float = 0.0  # label smoothing
    clip: float = 1.0  # largest norm of the gradient
    average: float = 0.99  # decay of the moving average of the weights, which is what is validated and kept
    seed: int = 0
    bf16: bool = False  # bfloat16 arithmetic, weights in float32
    fp16: bool = False  # float16 arithmetic with a scaled loss: for CUDA without bfloat16
    augmentation: Augmentation = field(default_factory=Augmentation)

    @property
    def precision(self) -> str:
        return "fp16" if self.fp16 else "bf16" if self.bf16 else "fp32"


@dataclass(frozen=True)
class EpochResult:
    """One epoch: a row of the history, and what is needed to use the network or to go on from here."""

    epoch: int  # from 1
    train_loss: float
    val_loss: float
    val_auc: float
    val_auc_se: float  # its standard error, by the number of cells
    val_accuracy: float  # at ``threshold``
    threshold: float  # by Youden on the validation cells
    rate: float
    seconds: float
    probabilities: NDArray[np.float64] = field(repr=False)  # (N,) of the validation cells, in their order
    weights: dict[str, Tensor] = field(repr=False)  # the averaged weights: state dict of the network
    resume: dict[str, Any] = field(repr=False)  # hand it to ``fit`` to go on
    at_once: int | None = None  # crops that fit into memory together, where it was less than a batch
    again: bool = False  # whether the blocks computed what memory could not keep a second time: slower, and the same numbers

    def row(self) -> dict[str, float]:
        """The numbers alone: a row of history.csv."""
        apart = ("weights", "resume", "probabilities", "at_once", "again")
        return {key: value for key, value in vars(self).items() if key not in apart}


def learning_rate(step: int, settings: FitSettings) -> float:
    """Of a step (from 0): a linear rise, then a cosine fall to 0."""
    total = settings.epochs * settings.steps
    if step < settings.warmup:
        return settings.rate * (step + 1) / settings.warmup
    return settings.rate * 0.5 * (1 + math.cos(math.pi * min(1.0, (step - settings.warmup) / max(1, total - settings.warmup))))
