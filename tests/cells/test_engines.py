"""Speeds of the network: what is asked for, what is done, what is said, and how well fast agrees with exact."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.cells import engines, fast_agreement, segmentation
from core.cells.fast_agreement import agreement, in_words, remembered
from core.cells.segmentation import Segmenter, load_segmenter
from core.errors import InputError
from core.inference import has_bf16


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SENESCOPE_CACHE", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    yy, xx = np.mgrid[:80, :96]
    return (np.sin(yy / 6) * np.cos(xx / 9) + np.random.default_rng(0).normal(0, 0.1, yy.shape)).astype(np.float32)


@pytest.fixture
def bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    """A processor with bfloat16, as far as we ask (the engines compute it on any, slowly)."""
    monkeypatch.setattr(engines, "has_bf16", lambda: True)


def test_exact_says_fp32(segmenter: Segmenter) -> None:
    assert segmenter.engine.split(" (")[0].endswith(" fp32")
    assert segmenter.agreement is None


def test_fast_without_bf16_is_exact_and_says_so(weights: Path, segmenter: Segmenter, image: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "has_bf16", lambda: False)
    fast = load_segmenter(weights, "cpu", "fast")
    assert fast.engine.endswith("(fast is not possible here: this processor has no bfloat16 arithmetic)")
    assert " fp32" in fast.engine
    assert np.array_equal(fast.segment(image, 30, flow_threshold=0), segmenter.segment(image, 30, flow_threshold=0))


def test_fast_on_a_device_is_said_to_change_nothing() -> None:
    assert engines._precision("cuda", "fast") == ("fp32", " (the fast choice is for processors and changes nothing on cuda)")
    assert engines._precision("mps", "exact") == ("fp32", "")


@pytest.mark.parametrize(("cuda", "mps", "best"), [(True, True, "cuda"), (True, False, "cuda"), (False, True, "mps"), (False, False, "cpu")])
def test_the_best_device_present_is_taken(cuda: bool, mps: bool, best: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from core.cells.tuning import compute_device

    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert engines.best_device() == best
    assert compute_device("auto").type == best
    for name, there in (("cuda", cuda), ("mps", mps)):
        if there:
            assert compute_device(name).type == name
        else:
            with pytest.raises(InputError, match=f"wanted one of auto, .*cpu on this machine, found '{name}'"):
                compute_device(name)


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_graphics_processor_runs_the_network_of_pytorch(device: str, weights: Path, image: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is none here: the processor stands in for it, and is told in batches, in fp32, what the device would be."""
    import torch

    asked: list[int] = []
    real = torch.device
    monkeypatch.setattr(torch, "device", lambda name: real("cpu") if name == device else real(name))
    monkeypatch.setattr(segmentation, "best_device", lambda: device)
    on_device = load_segmenter(weights, speed="fast")
    assert on_device.device == device
    assert on_device.engine.startswith("pytorch ")
    assert on_device.engine.endswith(f" fp32 on {device} (the fast choice is for processors and changes nothing on {device})")
    network = on_device._engine._runs._network  # type: ignore[attr-defined]
    network.register_forward_hook(lambda module, inputs, out: asked.append((len(inputs[0]), torch.backends.cudnn.allow_tf32)))
    tiles = [np.random.default_rng(k).random((2, 64, 64)).astype(np.float32) for k in range(engines.DEVICE_BATCH + 1)]
    found = list(on_device._engine.stream(tiles))
    assert asked == [(engines.DEVICE_BATCH, False), (1, False)]
    wanted = list(load_segmenter(weights, "cpu")._engine.stream(tiles))
    assert np.allclose(found, wanted, atol=1e-4)


def test_another_speed_is_refused(weights: Path) -> None:
    with pytest.raises(InputError, match="wanted exact or fast, found 'turbo'"):
        load_segmenter(weights, "cpu", "turbo")  # type: ignore[arg-type]


def test_fast_is_close_and_compared(weights: Path, segmenter: Segmenter, image: np.ndarray, bf16: None, cache: Path) -> None:
    fast = load_segmenter(weights, "cpu", "fast")
    assert " bf16" in fast.engine
    normalised = segmentation.normalise(image)
    exact_flows, fast_flows = (one._flows(normalised, 1.0, segmentation.silent) for one in (segmenter, fast))
    if has_bf16():  # OpenVINO computes in fp32 where the processor has nothing else
        assert not np.array_equal(exact_flows, fast_flows)
    assert np.abs(exact_flows - fast_flows).max() < 0.05 * np.abs(exact_flows).max()

    before = fast.engine
    labels = fast.segment(image, 30.0)
    assert fast.agreement is not None
    assert fast.engine == f"{before} ({in_words(fast.agreement)})"
    again = load_segmenter(weights, "cpu", "fast")
    for _ in range(segmentation.COMPARED_FIELDS + 1):  # compared or not, the labels are the same
        assert np.array_equal(again.segment(image, 30.0), labels)


def test_agreement_of_label_images(discs: np.ndarray) -> None:
    n = int(discs.max())
    assert agreement(discs, discs) == {"cells": n, "matched": n, "extra": 0}
    assert agreement(discs, np.where(discs == n, 0, discs)) == {"cells": n, "matched": n - 1, "extra": 0}
    assert agreement(np.where(discs == n, 0, discs), discs) == {"cells": n - 1, "matched": n - 1, "extra": 1}
    assert agreement(discs * 0, discs * 0) == {"cells": 0, "matched": 0, "extra": 0}
    assert agreement(discs, discs * 0) == {"cells": n, "matched": 0, "extra": 0}


def test_agreement_in_words() -> None:
    assert in_words({"cells": 20, "matched": 18, "extra": 1}) == "on this machine 18 of 20 cells as in fp32 at IoU 0.9, AP 0.857"
    assert in_words({"cells": 0, "matched": 0, "extra": 0}) == "no cells to compare with fp32 yet"


@pytest.fixture
def asked(discs: np.ndarray) -> tuple[list[int], Callable[[], tuple[np.ndarray, np.ndarray]]]:
    """Fields measured so far, and a measurement that is counted."""
    calls: list[int] = []
    return calls, lambda: calls.append(1) or (discs, discs)  # type: ignore[func-returns-value]


def test_agreement_is_measured_until_there_are_enough_cells(cache: Path, discs: np.ndarray, asked: tuple) -> None:
    calls, measure = asked
    n = int(discs.max())
    fields = -(-fast_agreement.ENOUGH // n)
    totals = [remembered("engine", "weights", measure)["cells"] for _ in range(fields + 2)]
    assert totals == [n * min(k, fields) for k in range(1, fields + 3)]
    assert len(calls) == fields


def test_agreement_is_that_of_one_machine_model_and_engine(cache: Path, asked: tuple, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fast_agreement, "ENOUGH", 1)
    calls, measure = asked
    for engine, weights in (("1", "w"), ("1", "w"), ("2", "w"), ("1", "v"), ("2", "w")):
        remembered(engine, weights, measure)
    assert len(calls) == 3
    monkeypatch.setattr(fast_agreement, "processor", lambda: "another")
    remembered("1", "w", measure)
    assert len(calls) == 4


def test_a_damaged_record_is_measured_again(cache: Path, discs: np.ndarray) -> None:
    first = remembered("engine", "weights", lambda: (discs, discs))
    [file] = (cache / "agreement").iterdir()
    for damage in ('{"cells": ', "[]", "7", '{"cells": 30}', '{"cells": "30", "matched": 1, "extra": 2}', "\x00"):
        file.write_text(damage, encoding="utf-8")
        assert remembered("engine", "weights", lambda: (discs, discs)) == first
        assert json.loads(file.read_text(encoding="utf-8")) == first


def test_a_doubled_kernel_is_doubling_and_convolving() -> None:
    import torch
    from torch.nn.functional import conv2d, conv_transpose2d, interpolate

    random = torch.Generator().manual_seed(0)
    kernel, image = (torch.randn(shape, generator=random) for shape in ((5, 7, 3, 3), (2, 7, 6, 9)))
    wanted = conv2d(interpolate(image, scale_factor=2, mode="nearest"), kernel, padding=1)
    found = conv_transpose2d(image, engines.doubled(kernel), stride=2, padding=1)
    assert torch.allclose(found, wanted, atol=1e-4)
