import numpy as np
import pytest
from sklearn import metrics as sk

from core.errors import InputError
from core.statistics.calibration import apply_temperature, fit_temperature
from core.statistics.thresholds import choose_threshold, every_threshold, thin


def cells(n: int = 300, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.4).astype(int)
    return y, np.round(np.clip(rng.beta(2, 3, n) + 0.2 * y, 0, 1), 2)


def test_each_rule_finds_its_best():
    y, p = cells()
    tried = np.unique(np.concatenate([p, p + 1e-6, [0, 1.1]]))
    called = [p >= t for t in tried]
    best = {
        "youden": max(sk.balanced_accuracy_score(y, c) for c in called),
        "accuracy": max(sk.accuracy_score(y, c) for c in called),
        "f1": max(sk.f1_score(y, c, zero_division=0.0) for c in called),
    }
    score = {"youden": sk.balanced_accuracy_score, "accuracy": sk.accuracy_score, "f1": sk.f1_score}
    for rule, wanted in best.items():
        found = choose_threshold(y, p, rule)
        assert score[rule](y, p >= found.value) == pytest.approx(wanted), rule
        assert "sensitivity" in found.why


@pytest.mark.parametrize("rule", ["sensitivity", "specificity"])
def test_a_fixed_rate_is_reached_and_the_other_is_largest(rule):
    y, p = cells()
    found = choose_threshold(y, p, rule, target=0.9)
    rate, other = (sk.recall_score(y, p >= found.value, pos_label=k) for k in ((1, 0) if rule == "sensitivity" else (0, 1)))
    assert rate >= 0.9
    for t in np.unique(p):
        a, b = (sk.recall_score(y, p >= t, pos_label=k) for k in ((1, 0) if rule == "sensitivity" else (0, 1)))
        assert a < 0.9 or b <= other + 1e-12


def test_every_threshold_counts_what_is_called():
    y, p = cells()
    table = every_threshold(y, p)
    for row in thin(table, 20).to_dict("records"):
        called = p >= row["threshold"]
        assert (row["n_called"], row["tp"], row["fp"]) == (called.sum(), (called & (y == 1)).sum(), (called & (y == 0)).sum())
    assert table["n_called"].iloc[[0, -1]].to_list() == [0, len(y)]


def test_neighbours_one_bit_apart_are_separated():
    low = 0.5
    high = np.nextafter(low, 1)
    found = choose_threshold([0, 0, 1, 1], [low, low, high, high])
    assert low < found.value <= high


def test_a_perfect_classifier_gets_the_middle():
    assert choose_threshold([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9]).value == pytest.approx(0.5)


def test_thresholds_refuse_one_class_and_unknown_rules():
    with pytest.raises(InputError, match="both classes"):
        choose_threshold([1, 1], [0.1, 0.2])
    with pytest.raises(InputError, match="youden"):
        choose_threshold([0, 1], [0.1, 0.2], "best")
    with pytest.raises(InputError, match="wanted one of"):
        choose_threshold([0, 1], [0.1, 0.2], "model")


def test_temperature_undoes_overconfidence():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 1.5, 20_000)
    y = rng.random(20_000) < 1 / (1 + np.exp(-logits))
    sure = 1 / (1 + np.exp(-2.5 * logits))
    found = fit_temperature(y, sure)
    assert found == pytest.approx(2.5, rel=0.05)
    right = apply_temperature(sure, found)
    assert sk.log_loss(y, right) < sk.log_loss(y, sure)
    assert (np.argsort(right, kind="stable") == np.argsort(sure, kind="stable")).all()


def test_temperature_of_1_changes_nothing_and_edges_stay_finite():
    p = np.array([0.0, 0.3, 1.0])
    np.testing.assert_array_equal(apply_temperature(p, 1.0), p)
    warm = apply_temperature(p, 3.0)
    assert ((warm > 0) & (warm < 1)).all()
    assert np.isfinite(fit_temperature([0, 1, 1, 0], [0.0, 1.0, 1.0, 0.0]))


def test_temperature_refuses_nonsense():
    with pytest.raises(InputError, match="both classes"):
        fit_temperature([1, 1], [0.1, 0.2])
    with pytest.raises(InputError, match="above 0"):
        apply_temperature([0.5], 0.0)
