"""Training of a classifier: ``fit`` yields one result an epoch, and whoever reads it decides what to do with each."""

import copy
import math
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn import functional as F

from core.classifier.crop_data import Batches
from core.classifier.devices import is_out_of_memory, memory_order
from core.classifier.economy import Economy
from core.classifier.engine import TrainingStopped, alone, average_statistics, gathered, share_gradients, step_of_all
from core.classifier.fitting import EpochResult, FitSettings, learning_rate
from core.classifier.forward import score
from core.classifier.scores import accuracy, auc_standard_error, roc_auc, youden_threshold
from core.errors import InputError
from core.progress import Progress, silent

FORWARD: Final = 1 / 3  # time of scoring a batch, of that of learning from it


def fit(
    network: nn.Module,
    batches: Callable[[int], Batches],
    validation: Callable[[int], Batches],
    settings: FitSettings,
    *,
    fabric: Fabric | None = None,
    resume: dict[str, Any] | None = None,
    progress: Progress = silent,
) -> Iterator[EpochResult]:
    """Train ``network`` in place, on the device it is on.

    Parameters
    ----------
    batches : gives the training batches of an epoch (from 1), the same ones each time it is asked, so that an interrupted
        training resumes to the same result. Their size may change from epoch to epoch.
    validation : gives the validation batches of an epoch: the same cells each time, of other cultures than those trained on.
    fabric : by default this process alone. In an `engine.group` every process calls ``fit`` with its share: of every training
        batch, and of the validation cells, in the order of the processes. Loss, gradients and scores are those of all
        shares together, so each process gets the same results; batch normalisation sees the share, and its running
        statistics are averaged at the end of an epoch.
    resume : ``EpochResult.resume`` of an earlier call with the same settings.

    Raises
    ------
    InputError
        An epoch has no batches, or the validation cells are of one class only.
    TrainingStopped
        The loss or its gradient is no longer a number, or not even two crops fit into memory.
    """
    training = _Training(network, settings, fabric or alone(next(network.parameters()).device, settings.precision), resume)
    for epoch in range(training.epoch + 1, settings.epochs + 1):
        start = time.perf_counter()
        train_loss = training.learn(epoch, batches(epoch), progress)
        scores = training.validate(epoch, validation(epoch), progress)
        yield EpochResult(
            epoch=epoch,
            train_loss=train_loss,
            rate=training.optimiser.param_groups[0]["lr"],
            seconds=time.perf_counter() - start,
            weights=copied(training.average),
            resume=training.state(),
            at_once=training.economy.at_once,
            again=training.economy.again,
            **scores,
        )


class _Training:
    """The network, its optimiser and its moving average, epoch after epoch."""

    def __init__(self, network: nn.Module, settings: FitSettings, fabric: Fabric, resume: dict[str, Any] | None) -> None:
        self.network, self.settings, self.fabric = network, settings, fabric
        self.device = next(network.parameters()).device
        self.optimiser = torch.optim.AdamW(network.parameters(), lr=settings.rate, weight_decay=settings.weight_decay)
        self.scaled: Any = fabric.setup_optimizers(self.optimiser)  # steps as the precision wants it
        self.average = copied(network.state_dict())
        self.step, self.epoch, self.economy = 0, 0, Economy(self.device, fabric.world_size)
        if self.device.type == "cuda":  # the same seed, the same result
            torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
        if resume is not None:
            network.load_state_dict(resume["network"])
            self.optimiser.load_state_dict(resume["optimiser"])
            fabric.strategy.precision.load_state_dict(resume["scaler"])
            self.average = {key: value.to(self.device) for key, value in resume["average"].items()}
            self.step, self.epoch, self.economy.at_once = resume["step"], resume["epoch"], resume["at_once"]

    def state(self) -> dict[str, Any]:
        return {
            "network": copied(self.network.state_dict()),
            "optimiser": copy.deepcopy(self.optimiser.state_dict()),
            "scaler": self.fabric.strategy.precision.state_dict(),
            "average": copied(self.average),
            "step": self.step,
            "epoch": self.epoch,
            "at_once": self.economy.at_once,
        }

    def learn(self, epoch: int, batches: Batches, progress: Progress) -> float:
        """One epoch; returns the mean loss."""
        settings, losses = self.settings, list[float]()
        seed = settings.seed * 100_003 + epoch + self.fabric.global_rank * 2**50  # every process draws its own
        torch.manual_seed(seed)  # dropout
        generator = torch.Generator().manual_seed(seed)
        _prepare(self.network, head_only=epoch <= settings.head_epochs)
        for crops, classes in batches:
            self.optimiser.param_groups[0]["lr"] = learning_rate(self.step, settings)
            crops = settings.augmentation(crops.to(self.device), generator).to(memory_format=memory_order(self.device))
            losses.append(self._learn_batch(crops, classes.to(self.device)))
            self.step += 1
            blend(self.average, self.network.state_dict(), min(settings.average, self.step / (self.step + 9)))
            progress(self._done(epoch, len(losses)), settings.epochs, f"epoch {epoch}, loss {np.mean(losses):.3f}{self.economy.said}")
        if not losses:
            raise InputError(f"Training: wanted cells to train on, found no batch in epoch {epoch}.")
        for state in (self.network.state_dict(), self.average):
            average_statistics(self.fabric, state, dict(self.network.named_parameters()))
        self.epoch = epoch
        return float(np.mean(losses))

    def _learn_batch(self, crops: Tensor, classes: Tensor) -> float:
        """One step of the optimiser; returns the mean loss over the batch."""
        settings, parameters = self.settings, list(self.network.parameters())
        loss, cells = self._gradients(crops, classes)
        if not math.isfinite(loss):
            why = f"the learning rate ({settings.rate:g}) may be too large, or a crop holds values that are no numbers."
            raise TrainingStopped(f"The loss became {loss}: {why}")
        share_gradients(self.fabric, parameters, len(crops) / cells)
        norm = self.fabric.clip_gradients(self.network, self.optimiser, max_norm=settings.clip, error_if_nonfinite=False)
        if not settings.fp16 and not math.isfinite(norm):  # type: ignore[arg-type]  # with fp16 the scaler skips such a step and scales less
            raise TrainingStopped(f"The gradient became {float(norm)}: the learning rate ({settings.rate:g}) may be too large.")  # type: ignore[arg-type]
        self.scaled.step()
        return loss

    def _gradients(self, crops: Tensor, classes: Tensor) -> tuple[float, int]:
        """Leave the gradients of the mean loss of ``crops`` in the network; returns the mean loss over the batch and how many
        cells it has. Where memory runs out, on any process, all compute fewer crops at once, and add their gradients."""
        self.economy.plan(self.network, crops)
        while True:
            self._clear()
            loss, short = self._backward(crops, classes)
            loss, cells, short = step_of_all(self.fabric, loss, len(crops), short)
            if not short:
                return loss, cells
            self.economy.retreat(math.ceil(cells / self.fabric.world_size))

    def _clear(self) -> None:
        """Gradients of zero. Their memory stays: taken anew between large blocks each time it would leave gaps among them."""
        for one in self.network.parameters():
            if one.requires_grad and one.grad is None:
                one.grad = torch.zeros_like(one)
        self.optimiser.zero_grad(set_to_none=False)

    def _backward(self, crops: Tensor, classes: Tensor) -> tuple[float, bool]:
        """The mean loss of some crops, its gradients added to those of the network; or that memory ran out."""
        pieces, total = math.ceil(len(crops) / (self.economy.at_once or len(crops))), 0.0
        try:
            for some, truth in zip(crops.tensor_split(pieces), classes.tensor_split(pieces), strict=True):
                with self.economy.computing(self.network):
                    loss = self._loss(some, truth) * (len(some) / len(crops))
                    self.fabric.backward(loss)
                total += float(loss.detach())
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            return math.nan, True
        return total, False

    def _loss(self, crops: Tensor, classes: Tensor) -> Tensor:
        settings = self.settings
        with self.fabric.autocast():
            logits = self.network(crops)[:, 0].float()
        wanted = classes.float() * (1 - settings.smoothing) + settings.smoothing / 2
        weight = torch.tensor(settings.positive_weight, device=self.device)
        return F.binary_cross_entropy_with_logits(logits, wanted, pos_weight=weight)

    def _done(self, epoch: int, learned: int, scored: int = 0) -> float:
        """Epochs that are done, counting the one at work by its batches."""
        return epoch - 1 + min(1.0, (learned + scored * FORWARD) / (self.settings.steps + self.settings.scored * FORWARD))

    def validate(self, epoch: int, batches: Batches, progress: Progress) -> dict[str, Any]:
        """Score the averaged weights, then put the network's own back."""

        def told() -> Batches:
            for scored, batch in enumerate(batches):
                progress(self._done(epoch, self.settings.steps, scored), self.settings.epochs, f"epoch {epoch}, scoring the validation cells")
                yield batch

        own = copied(self.network.state_dict())
        self.network.load_state_dict(self.average)
        mine = score(self.network, told(), bf16=self.settings.bf16, fp16=self.settings.fp16)
        self.network.load_state_dict(own)
        classes, logits = (gathered(self.fabric, values) for values in mine)
        if len(np.unique(classes)) < 2:
            raise InputError(f"Validation: wanted cells of both classes, found {len(classes)} cells of one.")
        logits = logits.astype(np.float64)
        probabilities = 1 / (1 + np.exp(-logits))
        threshold, auc = youden_threshold(classes, probabilities), roc_auc(classes, logits)
        return {
            "val_loss": float(np.mean(np.logaddexp(0, logits) - classes * logits)),
            "val_auc": auc,
            "val_auc_se": auc_standard_error(auc, int((classes == 1).sum()), int((classes == 0).sum())),
            "val_accuracy": accuracy(classes, probabilities, threshold),
            "threshold": threshold,
            "probabilities": probabilities,
        }


def _prepare(network: nn.Module, head_only: bool) -> None:
    """Training mode; with ``head_only`` everything before the last layer stays as it is, batch statistics too."""
    network.train()
    for name, weight in network.named_parameters():
        weight.requires_grad_(not head_only or name.startswith("_fc."))
    for module in network.modules():
        if head_only and isinstance(module, nn.BatchNorm2d):
            module.eval()


def blend(average: dict[str, Tensor], state: dict[str, Tensor], decay: float) -> None:
    """Move a moving average of the weights, in place, towards ``state``; what cannot be averaged is taken over."""
    for key, value in state.items():
        if value.is_floating_point():
            average[key].lerp_(value, 1 - decay)
        else:
            average[key].copy_(value)


def copied(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same weights, on their own."""
    return {key: value.detach().clone() for key, value in state.items()}
