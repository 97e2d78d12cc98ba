"""An empty workspace, and weight files to import into it."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SENESCOPE_WORKSPACE", str(tmp_path / "workspace"))
    monkeypatch.delenv("SENESCOPE_MODEL_URL", raising=False)
    return tmp_path / "workspace"


@pytest.fixture(scope="session")
def cpnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Cellpose 3 file of zeros in half precision."""
    import torch

    from core.cells.weights import expected_shapes

    path = tmp_path_factory.mktemp("files") / "my cells.pt"
    torch.save({name: torch.zeros(shape, dtype=torch.float16) for name, shape in expected_shapes().items()}, path)
    return path


@pytest.fixture(scope="session")
def state_dict(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plain EfficientNet-B0 state dict with one grey channel and one logit, as the original pipeline saves them."""
    import torch

    from core.classifier.network import build_network

    path = tmp_path_factory.mktemp("files") / "b0_msc.pth"
    torch.save(build_network("efficientnet-b0", 224).half().state_dict(), path)
    return path
