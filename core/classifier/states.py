"""The state of a training in a file, so that it goes on where it was interrupted."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from core.errors import InputError


def save_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write tensors and plain values whole or not at all. OSError where the disk is full: the earlier state is still there."""
    scratch = path.with_name(f"{path.name}.part")
    try:
        with scratch.open("wb") as file:  # torch, given a path, does not say that the disk is full
            torch.save(dict(state), file)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)


def load_state(path: Path) -> dict[str, Any]:
    """Read what `save_state` wrote; InputError where it is damaged."""
    try:
        return dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # torch raises half a dozen types here
        raise InputError(f"{path}: the saved state of the training is damaged. Delete the folder {path.parent.name} and train again.") from error
