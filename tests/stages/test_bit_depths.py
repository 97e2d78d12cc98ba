"""One image in several kinds of file: the embedded model gives the same outlines, or nearly, and never looks at the container."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from cellpose.metrics import average_precision
from PIL import Image

from core.cells.segmentation import load_segmenter
from core.images import grey, read
from core.models import find_model
from core.settings import EMBEDDED_SEGMENTER
from core.simulate import simulate_field

Segment = Callable[[Path], np.ndarray]


@pytest.fixture(scope="module")
def twelve_bits() -> np.ndarray:
    """uint16 with values below 4096, most of them in a narrow band, as cameras give them."""
    return simulate_field(4, 384, pixel_size_um=1.3, bits=12, confluence=0.4, stain=False).phase


@pytest.fixture(scope="module")
def segment() -> Segment:
    path = find_model(EMBEDDED_SEGMENTER, "segmenter").path
    assert path is not None
    segmenter = load_segmenter(path, "cpu")
    return lambda file: segmenter.segment(grey(read(file)), 60.0)


@pytest.fixture(scope="module")
def outlines(twelve_bits: np.ndarray, segment: Segment, tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """Of the 12-bit image in a 16-bit file."""
    assert 1000 < twelve_bits.max() < 4096
    file = tmp_path_factory.mktemp("images") / "twelve.tif"
    tifffile.imwrite(file, twelve_bits)
    labels = segment(file)
    assert labels.max() >= 5
    return labels


def test_the_container_does_not_matter(twelve_bits: np.ndarray, outlines: np.ndarray, segment: Segment, tmp_path: Path) -> None:
    for name, pixels in {
        "left": twelve_bits * 16,
        "float": twelve_bits.astype(np.float32),
        "unit": (twelve_bits / np.float32(4096)).astype(np.float32),
    }.items():
        tifffile.imwrite(tmp_path / f"{name}.tif", pixels)
        assert np.array_equal(segment(tmp_path / f"{name}.tif"), outlines), name


def test_minimum_is_white(twelve_bits: np.ndarray, outlines: np.ndarray, segment: Segment, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "white.tif", 65_535 - twelve_bits, photometric="miniswhite")
    assert np.array_equal(segment(tmp_path / "white.tif"), outlines)


def test_eight_bits_give_nearly_the_same(twelve_bits: np.ndarray, outlines: np.ndarray, segment: Segment, tmp_path: Path) -> None:
    """Also where an inverted look-up table shows the same picture; the bare inverse of it is another picture."""
    eight = (twelve_bits >> 4).astype(np.uint8)
    Image.fromarray(eight).save(tmp_path / "eight.png")
    labels = segment(tmp_path / "eight.png")
    assert average_precision([outlines], [labels], threshold=[0.75])[0][0, 0] > 0.7

    table = Image.fromarray(255 - eight)
    table.putpalette(np.repeat(np.arange(255, -1, -1, dtype=np.uint8), 3).tobytes())
    table.save(tmp_path / "table.png")
    assert np.array_equal(segment(tmp_path / "table.png"), labels)

    Image.fromarray(255 - eight).save(tmp_path / "negative.png")
    assert not np.array_equal(segment(tmp_path / "negative.png"), labels)
