import numpy as np
import pandas as pd
import pytest

from core.errors import InputError
from core.registration import Registration, displacement, from_row, unregistered
from core.tables import REGISTRATIONS, VERDICTS, typed

MATRIX = np.array([[1.01, -0.02, 5.0], [0.02, 1.01, -3.0]])


def test_a_row_of_the_table_gives_the_same_registration_back() -> None:
    before = Registration(MATRIX, "similarity", 12.5, 0.3, "pass", "The parts of the field agree.")
    table = typed(pd.DataFrame([{"fov_id": "f1", **before.row()}]), REGISTRATIONS)
    assert list(table.columns) == list(REGISTRATIONS)
    after = from_row(table.iloc[0].to_dict())
    np.testing.assert_array_equal(after.matrix, before.matrix)
    assert after.row() == before.row()


def test_what_is_unknown_stays_unknown() -> None:
    table = typed(pd.DataFrame([{"fov_id": "f1", **unregistered("black").row()}]), REGISTRATIONS)
    assert table["score"].isna().all()
    after = from_row(table.iloc[0].to_dict())
    assert np.isnan(after.score)
    assert after.verdict in VERDICTS


def test_columns_mean_what_the_table_says() -> None:
    row = Registration(MATRIX, "similarity", 1.0, 1.0, "pass", "").row()
    x, y = 30.0, 70.0
    there = [row["a"] * x + row["b"] * y + row["tx"], row["c"] * x + row["d"] * y + row["ty"]]
    assert displacement(np.array([[0, 0, there[0]], [0, 0, there[1]]]), MATRIX, np.array([[x, y]]))[0] < 1e-12


def test_the_matrix_is_a_copy_that_cannot_change() -> None:
    given = MATRIX.copy()
    found = Registration(given, "similarity", 1.0, 1.0, "pass", "")
    given[0, 0] = 9
    assert found.matrix[0, 0] == 1.01
    with pytest.raises(ValueError, match="read-only"):
        found.matrix[0, 0] = 9


@pytest.mark.parametrize("bad", [np.eye(3), np.full((2, 3), np.nan), np.zeros((2, 3))])
def test_a_matrix_that_is_none_is_refused(bad: np.ndarray) -> None:
    with pytest.raises(InputError, match="Registration"):
        Registration(bad, "similarity", 1.0, 1.0, "pass", "")
