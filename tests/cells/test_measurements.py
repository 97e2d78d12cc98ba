"""Measurements: scikit-image's values, known shapes, tiny cells, gaps in the ids, units."""

import numpy as np
import pandas as pd
import pytest
from skimage.feature import graycomatrix, graycoprops
from skimage.measure import regionprops_table

from core.cells import measurements
from core.cells.measurements import NEIGHBOUR_PX, measure
from core.errors import InputError
from core.tables import MEASUREMENTS

PROPERTIES = {
    "area_px": "area",
    "perimeter_px": "perimeter",
    "equivalent_diameter_px": "equivalent_diameter_area",
    "major_axis_px": "axis_major_length",
    "minor_axis_px": "axis_minor_length",
    "eccentricity": "eccentricity",
    "solidity": "solidity",
    "mean_intensity": "intensity_mean",
    "sd_intensity": "intensity_std",
}


@pytest.fixture(scope="module")
def image(discs: np.ndarray) -> np.ndarray:
    return np.random.default_rng(0).normal(1000, 50, discs.shape).astype(np.float32)


def row(table: pd.DataFrame, label: int) -> dict:
    return dict(table.set_index("label").loc[label])


def test_equal_to_regionprops_on_the_whole_image(discs: np.ndarray, image: np.ndarray) -> None:
    table = measure(discs, image)
    reference = regionprops_table(discs, image.astype(np.float64), properties=("label", *PROPERTIES.values()))
    assert np.array_equal(table["label"], reference["label"])
    for ours, theirs in PROPERTIES.items():
        assert np.allclose(table[ours].to_numpy(float), reference[theirs], rtol=1e-9, atol=0), ours


def test_columns_and_types_are_those_of_the_table(discs: np.ndarray, image: np.ndarray) -> None:
    table = measure(discs, image, 0.65)
    assert {"fov_id": "str", **{c: str(table[c].dtype) for c in table}} == dict(MEASUREMENTS)
    assert list(table) == list(MEASUREMENTS)[1:]
    assert not table.isna().any(axis=None)


def test_known_shapes() -> None:
    labels = np.zeros((200, 300), np.int32)
    y, x = np.indices(labels.shape)
    labels[np.hypot(y - 60, x - 60) < 40] = 1
    labels[20:40, 150:250] = 2
    table = measure(labels, np.zeros(labels.shape, np.float32))
    disc, bar = row(table, 1), row(table, 2)
    assert disc["equivalent_diameter_px"] == pytest.approx(80, rel=0.01)
    assert disc["form_factor"] == pytest.approx(1, abs=0.12)
    assert disc["eccentricity"] < 0.02
    assert disc["solidity"] > 0.97
    assert bar["major_axis_px"] / bar["minor_axis_px"] == pytest.approx(5, rel=0.01)
    assert bar["form_factor"] < 0.6
    assert (bar["border_distance_px"], disc["border_distance_px"]) == (20, 21)
    assert bar["nearest_neighbour_px"] == pytest.approx(np.hypot(150 - x[labels == 1], np.clip(y[labels == 1], 20, 39) - y[labels == 1]).min())


def test_micrometres_are_pixels_times_the_pixel_size(discs: np.ndarray, image: np.ndarray) -> None:
    table = measure(discs, image, 0.5)
    assert np.allclose(table["area_um2"].to_numpy(float), table["area_px"].to_numpy(float) * 0.25)
    for name in ("perimeter", "equivalent_diameter", "major_axis", "minor_axis", "nearest_neighbour", "border_distance"):
        assert np.allclose(table[f"{name}_um"].to_numpy(float), table[f"{name}_px"].to_numpy(float) * 0.5), name
    unknown = measure(discs, image)
    assert all(unknown[c].isna().all() for c in unknown if c.endswith(("_um", "_um2")))


def test_gapped_and_huge_ids_change_nothing(discs: np.ndarray, image: np.ndarray) -> None:
    names = np.array([0, 3, 8, 9, 70_000, 70_001, 2**31 - 1, 12, 40])
    for dtype in (np.int32, np.int64, np.uint32):
        table = measure(names[discs].astype(dtype), image, 0.65).set_index("label")
        plain = measure(discs, image, 0.65).set_index("label")
        plain.index = pd.Index(names[plain.index.to_numpy(int)], dtype="Int64", name="label")
        pd.testing.assert_frame_equal(table, plain.sort_index())


def test_a_cell_does_not_depend_on_the_others_but_for_its_neighbourhood(discs: np.ndarray, image: np.ndarray) -> None:
    together = measure(discs, image)
    for label in (1, 2, 7):
        alone = row(measure(np.where(discs == label, label, 0), image), label)
        mine = row(together, label)
        assert alone.pop("neighbours") == 0
        assert pd.isna(alone.pop("nearest_neighbour_px"))
        for column, value in alone.items():
            assert pd.isna(value) or mine[column] == pytest.approx(value, rel=1e-12), column


@pytest.mark.parametrize("name", ["one pixel", "a row", "a column", "a diagonal", "two corners", "two by two", "whole field of one pixel"])
def test_tiny_cells_have_defined_values(name: str) -> None:
    """Warnings are errors here, so nothing was divided by zero on the way."""
    labels = np.zeros((9, 9), np.int32)
    if name == "one pixel":
        labels[4, 4] = 1
    elif name == "a row":
        labels[4, 2:7] = 1
    elif name == "a column":
        labels[2:7, 0] = 1
    elif name == "a diagonal":
        labels[np.arange(5), np.arange(5)] = 1
    elif name == "two corners":
        labels[0, 0] = labels[8, 8] = 1
    elif name == "two by two":
        labels[3:5, 3:5] = 1
    else:
        labels = np.ones((1, 1), np.int32)
    values = row(measure(labels, np.arange(labels.size, dtype=np.float32).reshape(labels.shape), 0.65), 1)
    assert pd.isna(values.pop("nearest_neighbour_px"))
    assert pd.isna(values.pop("nearest_neighbour_um"))
    assert np.isfinite([float(v) for v in values.values()]).all()
    assert 0 < values["solidity"] <= 1
    assert 0 <= values["eccentricity"] <= 1
    if name == "one pixel":
        assert (values["form_factor"], values["granularity"], values["texture_homogeneity"], values["texture_contrast"]) == (1, 0, 1, 0)


def test_no_cells(image: np.ndarray) -> None:
    table = measure(np.zeros(image.shape, np.uint8), image)
    assert len(table) == 0
    assert list(table) == list(MEASUREMENTS)[1:]


def test_texture_is_that_of_the_co_occurrence_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    image = np.random.default_rng(1).integers(0, 32, (40, 50)).astype(np.float32)
    image[0, 0], image[-1, -1] = 0, 32
    monkeypatch.setattr(np, "percentile", lambda values, shares: (0.0, 32.0))
    found = row(measure(np.ones(image.shape, int), image), 1)
    levels = np.clip(image, 0, 31).astype(np.uint8)
    matrices = [graycomatrix(levels, [2], [angle], levels=32, symmetric=True) for angle in (0, np.pi / 2)]
    diagonal = [(levels[:-2, :-2], levels[2:, 2:]), (levels[:-2, 2:], levels[2:, :-2])]  # scikit-image rounds 2 px at 45° to 1 px
    for a, b in diagonal:
        matrix = np.histogram2d(a.ravel(), b.ravel(), bins=32, range=((0, 32), (0, 32)))[0]
        matrices.append((matrix + matrix.T)[:, :, None, None].astype(np.uint32))
    together = sum(matrices).astype(np.uint32)
    assert found["texture_contrast"] == pytest.approx(float(graycoprops(together, "contrast")[0, 0]))
    assert found["texture_homogeneity"] == pytest.approx(float(graycoprops(together, "homogeneity")[0, 0]))


def test_granularity_tells_grain_from_shade() -> None:
    labels = np.zeros((64, 130), np.int32)
    labels[2:62, 2:62], labels[2:62, 66:126] = 1, 2
    image = np.zeros(labels.shape, np.float32)
    image[:, :64] = np.linspace(0, 100, 64)
    image[:, 64:] = np.random.default_rng(0).normal(50, 20, (64, 66))
    table = measure(labels, image)
    assert row(table, 1)["granularity"] < 0.02
    assert row(table, 2)["granularity"] == pytest.approx(1, abs=0.1)


def test_neighbours_are_counted_from_edge_to_edge() -> None:
    labels = np.zeros((30, 120), np.int32)
    labels[:, 0:10], labels[5:9, 10:20], labels[2:28, 60:70], labels[14, 90] = 4, 7, 9, 11
    table = measure(labels, np.zeros(labels.shape, np.float32))
    assert table["nearest_neighbour_px"].tolist() == [1.0, 1.0, 21.0, 21.0]
    assert NEIGHBOUR_PX == 20
    assert table["neighbours"].tolist() == [1, 1, 0, 0]
    assert measure(labels, np.zeros(labels.shape, np.float32), 0.7)["neighbours"].tolist() == [1, 1, 1, 1]  # 15 µm are 21.4 px


def test_neighbourhood_against_all_pairs_of_pixels() -> None:
    random = np.random.default_rng(2)
    labels = np.zeros((80, 80), np.int32)
    for label in range(1, 25):
        y, x = random.integers(0, 70, 2)
        labels[y : y + random.integers(1, 12), x : x + random.integers(1, 12)] = label
    table = measure(labels, np.zeros(labels.shape, np.float32))
    pixels = {label: np.argwhere(labels == label) for label in table["label"]}
    for values in table.to_dict("records"):
        mine = pixels[values["label"]]
        far = [np.hypot(*(mine[:, None] - other[None]).transpose(2, 0, 1)).min() for label, other in pixels.items() if label != values["label"]]
        assert values["nearest_neighbour_px"] == pytest.approx(min(far))
        assert values["neighbours"] == sum(one <= NEIGHBOUR_PX for one in far)


def test_strips_change_nothing(discs: np.ndarray, image: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = measure(discs, image)
    monkeypatch.setattr(measurements, "STRIP", 7)
    pd.testing.assert_frame_equal(measure(discs, image), whole, rtol=1e-9)


def test_inputs_are_not_changed_and_wrong_ones_refused(discs: np.ndarray, image: np.ndarray) -> None:
    before = discs.copy(), image.copy()
    measure(discs, image)
    assert np.array_equal(discs, before[0])
    assert np.array_equal(image, before[1])
    with pytest.raises(InputError, match="wanted an image"):
        measure(discs, image[:-1])
    with pytest.raises(InputError, match="finite"):
        measure(discs, np.where(discs == 1, np.nan, image))
    with pytest.raises(InputError, match="Label image"):
        measure(discs.astype(float), image)
    with pytest.raises(InputError, match="Label image"):
        measure(discs - 1, image)
