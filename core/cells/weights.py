"""Cellpose 3 weight files: read one, and say exactly what is wrong with it if it is not one.

Cellpose itself loads with ``strict=False``: a file with a single matching tensor becomes a network of otherwise random
weights. Here every tensor of the network must be present with its shape, before anything is computed with it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from core.errors import InputError

if TYPE_CHECKING:
    import torch

WANTED: Final = "a Cellpose 3 model (U-Net 'CPnet' with 3 outputs, as Cellpose 3 saves it)"
WIDTHS: Final = (32, 64, 128, 256)  # channels of the four levels, the same for every Cellpose 1-3 model
OUTPUTS: Final = 3  # flow along y, flow along x, cell probability
MOST_CHANNELS: Final = 3
_FIRST: Final = "downsample.down.res_down_0.proj.1.weight"  # (32, channels, 1, 1): tells the number of input channels
_DIAMETERS: Final = ("diam_mean", "diam_labels")  # absent from files of Cellpose 1


@dataclass(frozen=True)
class Weights:
    """A checked network: float32 tensors on the CPU, and the sizes it was trained for (px)."""

    state: dict[str, "torch.Tensor"]
    channels: int
    diam_mean: float  # cells were rescaled to this diameter in training
    diam_labels: float  # mean cell diameter of the training images before rescaling


def check_weights(path: Path) -> str:
    """Return the architecture of a usable weight file, ``"cpnet"``; InputError (wanted, found, what to do) otherwise."""
    read_weights(path)
    return "cpnet"


def read_weights(path: Path) -> Weights:
    """Read a Cellpose 3 weight file (any floating type; half precision is widened to float32).

    Raises
    ------
    InputError
        Not a readable file, not made of plain tensors, or not the tensors of this network.
    """
    import torch

    path = Path(path)
    state = load_plain(path, WANTED)
    _refuse_other_networks(path, state)
    state = {k: v for k, v in state.items() if isinstance(v, torch.Tensor)}
    channels = _input_channels(path, state)
    _compare(path, state, expected_shapes(channels))
    kept = {k: (v.to(torch.float32) if v.is_floating_point() else v) for k, v in state.items()}
    for name, tensor in kept.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise InputError(f"{path}: wanted {WANTED}; tensor {name} holds NaN or infinite values. Get the file again.")
    diam_mean, diam_labels = _diameters(path, kept)
    return Weights(kept, channels, diam_mean, diam_labels)


def expected_shapes(channels: int = 2) -> dict[str, tuple[int, ...]]:
    """Tensor names and shapes of Cellpose 3's CPnet, without the diameters and the batch counters (both optional)."""
    down = (channels, *WIDTHS)
    up = (*WIDTHS, WIDTHS[-1])
    shapes: dict[str, tuple[int, ...]] = {}
    for level, (before, after) in enumerate(pairwise(down)):
        block = f"downsample.down.res_down_{level}"
        shapes.update(_norm_and_conv(f"{block}.proj", before, after, 1, conv=1))
        for k in range(4):
            shapes.update(_norm_and_conv(f"{block}.conv.conv_{k}", before if k == 0 else after, after, 3))
    for level, (after, before) in enumerate(pairwise(up)):
        block = f"upsample.up.res_up_{level}"
        shapes.update(_norm_and_conv(f"{block}.conv.conv_0", before, after, 3))
        for k in range(1, 4):
            shapes.update(_norm_and_conv(f"{block}.conv.conv_{k}.conv", after, after, 3))
            shapes[f"{block}.conv.conv_{k}.full.weight"] = (after, WIDTHS[-1])
            shapes[f"{block}.conv.conv_{k}.full.bias"] = (after,)
        shapes.update(_norm_and_conv(f"{block}.proj", before, after, 1, conv=1))
    shapes.update(_norm_and_conv("output", WIDTHS[0], OUTPUTS, 1))
    return shapes


def _norm_and_conv(name: str, before: int, after: int, size: int, conv: int = 2) -> Iterator[tuple[str, tuple[int, ...]]]:
    for part in ("weight", "bias", "running_mean", "running_var"):
        yield f"{name}.0.{part}", (before,)
    yield f"{name}.{conv}.weight", (after, before, size, size)
    yield f"{name}.{conv}.bias", (after,)


def load_plain(path: Path, wanted: str) -> dict[str, Any]:
    """Read a torch file that holds named values, without running anything that is in it; InputError for all else."""
    import torch

    _refuse_obvious(path, wanted)
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises half a dozen types here, among them bare RuntimeError
        raise InputError(f"{path}: wanted {wanted}; {_explain(error)}") from error
    if not isinstance(loaded, Mapping) or not loaded:
        raise InputError(f"{path}: wanted {wanted}; found {type(loaded).__name__} instead of named tensors.")
    return {str(k): v for k, v in loaded.items()}


def _refuse_obvious(path: Path, wanted: str) -> None:
    if not path.is_file():
        raise InputError(f"{path}: wanted {wanted}; there is no such file.")
    with path.open("rb") as file:
        head = file.read(512)
    if not head:
        raise InputError(f"{path}: wanted {wanted}; the file is empty. Get it again.")
    if head.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        raise InputError(f"{path}: wanted {wanted}; found a web page saved under this name. Open the link in a browser and save the model file.")
    if head.startswith(b"version https://git-lfs"):
        raise InputError(f"{path}: wanted {wanted}; found a Git LFS pointer, not the file itself. Fetch it with 'git lfs pull'.")


def _explain(error: Exception) -> str:
    text = str(error)
    if "weights_only" in text or "Unsupported" in text or "GLOBAL" in text:
        return (
            "found a pickle that may run program code when opened, so it was not opened. "
            "Ask its author for the weights alone: torch.save(model.state_dict(), file)."
        )
    return f"the file is damaged, cut off or of another kind ({text.splitlines()[0][:120] if text else type(error).__name__}). Get it again."


def _refuse_other_networks(path: Path, state: Mapping[str, Any]) -> None:
    if hasattr(state.get(_FIRST), "shape") and "W2" not in state:
        return
    kind = network_kind(state)
    advice = " Cellpose 4 files do not run in Cellpose 3: use a model of Cellpose 3." if "Cellpose 4" in kind else " Choose another file."
    raise InputError(f"{path}: wanted {WANTED}; found {kind}.{advice}")


def network_kind(state: Mapping[str, Any]) -> str:
    """What network the tensor names of a file belong to, in words."""
    names = [str(k) for k in state]
    if _FIRST in names and "W2" not in names:
        return "a Cellpose 3 model"
    if "W2" in names or any(n.startswith("encoder.") for n in names):
        return "a Cellpose 4 (Cellpose-SAM) model"
    if any(n.startswith("net.encoder.") for n in names):
        return "a transformer model (Segformer, such as transformer_cp3), which is not supported"
    if any(n.endswith("_conv_stem.weight") for n in names) or {"state", "architecture"} & set(names):
        return "a classifier (EfficientNet)"
    if {"state_dict", "model_state_dict", "optimizer", "epoch"} & set(names):
        return "a training checkpoint with the weights inside; save the state_dict alone"
    return f"{len(names)} entries ({', '.join(names[:3])}, ...) of another network"


def _input_channels(path: Path, state: Mapping[str, "torch.Tensor"]) -> int:
    shape = tuple(state[_FIRST].shape)
    if len(shape) == 4 and 1 <= shape[1] <= MOST_CHANNELS:
        return int(shape[1])
    raise InputError(f"{path}: wanted {WANTED} for 1 to {MOST_CHANNELS} channels; tensor {_FIRST} has shape {shape}.")


def _compare(path: Path, state: Mapping[str, "torch.Tensor"], shapes: Mapping[str, tuple[int, ...]]) -> None:
    missing = [name for name in shapes if name not in state]
    if missing:
        raise InputError(f"{path}: wanted {WANTED}; {len(missing)} of {len(shapes)} tensors are missing ({', '.join(missing[:3])}).")
    for name, shape in shapes.items():
        found = tuple(state[name].shape)
        if found != shape:
            raise InputError(f"{path}: wanted {WANTED}; tensor {name} should have shape {shape} and has {found}.")
        if not state[name].is_floating_point():
            raise InputError(f"{path}: wanted {WANTED}; tensor {name} should hold real numbers and holds {state[name].dtype}.")


def _diameters(path: Path, state: Mapping[str, "torch.Tensor"]) -> tuple[float, float]:
    """Training diameters (px). Cellpose fixes 17 px for its 'nuclei' file by name and 30 px where a file states none."""
    default = 17.0 if path.name.endswith("nucleitorch_0") else 30.0
    values = []
    for name in _DIAMETERS:
        if name in state and state[name].numel() != 1:
            raise InputError(f"{path}: wanted {WANTED}; tensor {name} should be one number.")
        values.append(float(state[name].reshape(())) if name in state else default)
    if default == 17.0:
        values[0] = default
    if not all(0.5 <= v <= 2000 for v in values):
        raise InputError(f"{path}: wanted {WANTED}; the stored cell diameters {values} px are not between 0.5 and 2000.")
    return values[0], values[1]
