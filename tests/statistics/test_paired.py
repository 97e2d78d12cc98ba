"""Two classifiers on the same cells: differences, flips, DeLong's check, and what is said of them."""

import numpy as np
import pytest
from sklearn import metrics as sk

from core.errors import InputError
from core.statistics.metrics import NAMES, metric_table
from core.statistics.paired import delong, flip_table, outcomes, paired_sentence, paired_table
from core.statistics.resampling import cluster_codes, cluster_draws, stretched_interval


def cells(n: int = 600, cultures: int = 8, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Classes, a good and a poor classifier, cultures."""
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.4).astype(int)
    good, poor = (np.round(np.clip(0.3 + skill * y + rng.normal(0, 0.15, n), 0, 1), 2) for skill in (0.35, 0.1))
    return y, good, poor, rng.integers(0, cultures, n)


def test_both_columns_are_those_of_the_evaluations_and_the_difference_is_theirs():
    y, good, poor, g = cells()
    table = paired_table(y, poor, good, (0.4, 0.5), g, samples=200).set_index("metric")
    assert list(table.index) == list(NAMES)
    for column, scores, threshold in (("first", poor, 0.4), ("second", good, 0.5)):
        alone = metric_table(y, scores, g, threshold, samples=10).set_index("metric")["value"]
        np.testing.assert_allclose(table[column].astype(float), alone.astype(float))
    np.testing.assert_allclose(table["difference"].astype(float), (table["second"] - table["first"]).astype(float))
    assert table.loc["auc", "difference"] == pytest.approx(sk.roc_auc_score(y, good) - sk.roc_auc_score(y, poor))


def test_the_interval_is_that_of_drawing_the_same_cultures_for_both():
    """The slow way: put the cells of the drawn cultures together and ask scikit-learn."""
    y, good, poor, g = cells(cultures=6)
    codes, names = cluster_codes(g)
    gaps = []
    for draw in cluster_draws(len(names), 60, 3):
        drawn = np.concatenate([np.tile(np.flatnonzero(codes == code), int(times)) for code, times in enumerate(draw)])
        gaps.append(sk.roc_auc_score(y[drawn], good[drawn]) - sk.roc_auc_score(y[drawn], poor[drawn]))
    row = paired_table(y, poor, good, (0.5, 0.5), g, samples=60, seed=3).iloc[0]
    assert (row["ci_low"], row["ci_high"]) == pytest.approx(stretched_interval(row["difference"], np.array(gaps), len(names), (-1, 1)))


def test_pairing_narrows_the_interval():
    """Two classifiers that share what is hard about a culture: the difference is known better than either."""
    y, good, _, g = cells(1200)
    rng = np.random.default_rng(1)
    hard = rng.normal(0, 0.3, 8)[g]
    one, other = (np.clip(good + hard * (2 * y - 1) + rng.normal(0, 0.02, len(y)), 0, 1) for _ in range(2))
    row = paired_table(y, one, other, (0.5, 0.5), g, samples=400).iloc[0]
    alone = metric_table(y, one, g, 0.5, samples=400).iloc[0]
    assert row["ci_high"] - row["ci_low"] < 0.3 * (alone["ci_high"] - alone["ci_low"])


def test_which_is_better_is_said_either_way_round():
    y, good, poor, g = cells()
    ahead, behind = (paired_table(y, *pair, (0.5, 0.5), g, samples=300).set_index("metric") for pair in ((poor, good), (good, poor)))
    assert (ahead.loc["auc", "better"], behind.loc["auc", "better"]) == ("second", "first")
    assert ahead.loc["brier", "difference"] < 0  # less is better there
    assert (ahead.loc["brier", "better"], behind.loc["brier", "better"]) == ("second", "first")
    same = paired_table(y, good, good, (0.5, 0.5), g, samples=100)
    assert (same[["difference", "ci_low", "ci_high"]] == 0).all(axis=None)
    assert set(same["better"]) == {""}


def test_one_culture_and_one_class_show_no_difference():
    y, good, poor, _ = cells()
    alone = paired_table(y, poor, good, (0.5, 0.5), ["A"] * len(y), samples=20)
    assert alone["ci_low"].isna().all()
    assert set(alone["better"]) == {""}
    only = paired_table(np.zeros(len(y)), poor, good, (0.5, 0.5), ["A", "B"] * 300, samples=20).set_index("metric")
    assert only["difference"].isna()["auc"]


def test_flips_are_counted_and_mcnemar_is_that_of_statsmodels():
    mcnemar = pytest.importorskip("statsmodels.stats.contingency_tables").mcnemar
    y, good, poor, _ = cells()
    one, other = poor >= 0.4, good >= 0.5
    table = flip_table(y, one, other).set_index("true_class")
    right = (one == y.astype(bool)), (other == y.astype(bool))
    counts = [[int((right[0] & right[1]).sum()), int((right[0] & ~right[1]).sum())], [int((~right[0] & right[1]).sum()), int((~right[0] & ~right[1]).sum())]]
    row = table.loc["all"]
    assert row[["both_right", "only_first_right", "only_second_right", "both_wrong"]].to_list() == [*counts[0], *counts[1]]
    assert row["p_mcnemar"] == pytest.approx(mcnemar(counts, exact=True).pvalue)
    columns = table.columns.drop("p_mcnemar")
    assert (table.loc["senescent", columns] + table.loc["not senescent", columns]).to_list() == table.loc["all", columns].to_list()
    assert flip_table(y, one, one)["p_mcnemar"].to_list() == [1, 1, 1]


def test_outcomes_by_hand():
    found = outcomes([1, 1, 1, 1, 0], [1, 1, 0, 0, 0], [1, 0, 1, 0, 1])
    assert found.tolist() == ["both right", "only first right", "only second right", "both wrong", "only first right"]


def test_delong_is_the_sum_over_pairs_of_the_paper():
    """Structural components by comparing every senescent cell with every other one (DeLong 1988, equations 5 to 7)."""
    y, good, poor, _ = cells(80)
    truth = y.astype(bool)
    v10, v01 = [], []
    for scores in (poor, good):
        won = (scores[truth][:, None] > scores[~truth]) + 0.5 * (scores[truth][:, None] == scores[~truth])
        v10.append(won.mean(axis=1))
        v01.append(won.mean(axis=0))
    covariance = np.cov(v10) / truth.sum() + np.cov(v01) / (~truth).sum()
    gap, error = v10[1].mean() - v10[0].mean(), np.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    assert delong(y, poor, good) == pytest.approx((gap, gap - 1.959964 * error, gap + 1.959964 * error))


def test_delong_checks_the_bootstrap_where_cells_are_independent():
    y, good, poor, _ = cells(400)
    _, low, high = delong(y, poor, good)
    row = paired_table(y, poor, good, (0.5, 0.5), np.arange(400), samples=1000).iloc[0]
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((low, high), abs=0.25 * (high - low))


def test_delong_needs_both_classes():
    with pytest.raises(InputError, match="found 1 senescent and 2 others"):
        delong([1, 0, 0], [0.1, 0.2, 0.3], [0.1, 0.2, 0.3])


def said(first: np.ndarray, second: np.ndarray, y: np.ndarray, g: object) -> str:
    table = paired_table(y, first, second, (0.5, 0.5), g, samples=300)
    return paired_sentence(table, flip_table(y, first >= 0.5, second >= 0.5), "A", "B", "culture")


def test_the_sentence_says_who_is_better_or_that_nothing_is_shown():
    y, good, poor, g = cells()
    assert "B ranks cells better than A by 0." in said(poor, good, y, g)
    assert "A ranks cells better than B by 0." in said(good, poor, y, g)
    assert "On the same 600 cells of 8 cultures" in said(poor, good, y, g)
    rng = np.random.default_rng(2)
    near = np.clip(good + rng.normal(0, 0.01, len(y)), 0, 1)
    assert "the interval includes zero: no difference is shown" in said(good, near, y, g)
    assert "no difference is shown" in said(poor, good, y, ["A"] * len(y))
    assert "the AUC is not defined" in said(poor, good, np.zeros(len(y)), g)
