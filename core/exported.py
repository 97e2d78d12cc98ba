"""A torch network in OpenVINO's form, exported once and kept."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import secrets
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

NAMES: Final = ("network.xml", "network.bin")
DAY_S: Final = 86_400
DIGEST: Final = "sha256"  # of both; when it was last touched tells when the network was last used
MOST: Final = 24  # networks kept, those last used; an EfficientNet-B4 takes 70 MB


class Inputs(NamedTuple):
    """What a network takes: arguments of `inference.compiled`."""

    shape: tuple[int, ...]
    any_size: bool
    more: tuple[np.ndarray, ...]


def cache_folder() -> Path:
    """Where exported networks are kept: ``SENESCOPE_CACHE``, or the user's cache folder of the system."""
    if named := os.environ.get("SENESCOPE_CACHE", "").strip():
        return Path(named).expanduser().absolute()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "senescope"


def weights_hash(state: Mapping[str, Any]) -> str:
    """SHA-256 of the names, shapes and bytes of all tensors of a state dict."""
    found = hashlib.sha256()
    for name, tensor in sorted(state.items()):
        found.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
        found.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()


def version() -> str:
    return importlib.metadata.version("openvino")


def exported(openvino: Any, core: Any, module: Any, inputs: Inputs, cache_key: str) -> Any:
    """The network in OpenVINO's form, from the cache where it is whole there.

    Always by way of the same bytes: a network straight from the conversion gives other last bits.
    """
    more = [(one.ndim, one.dtype.name) for one in inputs.more]
    about = f"{cache_key} {(1, *inputs.shape[1:])} {inputs.any_size} {more} {version()} {weights_hash(module.state_dict())}"
    folder = cache_folder() / "networks" / hashlib.sha256(about.encode()).hexdigest()[:24]
    parts = _read(folder) if cache_key else None
    if parts is None:
        parts = _serialised(openvino, _convert(openvino, module, inputs))
        if cache_key:
            _store(parts, folder)
    return core.read_model(model=parts[0], weights=parts[1])


def _convert(openvino: Any, module: Any, inputs: Inputs) -> Any:
    import torch

    sizes = [[1, *inputs.shape[1:]], *([*one.shape[:-2], -1, -1] for one in inputs.more)]
    if inputs.any_size:
        sizes[0][-2:] = [-1, -1]
    kinds = [openvino.Type(kind) for kind in (np.float32, *(one.dtype for one in inputs.more))]
    examples = torch.zeros(1, *inputs.shape[1:]), *map(torch.from_numpy, inputs.more)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the tracer: shapes that it takes for constants
        traced = torch.jit.trace(module, examples, check_trace=False)  # one sample, so that the compiler knows all sizes
        return openvino.convert_model(traced, input=[(openvino.PartialShape(size), kind) for size, kind in zip(sizes, kinds, strict=True)])


def _serialised(openvino: Any, model: Any) -> tuple[bytes, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        openvino.save_model(model, Path(folder) / NAMES[0], compress_to_fp16=False)
        return (Path(folder) / NAMES[0]).read_bytes(), (Path(folder) / NAMES[1]).read_bytes()


def _read(folder: Path) -> tuple[bytes, bytes] | None:
    """The two files of an exported network; None where they are absent or damaged."""
    try:
        parts = (folder / NAMES[0]).read_bytes(), (folder / NAMES[1]).read_bytes()
        whole = (folder / DIGEST).read_bytes() == _digest(parts)
    except OSError:
        return None
    with suppress(OSError):  # a read-only folder
        os.utime(folder / DIGEST)
    return parts if whole else None


def _store(parts: tuple[bytes, bytes], folder: Path) -> None:
    """Keep an exported network, whole or not at all; a disk that is full or read-only costs time at the next start, nothing else."""
    scratch = folder.with_name(f".{secrets.token_hex(6)}.part")
    try:
        scratch.mkdir(parents=True)
        for name, data in zip((*NAMES, DIGEST), (*parts, _digest(parts)), strict=True):
            (scratch / name).write_bytes(data)
        shutil.rmtree(folder, ignore_errors=True)  # damaged, else it had been read
        scratch.rename(folder)
        _sweep(folder.parent)
    except OSError:
        shutil.rmtree(scratch, ignore_errors=True)


def _sweep(networks: Path) -> None:
    """Remove what was not used for longest, and what a killed export left behind; who reads it just now exports it anew."""
    parts = [one for one in networks.glob(".*.part") if _used(one, ".") < time.time() - DAY_S]
    whole = sorted(networks.glob("[!.]*"), key=lambda one: _used(one, DIGEST))
    for old in (*parts, *whole[:-MOST]):
        shutil.rmtree(old, ignore_errors=True)


def _used(folder: Path, file: str) -> float:
    try:
        return (folder / file).stat().st_mtime
    except OSError:
        return 0.0


def _digest(parts: tuple[bytes, bytes]) -> bytes:
    return " ".join(hashlib.sha256(part).hexdigest() for part in parts).encode()
