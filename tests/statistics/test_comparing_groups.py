import numpy as np
import pandas as pd
import pytest

from core.errors import InputError
from core.statistics.comparing import EVERY, compared_fractions, comparison, doses
from core.statistics.groups import compare_groups, group_table, trend
from core.tables import REPORTED_SAMPLES, typed

FRACTIONS = [0.05, 0.08, 0.11, 0.20, 0.28, 0.25, 0.31]
PASSAGES = ["P4"] * 3 + ["P10"] * 4


def units(fractions: list, groups: list) -> pd.DataFrame:
    return pd.DataFrame({"unit": [f"c{i}" for i in range(len(groups))], "group": groups, "fraction": fractions})


def test_tables_are_those_of_the_functions():
    found = comparison(units(FRACTIONS, PASSAGES), "passage", "culture", "plain count")
    pd.testing.assert_frame_equal(found.groups, group_table(FRACTIONS, PASSAGES))
    pd.testing.assert_frame_equal(found.comparisons, compare_groups(FRACTIONS, PASSAGES))
    pd.testing.assert_frame_equal(found.trend, trend(FRACTIONS, [4.0] * 3 + [10.0] * 4))
    assert "P10 against P4" in found.sentences[0]
    assert "a passage" in found.sentences[1]
    assert found.warnings == ()


def test_the_reference_is_what_others_are_compared_with():
    found = comparison(units(FRACTIONS, PASSAGES), "passage", "culture", "plain count", "P10")
    assert found.comparisons[["group", "reference"]].to_numpy().tolist() == [["P4", "P10"]]
    with pytest.raises(InputError, match="P99"):
        comparison(units(FRACTIONS, PASSAGES), "passage", "culture", "plain count", "P99")


def test_few_replicates_are_warned_of_in_the_unit_that_is_compared():
    found = comparison(units([0.1, 0.2, 0.3], ["a", "a", "b"]), "condition", "well", "plain count")
    assert found.warnings[0].startswith("Fewer than 3 wells in a (2), b (1)")


def test_donors_that_stand_in_several_groups_are_named_as_what_they_are():
    table = units(FRACTIONS[1:], ["P4", "P4", "P4", "P10", "P10", "P10"]).assign(unit=["D1", "D2", "D3"] * 2)
    found = comparison(table, "passage", "donor", "plain count")
    assert found.sentences[0].endswith("3 and 3 donors.")
    assert found.sentences[1].endswith("6 donor means.")
    assert found.warnings[0].startswith("The same donors stand in several groups")


def test_one_culture_is_a_mean_without_interval():
    found = comparison(units([0.1], ["P4"]), "passage", "culture", "plain count")
    assert len(found.groups) == 1
    assert pd.isna(found.groups["ci_low"][0])
    assert found.comparisons.empty
    assert found.sentences == ()


def test_without_a_column_all_cultures_are_one_group():
    found = comparison(units(FRACTIONS, PASSAGES), "", "culture", "plain count")
    assert found.groups[["group", "n_cultures"]].to_numpy().tolist() == [[EVERY, 7]]


def test_nothing_to_compare():
    found = comparison(units([None, None], ["a", "b"]), "condition", "culture", "plain count")
    assert found.groups.empty
    assert comparison(units([], []), "", "culture", "plain count").groups.empty


def test_a_culture_without_a_known_group_is_named():
    found = comparison(units([0.1, 0.2, 0.3, 0.4], ["a", "", "a", "a"]), "condition", "culture", "plain count")
    assert "condition is not known or differs between fields: 1 culture (c1)." in found.warnings[-1]


@pytest.mark.parametrize(
    ("groups", "column", "expected"),
    [
        (["0 nM", "10 nM", "2,5 nM"], "condition", [0, 10, 2.5]),
        (["10 nM", "10 µM"], "condition", [np.nan, np.nan]),
        (["5", "10 nM"], "condition", [np.nan, np.nan]),
        (["0", "10 nM"], "condition", [0, 10]),  # nothing is nothing in every unit
        (["control", "5 Gy"], "condition", [np.nan, 5]),
        (["P4", "p4+2", "late"], "passage", [4, 6, np.nan]),
    ],
)
def test_doses(groups, column, expected):
    np.testing.assert_array_equal(doses(groups, column), expected)


def test_one_estimator_for_all():
    rows = [
        {"sample": "a", "n_scored": 9, "senescent_fraction": 0.1, "corrected_fraction": 0.2, "reported_fraction": 0.3, "reported_method": "prediction-powered"},
        {"sample": "b", "n_scored": 9, "senescent_fraction": 0.4, "corrected_fraction": 0.5, "reported_fraction": 0.5, "reported_method": "corrected"},
    ]
    mixed = typed(pd.DataFrame(rows), REPORTED_SAMPLES)
    assert compared_fractions(mixed)[0].tolist() == [0.2, 0.5]
    alike = mixed.assign(reported_method="prediction-powered")
    assert compared_fractions(alike)[0].tolist() == [0.3, 0.5]
    assert compared_fractions(mixed.assign(corrected_fraction=[0.2, pd.NA]))[0].tolist() == [0.1, 0.4]
    unscored = pd.concat([alike, alike.iloc[:1].assign(n_scored=0, reported_method="")], ignore_index=True)
    assert compared_fractions(unscored)[1] == "prediction-powered"
