import numpy as np
import pandas as pd
import pytest
from scipy import stats

from core.errors import InputError
from core.statistics.agreement import agreement_sentence, agreement_table, differences
from core.statistics.groups import compare_groups, comparison_sentence, few_replicates, group_table, passage_number, trend, trend_sentence

FRACTIONS = [0.05, 0.08, 0.11, 0.20, 0.28, 0.25, 0.31]
PASSAGES = ["P4"] * 3 + ["P10"] * 4


def test_difference_is_welchs():
    row = compare_groups(FRACTIONS, PASSAGES).iloc[0]
    assert (row["group"], row["reference"]) == ("P10", "P4")  # natural order: the earlier passage is the reference
    welch = stats.ttest_ind(FRACTIONS[3:], FRACTIONS[:3], equal_var=False)
    interval = welch.confidence_interval()
    assert (row["ci_low"], row["ci_high"], row["p"]) == pytest.approx((interval.low, interval.high, welch.pvalue))
    assert row["difference"] == pytest.approx(np.mean(FRACTIONS[3:]) - np.mean(FRACTIONS[:3]))


def test_welch_and_holm_equal_statsmodels():
    weightstats = pytest.importorskip("statsmodels.stats.weightstats")
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    row = compare_groups(FRACTIONS, PASSAGES).iloc[0]
    means = weightstats.CompareMeans(weightstats.DescrStatsW(FRACTIONS[3:]), weightstats.DescrStatsW(FRACTIONS[:3]))
    assert (row["ci_low"], row["ci_high"]) == pytest.approx(means.tconfint_diff(usevar="unequal"))
    rng = np.random.default_rng(0)
    table = compare_groups(rng.random(16), np.repeat(list("abcd"), 4))
    assert len(table) == 6
    np.testing.assert_allclose(table["p_holm"].to_numpy(float), multitest.multipletests(table["p"].to_numpy(float), method="holm")[1])


def test_hedges_g_by_hand():
    """Two groups of 2 and 3: pooled SD by hand, J(3) = gamma(1.5) / (sqrt(1.5) gamma(1)) = 0.7236."""
    row = compare_groups([0.1, 0.2, 0.4, 0.5, 0.6], ["a"] * 2 + ["b"] * 3).iloc[0]
    pooled = np.sqrt((0.005 * 1 + 0.01 * 2) / 3)
    assert row["hedges_g"] == pytest.approx(0.72360 * 0.35 / pooled, rel=1e-4)


def test_a_reference_is_compared_with_all_others_only():
    table = compare_groups(FRACTIONS, ["a", "a", "b", "b", "c", "c", "c"], reference="b")
    assert table["group"].to_list() == ["a", "c"]
    with pytest.raises(InputError, match="found 'z'"):
        compare_groups(FRACTIONS, PASSAGES, reference="z")


def test_one_culture_a_group_has_no_interval():
    table = compare_groups([0.1, 0.2, 0.3], ["a", "b", "b"])
    assert table.loc[0, "difference"] == pytest.approx(0.15)
    assert table.loc[0, ["ci_low", "ci_high", "p", "p_holm", "hedges_g"]].isna().all()
    assert "too few cultures" in comparison_sentence(table.iloc[0].to_dict())


def test_groups_without_spread_and_without_name():
    assert compare_groups([0.1, 0.1, 0.2, 0.2], list("aabb")).loc[0, "ci_low"] is pd.NA
    assert group_table([0.1, 0.2, np.nan, 0.4], ["a", "a", "a", ""])["n_cultures"].to_list() == [2]
    assert compare_groups([], []).empty
    assert group_table([], []).empty


def test_few_replicates_are_named():
    table = group_table(FRACTIONS, ["P4"] * 2 + ["P10"] * 5)
    assert "P4 (2)" in few_replicates(table)
    assert few_replicates(group_table(FRACTIONS, PASSAGES)) == ""
    assert (table["ci_low"] <= table["mean"]).all()


def test_sentences_say_whether_a_difference_is_shown():
    assert "beyond the uncertainty" in comparison_sentence(compare_groups(FRACTIONS, PASSAGES).iloc[0].to_dict())
    assert "no difference is shown" in comparison_sentence(compare_groups(FRACTIONS, list("abababa")).iloc[0].to_dict())


def test_trend_is_least_squares():
    passages = [passage_number(p) for p in PASSAGES]
    row = trend(FRACTIONS, passages).iloc[0]
    line = stats.linregress(passages, FRACTIONS)
    assert (row["slope"], row["p"]) == pytest.approx((line.slope, line.pvalue))
    assert row["ci_low"] < row["slope"] < row["ci_high"]
    assert "beyond the uncertainty" in trend_sentence(trend(FRACTIONS, passages))


def test_trend_equals_statsmodels():
    api = pytest.importorskip("statsmodels.api")
    x = np.array([passage_number(p) for p in PASSAGES])
    low, high = api.OLS(np.array(FRACTIONS), api.add_constant(x)).fit().conf_int()[1]
    row = trend(FRACTIONS, x).iloc[0]
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((low, high))


@pytest.mark.parametrize(("y", "x"), [([0.1, 0.2], [1, 2]), ([0.1, 0.2, 0.3], [1, 1, 1]), ([], [])])
def test_no_trend_from_too_little(y, x):
    assert trend(y, x)["slope"].isna().all()
    assert "No trend" in trend_sentence(trend(y, x))


@pytest.mark.parametrize(("text", "number"), [("P4", 4), ("p4+2", 6), ("12", 12), ("passage 3", 3), ("early", np.nan), ("", np.nan)])
def test_passage_numbers(text, number):
    assert passage_number(text) == pytest.approx(number, nan_ok=True)


def test_agreement_by_hand():
    row = agreement_table([0.1, 0.2, 0.3, np.nan], [0.12, 0.18, 0.36, 0.5]).iloc[0]
    gaps = np.array([0.02, -0.02, 0.06])
    assert row["n_cultures"] == 3
    assert (row["bias"], row["sd"]) == pytest.approx((gaps.mean(), gaps.std(ddof=1)))
    assert (row["limit_low"], row["limit_high"]) == pytest.approx((gaps.mean() - 1.96 * gaps.std(ddof=1), gaps.mean() + 1.96 * gaps.std(ddof=1)))
    assert row["pearson"] == pytest.approx(np.corrcoef([0.1, 0.2, 0.3], [0.12, 0.18, 0.36])[0, 1])
    assert differences([0.1], [0.2]).to_dict("records") == [{"mean": pytest.approx(0.15), "difference": pytest.approx(0.1)}]


@pytest.mark.parametrize("n", [0, 1])
def test_agreement_of_too_few_cultures_is_unknown(n):
    table = agreement_table([0.1] * n, [0.2] * n)
    assert table["limit_low"].isna().all()
    assert "says nothing of agreement" in agreement_sentence(table)


def test_agreement_sentence_names_bias_and_limits():
    text = agreement_sentence(agreement_table([0.1, 0.2, 0.3], [0.12, 0.18, 0.36]))
    assert "2.0 percentage points more" in text
    assert "limits themselves are uncertain" in text
