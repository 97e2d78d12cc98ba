"""Probabilities of senescence for crops of cells."""

from collections.abc import Iterable, Iterator
from typing import Any, Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from core.classifier.checkpoint import Checkpoint
from core.errors import InputError
from core.progress import Progress, silent

Precision = Literal["fp32", "bf16"]
BATCH: Final = 8  # larger batches are slower on a CPU and gain little on a GPU at this network's size


class Classifier:
    """A checkpoint made ready to predict, on CUDA or Apple's MPS where there is one, else on the CPU.

    Batch normalisation is folded into the convolutions and the swish works in place, which is a third faster on a CPU and
    gives the same probabilities within 1e-5. ``precision="bf16"`` is twice as fast again where ``bf16_is_quick``, with
    probabilities that differ by up to about 0.01. In a process of its own call ``core.memory.keep_freed_memory`` first.
    """

    def __init__(self, checkpoint: Checkpoint, device: str | None = None, precision: Precision = "fp32") -> None:
        if precision not in ("fp32", "bf16"):
            raise InputError(f"Precision: wanted fp32 or bf16, found {precision!r}.")
        self.checkpoint = checkpoint
        self.device = torch.device(device or best_device())
        self.precision = precision
        network = folded(checkpoint.network())
        self._network = network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def predict(self, crops: NDArray[np.float32], progress: Progress = silent) -> NDArray[np.float32]:
        """Probabilities of class 1 of normalised crops (N, S, S), at the checkpoint's temperature: (N,) float32. Crops are taken 8 at a time.

        Raises
        ------
        InputError
            The crops have another size than the model's.
        """
        size = self.checkpoint.crop_px
        if crops.ndim != 3 or crops.shape[1:] != (size, size):
            raise InputError(f"Crops: wanted shape (N, {size}, {size}) for this classifier, found {crops.shape}.")
        parts = [np.zeros(0, np.float32)]
        for start in range(0, len(crops), BATCH):
            progress(start, len(crops), f"cell {start + 1} of {len(crops)}")
            parts.append(self._batch(crops[start : start + BATCH]))
        return np.concatenate(parts)

    def predict_batches(self, batches: Iterable[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
        """Probabilities batch by batch, so that the crops of a field need never lie in memory together."""
        for crops in batches:
            yield self.predict(crops)

    def _batch(self, crops: NDArray[np.float32]) -> NDArray[np.float32]:
        x = torch.from_numpy(np.ascontiguousarray(crops, np.float32))[:, None].to(self.device, memory_format=torch.channels_last)
        with torch.inference_mode(), torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            logits = self._network(x)
        probabilities: NDArray[np.float32] = torch.sigmoid(logits[:, 0].float() / self.checkpoint.temperature).cpu().numpy()
        return probabilities


def best_device() -> str:
    """ "cuda", "mps" or "cpu"."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def bf16_is_quick() -> bool:
    """Whether this machine's CPU multiplies bfloat16 matrices in hardware (AMX)."""
    return bool(torch.cpu.get_capabilities().get("amx_bf16", False))


def folded(network: nn.Module) -> nn.Module:
    """Fold every batch normalisation of an EfficientNet in evaluation mode into the convolution before it, in place."""
    model: Any = network
    pairs = [(model, "_conv_stem", "_bn0"), (model, "_conv_head", "_bn1")]
    for block in model._blocks:
        pairs += [(block, "_depthwise_conv", "_bn1"), (block, "_project_conv", "_bn2")]
        if hasattr(block, "_expand_conv"):
            pairs.append((block, "_expand_conv", "_bn0"))
    for owner, conv, norm in pairs:
        setattr(owner, conv, fuse_conv_bn_eval(getattr(owner, conv), getattr(owner, norm)))
        setattr(owner, norm, nn.Identity())
    for module in (model, *model._blocks):
        module._swish = nn.SiLU(inplace=True)
    return network
