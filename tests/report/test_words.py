import pandas as pd
import pytest

from core.report import words


@pytest.mark.parametrize(
    ("fraction", "text"),
    [(0.342, "34"), (0, "0"), (0.004, "<1"), (0.0051, "1"), (0.994, "99"), (0.9951, ">99"), (0.9999, ">99"), (1, "100")],
)
def test_percent_without_false_precision(fraction, text):
    assert words.percent(fraction) == f"{text}\u00a0%"
    assert words.percent(pd.NA) == words.percent(None) == words.percent(float("nan")) == "–"


def test_only_all_and_none_read_as_such():
    for fraction in (1e-9, 0.0049, 0.9951, 1 - 1e-9):
        assert words.percent(fraction) not in (words.percent(0), words.percent(1))


def test_a_number_stays_with_its_per_cent():
    assert words.unbroken("finds 30 % of 5 % (95 % interval)") == "finds 30\u00a0% of 5\u00a0% (95\u00a0% interval)"


def test_interval():
    assert words.interval(0.271, 0.423) == "27–42\u00a0%"
    assert words.interval(0.301, 0.303) == "30\u00a0%"
    assert words.interval(pd.NA, 0.3) == "–"


def test_counts():
    assert words.count(1, "field") == "1 field"
    assert words.count(12_345, "cell") == "12\u202f345 cells"
    assert words.grouped(pd.NA) == "–"


@pytest.mark.parametrize(
    ("sample", "passage", "name"),
    [
        ("MSC1", "P4", "MSC1 P4"),
        ("MSC1", "4", "MSC1 P4"),
        ("MSC1", "1", "MSC1 P1"),
        ("MSC1_P4", "p4", "MSC1_P4"),
        ("MSC1 P4", "4", "MSC1 P4"),
        ("MSC1", "P4; P5", "MSC1"),
        ("MSC1", "", "MSC1"),
        ("", "", "(unnamed culture)"),
    ],
)
def test_name_of_a_culture(sample, passage, name):
    assert words.culture({"sample": sample, "passage": passage}) == name


def test_one_plain_sentence():
    row = {"sample": "MSC1", "passage": "P4", "role": "sample", "n_fields": 3, "n_scored": 330, "n_senescent": 112}
    row |= {"senescent_fraction": 112 / 330, "ci_low": 0.271, "ci_high": 0.423}
    said = "MSC1 P4: 34 % senescent (95 % interval 27–42 %), 112 of 330 scored cells in 3 fields."
    assert words.sentence(row).replace("\u00a0", " ") == said
    assert "(negative control)" in words.sentence(row | {"role": "negative control"})
    assert words.sentence(row | {"n_scored": 0, "n_fields": 1}) == "MSC1 P4: no cell could be scored in 1 field."


@pytest.mark.parametrize(("p", "shown"), [(0.0004, "<0.001"), (0.0234, "0.023"), (1.0, "1.000"), (None, "–")])
def test_probabilities_are_never_zero(p, shown):
    assert words.probability(p) == shown


def test_a_threshold_below_0_is_the_one_of_the_model() -> None:
    assert words.setting_value("threshold", -1.0) == "the one stored with the model"
    assert [words.setting_value("threshold", 0.0), words.setting_value("threshold", "auto"), words.setting_value("seed", -1)] == [0.0, "auto", -1]
