"""The processor a network runs on, and how it computes there."""

from typing import Final

import torch

from core.errors import InputError

CELLS_EACH: Final = 8


def best_device() -> str:
    """ "cuda", "mps" or "cpu"."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def chosen_device(name: str = "auto") -> torch.device:
    """``auto``: CUDA, else Apple's MPS, else the CPU. InputError for a device that this machine does not have."""
    here = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device(best_device())
    if not here.get(name):
        raise InputError(f"Device: wanted one of auto, {', '.join(kind for kind, there in here.items() if there)} on this machine, found {name!r}.")
    return torch.device(name)


def chosen_count(wanted: int, device: torch.device, batch: int) -> int:
    """How many devices train together.

    ``wanted`` 0: all graphics processors of this machine, but no more than get 8 cells of a ``batch`` each, of which batch
    normalisation takes its statistics; one on a processor. InputError for more than there are, or than a batch can be shared by.
    """
    there = {"cuda": torch.cuda.device_count(), "mps": 1}.get(device.type, wanted)  # a processor may be shared by any number
    if wanted == 0:
        return max(1, min(there, batch // CELLS_EACH)) if device.type == "cuda" else 1
    if wanted > there:
        raise InputError(f"Devices: wanted at most {there}, as many as this machine has of {device.type}, found {wanted}.")
    if wanted > 1 and batch < 2 * wanted:
        raise InputError(f"Devices: wanted at least 2 cells a step for each of {wanted} devices, found {batch} cells a step. Take more cells a step (--batch).")
    return wanted


def chosen_precision(name: str, device: torch.device) -> str:
    """ "fp32", "bf16" or "fp16": ``auto`` is half precision on CUDA only, where it is in hardware and usual."""
    if name not in ("auto", "fp32", "bf16"):
        raise InputError(f"Precision: wanted auto, fp32 or bf16, found {name!r}.")
    if name == "bf16" and device.type == "mps":
        raise InputError("Precision: bf16 is for CUDA and processors; on Apple's MPS wanted auto or fp32.")
    if device.type != "cuda":
        return "fp32" if name == "auto" else name
    half = "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    return "fp32" if name == "fp32" else half


def memory_order(device: torch.device) -> torch.memory_format:
    """Channels last is quicker, but MPS does not know it."""
    return torch.contiguous_format if device.type == "mps" else torch.channels_last


def bf16_is_quick() -> bool:
    """Whether this machine's CPU multiplies bfloat16 matrices in hardware (AMX)."""
    return bool(torch.cpu.get_capabilities().get("amx_bf16", False))


def is_out_of_memory(error: BaseException) -> bool:
    """CUDA has a class of its own for it; the CPU and MPS say it in words."""
    words = ("out of memory", "can't allocate memory", "not enough memory")
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(one in str(error).lower() for one in words)
