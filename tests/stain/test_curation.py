"""Decisions of people: appended, undone, standing, put into the cell table."""

from datetime import datetime, timedelta, timezone

import pandas as pd
import pytest

from core.errors import InputError
from core.stain.agreement import agreement
from core.stain.curation import current, decision, last_to_undo, standing, with_decisions
from core.tables import CURATION, typed

CELL = {"fov_id": "f1", "label": 3, "y_px": 1.5, "x_px": 2.5, "area_px": 40}


def said(*words: str) -> pd.DataFrame:
    """Rows from "rater label decision"."""
    parts = [text.split(" ", 2) for text in words]
    one = pd.concat([decision("s1", CELL, "positive", "A")] * len(words), ignore_index=True)
    rater, label, what = zip(*parts, strict=True)
    return one.assign(rater=rater, label=pd.array(list(map(int, label)), dtype="Int64"), decision=what)


def test_a_row_says_who_what_when_and_where() -> None:
    moment = datetime(2026, 3, 1, 13, 30, tzinfo=timezone(timedelta(hours=1)))
    row = decision("s1", CELL, "cannot tell", " Åse ", moment)
    assert list(row) == list(CURATION)
    assert row.iloc[0].to_dict() | {"time": ""} == {
        "segmentation": "s1", "fov_id": "f1", "label": 3, "decision": "cannot tell", "rater": "Åse", "time": "",
        "y_px": 1.5, "x_px": 2.5, "area_px": 40, "carried_from": "",
    }  # fmt: skip
    assert row["time"].iloc[0] == "2026-03-01T12:30:00.000+00:00"
    assert decision("s1", pd.Series(CELL), "positive", "A")["label"].iloc[0] == 3


def test_the_last_decision_stands_and_undo_brings_the_one_before_back() -> None:
    rows = said("A 1 positive", "A 2 negative", "A 1 exclude", "B 1 negative", "A 1 undo")
    found = standing(rows).set_index(["rater", "label"])["decision"].to_dict()
    assert found == {("A", 1): "positive", ("A", 2): "negative", ("B", 1): "negative"}
    emptied = pd.concat([rows, said("A 1 undo", "A 1 undo", "B 1 undo")])
    assert standing(emptied)["label"].tolist() == [2]
    again = pd.concat([emptied, said("A 1 cannot tell")])
    assert current(again, "s1").set_index("label")["decision"].to_dict() == {1: "cannot tell", 2: "negative"}


def test_of_several_raters_the_last_word_counts_unless_one_is_named() -> None:
    rows = said("A 1 positive", "B 1 negative")
    assert current(rows, "s1")["decision"].tolist() == ["negative"]
    assert current(rows, "s1", "A")["decision"].tolist() == ["positive"]
    assert current(rows, "other").empty


def test_undo_is_offered_for_the_latest_own_decision() -> None:
    rows = said("A 1 positive", "A 2 negative", "B 3 positive")
    assert last_to_undo(rows, "s1", "A")["label"] == 2
    assert last_to_undo(pd.concat([rows, said("A 2 undo")]), "s1", "A")["label"] == 1
    assert last_to_undo(rows.assign(carried_from="s0:9"), "s1", "A") is None


def test_no_decisions_at_all() -> None:
    empty = typed(pd.DataFrame(columns=list(CURATION)), CURATION)
    assert standing(empty).empty
    assert current(empty, "s1").empty
    cells = pd.DataFrame({"fov_id": ["f1"], "label": [1], "automatic_class": pd.array([1], dtype="Int64")})
    assert with_decisions(cells, current(empty, "s1"))["class"].tolist() == [1]
    assert agreement(empty, "s1", "A", "B").kappa is None


def test_the_class_is_the_persons_where_one_decided() -> None:
    cells = pd.DataFrame(
        {"fov_id": "f1", "label": [1, 2, 3, 4, 5, 6], "automatic_class": pd.array([0, 1, 1, 0, 1, None], dtype="Int64")}, index=range(9, 3, -1)
    )
    rows = said("A 1 positive", "A 2 negative", "A 3 cannot tell", "A 4 exclude", "A 77 positive")
    found = with_decisions(cells, current(rows, "s1"))
    assert found["decision"].tolist() == ["positive", "negative", "cannot tell", "exclude", "", ""]
    assert found["class"].tolist() == [1, 0, pd.NA, pd.NA, 1, pd.NA]
    assert found["curated_class"].tolist() == [1, 0, pd.NA, pd.NA, pd.NA, pd.NA]
    assert found.index.tolist() == cells.index.tolist()


def test_what_is_no_decision_is_refused() -> None:
    with pytest.raises(InputError, match="f1:3: wanted one of positive"):
        decision("s1", CELL, "maybe", "A")
    with pytest.raises(InputError, match="name of the rater"):
        decision("s1", CELL, "positive", "  ")
    with pytest.raises(InputError, match="row 2: wanted one of"):
        standing(pd.concat([said("A 1 positive"), said("A 1 positive").assign(decision="yes")]))


def test_kappa_of_a_worked_example() -> None:
    """Cohen's formula by hand: 20 + 15 of 50 alike, 0.7; by chance 0.5 * 0.6 + 0.5 * 0.4 = 0.5; kappa 0.4."""
    answers = ["positive positive"] * 20 + ["positive negative"] * 5 + ["negative positive"] * 10 + ["negative negative"] * 15
    rows = said(*(f"{rater} {k} {text.split()[n]}" for k, text in enumerate(answers, 1) for n, rater in enumerate("AB")), "A 99 positive")
    found = agreement(rows, "s1", "A", "B")
    assert (found.cells, found.observed, found.expected) == (50, 0.7, 0.5)
    assert found.kappa == pytest.approx(0.4)
    assert found.table.loc["positive", "negative"] == 5
    assert len(found.differing) == 15
    assert agreement(rows, "s1", "B", "A").kappa == pytest.approx(0.4)


def test_kappa_where_chance_explains_everything_is_unknown() -> None:
    found = agreement(said("A 1 positive", "B 1 positive"), "s1", "A", "B")
    assert (found.observed, found.kappa) == (1.0, None)


def test_agreement_on_classes_leaves_out_what_one_could_not_tell() -> None:
    rows = said("A 1 positive", "B 1 cannot tell", "A 2 negative", "B 2 negative", "A 3 positive", "B 3 positive")
    assert agreement(rows, "s1", "A", "B").observed == pytest.approx(2 / 3)
    found = agreement(rows, "s1", "A", "B", classes_only=True)
    assert (found.cells, found.kappa) == (2, 1.0)
