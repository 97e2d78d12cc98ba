"""Metrics equal scikit-learn's, for one weighting and for resampled clusters."""

import numpy as np
import pytest
from sklearn import metrics as sk

from core.errors import InputError
from core.statistics.curves import calibration_table, classification_report, confusion_table, precision_recall_table, roc_table
from core.statistics.metrics import NAMES, all_metrics, cluster_of, metric_table
from core.statistics.resampling import cluster_codes, cluster_draws, stretched_interval


def scored(cells: int = 400, clusters: int = 6, seed: int = 0, ties: bool = True) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.random(cells) < 0.3
    scores = np.clip(rng.beta(2, 4, cells) + 0.25 * truth, 0, 1)
    return truth.astype(int), np.round(scores, 2) if ties else scores, rng.integers(0, clusters, cells)


def by_sklearn(y: np.ndarray, p: np.ndarray, threshold: float, weights: np.ndarray | None = None) -> dict[str, float]:
    called = (p >= threshold).astype(int)
    one = {"sample_weight": weights}
    return {
        "auc": sk.roc_auc_score(y, p, **one),
        "average_precision": sk.average_precision_score(y, p, **one),
        "accuracy": sk.accuracy_score(y, called, **one),
        "balanced_accuracy": sk.balanced_accuracy_score(y, called, **one),
        "sensitivity": sk.recall_score(y, called, **one),
        "specificity": sk.recall_score(y, called, pos_label=0, **one),
        "ppv": sk.precision_score(y, called, **one),
        "npv": sk.precision_score(y, called, pos_label=0, **one),
        "f1": sk.f1_score(y, called, **one),
        "mcc": sk.matthews_corrcoef(y, called, **one),
        "brier": sk.brier_score_loss(y, p, **one),
    }


@pytest.mark.parametrize("ties", [True, False])
def test_values_are_those_of_scikit_learn(ties):
    y, p, g = scored(ties=ties)
    table = metric_table(y, p, g, 0.45, samples=50).set_index("metric")["value"]
    for name, value in by_sklearn(y, p, 0.45).items():
        assert table[name] == pytest.approx(value, abs=1e-12), name
    assert list(table.index) == list(NAMES)


def test_a_resample_of_clusters_is_that_resample():
    """A weight of 2 is the cluster twice: every metric of every draw equals scikit-learn's with these sample weights."""
    y, p, g = scored()
    codes, names = cluster_codes(g)
    draws = cluster_draws(len(names), 5, seed=3)
    found = all_metrics(y.astype(bool), p, codes, draws, 0.45)
    for i, draw in enumerate(draws):
        wanted = by_sklearn(y, p, 0.45, draw[codes])
        for name, value in wanted.items():
            assert found[name][i] == pytest.approx(value, abs=1e-12), name


def test_calibration_error_by_hand():
    """Two bins: stated 0.15, true 0 of 2 (off by 0.15); stated 0.95, true 1 of 2 (off by 0.45). Weighted by cells: 0.3."""
    y, p = [0, 0, 1, 0], [0.1, 0.2 - 1e-9, 0.95, 0.95]
    table = metric_table(y, p, list("aabb"), 0.5, samples=10).set_index("metric")
    assert table.loc["calibration_error", "value"] == pytest.approx(0.3)
    bins = calibration_table(y, p)
    assert bins["n_cells"].to_list() == [2, 2]
    assert bins["senescent_fraction"].to_list() == [0, 0.5]


def test_auc_within_is_blind_to_cultures():
    y, p = np.array([0, 0, 1, 1] * 2), np.array([0.1, 0.2, 0.1, 0.2, 0.8, 0.9, 0.8, 0.9])
    table = metric_table(y, p, ["a"] * 4 + ["b"] * 4, 0.5, samples=10).set_index("metric")["value"]
    assert table["auc_within"] == 0.5
    apart = metric_table([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9], list("aabb"), 0.5, samples=10).set_index("metric")["value"]
    assert apart["auc"] == 1
    assert np.isnan(apart.astype(float)["auc_within"])


def test_predictive_values_at_another_prevalence():
    y, p, g = scored(4000)
    table = metric_table(y, p, g, 0.45, prevalence=0.02, samples=50).set_index("metric")["value"]
    sens, spec = table["sensitivity"], table["specificity"]
    assert table["ppv"] == pytest.approx(sens * 0.02 / (sens * 0.02 + (1 - spec) * 0.98))
    assert table["npv"] == pytest.approx(spec * 0.98 / (spec * 0.98 + (1 - sens) * 0.02))
    same = metric_table(y, p, g, 0.45, prevalence=float(y.mean()), samples=50).set_index("metric")["value"]
    assert same["ppv"] == pytest.approx(sk.precision_score(y, p >= 0.45))


def test_intervals_hold_the_value_are_repeatable_and_widen_with_few_clusters():
    y, p, g = scored(2000, 12)
    many = metric_table(y, p, g, 0.45, samples=300)
    assert ((many["ci_low"] <= many["value"]) & (many["value"] <= many["ci_high"])).all()
    assert many.equals(metric_table(y, p, g, 0.45, samples=300))
    few = metric_table(y[g < 3], p[g < 3], g[g < 3], 0.45, samples=300)
    gap = few.loc[0, "ci_high"] - few.loc[0, "ci_low"], many.loc[0, "ci_high"] - many.loc[0, "ci_low"]
    assert gap[0] > gap[1]


def test_one_cluster_has_no_interval_and_one_class_no_auc():
    y, p, _ = scored(50)
    alone = metric_table(y, p, ["a"] * 50, 0.45, samples=20)
    assert alone["value"].notna().sum() == len(NAMES)
    assert alone["ci_low"].isna().all()
    only = metric_table(np.zeros(50), p, ["a", "b"] * 25, 0.45, samples=20).set_index("metric")
    assert only.loc[["auc", "auc_within", "average_precision", "sensitivity"], "value"].isna().all()
    assert only.loc["specificity", "value"] == np.mean(p < 0.45)


def test_two_clusters_have_no_interval():
    """Two fields that happen to agree would give an interval of no width, as if half of the cells were known exactly to be found."""
    y, p = np.array([0, 1] * 14), np.tile([0.1, 0.9, 0.1, 0.2], 7)
    table = metric_table(y, p, np.repeat(["a", "b"], 14), 0.5, samples=200).set_index("metric")
    assert table.loc["sensitivity", "value"] == 0.5
    assert table[["ci_low", "ci_high"]].isna().all(axis=None)


def test_clusters_that_agree_have_no_interval_of_no_width():
    y, p = np.array([0, 1] * 16), np.tile([0.1, 0.9, 0.1, 0.2], 8)
    table = metric_table(y, p, np.repeat(list("abcd"), 8), 0.5, samples=200).set_index("metric")
    assert table.loc["sensitivity", "value"] == 0.5
    assert table.loc["sensitivity", ["ci_low", "ci_high"]].isna().all()
    assert table.loc["specificity", "ci_low"] < 0.7  # no cell was called wrongly: Wilson's, over clusters


def test_perfect_numbers_do_not_claim_certainty():
    y = np.array([0, 1] * 20)
    table = metric_table(y, np.where(y, 0.9, 0.1), np.repeat(list("abcd"), 10), 0.5, samples=50).set_index("metric")
    assert table.loc["auc", "value"] == 1
    assert table.loc["auc", "ci_low"] < 0.7


@pytest.mark.parametrize(
    ("y", "p", "g", "words"),
    [
        ([], [], [], "found none"),
        ([0, 2], [0.1, 0.2], "ab", "0 and 1"),
        ([0, 1], [0.1, 1.2], "ab", "from 0 to 1"),
        ([0, 1], [0.1, np.nan], "ab", "from 0 to 1"),
    ],
)
def test_metrics_refuse_nonsense(y, p, g, words):
    with pytest.raises(InputError, match=words):
        metric_table(y, p, list(g), 0.5)


def test_metrics_refuse_lengths_that_differ():
    with pytest.raises(InputError, match="one probability a cell"):
        metric_table([0, 1], [0.1], ["a", "b"], 0.5)
    with pytest.raises(InputError, match="one group a cell"):
        metric_table([0, 1], [0.1, 0.2], ["a"], 0.5)


def test_clusters_are_cultures_or_the_fields_of_one():
    assert cluster_of(["A", "B"], ["1", "2"])[1] == "culture"
    groups, word = cluster_of(["A", "A"], ["1", "2"])
    assert (list(groups), word) == (["1", "2"], "field")


def test_curves_and_reports_are_those_of_scikit_learn():
    y, p, _ = scored()
    roc = roc_table(y, p)
    assert sk.auc(roc["false_positive_rate"], roc["sensitivity"]) == pytest.approx(sk.roc_auc_score(y, p))
    precision, recall, _ = sk.precision_recall_curve(y, p)
    curve = precision_recall_table(y, p)
    np.testing.assert_array_equal(curve[["recall", "precision"]].to_numpy(), np.stack([recall, precision], axis=1))
    confusion = confusion_table(y, p, 0.45)[["not senescent", "senescent"]].to_numpy()
    np.testing.assert_array_equal(confusion, sk.confusion_matrix(y, p >= 0.45))
    assert classification_report(y, p, 0.45) == sk.classification_report(y, p >= 0.45, target_names=["not senescent", "senescent"], digits=3)


def test_one_class_has_empty_curves_and_a_report():
    assert roc_table([0, 0], [0.1, 0.2]).empty
    assert precision_recall_table([0, 0], [0.1, 0.2]).empty
    assert "senescent" in classification_report([0, 0], [0.1, 0.2], 0.5)


def test_the_stretch_is_students():
    draws = np.linspace(0.4, 0.6, 1001)
    low, high = stretched_interval(0.5, draws, 3)
    assert 0.5 - low == pytest.approx((0.5 - np.quantile(draws, 0.025)) * 4.3027 / 1.95996 * np.sqrt(1.5), rel=1e-4)
    assert high - 0.5 == pytest.approx(0.5 - low)
    assert np.isnan(stretched_interval(0.5, draws, 1)).all()
    assert np.isnan(stretched_interval(0.5, draws, 2)).all()
    assert np.isnan(stretched_interval(0.5, np.full(10, np.nan), 5)).all()
