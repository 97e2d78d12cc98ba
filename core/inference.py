"""Run a torch network on the processor: compiled by OpenVINO where it is installed, else by PyTorch itself.

OpenVINO (https://docs.openvino.ai, Apache-2.0) is about twice as fast in fp32, with differences of some 1e-6, and more in
bf16. Every sample of a batch is inferred on its own, several at a time on the cores, so that an answer never depends on what
else was in the batch or on how many cores there are.
"""

from __future__ import annotations

import copy
import hashlib
import importlib.metadata
import os
import secrets
import shutil
import sys
import tempfile
import threading
import warnings
from collections import deque
from collections.abc import Generator, Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

Precision = Literal["fp32", "bf16"]
HINTS: Final = {"fp32": "f32", "bf16": "bf16"}
MOST_STREAMS: Final = 8  # samples at work at once; each holds its own activations
TORCH_BATCH: Final = 8
NAMES: Final = ("network.xml", "network.bin")
NO_BF16: Final = "fast is not possible here: this processor has no bfloat16 arithmetic"
ONLY_PROCESSORS: Final = "the fast choice is for processors and changes nothing on"  # and the device


class Compiled:
    """A network that takes float32 (N, ...) and returns float32 (N, ...).

    Attributes
    ----------
    about : str
        Which engine runs it, for people: "openvino 2026.4.1 fp32", "pytorch 2.13.0 fp32 (OpenVINO is not installed)".
    """

    about: str

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        return np.stack(list(self.stream(batch)))

    def stream(self, samples: Iterable[np.ndarray]) -> Generator[np.ndarray, None, None]:
        """Outputs in the order of ``samples`` (each float32, without the batch axis), which are taken as they are needed."""
        raise NotImplementedError


def compiled(module: Any, example_shape: Sequence[int], precision: Precision = "fp32", cache_key: str = "", *, any_size: bool = False) -> Compiled:
    """Compile a network for the processor.

    Parameters
    ----------
    module : torch.nn.Module
        In evaluation mode, on the CPU; one float32 tensor (N, ...) in, one (N, ...) out. It is not changed.
    example_shape : sequence of int
        Shape of an input; the first number, the batch, may be any later.
    precision : "fp32" or "bf16"
        bf16 only on request: see `has_bf16`.
    cache_key : str
        Name of the architecture and its version. With the hash of the weights it names the exported network in
        `cache_folder`, which is reused later; "" exports anew each time.
    any_size : bool
        The last two axes (height and width) may vary too.

    Returns
    -------
    Compiled
        Runs by OpenVINO; where that is not installed or cannot compile the network, by PyTorch, and ``about`` says why.
    """
    try:
        openvino = _openvino()
    except ImportError:
        return _Torch(module, precision, "OpenVINO is not installed")
    try:
        return _OpenVino(openvino, module, tuple(example_shape), precision, cache_key, any_size)
    except Exception as error:  # whatever a compiler of another company raises, PyTorch can do the work
        first = str(error).strip().splitlines()[:1]
        return _Torch(module, precision, f"OpenVINO cannot compile the network: {''.join(first)[:200] or type(error).__name__}")


def has_bf16() -> bool:
    """Whether this processor multiplies bfloat16 numbers in hardware (AMX or AVX-512 BF16 on x86, BF16 on Arm)."""
    import torch

    found = torch.cpu.get_capabilities()
    return any(bool(found.get(name)) for name in ("amx_bf16", "avx512_bf16", "bf16"))


def processor() -> str:
    """Name of the processor and what matters of it, to tell machines apart."""
    import torch

    found = torch.cpu.get_capabilities()
    names = [str(found.get("cpu_name", "")), str(found.get("architecture", ""))]
    return " ".join([*names, *(name for name in ("amx_bf16", "avx512_bf16", "bf16") if found.get(name))]).strip()


def cores() -> int:
    """Cores that this process may use; ``OMP_NUM_THREADS`` where it is set."""
    named = os.environ.get("OMP_NUM_THREADS", "")
    if named.isdecimal() and int(named) > 0:
        return int(named)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


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


class _Torch(Compiled):
    """PyTorch, channels-last, a fixed number of samples at a time."""

    def __init__(self, module: Any, precision: Precision, reason: str) -> None:
        import torch

        self._module = copy.deepcopy(module).to(memory_format=torch.channels_last)
        self._bf16 = precision == "bf16"
        self.about = f"pytorch {torch.__version__.split('+')[0]} {precision} ({reason})"

    def stream(self, samples: Iterable[np.ndarray]) -> Generator[np.ndarray, None, None]:
        import torch

        waiting = iter(samples)
        while batch := list(islice(waiting, TORCH_BATCH)):
            x = torch.from_numpy(np.stack(batch).astype(np.float32, copy=False))
            with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=self._bf16):
                out = self._module(x.contiguous(memory_format=torch.channels_last))
            yield from out.float().numpy()


class _OpenVino(Compiled):
    """OpenVINO, one sample a request, as many requests at once as there are streams."""

    def __init__(self, openvino: Any, module: Any, example_shape: tuple[int, ...], precision: Precision, cache_key: str, any_size: bool) -> None:
        core = openvino.Core()
        model = _exported(openvino, core, module, example_shape, cache_key, any_size)
        threads = cores()
        streams = min(threads, MOST_STREAMS)
        hints = {"INFERENCE_PRECISION_HINT": HINTS[precision], "NUM_STREAMS": streams, "INFERENCE_NUM_THREADS": threads}
        network = core.compile_model(model, "CPU", hints)
        self._requests = [network.create_infer_request() for _ in range(streams + 2)]  # two wait while the streams work
        self._lock = threading.Lock()
        self.about = f"openvino {_version()} {precision}"

    def stream(self, samples: Iterable[np.ndarray]) -> Generator[np.ndarray, None, None]:
        running: deque[Any] = deque()
        with self._lock:  # the requests are shared
            try:
                for k, sample in enumerate(samples):
                    if len(running) == len(self._requests):
                        yield self._result(running.popleft())
                    request = self._requests[k % len(self._requests)]
                    request.start_async({0: np.ascontiguousarray(sample, np.float32)[None]})
                    running.append(request)
                while running:
                    yield self._result(running.popleft())
            finally:
                for request in running:  # where the caller stopped early
                    request.wait()

    @staticmethod
    def _result(request: Any) -> np.ndarray:
        request.wait()
        return np.array(request.get_output_tensor(0).data[0])


def _openvino() -> Any:
    """The module, without the package that reports each import and conversion to its maker over the network."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # its absence is foreseen there
    import openvino

    return openvino


def _version() -> str:
    return importlib.metadata.version("openvino")


def _exported(openvino: Any, core: Any, module: Any, example_shape: tuple[int, ...], cache_key: str, any_size: bool) -> Any:
    """The network in OpenVINO's form, from the cache where it is whole there.

    Always by way of the same bytes: a network straight from the conversion gives other last bits.
    """
    about = f"{cache_key} {example_shape[1:]} {any_size} {_version()} {weights_hash(module.state_dict())}"
    folder = cache_folder() / "networks" / hashlib.sha256(about.encode()).hexdigest()[:24]
    parts = _read(folder) if cache_key else None
    if parts is None:
        parts = _serialised(openvino, _convert(openvino, module, example_shape, any_size))
        if cache_key:
            _store(parts, folder)
    return core.read_model(model=parts[0], weights=parts[1])


def _convert(openvino: Any, module: Any, example_shape: tuple[int, ...], any_size: bool) -> Any:
    import torch

    shape = [-1, *example_shape[1:]]
    if any_size:
        shape[-2:] = [-1, -1]
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the tracer: shapes that it takes for constants
        traced = torch.jit.trace(module, torch.zeros(tuple(example_shape)), check_trace=False)
        return openvino.convert_model(traced, input=[openvino.PartialShape(shape)])


def _serialised(openvino: Any, model: Any) -> tuple[bytes, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        openvino.save_model(model, Path(folder) / NAMES[0], compress_to_fp16=False)
        return (Path(folder) / NAMES[0]).read_bytes(), (Path(folder) / NAMES[1]).read_bytes()


def _read(folder: Path) -> tuple[bytes, bytes] | None:
    """The two files of an exported network; None where they are absent or damaged."""
    try:
        parts = (folder / NAMES[0]).read_bytes(), (folder / NAMES[1]).read_bytes()
        return parts if (folder / "sha256").read_bytes() == _digest(parts) else None
    except OSError:
        return None


def _store(parts: tuple[bytes, bytes], folder: Path) -> None:
    """Keep an exported network, whole or not at all; a disk that is full or read-only costs time at the next start, nothing else."""
    scratch = folder.with_name(f".{secrets.token_hex(6)}.part")
    try:
        scratch.mkdir(parents=True)
        for name, data in zip((*NAMES, "sha256"), (*parts, _digest(parts)), strict=True):
            (scratch / name).write_bytes(data)
        shutil.rmtree(folder, ignore_errors=True)  # damaged, else it had been read
        scratch.rename(folder)
    except OSError:
        shutil.rmtree(scratch, ignore_errors=True)


def _digest(parts: tuple[bytes, bytes]) -> bytes:
    return " ".join(hashlib.sha256(part).hexdigest() for part in parts).encode()
