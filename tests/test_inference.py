"""Compiled networks: PyTorch's numbers, never dependent on company, and a cache that survives damage."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from core import exported, inference
from core.inference import Compiled, compiled

installed = pytest.mark.skipif(importlib.util.find_spec("openvino") is None, reason="OpenVINO has no package for this machine")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SENESCOPE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 3, 3, padding=1)).eval()


@pytest.fixture(scope="module")
def batch() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(11, 2, 32, 40)).astype(np.float32)


@pytest.fixture
def without_openvino(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)


def reference(network: nn.Module, batch: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return network(torch.from_numpy(batch)).numpy()


@installed
def test_openvino_gives_the_numbers_of_pytorch(network: nn.Module, batch: np.ndarray) -> None:
    run = compiled(network, (1, 2, 32, 40))
    assert run.about.startswith("openvino ")
    assert run.about.endswith(" fp32")
    np.testing.assert_allclose(run(batch), reference(network, batch), atol=1e-5)


def test_pytorch_where_openvino_is_missing(without_openvino: None, network: nn.Module, batch: np.ndarray) -> None:
    run = compiled(network, (1, 2, 32, 40))
    assert run.about == f"pytorch {torch.__version__.split('+')[0]} fp32 (OpenVINO is not installed)"
    np.testing.assert_allclose(run(batch), reference(network, batch), atol=1e-5)


@installed
def test_pytorch_where_openvino_cannot(network: nn.Module, batch: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("no such layer\nmore lines")

    monkeypatch.setattr(exported, "_convert", broken)
    run = compiled(network, (1, 2, 32, 40))
    assert "OpenVINO cannot compile the network: no such layer)" in run.about
    np.testing.assert_allclose(run(batch), reference(network, batch), atol=1e-5)


@installed
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_answer_does_not_depend_on_company(network: nn.Module, batch: np.ndarray, precision: inference.Precision) -> None:
    run = compiled(network, (1, 2, 32, 40), precision)
    together = run(batch)
    assert np.array_equal(np.concatenate([run(one[None]) for one in batch[::-1]])[::-1], together)
    assert np.array_equal(run(batch[3:8]), together[3:8])


@installed
def test_the_answer_does_not_depend_on_the_cores_or_the_cache(network: nn.Module, batch: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = []
    for threads in ("1", "2", "5"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        answers += [compiled(network, (1, 2, 32, 40), cache_key=key)(batch) for key in ("", "here", "here")]
    assert all(np.array_equal(one, answers[0]) for one in answers)


@installed
def test_bf16_is_close(network: nn.Module, batch: np.ndarray) -> None:
    run = compiled(network, (1, 2, 32, 40), "bf16")
    assert run.about.endswith(" bf16")
    np.testing.assert_allclose(run(batch), reference(network, batch), atol=0.05)


def every_way(network: nn.Module, monkeypatch: pytest.MonkeyPatch) -> list[Compiled]:
    ways = [compiled(network, (1, 2, 32, 40), any_size=True)]
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "openvino", None)
        ways.append(compiled(network, (1, 2, 32, 40), any_size=True))
    return ways


def test_any_size(network: nn.Module, batch: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    for run in every_way(network, monkeypatch):
        for size in (slice(0, 16), slice(0, 32), slice(5, 28)):
            small = np.ascontiguousarray(batch[:2, :, size, size])
            np.testing.assert_allclose(run(small), reference(network, small), atol=1e-5)


class Picked(nn.Module):
    """Pixels of a picture, by their places, times a weight for each."""

    def forward(self, x: torch.Tensor, weights: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        return x.flatten(2)[:, :, places] * weights


def test_several_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of types and sizes of their own; places above 256 would not live through bf16."""
    rng = np.random.default_rng(1)

    def sample(size: int, high: int, wide: int) -> tuple[np.ndarray, ...]:
        return rng.normal(size=(2, size, size)).astype(np.float32), rng.random((1, 1, high, wide), np.float32), rng.integers(0, size**2, (high, wide), np.int32)

    samples = [sample(30, 4, 5), sample(40, 7, 3), sample(30, 4, 5), sample(41, 1, 1)]
    _, *more = samples[0]
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "openvino", None)
        ways = [compiled(Picked(), (1, 2, 30, 30), any_size=True, more=more)]
    ways += [compiled(Picked(), (1, 2, 30, 30), precision, any_size=True, more=more) for precision in ("fp32", "bf16")]
    for run in ways:
        for found, (x, weights, places) in zip(run.stream(samples), samples, strict=True):
            np.testing.assert_allclose(found, x.reshape(2, -1)[:, places] * weights[0], atol=0.05 if "bf16" in run.about else 1e-6)


def test_samples_are_taken_as_needed_and_the_engine_lives_on(network: nn.Module, batch: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    for run in every_way(network, monkeypatch):
        taken = []
        stream = run.stream(taken.append(k) or one for k, one in enumerate(np.repeat(batch, 20, 0)))
        next(stream)
        assert len(taken) < 60
        stream.close()
        assert len(run(batch)) == len(batch)


def test_the_network_is_left_as_it_was(network: nn.Module, batch: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {name: value.clone() for name, value in network.state_dict().items()}
    every_way(network, monkeypatch)
    assert all(torch.equal(value, before[name]) and value.is_contiguous() for name, value in network.state_dict().items())


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How often a network was exported."""
    calls: list[int] = []
    original: Callable = exported._convert
    monkeypatch.setattr(exported, "_convert", lambda *given: calls.append(1) or original(*given))
    return calls


@installed
def test_exported_once(network: nn.Module, batch: np.ndarray, monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    calls = counted(monkeypatch)
    first = compiled(network, (1, 2, 32, 40), cache_key="a")(batch)
    assert np.array_equal(compiled(network, (4, 2, 32, 40), cache_key="a")(batch), first)
    assert len(calls) == 1
    other = nn.Sequential(*network[:3], nn.Conv2d(8, 3, 3, padding=1)).eval()
    np.testing.assert_allclose(compiled(other, (1, 2, 32, 40), cache_key="a")(batch), reference(other, batch), atol=1e-5)
    assert len(calls) == 2
    assert not list(cache.rglob(".*"))  # no half-written folders


@installed
@pytest.mark.parametrize("damage", ["cut", "flip", "no hash"])
def test_a_damaged_cache_is_rebuilt(network: nn.Module, batch: np.ndarray, cache: Path, damage: str) -> None:
    first = compiled(network, (1, 2, 32, 40), cache_key="a")(batch)
    [folder] = (cache / "networks").iterdir()
    file = folder / "network.bin"
    data = file.read_bytes()
    if damage == "cut":
        file.write_bytes(data[:-5])
    elif damage == "flip":
        file.write_bytes(data[:100] + bytes([data[100] ^ 255]) + data[101:])
    else:
        (folder / "sha256").unlink()
    run = compiled(network, (1, 2, 32, 40), cache_key="a")
    assert run.about.startswith("openvino")
    assert np.array_equal(run(batch), first)
    assert file.read_bytes() == data


@installed
def test_what_was_not_used_for_longest_leaves_the_cache(batch: np.ndarray, monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    """Kept are the last two used; a network that was read a moment ago is among them. So are the parts of a running export."""
    monkeypatch.setattr(exported, "MOST", 2)
    networks = [nn.Conv2d(2, n, 1).eval() for n in (1, 2, 3)]
    folders, stale, running = [], cache / "networks" / ".stale.part", cache / "networks" / ".running.part"
    for part in (stale, running):
        part.mkdir(parents=True)
    os.utime(stale, (0, 0))
    for time_s, k in ((100, 0), (200, 1), (300, 0), (400, 2)):
        compiled(networks[k], batch.shape, cache_key=f"one {k}")
        [new] = [one for one in (cache / "networks").glob("[!.]*") if one not in folders] or [folders[k]]
        folders = folders if new in folders else [*folders, new]
        os.utime(new / "sha256", (time_s, time_s))
    assert [one.is_dir() for one in folders] == [True, False, True]
    assert (stale.exists(), running.exists()) == (False, True)


@installed
def test_a_cache_that_cannot_be_written_is_no_obstacle(network: nn.Module, batch: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("not a folder", encoding="utf-8")
    monkeypatch.setenv("SENESCOPE_CACHE", str(tmp_path / "file"))
    run = compiled(network, (1, 2, 32, 40), cache_key="a")
    assert run.about.startswith("openvino")
    np.testing.assert_allclose(run(batch), reference(network, batch), atol=1e-5)


def test_the_cache_folder_is_the_users(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    assert exported.cache_folder() == cache
    monkeypatch.delenv("SENESCOPE_CACHE")
    assert exported.cache_folder().name == "senescope"
    assert exported.cache_folder().is_absolute()


@pytest.mark.parametrize(("value", "wanted"), [("3", 3), ("0", None), ("many", None), ("", None)])
def test_cores(monkeypatch: pytest.MonkeyPatch, value: str, wanted: int | None) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    assert inference.cores() == wanted if wanted else inference.cores() >= 1


@installed
def test_nothing_is_reported_over_the_network() -> None:
    """The package that reports each use of OpenVINO is never loaded."""
    loaded = "[m for m in sys.modules if m.startswith('openvino_telemetry') and sys.modules[m]]"
    code = f"import sys; from core import inference; inference._openvino(); print({loaded})"
    shown = subprocess.run([sys.executable, "-c", code], cwd=Path(inference.__file__).parents[1], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
