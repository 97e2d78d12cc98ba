"""What a classifier looked at: which place of a crop adds how much to its logit."""

from typing import Any, Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from core.classifier.checkpoint import Checkpoint
from core.classifier.prediction import folded
from core.errors import InputError
from core.progress import Progress, silent

BATCH: Final = 4


class ActivationMaps(NamedTuple):
    """``maps`` (N, h, w) float32: contributions to the logit of class 1, above 0 towards senescent; ``bias`` is what is added whatever the crop shows."""

    maps: NDArray[np.float32]
    bias: float


def activation_maps(checkpoint: Checkpoint, crops: NDArray[np.float32], progress: Progress = silent) -> ActivationMaps:
    """Class activation maps of normalised crops (N, S, S), at the checkpoint's temperature.

    An EfficientNet ends in the mean over its last feature map and one linear layer, so the logit is a sum over the places of that
    map, exactly: ``maps[i].sum() + bias`` is the logit of crop i (up to rounding). A place is a square of about 32 px of the crop,
    but what it says also comes from around it.

    Raises
    ------
    InputError
        The crops have another size than the model's.

    References
    ----------
    Zhou B, Khosla A, Lapedriza A, Oliva A, Torralba A (2016) Learning deep features for discriminative localization. CVPR, arXiv:1512.04150.
    """
    size = checkpoint.crop_px
    if crops.ndim != 3 or crops.shape[1:] != (size, size):
        raise InputError(f"Crops: wanted shape (N, {size}, {size}) for this classifier, found {crops.shape}.")
    network: Any = folded(checkpoint.network())
    weight = network._fc.weight[0] / checkpoint.temperature
    found = []
    with torch.inference_mode():
        for start in range(0, len(crops), BATCH):
            progress(start, len(crops), f"what the model looked at, cell {start + 1} of {len(crops)}")
            features = network.extract_features(torch.from_numpy(np.ascontiguousarray(crops[start : start + BATCH], np.float32))[:, None])
            places = features.shape[2] * features.shape[3]
            found.append((torch.einsum("nchw,c->nhw", features, weight) / places).numpy())
    bias = float(network._fc.bias[0].detach()) / checkpoint.temperature
    return ActivationMaps(np.concatenate(found) if found else np.zeros((0, 1, 1), np.float32), bias)
