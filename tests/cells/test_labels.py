"""Measurements on named label images."""

import numpy as np
import pandas as pd
import pytest
from skimage.measure import regionprops_table

from core.cells.labels import cell_table, confluence, touches_border
from core.errors import InputError
from core.tables import CELLS

BEYOND = ("fov_id", "flow_error")  # columns that a label image alone does not tell


def gapped() -> np.ndarray:
    labels = np.zeros((12, 15), np.uint16)
    labels[2:5, 3:9] = 7
    labels[6:9, 4:6] = 3
    labels[9:12, 10:13] = 900
    return labels


def test_against_scikit_image(discs: np.ndarray) -> None:
    table = cell_table(discs)
    wanted = regionprops_table(discs, properties=("label", "centroid", "area"))
    assert table["label"].tolist() == wanted["label"].tolist()
    np.testing.assert_allclose(table["y_px"].astype(float), wanted["centroid-0"])
    np.testing.assert_allclose(table["x_px"].astype(float), wanted["centroid-1"])
    assert table["area_px"].tolist() == wanted["area"].astype(int).tolist()


def test_columns_and_types(discs: np.ndarray) -> None:
    table = cell_table(discs)
    assert {c: str(t) for c, t in table.dtypes.items()} == {c: t for c, t in CELLS.items() if c not in BEYOND}


def test_ids_are_kept() -> None:
    table = cell_table(gapped())
    assert table["label"].tolist() == [3, 7, 900]
    assert table["area_px"].tolist() == [6, 18, 9]
    assert table["touches_border"].tolist() == [False, False, True]


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.uint32, np.int64])
def test_any_whole_numbers(dtype: type) -> None:
    labels = np.zeros((4, 4), dtype)
    labels[1, 1:3] = 100
    assert cell_table(labels)["label"].tolist() == [100]


def test_huge_ids_take_no_memory() -> None:
    labels = np.zeros((5, 5), np.int64)
    labels[1, 1], labels[3, 3] = 2**40, 5
    assert cell_table(labels)["label"].tolist() == [5, 2**40]


@pytest.mark.parametrize("shape", [(1, 1), (3, 5)])
def test_empty(shape: tuple[int, int]) -> None:
    table = cell_table(np.zeros(shape, np.int32))
    assert len(table) == 0
    assert list(table.columns) == [c for c in CELLS if c not in BEYOND]
    assert confluence(np.zeros(shape, np.int32)) == 0
    pd.concat([table, cell_table(gapped())])


def test_one_pixel_field() -> None:
    table = cell_table(np.ones((1, 1), np.uint8))
    assert table.iloc[0].tolist() == [1, 0.0, 0.0, 1, True]


@pytest.mark.parametrize(("y", "x", "touching"), [(0, 4, True), (11, 4, True), (4, 0, True), (4, 14, True), (1, 1, False)])
def test_touches_border(y: int, x: int, touching: bool) -> None:
    labels = np.zeros((12, 15), np.int32)
    labels[y, x] = 4
    assert touches_border(labels, np.array([4, 9])).tolist() == [touching, False]


def test_confluence() -> None:
    assert confluence(gapped()) == pytest.approx(33 / 180)


@pytest.mark.parametrize("bad", [np.zeros((3, 3)), np.zeros((2, 3, 3), int), np.zeros((0, 3), int), np.array([[-1]]), np.zeros((3, 3), bool)])
def test_refused(bad: np.ndarray) -> None:
    with pytest.raises(InputError, match="Label image"):
        cell_table(bad)
