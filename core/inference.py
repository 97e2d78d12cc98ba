"""Run a torch network on the processor: compiled by OpenVINO where it is installed, else by PyTorch itself.

OpenVINO (https://docs.openvino.ai, Apache-2.0) is about twice as fast in fp32, with differences of some 1e-6, and more in
bf16. Every sample of a batch is inferred on its own, several at a time on the cores, so that an answer never depends on what
else was in the batch or on how many cores there are.
"""

from __future__ import annotations

import copy
import os
import sys
import threading
from collections import deque
from collections.abc import Generator, Iterable, Sequence
from itertools import islice
from typing import Any, Final, Literal

import numpy as np

from core.exported import Inputs, exported, version

Precision = Literal["fp32", "bf16"]
HINTS: Final = {"fp32": "f32", "bf16": "bf16"}
MOST_STREAMS: Final = 8  # samples at work at once; each holds its own activations
TORCH_BATCH: Final = 8
NO_BF16: Final = "fast is not possible here: this processor has no bfloat16 arithmetic"
ONLY_PROCESSORS: Final = "the fast choice is for processors and changes nothing on"  # and the device
Sample = np.ndarray | tuple[np.ndarray, ...]


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

    def stream(self, samples: Iterable[Sample]) -> Generator[np.ndarray, None, None]:
        """Outputs in the order of ``samples``, which are taken as they are needed: each float32 without the batch axis, or, of a
        network with more inputs, such an array and the others."""
        raise NotImplementedError


def compiled(
    module: Any,
    example_shape: Sequence[int],
    precision: Precision = "fp32",
    cache_key: str = "",
    *,
    any_size: bool = False,
    more: Sequence[np.ndarray] = (),
) -> Compiled:
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
    more : sequence of arrays
        An example of each further input. These have their type and number of axes, as the network takes them; the last two axes
        may vary. Such a network takes one sample at a time.

    Returns
    -------
    Compiled
        Runs by OpenVINO; where that is not installed or cannot compile the network, by PyTorch, and ``about`` says why.
    """
    inputs = Inputs(tuple(example_shape), any_size, tuple(more))
    try:
        openvino = _openvino()
    except ImportError:
        return _Torch(module, precision, "OpenVINO is not installed", inputs)
    try:
        return _OpenVino(openvino, module, inputs, precision, cache_key)
    except Exception as error:  # whatever a compiler of another company raises, PyTorch can do the work
        first = str(error).strip().splitlines()[:1]
        return _Torch(module, precision, f"OpenVINO cannot compile the network: {''.join(first)[:200] or type(error).__name__}", inputs)


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


def _arrays(sample: Sample) -> tuple[np.ndarray, ...]:
    return sample if isinstance(sample, tuple) else (sample,)


class _Torch(Compiled):
    """PyTorch, channels-last, a fixed number of samples at a time, or one where they have several arrays."""

    def __init__(self, module: Any, precision: Precision, reason: str, inputs: Inputs) -> None:
        import torch

        self._module = copy.deepcopy(module).to(memory_format=torch.channels_last)
        self._bf16, self._batch = precision == "bf16", 1 if inputs.more else TORCH_BATCH
        self.about = f"pytorch {torch.__version__.split('+')[0]} {precision} ({reason})"

    def stream(self, samples: Iterable[Sample]) -> Generator[np.ndarray, None, None]:
        import torch

        waiting = map(_arrays, samples)
        while batch := list(islice(waiting, self._batch)):
            x = torch.from_numpy(np.stack([first for first, *_ in batch]).astype(np.float32, copy=False))
            more = map(torch.from_numpy, batch[0][1:])
            with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=self._bf16):
                out = self._module(x.contiguous(memory_format=torch.channels_last), *more)
            yield from out.float().numpy()


class _OpenVino(Compiled):
    """OpenVINO, one sample a request, as many requests at once as there are streams."""

    def __init__(self, openvino: Any, module: Any, inputs: Inputs, precision: Precision, cache_key: str) -> None:
        core = openvino.Core()
        model = exported(openvino, core, module, inputs, cache_key)
        threads = cores()
        streams = min(threads, MOST_STREAMS)
        hints = {"INFERENCE_PRECISION_HINT": HINTS[precision], "NUM_STREAMS": streams, "INFERENCE_NUM_THREADS": threads}
        network = core.compile_model(model, "CPU", hints)
        self._requests = [network.create_infer_request() for _ in range(streams + 2)]  # two wait while the streams work
        self._lock = threading.Lock()
        self.about = f"openvino {version()} {precision}"

    def stream(self, samples: Iterable[Sample]) -> Generator[np.ndarray, None, None]:
        running: deque[Any] = deque()
        with self._lock:  # the requests are shared
            try:
                for k, (first, *more) in enumerate(map(_arrays, samples)):
                    if len(running) == len(self._requests):
                        yield self._result(running.popleft())
                    request = self._requests[k % len(self._requests)]
                    request.start_async([np.ascontiguousarray(first, np.float32)[None], *more])
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
