"""A small experiment with known truth and a small classifier file; both made once."""

from collections.abc import Callable
from pathlib import Path
from shutil import copytree
from types import SimpleNamespace

import numpy as np
import pytest

from core.settings import SimulateSettings


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "workspace"
    monkeypatch.setenv("SENESCOPE_WORKSPACE", str(root))
    return root


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two cultures of one field of 560 px; do not change it."""
    from core.stages.simulating import simulate

    path = tmp_path_factory.mktemp("simulated") / "small"
    return simulate(path, SimulateSettings(samples=2, fields=1, size=560, seed=3))


@pytest.fixture
def experiment(simulated: Path, tmp_path: Path) -> Path:
    """A copy of the simulated experiment that a test may change."""
    return Path(copytree(simulated, tmp_path / "experiment"))


@pytest.fixture(scope="session")
def classifier_file(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Make a checkpoint of an untrained B0 with 64 px crops; keyword arguments replace its values."""
    import torch

    from core.classifier.checkpoint import Checkpoint, save_checkpoint
    from core.classifier.network import build_network

    torch.manual_seed(0)
    state = build_network("efficientnet-b0", 64).state_dict()

    def make(**changes: object) -> Path:
        path = tmp_path_factory.mktemp("classifier") / "tiny.pt"
        values = {"architecture": "efficientnet-b0", "crop_px": 64, "mean": 0.0, "std": 0.3, "intensity": "field", "pixel_size_um": 0.65, "threshold": 0.5}
        save_checkpoint(path, Checkpoint(**(values | {"state": state} | changes)))  # type: ignore[arg-type]
        return path

    return make


class Thresholding:
    """Stands in for a network: every 40 px tile's dark part is a cell. Counts how often it was asked."""

    diameter_px = 30.0

    def __init__(self) -> None:
        self.asked = 0

    def estimate_diameter(self, images: list[np.ndarray], progress: object) -> float:
        return 33.0

    def segment(self, image: np.ndarray, **_: object) -> np.ndarray:
        self.asked += 1
        y, x = np.indices(image.shape)
        return np.where(image < np.median(image), 1 + (y // 40) * 100 + x // 40, 0).astype(np.int32)


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Thresholding:
    import core.stages.segmenting as stage

    made = Thresholding()
    monkeypatch.setattr(stage, "load_segmenter", lambda path: made)
    model = SimpleNamespace(name="t", path=Path("t.pt"), sha256="00", record=lambda: {"name": "t"})
    monkeypatch.setattr(stage, "find_model", lambda name, kind: model)
    return made
