"""A Cellpose 3 network with random weights, made once, and named label images."""

import warnings
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest


def random_state(channels: int = 2, seed: int = 0) -> dict:
    """Tensors of a CPnet whose flows are of a usual size."""
    import torch

    from core.cells.weights import expected_shapes

    random = torch.Generator().manual_seed(seed)
    state = {}
    for name, shape in expected_shapes(channels).items():
        if len(shape) > 1:
            fan_in = int(np.prod(shape[1:]))
            state[name] = torch.randn(shape, generator=random) * (2 / fan_in) ** 0.5 * (0.01 if name.startswith("output") else 1.0)
        else:
            one = name.endswith(("running_var", ".0.weight"))
            state[name] = torch.ones(shape) if one else torch.zeros(shape)
    return state | {"diam_mean": torch.tensor([30.0]), "diam_labels": torch.tensor([24.0])}


@pytest.fixture(scope="session")
def state() -> dict:
    return random_state()


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory, state: dict) -> Path:
    import torch

    path = tmp_path_factory.mktemp("weights") / "network.pt"
    torch.save(state, path)
    return path


@pytest.fixture(scope="session")
def segmenter(weights: Path):
    from core.cells.segmentation import load_segmenter

    return load_segmenter(weights, device="cpu")


@pytest.fixture(scope="session")
def discs() -> np.ndarray:
    """Round and oval cells of 14 to 30 px, some touching, one on the border; int32 (120, 150), ids 1..N."""
    yy, xx = np.mgrid[:120, :150]
    labels = np.zeros((120, 150), np.int32)
    cells = [(30, 30, 12, 9), (30, 55, 14, 13), (70, 40, 7, 15), (80, 100, 15, 15), (40, 110, 9, 9), (110, 140, 14, 14), (100, 20, 10, 7), (0, 80, 9, 9)]
    for k, (y, x, a, b) in enumerate(cells, start=1):
        labels[(((yy - y) / a) ** 2 + ((xx - x) / b) ** 2 < 1) & (labels == 0)] = k
    return labels


@pytest.fixture(scope="session")
def flows(discs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What a good but noisy network would give for ``discs``: flows float32 (2, Y, X) and cell probability (Y, X)."""
    from cellpose.dynamics import masks_to_flows

    random = np.random.default_rng(0)
    clean = masks_to_flows(discs.astype(int))
    noisy = 5 * (clean + random.normal(0, 0.15, clean.shape))
    probability = np.where(discs > 0, 3.0, -3.0) + random.normal(0, 1, discs.shape)
    return noisy.astype(np.float32), probability.astype(np.float32)


@pytest.fixture(scope="session")
def cellpose_models() -> ModuleType:
    """Cellpose's own model module, to compare with; it uses parts of torch that are marked as old."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from cellpose import models
    return models
