"""What an annotation says of each line."""

import pandas as pd
import pytest

from core.stain.summary import classes_around, classes_at, control_positivity, flipped, line_summary
from core.tables import ANNOTATED_CELLS, ANNOTATED_LINES, typed


@pytest.fixture
def cells() -> pd.DataFrame:
    """Threshold 1.0: line A has 0.5, 0.95, 1.05, 2.0; line N (control) 0.2, 1.5; one cell was not covered, one excluded, one decided."""
    rows = [
        ("A", "sample", 0.5, 0, ""),
        ("A", "sample", 0.95, 0, ""),
        ("A", "sample", 1.05, 1, ""),
        ("A", "sample", 2.0, 1, ""),
        ("A", "sample", None, None, ""),
        ("A", "sample", 2.0, 1, "exclude"),
        ("A", "sample", 0.1, 0, "positive"),
        ("N", "negative control", 0.2, 0, ""),
        ("N", "negative control", 1.5, 1, ""),
    ]
    table = pd.DataFrame(rows, columns=["sample", "role", "critical_threshold", "automatic_class", "decision"])
    table["fov_id"], table["label"] = "f", range(1, 10)
    table["curated_class"] = table["decision"].map({"positive": 1})
    table = typed(table, ANNOTATED_CELLS)
    return table.assign(**{"class": classes_at(table, 1.0)})


def test_the_fraction_and_how_it_moves_with_the_threshold(cells: pd.DataFrame) -> None:
    found = line_summary(cells, 1.0).set_index("sample")
    assert found.loc["A", ["n_cells", "n_positive"]].tolist() == [5, 3]
    assert found.loc["A", ["fraction", "fraction_lower_threshold", "fraction_higher_threshold"]].tolist() == [0.6, 0.8, 0.4]
    assert found.loc["N", ["n_cells", "n_positive", "fraction"]].tolist() == [2, 1, 0.5]
    assert found.loc["N", "role"] == "negative control"
    own = line_summary(cells, {"A": 0.4, "N": 1.6}).set_index("sample")
    assert own["n_positive"].tolist() == [5, 0]


def test_classes_around_follow_the_threshold_of_their_line(cells: pd.DataFrame) -> None:
    found = classes_around(cells, pd.DataFrame({"sample": ["A", "N"], "threshold": pd.array([1.0, 1.6], "Float64")}))
    assert found["lower"].fillna(-1).tolist() == [0, 1, 1, 1, -1, -1, 1, 0, 1]
    assert found["higher"].fillna(-1).tolist() == [0, 0, 0, 1, -1, -1, 1, 0, 0]
    for lines in (pd.DataFrame({"sample": ["A"], "threshold": pd.array([pd.NA], "Float64")}), typed(pd.DataFrame(), ANNOTATED_LINES)):
        assert classes_around(cells, lines).isna().all(axis=None)


def test_a_line_without_counted_cells_has_no_fraction(cells: pd.DataFrame) -> None:
    found = line_summary(cells[cells["automatic_class"].isna()], 1.0)
    assert found["n_cells"].tolist() == [0]
    assert found["fraction"].isna().all()
    assert line_summary(cells[:0], 1.0).empty


def test_control_positivity_as_annotated(cells: pd.DataFrame) -> None:
    assert control_positivity(cells) == (1, 2)
    assert control_positivity(cells[cells["role"] == "sample"]) == (0, 0)


def test_flips_between_two_settings(cells: pd.DataFrame) -> None:
    after = cells.assign(**{"class": classes_at(cells, 0.9)})
    found = flipped(cells, after)
    assert found[["fov_id", "label", "sample", "class_before", "class_after"]].to_numpy().tolist() == [["f", 2, "A", 0, 1]]
    assert flipped(cells, cells).empty
