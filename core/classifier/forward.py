"""Passes through a classifier in which it learns nothing: scores, and the statistics of batch normalisation."""

from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from torch import nn

from core.classifier.crop_data import Batches
from core.classifier.devices import memory_order
from core.progress import Progress, silent


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


def score(network: nn.Module, batches: Batches, *, bf16: bool = False, fp16: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Classes and logits (each (N,)) of the cells in ``batches``; the network is left in evaluation mode."""
    network.eval()
    device = next(network.parameters()).device
    classes, logits = [np.zeros(0, np.int64)], [np.zeros(0, np.float32)]
    with torch.no_grad(), _arithmetic(device, bf16, fp16):
        for crops, truth in batches:
            logits.append(network(crops.to(device, memory_format=memory_order(device)))[:, 0].float().cpu().numpy())
            classes.append(truth.numpy())
    return np.concatenate(classes), np.concatenate(logits)


def _arithmetic(device: torch.device, bf16: bool, fp16: bool) -> Any:
    return torch.autocast(device.type, torch.float16 if fp16 else torch.bfloat16) if bf16 or fp16 else nullcontext()
