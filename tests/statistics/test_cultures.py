"""All estimates of a culture beside each other: equal to the functions that they come from, and the right one reported."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from core.statistics import field_table, sample_table
from core.statistics.cultures import CORRECTED, PLAIN, POWERED, STAINED, called_at, estimate_table, reference_table, why_reported, with_reported
from core.statistics.estimators import Rate, corrected_fraction, plain_count
from core.statistics.powered import prediction_powered
from core.tables import ASSESSED_CELLS, ESTIMATES, typed

SENSITIVITY, SPECIFICITY = Rate((40, 35, 30), (50, 40, 40)), Rate((90, 85, 80), (100, 90, 95))
SHAPE = {"A": 4, "B": 4, "C": 1}
FIELDS = [(f"{sample}{i}", sample) for sample, n in SHAPE.items() for i in range(n)]
Build = Callable[..., tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]]


@pytest.fixture
def build() -> Build:
    """``build(stained=[fov_id, ...], learned=[...])``: samples, fields and cells of three cultures of 4, 4 and 1 fields of 40 scored cells."""

    def make(stained: list[str] = (), learned: list[str] = (), cells_a_field: int = 40) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
        rng, rows = np.random.default_rng(1), []
        for fov_id, sample in FIELDS:
            truth = rng.random(cells_a_field) < {"A": 0.2, "B": 0.5, "C": 0.3}[sample]
            probability = np.where(rng.random(cells_a_field) < 0.85, truth, ~truth) * 0.4 + 0.3 + 0.1 * rng.random(cells_a_field)
            for label, (true, p) in enumerate(zip(truth, probability, strict=True), start=1):
                row = {"cell_id": f"{fov_id}:{label}", "fov_id": fov_id, "label": label, "sample": sample, "excluded": False, "senescence_probability": p}
                rows.append(row | {"senescent": int(p >= 0.5), "marker_class": int(true) if fov_id in stained else None, "learned": fov_id in learned})
        cells = typed(pd.DataFrame(rows), {**ASSESSED_CELLS, "marker_class": "Int64"})
        wells = [{"fov_id": f, "sample": s, "role": "sample", "well": f"W{i % 2}"} for i, (f, s) in enumerate(FIELDS)]
        fields = field_table(cells, pd.DataFrame(wells))
        return sample_table(fields, bootstrap=200), fields, cells

    return make


def of(table: pd.DataFrame, sample: str) -> dict:
    return table[table["sample"] == sample].iloc[0].to_dict()


def counts(fields: pd.DataFrame, sample: str) -> tuple[np.ndarray, np.ndarray]:
    some = fields[fields["sample"] == sample]
    return some["n_senescent"].to_numpy(dtype=int), some["n_scored"].to_numpy(dtype=int)


def test_with_nothing_known_the_plain_count_is_reported(build: Build) -> None:
    samples, fields, cells = build()
    row = of(estimate_table(samples, fields, cells, lambda _: None, 0.5), "A")
    assert row["reported_method"] == PLAIN
    assert (row["reported_fraction"], row["reported_low"], row["reported_high"]) == (row["senescent_fraction"], row["ci_low"], row["ci_high"])
    assert pd.isna(row["corrected_fraction"])
    assert pd.isna(row["powered_fraction"])
    assert row["n_wells"] == 2


def test_corrected_equals_its_function(build: Build) -> None:
    samples, fields, cells = build()
    table = estimate_table(samples, fields, cells, lambda sample: (SENSITIVITY, SPECIFICITY) if sample != "B" else None, 0.5)
    row, expected = of(table, "A"), corrected_fraction(*counts(fields, "A"), SENSITIVITY, SPECIFICITY)
    assert (row["corrected_fraction"], row["corrected_low"], row["corrected_high"]) == (expected.fraction, expected.low, expected.high)
    assert (row["reported_method"], row["reported_fraction"]) == (CORRECTED, expected.fraction)
    assert of(table, "B")["reported_method"] == PLAIN
    assert "only 1 scored field" in of(table, "C")["reported_notes"]


def test_errors_known_from_one_culture_correct_no_other(build: Build) -> None:
    samples, fields, cells = build(stained=["B0", "B1", "B2", "B3"])
    alone = Rate((30, 2, 3), (30, 3, 4), by_field=True)
    table = estimate_table(samples, fields, cells, lambda _: (alone, SPECIFICITY), 0.5)
    row = of(table, "A")
    assert (row["reported_method"], row["reported_fraction"], row["reported_low"]) == (PLAIN, row["senescent_fraction"], row["ci_low"])
    assert pd.isna(row["corrected_fraction"])
    assert row["reported_notes"] == "not corrected: sensitivity known from 37 senescent cells of 3 fields of 1 culture only"
    assert "not corrected" not in of(table, "B")["reported_notes"]  # its stained cells are counted
    assert "known from one culture only" in why_reported(PLAIN, table["reported_notes"])


def test_prediction_powered_equals_its_function_and_comes_first(build: Build) -> None:
    samples, fields, cells = build(stained=["A0", "A1", "B0"])
    table = estimate_table(samples, fields, cells, lambda _: (SENSITIVITY, SPECIFICITY), 0.5)
    mine = cells[cells["sample"] == "A"]
    known, other = mine[mine["marker_class"].notna()], mine[mine["marker_class"].isna()]
    expected = prediction_powered(known["marker_class"], known["senescent"], known["fov_id"], other["senescent"], other["fov_id"])
    row = of(table, "A")
    assert (row["powered_fraction"], row["powered_low"], row["powered_high"]) == (expected.fraction, expected.low, expected.high)
    assert (row["reported_method"], row["n_stained_fields"], row["n_stained_cells"]) == (POWERED, 2, 80)
    assert of(table, "B")["reported_method"] == CORRECTED  # one stained field is too few
    assert "1 stained field: the stain corrects from 2 on" in of(table, "B")["reported_notes"]


def test_stained_and_called_stand_side_by_side_for_the_same_cells(build: Build) -> None:
    samples, fields, cells = build(stained=["A0", "A1"])
    row = of(estimate_table(samples, fields, cells, lambda _: None, 0.5), "A")
    known = cells[cells["marker_class"].notna()].groupby("fov_id")
    for column, source in (("stained_fraction", "marker_class"), ("called_where_stained", "senescent")):
        assert row[column] == plain_count(known[source].sum().to_numpy(dtype=int), known.size().to_numpy()).fraction
    assert row["stained_low"] < row["stained_fraction"] < row["stained_high"]


def test_a_culture_that_is_stained_throughout_is_counted_by_its_stain(build: Build) -> None:
    samples, fields, cells = build(stained=["A0", "A1", "A2", "A3", "C0"], learned=["A0"])
    table = estimate_table(samples, fields, cells, lambda _: (SENSITIVITY, SPECIFICITY), 0.5)
    for sample in "AC":
        row = of(table, sample)
        assert (row["reported_method"], row["reported_fraction"]) == (STAINED, row["stained_fraction"])
        assert pd.isna(row["powered_fraction"])


def test_the_stained_fraction_lies_between_those_at_other_stain_thresholds(build: Build) -> None:
    samples, fields, cells = build(stained=["A0", "A1", "B0"])
    cells.loc[cells["label"] <= 5, "senescent"] = pd.NA  # not scored, and all positive at every threshold
    cells.loc[cells["label"] <= 5, "marker_class"] = 1
    lower, higher = cells["marker_class"].mask(cells["label"] == 7, 1), cells["marker_class"].mask(cells["label"] == 8, 0)
    cells = cells.assign(marker_class_lower=lower.where(cells["fov_id"] != "B0"), marker_class_higher=higher)
    table = estimate_table(samples, fields, cells, lambda _: None, 0.5)
    row, known = of(table, "A"), cells["fov_id"].isin(["A0", "A1"]) & cells["senescent"].notna()
    assert (row["stained_lower_threshold"], row["stained_higher_threshold"]) == (lower[known].mean(), higher[known].mean())
    assert row["stained_lower_threshold"] >= row["stained_fraction"] >= row["stained_higher_threshold"]
    assert all(pd.isna(of(table, sample)["stained_higher_threshold"]) for sample in "BC")  # of B one of the two is not known


def test_the_stain_of_a_negative_control_is_not_counted(build: Build) -> None:
    """A dish that was not stained shows no stain, however many of its cells are senescent."""
    samples, fields, cells = build(stained=["A0", "A1", "A2", "A3", "B0", "B1"])
    fields.loc[fields["sample"].isin(["A", "B"]), "role"] = "negative control"
    for rates, method in ((lambda _: None), PLAIN), ((lambda _: (SENSITIVITY, SPECIFICITY)), CORRECTED):
        table = estimate_table(samples, fields, cells, rates, 0.5)
        bare = estimate_table(samples, fields, cells.drop(columns="marker_class"), rates, 0.5)
        for sample in "AB":
            row, without = of(table, sample), of(bare, sample)
            assert (row["reported_method"], row["reported_fraction"]) == (method, without["reported_fraction"])
            assert row["reported_notes"] == "negative control: its stain says nothing and is not used"
            assert all(pd.isna(row[c]) for c in ("stained_fraction", "powered_fraction", "n_stained_cells"))
        assert of(table, "C")["reported_notes"] == of(bare, "C")["reported_notes"]
    assert "negative control" not in why_reported(PLAIN)
    assert "their stain says nothing" in why_reported(PLAIN, table["reported_notes"])


def test_a_field_that_is_a_negative_control_is_corrected_by_the_stained_ones(build: Build) -> None:
    samples, fields, cells = build(stained=["A0", "A1", "A2", "A3"])
    fields.loc[fields["fov_id"] == "A3", "role"] = "negative control"
    row = of(estimate_table(samples, fields, cells, lambda _: None, 0.5), "A")
    assert (row["reported_method"], row["n_stained_fields"]) == (POWERED, 3)
    assert "the stain of its fields that are a negative control says nothing" in row["reported_notes"]


def test_fields_that_the_classifier_learned_from_do_not_correct_it(build: Build) -> None:
    samples, fields, cells = build(stained=["A0", "A1", "B0", "B1", "B2"], learned=["A0", "A1", "B0"])
    table = estimate_table(samples, fields, cells, lambda _: None, 0.5)
    assert pd.isna(of(table, "A")["powered_fraction"])
    fresh = cells[(cells["sample"] == "B") & ~cells["learned"]]
    known, other = fresh[fresh["marker_class"].notna()], fresh[fresh["marker_class"].isna()]
    expected = prediction_powered(known["marker_class"], known["senescent"], known["fov_id"], other["senescent"], other["fov_id"])
    assert of(table, "B")["powered_fraction"] == expected.fraction
    assert "learned from some of its fields" in of(table, "B")["reported_notes"]


def test_fractions_at_other_thresholds(build: Build) -> None:
    samples, fields, cells = build()
    row = of(estimate_table(samples, fields, cells, lambda _: None, 0.5), "A")
    probability = cells.loc[cells["sample"] == "A", "senescence_probability"].to_numpy(dtype=float)
    assert row["fraction_lower_threshold"] == (probability >= 0.45).mean()
    assert row["fraction_higher_threshold"] == (probability >= 0.55).mean()
    assert called_at(cells, 1.5) == 0  # a threshold above 1 is 1
    assert called_at(cells, 0.0) == 1
    assert pd.isna(of(estimate_table(samples, fields, cells, lambda _: None), "A")["fraction_lower_threshold"])


def test_nothing_scored_is_unknown_everywhere(build: Build) -> None:
    _, fields, cells = build(stained=["A0"])
    cells = cells.assign(excluded=True, exclusion_reason="touches border", senescent=pd.NA, senescence_probability=pd.NA)
    fields = field_table(typed(cells, ASSESSED_CELLS), fields[["fov_id", "sample", "role"]])
    table = estimate_table(sample_table(fields), fields, cells, lambda _: (SENSITIVITY, SPECIFICITY), 0.5)
    assert table[[c for c in ESTIMATES if ESTIMATES[c] == "Float64"]].isna().all(axis=None)
    assert (table["reported_method"] == "").all()


def test_no_culture_at_all() -> None:
    empty = typed(pd.DataFrame(), ASSESSED_CELLS)
    fields = field_table(empty, pd.DataFrame({"fov_id": [], "sample": []}))
    assert len(estimate_table(sample_table(fields), fields, empty, lambda _: None, 0.5)) == 0


def test_a_table_of_an_earlier_version_reports_its_plain_count(build: Build) -> None:
    samples, _, _ = build()
    table = with_reported(samples)
    assert (table["reported_method"] == PLAIN).all()
    assert table["reported_fraction"].tolist() == samples["senescent_fraction"].tolist()
    corrected = with_reported(table.assign(reported_method=CORRECTED, reported_fraction=0.5))
    assert (corrected["reported_fraction"] == 0.5).all()


def test_reference_table_counts_by_culture() -> None:
    cells = pd.DataFrame({"sample": ["A"] * 4 + ["B"] * 2, "class": [1, 1, 0, 0, 0, 0], "called": [True, False, False, False, True, False]})
    table = reference_table(cells)
    assert table[["n_stained", "n_found", "n_unstained", "n_spared"]].to_numpy().tolist() == [[2, 1, 2, 2], [0, 0, 2, 1]]
    assert pd.isna(table["sensitivity"][1])
    assert table["specificity"].tolist() == [1.0, 0.5]


@pytest.mark.parametrize("method", [PLAIN, CORRECTED, POWERED, STAINED])
def test_every_method_says_why(method: str) -> None:
    assert why_reported(method).endswith(".")
