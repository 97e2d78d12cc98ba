"""A small experiment with known truth and a small classifier file; both made once."""

from collections.abc import Callable
from pathlib import Path
from shutil import copytree
from types import SimpleNamespace

import numpy as np
import pandas as pd
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

    engine = "none: a threshold"

    def __init__(self) -> None:
        self.asked = 0

    def estimate_diameter(self, images: list[np.ndarray], progress: object) -> float:
        return 33.0

    def outline(self, image: np.ndarray, **_: object) -> object:
        from core.cells.dynamics import Outlined

        self.asked += 1
        y, x = np.indices(image.shape)
        labels = np.where(image < np.median(image), 1 + (y // 40) * 100 + x // 40, 0).astype(np.int32)
        return Outlined(labels, np.unique(labels)[1:] / 1000)


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Thresholding:
    import core.stages.segmenting as stage

    made = Thresholding()
    monkeypatch.setattr(stage, "load_segmenter", lambda path, **_: made)
    model = SimpleNamespace(name="t", path=Path("t.pt"), sha256="00", record=lambda: {"name": "t"})
    monkeypatch.setattr(stage, "find_model", lambda name, kind: model)
    return made


CELL_IDS = (2, 5, 9, 40, 41, 300)


@pytest.fixture
def dishes(dishes_once: Callable[..., Path], tmp_path: Path) -> Callable[..., Path]:
    """Make an experiment of hand-made fields of 110 x 160 px with six square cells of 30 x 30 px (ids 2, 5, 9, 40, 41, 300) each.

    ``fields``: fov_id -> {"stained": {id: rows of it that are stained}, "sample": ..., "role": ..., "density": 0.3}. The stain images
    are 16 bits with a little noise on uneven light; a colour image shows the same dye. The outlines are its only segmentation.
    """

    def make(fields: dict[str, dict], name: str = "dishes", pixel_size_um: float = 0.5) -> Path:
        return Path(copytree(dishes_once(fields, name, pixel_size_um), tmp_path / name))

    return make


@pytest.fixture(scope="session")
def dishes_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """What ``dishes`` copies; the same fields are made once."""
    from core.images import write_image, write_labels
    from core.stages.importing import import_labels
    from core.tables import FIELDS, typed
    from core.workspace import Experiment

    def labels() -> np.ndarray:
        out = np.zeros((110, 160), np.int32)
        for k, label in enumerate(CELL_IDS):
            y, x = 15 + 45 * (k // 3), 15 + 45 * (k % 3)
            out[y : y + 30, x : x + 30] = label
        return out

    def dye(stained: dict[int, int], density: float) -> np.ndarray:
        out = np.zeros((110, 160))
        for label, rows in stained.items():
            y, x = np.argwhere(labels() == label)[0]
            out[y : y + rows, x : x + 30] = density
        return out

    def make(fields: dict[str, dict], name: str, pixel_size_um: float) -> Path:
        made, rng, rows = Experiment(tmp_path_factory.mktemp("dishes") / name), np.random.default_rng(4), []
        (made.path / "labels").mkdir(parents=True)
        light = 0.6 + 0.1 * np.linspace(0, 1, 160) + 0.05 * np.linspace(0, 1, 110)[:, None]
        for fov_id, about in fields.items():
            amount = dye(about.get("stained", {}), about.get("density", 0.3))
            stain = 65535 * light * 10**-amount * (1 + 0.003 * rng.standard_normal(amount.shape))
            colour = [255 * light * 10 ** (-amount * share) * (1 + 0.003 * rng.standard_normal(amount.shape)) for share in (1.0, 0.37, 0.32)]
            pictures = {"phase": rng.integers(20_000, 40_000, amount.shape), "stain": stain, "colour": np.stack(colour, axis=-1)}
            for kind, pixels in pictures.items():
                write_image(made.images / f"{fov_id}_{kind}.tif", pixels.astype(np.uint8 if kind == "colour" else np.uint16))
            write_labels(made.path / "labels" / f"{fov_id}.tif", labels())
            row = {kind: f"images/{fov_id}_{kind}.tif" for kind in pictures}
            rows.append(row | {"fov_id": fov_id, "sample": about.get("sample", "A"), "role": about.get("role", "sample"), "pixel_size_um": pixel_size_um})
        made.save_fields(typed(pd.DataFrame(rows), FIELDS))
        import_labels(made, [str(p) for p in sorted((made.path / "labels").iterdir())])
        return made.path

    kept: dict[str, Path] = {}

    def once(fields: dict[str, dict], name: str, pixel_size_um: float) -> Path:
        key = repr((fields, name, pixel_size_um))
        if key not in kept:
            kept[key] = make(fields, name, pixel_size_um)
        return kept[key]

    return once
