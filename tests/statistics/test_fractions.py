import numpy as np
import pandas as pd
import pytest
from scipy.stats import beta

from core.errors import InputError
from core.statistics.fractions import field_table, sample_table
from core.statistics.intervals import wilson
from core.tables import ASSESSED_FIELDS, ASSESSED_SAMPLES, typed


def listed(*ids: str, **columns: object) -> pd.DataFrame:
    return pd.DataFrame({"fov_id": list(ids), "sample": "A", **columns})


def scored(counts: list[tuple[int, int]], sample: str = "A", **columns: object) -> pd.DataFrame:
    """ASSESSED_FIELDS of one culture from (senescent, scored) of each field."""
    k, n = np.array(counts).reshape(-1, 2).T
    ids = [f"{sample}{i}" for i in range(len(counts))]
    return pd.DataFrame({"fov_id": ids, "sample": sample, "n_senescent": k, "n_scored": n, "n_cells": n, "n_excluded": 0, **columns})


def test_counts_of_a_field(make_cells):
    table = field_table(make_cells(f1=(3, 7, 2, 1, 4), f2=(0, 5)), listed("f2", "f1", well=["B1", "B2"], confluence=[0.25, None]))
    assert list(table.columns) == list(ASSESSED_FIELDS)
    pd.testing.assert_frame_equal(table, typed(table, ASSESSED_FIELDS))
    assert list(table["fov_id"]) == ["f2", "f1"]
    row = table.iloc[1]
    expected = {"n_cells": 17, "n_scored": 10, "n_excluded": 7, "n_touches_border": 2, "n_too_small": 1, "n_no_contrast": 4, "n_senescent": 3}
    assert {name: row[name] for name in expected} == expected
    assert row["senescent_fraction"] == 0.3
    assert (row["ci_low"], row["ci_high"]) == wilson(3, 10)
    assert row["ci_method"] == "Wilson"
    assert row["well"] == "B2"
    assert pd.isna(row["confluence"])


def test_field_without_cells_or_without_scored_cells_is_unknown_not_zero(make_cells):
    table = field_table(make_cells(f1=(0, 0, 4)), listed("f1", "f2"))
    assert list(table["n_cells"]) == [4, 0]
    assert table[["senescent_fraction", "ci_low", "ci_high"]].isna().all(axis=None)
    assert list(table["ci_method"]) == ["", ""]


def test_no_fields_give_empty_tables(make_cells):
    fields = field_table(make_cells(), listed())
    assert len(fields) == 0
    assert list(sample_table(fields).columns) == list(ASSESSED_SAMPLES)


def test_lost_cells_are_noticed(make_cells):
    with pytest.raises(InputError, match="n_cells is 9, but the cell table holds 2"):
        field_table(make_cells(f1=(1, 1)), listed("f1", n_cells=[9]))
    with pytest.raises(InputError, match="not listed"):
        field_table(make_cells(f1=(1, 1)), listed("f2"))
    with pytest.raises(InputError, match="twice"):
        field_table(make_cells(f1=(1, 1)), listed("f1", "f1"))


@pytest.mark.parametrize("broken", [{"senescent": pd.NA}, {"excluded": pd.NA}, {"excluded": True}, {"senescent": 2}])
def test_cell_that_is_neither_scored_nor_excluded_is_refused(make_cells, broken):
    with pytest.raises(InputError, match="neither scored"):
        field_table(make_cells(f1=(1, 0)).assign(**broken), listed("f1"))


def test_sample_adds_up_its_fields_and_orders_names_naturally():
    fields = pd.concat([scored([(1, 4)], "P10"), scored([(2, 10), (6, 10), (0, 0)], "P2")])
    table = sample_table(fields)
    assert list(table["sample"]) == ["P2", "P10"]
    pd.testing.assert_frame_equal(table, typed(table, ASSESSED_SAMPLES))
    row = table.iloc[0]
    assert (row["n_fields"], row["n_scored"], row["n_senescent"], row["senescent_fraction"]) == (3, 20, 8, 0.4)
    assert table["ci_method"].to_list() == ["beta-binomial", "beta-binomial"]


def test_mixed_metadata_is_joined():
    row = sample_table(scored([(1, 4)] * 3, passage=["P10", "P2", ""], role="sample", condition="")).iloc[0]
    assert (row["passage"], row["role"], row["condition"]) == ("P2; P10", "sample", "")


@pytest.mark.parametrize(("counts", "low", "high"), [([(0, 9), (0, 12)], 0, None), ([(9, 9), (12, 12)], None, 1)])
def test_none_or_all_senescent_reaches_the_end_and_knows_of_fields(counts, low, high):
    row = sample_table(scored(counts)).iloc[0]
    assert row["ci_low"] == low if high is None else row["ci_high"] == high
    of_independent_cells = beta.ppf(0.975, 0.5, 21.5)  # Jeffreys' interval of 0 of 21; that of 21 of 21 mirrors it
    assert row["ci_high"] - row["ci_low"] > 1.2 * of_independent_cells


def test_the_interval_narrows_with_fields_more_than_with_cells():
    width = [
        float(np.diff(sample_table(scored(counts)).iloc[0][["ci_low", "ci_high"]].to_numpy(float))[0])
        for counts in ([(30, 100)], [(300, 1000)], [(10, 33), (10, 33), (10, 34)], [(3, 10)] * 10)
    ]
    assert width[0] > width[1] > width[2] > width[3]
    assert width[1] > 0.7 * width[0]


def test_fields_that_agree_by_chance_do_not_give_false_precision():
    row = sample_table(scored([(10, 30)] * 3)).iloc[0]
    over_cells = wilson(30, 90)
    assert row["ci_low"] < over_cells[0] < over_cells[1] < row["ci_high"]


ODD = [*[(i % 7, 30) for i in range(23)], (200, 300)]  # one field unlike all others: no beta distribution


def test_many_fields_that_the_model_does_not_fit_are_resampled():
    alike = [(i % 7, 30) for i in range(24)]
    assert sample_table(scored(ODD), bootstrap=400)["ci_method"].iloc[0] == "cluster bootstrap"
    assert sample_table(scored(alike), bootstrap=400)["ci_method"].iloc[0] == "beta-binomial"
    assert sample_table(scored(ODD[-19:]), bootstrap=400)["ci_method"].iloc[0] == "beta-binomial"


def test_adding_a_culture_changes_no_other_interval():
    first = scored(ODD, "MSC1 ø")
    alone = sample_table(first, 300, seed=7)
    both = sample_table(pd.concat([scored([(9, 20), (1, 30)], "A"), first]), 300, seed=7)
    pd.testing.assert_frame_equal(alone, both[both["sample"] == "MSC1 ø"].reset_index(drop=True))
    assert sample_table(first, 300, seed=8)["ci_low"].iloc[0] != alone["ci_low"].iloc[0]


def test_same_interval_on_every_machine():
    """Guards the stable seed: Python's hash() of a text differs from run to run."""
    row = sample_table(scored(ODD, "MSC1"), 300, seed=7).iloc[0]
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((0.06822392564913957, 0.4452041099243434), rel=1e-9)


def test_culture_with_nothing_scored_is_unknown():
    row = sample_table(scored([(0, 0), (0, 0)])).iloc[0]
    assert row[["senescent_fraction", "ci_low", "ci_high"]].isna().all()
    assert row["ci_method"] == ""
