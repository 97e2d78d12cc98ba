"""Classifier files: ours, and the plain state dicts of the original pipeline. No file is ever unpickled as code."""

import os
import pickle
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal

import torch

from core.classifier.network import ARCHITECTURES, CROP_PX, architecture_of, build_network
from core.classifier.reference import Reference, from_plain
from core.errors import InputError

FORMAT: Final = "senescope-classifier/1"
_WRAPPERS: Final = ("state_dict", "model_state_dict", "model", "net")


@dataclass(frozen=True)
class Checkpoint:
    """A trained network with everything that its use depends on."""

    architecture: str  # "efficientnet-b0" to "efficientnet-b7"
    crop_px: int  # side of a crop
    mean: float | None  # grey value that becomes 0 and
    std: float | None  # spread that becomes 1, after scaling by ``intensity``; None: not known
    intensity: Literal["range", "field"]  # see core.dataset.crops.scale_intensity
    pixel_size_um: float | None  # µm a pixel to which cells are rescaled; None: crops are not rescaled
    threshold: float  # senescent at or above this probability
    class_names: tuple[str, str] = ("not senescent", "senescent")
    card: dict[str, Any] = field(default_factory=dict)  # plain values: data, licence, recipe, scores, limits
    simulated: bool = False  # trained on simulated cells
    state: dict[str, torch.Tensor] = field(default_factory=dict, repr=False, compare=False)
    padding_px: int | None = None  # size that the network's padding was built for, where it is not ``crop_px``
    temperature: float = 1.0  # logits are divided by it before anything else; fitted on validation cells
    reference: Reference | None = field(default=None, repr=False, compare=False)  # what its training images looked like; None: the file does not say

    def network(self) -> torch.nn.Module:
        """The network with these weights, in evaluation mode, float32, on the CPU."""
        network = build_network(self.architecture, self.crop_px, padding_px=self.padding_px)
        network.load_state_dict({key: value.float() if value.is_floating_point() else value for key, value in self.state.items()})
        return network.eval()


def save_checkpoint(path: Path, checkpoint: Checkpoint, half: bool = False) -> None:
    """Write a checkpoint so that it appears at ``path`` whole or not at all; ``half`` stores weights as float16.

    Running variances larger than float16 holds stay in float32.
    """
    state = {key: _halved(value) if half else value for key, value in checkpoint.state.items()}
    content = asdict(replace(checkpoint, state={}, reference=None)) | {"format": FORMAT, "state": state}
    content["reference"] = checkpoint.reference.plain() if checkpoint.reference else None
    content["class_names"] = list(checkpoint.class_names)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:  # torch, given a path, does not say that the disk is full
            torch.save(content, file)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a classifier file: one of ours, or a plain EfficientNet state dict with one grey channel and one logit.

    A plain state dict says nothing of how cells were normalised: ``mean`` and ``std`` are None, crops have the size usual for the
    architecture, intensities are divided by the full range, and the threshold is 0.5.

    Raises
    ------
    InputError
        Not a torch file, truncated, a pickled whole model, another network, an RGB stem, more than one output.
    """
    content = read_weights(path)
    if "format" in content:
        return _ours(path, content)
    state = unwrapped(content)
    architecture = _checked(path, state)
    crop_px, native = CROP_PX[architecture], ARCHITECTURES[architecture][3]
    checkpoint = Checkpoint(
        architecture=architecture,
        crop_px=crop_px,
        mean=None,
        std=None,
        intensity="range",
        pixel_size_um=None,
        threshold=0.5,
        state=state,
        padding_px=None if native == crop_px else native,
    )
    return _complete(path, checkpoint)


def read_weights(path: Path) -> dict[str, Any]:
    """The plain dict in a torch file, read with ``weights_only=True``."""
    if not path.is_file():
        raise InputError(f"{path}: wanted a classifier file, found no file.")
    size = path.stat().st_size
    if size == 0:
        raise InputError(f"{path}: wanted a classifier file, found an empty file.")
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Detected pickle protocol")  # said of files that are then refused
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise InputError(_refusal(path, str(error))) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, AttributeError, IndexError, TypeError) as error:
        raise InputError(f"{path}: wanted a classifier file of torch, found a truncated or damaged one ({size} bytes).") from error
    if not isinstance(content, Mapping):
        raise InputError(f"{path}: wanted a classifier's state dict, found a {type(content).__name__}.")
    return dict(content)


def _refusal(path: Path, reason: str) -> str:
    with path.open("rb") as file:
        torch_like = file.read(1) == b"\x80"
    if not torch_like and not zipfile.is_zipfile(path):
        return f"{path}: wanted a classifier file of torch, found something else (a text, an image or a broken download?)."
    if "GLOBAL" in reason or "Unsupported" in reason:
        return (
            f"{path}: wanted a state dict, found a whole pickled model. Opening one runs the code in it, so it is never opened; "
            "whoever made it can save the weights alone: torch.save(model.state_dict(), 'weights.pt')."
        )
    return f"{path}: wanted a classifier file of torch, found a truncated or damaged one."


def _ours(path: Path, content: dict[str, Any]) -> Checkpoint:
    found = content.pop("format")
    if found != FORMAT:
        raise InputError(f"{path}: wanted format {FORMAT}, found {found!r}. A newer Senescope may read it.")
    try:
        content["class_names"] = tuple(content["class_names"])
        reference = content.pop("reference", None)  # files of before have none
        checkpoint = Checkpoint(**content)
    except (TypeError, KeyError) as error:
        raise InputError(f"{path}: wanted the fields of {FORMAT}, found others ({error}).") from error
    _checked(path, checkpoint.state)
    if reference is not None:
        try:
            checkpoint = replace(checkpoint, reference=from_plain(reference, checkpoint.state["_fc.weight"].shape[1]))
        except ValueError as error:
            raise InputError(f"{path}: {error}. The file is damaged.") from error
    if not 0 < checkpoint.temperature < float("inf"):
        raise InputError(f"{path}: wanted a temperature above 0, found {checkpoint.temperature}.")
    return _complete(path, checkpoint)


def unwrapped(content: dict[str, Any]) -> dict[str, Any]:
    """Training scripts wrap state dicts; DataParallel puts "module." before every name."""
    for key in _WRAPPERS:
        if isinstance(content.get(key), Mapping):
            content = dict(content[key])
            break
    prefixed = bool(content) and all(str(key).startswith("module.") for key in content)
    return {str(key).removeprefix("module.") if prefixed else str(key): value for key, value in content.items()}


def _checked(path: Path, state: Mapping[str, Any]) -> str:
    """The architecture of a state dict that has one grey channel and one output."""
    tensors = {key: value for key, value in state.items() if isinstance(value, torch.Tensor)}
    architecture = architecture_of(tensors)
    if architecture is None:
        some = ", ".join(list(state)[:3]) or "nothing"
        raise InputError(f"{path}: wanted the weights of an EfficientNet B0 to B7 (efficientnet-pytorch), found other weights ({some} ...).")
    channels, outputs = tensors["_conv_stem.weight"].shape[1], tensors["_fc.weight"].shape[0]
    if channels != 1:
        raise InputError(
            f"{path}: wanted an {architecture} for 1 grey channel, found {channels} input channels. Retrain it on grey crops, or start a training from it."
        )
    if outputs != 1:
        raise InputError(f"{path}: wanted an {architecture} with 1 output (the logit of 'senescent'), found {outputs} outputs.")
    return architecture


def _complete(path: Path, checkpoint: Checkpoint) -> Checkpoint:
    """Check that every tensor is there, of the right shape and finite, without trusting ``load_state_dict`` messages."""
    with torch.device("meta"):
        wanted = {k: v.shape for k, v in build_network(checkpoint.architecture, checkpoint.crop_px, padding_px=checkpoint.padding_px).state_dict().items()}
    state = {key: value for key, value in checkpoint.state.items() if isinstance(value, torch.Tensor)}
    for key, shape in wanted.items():
        if key not in state:
            if key.endswith("num_batches_tracked"):
                checkpoint.state[key] = torch.zeros((), dtype=torch.int64)
                continue
            raise InputError(f"{path}: wanted the whole {checkpoint.architecture}, found no {key}.")
        if state[key].shape != shape:
            raise InputError(f"{path}: wanted {key} of shape {tuple(shape)}, found {tuple(state[key].shape)}.")
        if state[key].is_floating_point() and not torch.isfinite(state[key]).all():
            raise InputError(f"{path}: wanted finite weights, found NaN or infinity in {key}.")
    strangers = set(checkpoint.state) - set(wanted)
    if strangers:
        raise InputError(f"{path}: wanted an {checkpoint.architecture} only, found also {sorted(strangers)[0]}.")
    return checkpoint


def _halved(value: torch.Tensor) -> torch.Tensor:
    if not value.is_floating_point() or value.abs().max() > torch.finfo(torch.float16).max:
        return value
    return value.half()
