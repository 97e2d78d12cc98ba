"""Probabilities of senescence for crops of cells."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any, Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from core.classifier.background import OnlyOnce, compiled_once
from core.classifier.checkpoint import Checkpoint
from core.classifier.devices import best_device, bf16_is_quick, chosen_precision, is_out_of_memory, memory_order
from core.classifier.network import ARCHITECTURES, WithFeatures
from core.errors import InputError
from core.progress import Progress, silent

__all__ = ["Classifier", "best_device", "bf16_is_quick"]

Precision = Literal["fp32", "bf16"]
Engine = Literal["auto", "openvino", "pytorch"]
BATCH: Final = 8  # larger batches are slower on a CPU
MOST: Final = 256  # crops at once on a GPU
BYTES_PER_PIXEL: Final = 640  # of a crop in fp32: the widest layers of B0 to B4 with what lives beside them


class Classifier:
    """A checkpoint made ready to predict, on CUDA or Apple's MPS where there is one, else on the CPU.

    Batch normalisation is folded into the convolutions and the swish works in place.

    Parameters
    ----------
    device : "cuda", "mps" or "cpu"; by default the first of these that is there.
    precision : "fp32" or, about twice as fast where ``bf16_is_quick``, "bf16": probabilities then differ by up to about 0.01.
        On CUDA without bfloat16 it is float16.
    engine : who computes on the CPU. "auto": OpenVINO where it is installed, which computes the empty background of a crop only
        once (`background`); probabilities are within 1e-3 of PyTorch's (measured: some 1e-6), at two to three times the speed;
        else PyTorch. "openvino": an error where it is not there. "pytorch": the reference. On a graphics processor it is always
        PyTorch.

    Attributes
    ----------
    about : str
        Which engine computes, and why where it is not the quick one; for people.
    """

    about: str

    def __init__(self, checkpoint: Checkpoint, device: str | None = None, precision: Precision = "fp32", engine: Engine = "auto") -> None:
        if precision not in ("fp32", "bf16"):
            raise InputError(f"Precision: wanted fp32 or bf16, found {precision!r}.")
        if engine not in ("auto", "openvino", "pytorch"):
            raise InputError(f"Engine: wanted auto, openvino or pytorch, found {engine!r}.")
        self.checkpoint = checkpoint
        self.device = torch.device(device or best_device())
        self.precision = chosen_precision(precision, self.device)
        self.about = f"pytorch {torch.__version__.split('+')[0]} {self.precision} on {self.device.type}"
        network = folded(checkpoint.network())
        self._compiled = self._quick(network, precision, engine) if self.device.type == "cpu" and engine != "pytorch" else None
        self._network = None if self._compiled else WithFeatures(network).to(self.device, memory_format=memory_order(self.device))  # type: ignore[call-overload]
        self._batch = self._first_batch()

    def predict(self, crops: NDArray[np.float32], progress: Progress = silent) -> NDArray[np.float32]:
        """Probabilities of class 1 of normalised crops (N, S, S), at the checkpoint's temperature: (N,) float32.

        As many crops are computed at once as memory holds; a probability does not depend on how many those are.

        Raises
        ------
        InputError
            The crops have another size than the model's.
        """
        return self.predict_with_features(crops, progress)[0]

    def predict_with_features(self, crops: NDArray[np.float32], progress: Progress = silent) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The same probabilities (N,) float32 and, from the same pass, what the last layer sees of each crop: (N, D) float32."""
        size = self.checkpoint.crop_px
        if crops.ndim != 3 or crops.shape[1:] != (size, size):
            raise InputError(f"Crops: wanted shape (N, {size}, {size}) for this classifier, found {crops.shape}.")
        out = np.zeros((len(crops), 1 + ARCHITECTURES[self.checkpoint.architecture][2]), np.float32)
        for row, found in enumerate(self._outputs(crops, progress)):
            out[row] = found
        probabilities: NDArray[np.float32] = torch.sigmoid(torch.from_numpy(out[:, 0].copy()) / self.checkpoint.temperature).numpy()
        return probabilities, out[:, 1:]

    def predict_batches(self, batches: Iterable[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
        """Probabilities batch by batch, so that the crops of a field need never lie in memory together."""
        for crops in batches:
            yield self.predict(crops)

    def _quick(self, network: nn.Module, precision: Precision, engine: Engine) -> OnlyOnce | None:
        """The network compiled by OpenVINO; None where PyTorch does the work, and ``about`` says why."""
        name = f"{self.checkpoint.architecture} classifier with features {self.checkpoint.padding_px}"
        found = compiled_once(network, self.checkpoint.crop_px, precision, name)
        self.about = found.about
        if found.about.startswith("openvino"):
            return found
        if engine == "openvino":
            raise InputError(f"Engine: wanted OpenVINO, found {found.about}. Install it (pip install openvino), or use PyTorch.")
        return None

    def _outputs(self, crops: NDArray[np.float32], progress: Progress) -> Iterator[NDArray[np.float32]]:
        """Logit and features of each crop: (1 + D,)."""

        def said(done: int) -> None:
            progress(done, len(crops), f"cell {done + 1} of {len(crops)}")

        if self._compiled is not None:
            for done, one in enumerate(self._compiled.stream(crops)):
                said(done)
                yield one
            return
        start = 0
        while start < len(crops):
            said(start)
            some = self._computed(crops[start : start + self._batch])
            if some is not None:
                yield from some
                start += len(some)

    def _computed(self, crops: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """Logits and features of one batch by PyTorch; None, and a smaller batch from now on, where it does not fit into memory."""
        assert self._network is not None
        x = torch.from_numpy(np.ascontiguousarray(crops, np.float32))[:, None]
        half = torch.float16 if self.precision == "fp16" else torch.bfloat16
        try:
            x = x.to(self.device, memory_format=memory_order(self.device))
            # true fp32, and the same answer each time: cuDNN would round to TF32 and choose its ways from call to call
            exact = torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False)
            with exact, torch.inference_mode(), torch.autocast(self.device.type, half, enabled=self.precision != "fp32"):
                found: NDArray[np.float32] = self._network(x).float().cpu().numpy()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error) or len(crops) == 1:
                raise
            self._batch = max(1, len(crops) // 2)
            return None
        return found

    def _first_batch(self) -> int:
        """Crops at once, by the memory that is free."""
        if self.device.type != "cuda":
            return BATCH
        free, _ = torch.cuda.mem_get_info(self.device)
        return max(1, min(MOST, math.floor(free / 2 / (BYTES_PER_PIXEL * self.checkpoint.crop_px**2))))


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
