"""Which fraction of a culture a report gives, where a dish was never stained, and where little is known of the classifier's errors."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from core.report import read_csv, write_csv
from core.settings import ReportSettings
from core.stages.marked import STEPS
from core.stages.reporting import report
from core.tables import ANNOTATED_CELLS, ANNOTATED_LINES, ASSESSED_CELLS, REFERENCE_CULTURES, REPORTED_SAMPLES
from core.workspace import Experiment, read_json
from tests.stages.assessed_dishes import annotation, assessment, dishes_of, evaluation

Dishes = Callable[..., Path]


@pytest.fixture(autouse=True)
def without_charts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Charts have tests of their own, and Plotly takes longer than all the rest."""
    monkeypatch.setattr("core.report.html._figures", lambda *_: iter(()))


def samples(made: Path) -> pd.DataFrame:
    return read_csv(made / "samples.csv", REPORTED_SAMPLES).set_index("sample")


@pytest.fixture
def controlled(dishes: Dishes) -> Experiment:
    """Three cultures, of which one is a negative control; all are assessed and annotated."""
    made = dishes_of(dishes, {"A": 2, "B": 2, "young": 2})
    fields = made.fields()
    fields.loc[fields["sample"] == "young", "role"] = "negative control"
    made.save_fields(fields)
    assessment(made)
    annotation(made, fields["fov_id"].tolist(), "stained")
    return made


def test_a_negative_control_is_not_counted_by_its_stain_and_vouches_for_no_call(controlled: Experiment) -> None:
    made = report(controlled.path, "mine-1", ReportSettings())
    table, words = samples(made), read_json(made / "evidence.json")
    assert table["reported_method"].to_dict() == {
        "A": "count of stained cells",
        "B": "count of stained cells",
        "young": "corrected for sensitivity and specificity",
    }
    assert table.loc["young", "reported_fraction"] == table.loc["young", "corrected_fraction"]
    assert table.loc["young", "reported_notes"].startswith("negative control: its stain says nothing and is not used")
    assert [("negative control" in one["why"].lower()) for one in words["reasons"]] == [False, True]
    assert read_csv(made / "reference.csv", REFERENCE_CULTURES)["sample"].tolist() == ["A", "B"]
    assert "Negative controls are among these cultures" in (made / "report.html").read_text(encoding="utf-8")


def test_one_annotated_culture_corrects_nothing_and_one_of_the_same_name_is_left_out(dishes: Dishes) -> None:
    """The fields of one culture passed for three cultures, and its interval was far too narrow."""
    made = dishes_of(dishes, {"A": 3, "B": 3})
    assessment(made)
    evaluation(made, cultures=("A", "X"))
    table = samples(report(made.path, "mine-1", ReportSettings()))
    assert table["reported_method"].to_dict() == {"A": "plain count", "B": "corrected for sensitivity and specificity"}
    assert table.loc["A", "reported_fraction"] == table.loc["A", "senescent_fraction"]
    assert pd.isna(table.loc["A", "corrected_fraction"])
    assert "not corrected: sensitivity known from" in table.loc["A", "reported_notes"]
    assert "cells of 3 fields of 1 culture only" in table.loc["A", "reported_notes"]
    assert "of 2 cultures only" in table.loc["B", "reported_notes"]


def test_the_stained_fraction_and_its_steps_are_of_the_same_cells(dishes: Dishes) -> None:
    """Steps that also counted cells that were not scored said 62 % at a lower and at a higher threshold, and 56 % between."""
    made = dishes_of(dishes, {"A": 3, "B": 3, "C": 3})
    assessment(made)
    stain = annotation(made, made.fields()["fov_id"].tolist(), "stained")
    folder = report(made.path, "mine-1", ReportSettings())
    table, cells = samples(folder), read_csv(stain.path / "cells.csv", ANNOTATED_CELLS)
    scored = read_csv(folder / "cells.csv", ASSESSED_CELLS).query("senescent.notna()")
    known = scored[["fov_id", "label"]].merge(cells, on=["fov_id", "label"])
    assert len(known) < len(cells)
    for name, moved in (("stained_lower_threshold", 0.9), ("stained_fraction", 1), ("stained_higher_threshold", 1.1)):
        by_hand = (known["critical_threshold"] > 0.12 * moved).groupby(known["sample"]).mean()
        assert table[name].to_dict() == pytest.approx(by_hand.to_dict())
    assert (table["stained_lower_threshold"] > table["stained_fraction"]).any()
    assert (table["stained_fraction"] > table["stained_higher_threshold"]).any()
    assert not set(STEPS) & set(pd.read_csv(folder / "cells.csv", encoding="utf-8-sig"))


def test_imported_classes_have_no_stain_threshold_to_move(dishes: Dishes) -> None:
    made = dishes_of(dishes, {"A": 3})
    assessment(made)
    lines = annotation(made, made.fields()["fov_id"].tolist(), "stained").path / "lines.csv"
    write_csv(lines, read_csv(lines, ANNOTATED_LINES).assign(threshold=pd.NA))
    row = samples(report(made.path, "mine-1", ReportSettings())).loc["A"]
    assert pd.notna(row["stained_fraction"])
    assert pd.isna(row["stained_lower_threshold"])
    assert pd.isna(row["stained_higher_threshold"])
