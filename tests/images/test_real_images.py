"""Real microscope files."""

from pathlib import Path

import numpy as np
import pytest

from core.images import full_scale, grey, inspect, preview, read, read_labels

FILES = [
    ("usiigaci-phase-gt/images/set01.tif", "YX", (1022, 1024), 16, 0.8708),
    ("vicar-phase-gt/PC_02_raw.tif", "YX", (1024, 1360), 14, 1.6125),
    ("stemcell-phase-nomask/70_-10.JPG", "YXS", (714, 1271, 3), 8, None),
    ("stemcell-phase-nomask/80_-3.JPG", "YX", (717, 1269), 8, None),
    ("bgal-cells-ashraf/1_6_1_bgal.tif", "YXS", (995, 1084, 3), 8, None),
    ("livecell-sartorius-samples/A172_Phase_C7_1_00d00h00m_1.tif", "YX", (520, 704), 8, None),
]


@pytest.mark.parametrize(("name", "axes", "shape", "bits", "size"), FILES, ids=[file[0] for file in FILES])
def test_real_files(real_data: Path, name: str, axes: str, shape: tuple[int, ...], bits: int, size: float | None) -> None:
    info, picture = inspect(real_data / name), read(real_data / name)
    assert (info.axes, info.shape, info.bits) == (axes, shape, bits)
    for found in (info.pixel_size_um, picture.pixel_size_um):
        assert found == (None if size is None else pytest.approx(size, rel=1e-4))
    values = grey(picture)
    assert values.shape == shape[:2]
    assert 0 <= values.min() < values.max() <= full_scale(picture)
    assert preview(picture.pixels).std() > 10


def test_human_annotated_masks(real_data: Path) -> None:
    labels = read_labels(real_data / "usiigaci-phase-gt" / "masks" / "set01_instances.png")
    assert labels.shape == (1022, 1024)
    assert len(np.unique(labels)) > 20
    assert read_labels(real_data / "vicar-phase-gt" / "PC_02_labels_derived.tif").max() == 234
