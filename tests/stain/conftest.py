import os
from pathlib import Path

import numpy as np
import pytest

DATA = Path(os.environ.get("SENESCOPE_TEST_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20)


@pytest.fixture(scope="session")
def ashraf() -> tuple[np.ndarray, np.ndarray]:
    """A real X-gal colour image uint8 (Y, X, 3) and the labels of its cells; everything outside the cells is black."""
    import tifffile
    from PIL import Image

    folder = DATA / "bgal-cells-ashraf"
    if not folder.is_dir():
        pytest.skip(f"no real X-gal image in {folder}")
    return np.array(Image.open(folder / "derived_bgal_aligned.png")), tifffile.imread(folder / "derived_cell_labels_derived.tif")


@pytest.fixture(scope="session")
def annotation_files() -> Path:
    """The folder of real annotation files."""
    folder = DATA / "msc-annotation-csv"
    if not folder.is_dir():
        pytest.skip(f"no real annotation files in {folder}")
    return folder
