import os
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def grey12() -> np.ndarray:
    """uint16 (60, 80) with values of a 12-bit camera."""
    pixels = np.random.default_rng(0).integers(0, 4096, (60, 80)).astype(np.uint16)
    pixels[0, 0] = 4095
    return pixels


@pytest.fixture
def grey8() -> np.ndarray:
    """uint8 (60, 80)."""
    return np.random.default_rng(1).integers(0, 256, (60, 80)).astype(np.uint8)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real images (SENESCOPE_TEST_DATA, by default ``shared/data`` beside the repository)."""
    folder = Path(os.environ.get("SENESCOPE_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("no real images here; set SENESCOPE_TEST_DATA to their folder")
    return folder
