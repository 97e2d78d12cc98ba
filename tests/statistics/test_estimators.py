import numpy as np
import pytest
from scipy.stats import beta

from core.statistics.estimators import CORRECTED, PLAIN, POWERED, Rate, best_estimate, corrected_fraction, plain_count, reason, why_not_corrected
from core.statistics.posterior import beta_binomial
from core.statistics.powered import prediction_powered, tuned_weight

GOOD = Rate((170,) * 4, (200,) * 4), Rate((190,) * 4, (200,) * 4)  # 0.85 and 0.95


def test_posterior_without_clustering_is_the_beta_distribution(monkeypatch):
    """With a prior that allows no correlation, Jeffreys' interval of the pooled cells."""
    monkeypatch.setattr("core.statistics.posterior._CORRELATIONS", np.array([1e-7, 1.1e-7]))
    for k, n in (([3, 4, 5], [40, 50, 60]), ([0, 0], [30, 30]), ([500, 480], [1000, 1000])):
        low, high = beta_binomial(k, n).interval()
        a, b = sum(k) + 0.5, sum(n) - sum(k) + 0.5
        wanted = beta.ppf([0.025, 0.975], a, b)
        assert high == pytest.approx(wanted[1], rel=1e-2)
        if sum(k):
            assert low == pytest.approx(wanted[0], rel=1e-2)


def test_posterior_mirrors_and_does_not_depend_on_the_order():
    k, n = np.array([2, 20, 12]), np.array([40, 50, 60])
    low, high = beta_binomial(k, n).interval()
    assert (1 - high, 1 - low) == pytest.approx(beta_binomial(n - k, n).interval(), abs=1e-6)
    assert beta_binomial(k[::-1], n[::-1]).interval() == pytest.approx((low, high))
    assert beta_binomial([*k, 0], [*n, 0]).interval() == (low, high)


def test_posterior_is_wider_where_fields_differ():
    alike, apart = beta_binomial([20, 20, 20, 20], [60] * 4), beta_binomial([2, 38, 5, 35], [60] * 4)
    assert np.diff(apart.interval()) > 1.5 * np.diff(alike.interval())


def test_posterior_draws_follow_it():
    one = beta_binomial([2, 20, 12], [40, 50, 60])
    draws = one.draw(20_000, np.random.default_rng(0))
    assert np.quantile(draws, [0.025, 0.975]) == pytest.approx(one.interval(), abs=0.01)
    assert draws.mean() == pytest.approx(one.mean(), abs=0.005)


@pytest.mark.parametrize(("k", "n"), [([0], [0]), ([], [])])
def test_nothing_seen_gives_the_prior(k, n):
    low, high = beta_binomial(k, n).interval()
    assert low < 0.01
    assert high > 0.99


def test_huge_and_tiny_counts():
    low, high = beta_binomial([30_000] * 10, [100_000] * 10).interval()
    assert 0.25 < low < 0.3 < high < 0.35
    low, high = beta_binomial([1], [1]).interval()
    assert 0 < low < high <= 1


@pytest.mark.parametrize("wrong", [([1], [1, 2]), ([3], [2]), ([-1], [2]), ([[1]], [[2]])])
def test_counts_that_are_none_are_refused(wrong):
    with pytest.raises(ValueError, match="wanted"):
        beta_binomial(*wrong)


def test_plain_count_names_what_is_weak():
    found = plain_count([3], [20])
    assert found.fraction == 0.15
    assert found.method == PLAIN
    assert "only 1 scored field:" in found.notes[0]
    assert "only 20 scored cells" in found.notes[1]
    assert plain_count([30] * 3, [100] * 3).notes == ()


def test_plain_count_of_none_and_all_reaches_the_ends():
    assert plain_count([0, 0, 0], [50] * 3).low == 0
    assert plain_count([50, 50], [50, 50]).high == 1
    assert np.isnan(plain_count([0], [0]).fraction)


def test_correction_is_that_of_rogan_and_gladen():
    found = corrected_fraction([30] * 4, [100] * 4, *GOOD)
    assert found.fraction == pytest.approx((0.3 + 0.95 - 1) / (0.85 + 0.95 - 1))
    assert found.method == CORRECTED
    assert found.low < found.fraction < found.high


def test_correction_is_wider_than_the_count_and_knows_how_well_the_rates_are_known():
    def width(*rates: Rate) -> float:
        found = corrected_fraction([30] * 4, [100] * 4, *rates)
        return found.high - found.low

    plain = plain_count([30] * 4, [100] * 4)
    poor = Rate((17,) * 4, (20,) * 4), Rate((19,) * 4, (20,) * 4)
    assert width(*poor) > width(*GOOD) > plain.high - plain.low


def test_a_perfect_classifier_needs_no_correction():
    perfect = Rate((10_000,) * 20, (10_000,) * 20)
    found, plain = corrected_fraction([30] * 4, [100] * 4, perfect, perfect), plain_count([30] * 4, [100] * 4)
    assert (found.fraction, found.low, found.high) == pytest.approx((plain.fraction, plain.low, plain.high), abs=0.02)


def test_fewer_calls_than_false_ones_give_zero_not_less():
    found = corrected_fraction([1] * 4, [100] * 4, *GOOD)
    assert (found.fraction, found.low) == (0, 0)
    assert 0 < found.high < 0.2


def test_a_classifier_of_chance_corrects_nothing():
    found = corrected_fraction([30] * 4, [100] * 4, Rate((50,) * 4, (100,) * 4), Rate((50,) * 4, (100,) * 4))
    assert np.isnan(found.fraction)
    assert (found.low, found.high) == (0, 1)
    assert "too close to chance" in found.notes[-1]


def test_rates_from_few_cells_are_named():
    found = corrected_fraction([30] * 4, [100] * 4, Rate((17,), (20,)), GOOD[1])
    assert any("sensitivity known from 20 senescent cells of 1 culture only" in note for note in found.notes)
    assert np.isnan(corrected_fraction([3], [10], Rate((), ()), GOOD[1]).fraction)


def test_fields_of_one_culture_are_named_as_such_and_correct_nothing():
    """Three fields are not three cultures, however many cells they have."""
    fields, cultures = Rate((170,) * 3, (200,) * 3, by_field=True), GOOD[1]
    assert (fields.clusters, fields.cultures, cultures.cultures) == (3, 1, 4)
    said = "sensitivity known from 600 senescent cells of 3 fields of 1 culture only"
    assert said in corrected_fraction([30] * 4, [100] * 4, fields, cultures).notes
    assert why_not_corrected(fields, cultures) == f"not corrected: {said}"
    assert why_not_corrected(cultures, Rate((17,), (20,))) == "not corrected: specificity known from 20 non-senescent cells of 1 culture only"
    assert "cells of 1 field of 1 culture only and specificity known from 1 non-" in why_not_corrected(Rate((1,), (2,), True), Rate((1,), (1,), True))
    assert why_not_corrected(cultures, Rate((17, 3), (20, 4))) == ""


def stained(seed: int = 0, fields: int = 3, others: int = 8, cells: int = 50, skill: float = 0.9):
    rng = np.random.default_rng(seed)
    field = np.repeat(np.arange(fields + others), cells)
    y = (rng.random(field.size) < rng.beta(3, 7, fields + others)[field]).astype(float)
    f = np.where(rng.random(field.size) < skill, y, 1 - y)
    here = field < fields
    return y[here], f[here], field[here], f[~here], field[~here], y.mean()


def test_prediction_powered_point_and_weight_are_those_of_the_paper():
    """The formula by hand."""
    y, f, g, f2, g2, _ = stained()
    weight = tuned_weight(y, f, f2)
    both = np.concatenate([f, f2])
    by_hand = np.cov(y, f, bias=True)[0, 1] / ((1 + len(y) / len(f2)) * both.var())
    assert weight == pytest.approx(min(by_hand, 1))
    found = prediction_powered(y, f, g, f2, g2)
    assert found.fraction == pytest.approx(y.mean() + weight * (f2.mean() - f.mean()))
    assert found.method == POWERED


@pytest.mark.parametrize(("made", "theirs"), [({}, 0.2337908), ({"skill": 0.98, "others": 30}, 0.2565154), ({"skill": 0.6, "seed": 3}, 0.3293399)])
def test_prediction_powered_agrees_with_the_reference_package(made, theirs):
    """``theirs``: ppi_mean_pointestimate of ppi-python 0.2.3 on the same cells; it divides by n - 1 in the covariance."""
    assert prediction_powered(*stained(**made)[:5]).fraction == pytest.approx(theirs, abs=1e-4)


def test_useless_predictions_leave_the_stained_cells():
    y, f, g, f2, g2, _ = stained()
    found = prediction_powered(y, np.full_like(f, 0.5), g, np.full_like(f2, 0.5), g2)
    assert found.fraction == pytest.approx(y.mean())
    flipped = prediction_powered(y, 1 - f, g, 1 - f2, g2)
    assert flipped.fraction == pytest.approx(y.mean())


def test_good_predictions_on_many_fields_narrow_the_interval():
    y, f, g, f2, g2, _ = stained(others=30, skill=0.98)
    powered = prediction_powered(y, f, g, f2, g2)
    alone = prediction_powered(y, np.full_like(f, 0.5), g, np.full_like(f2, 0.5), g2)
    assert powered.high - powered.low < 0.8 * (alone.high - alone.low)


def test_cells_of_a_field_are_not_independent():
    """The same cells, called one field each or three fields: the fields give the wider interval."""
    y, f, g, f2, g2, _ = stained()
    clustered = prediction_powered(y, f, g, f2, g2)
    single = prediction_powered(y, f, np.arange(len(y)), f2, np.arange(len(f2)))
    assert clustered.high - clustered.low > 1.5 * (single.high - single.low)


def test_too_few_stained_fields_are_refused():
    y, f, g, f2, g2, _ = stained()
    with pytest.raises(ValueError, match="at least 2 stained fields and cells of other fields, found 1"):
        prediction_powered(y[g == 0], f[g == 0], g[g == 0], f2, g2)
    with pytest.raises(ValueError, match="found 3 and 0 cells"):
        prediction_powered(y, f, g, [], [])


def test_the_reported_estimate_and_why():
    plain, corrected = plain_count([30] * 4, [100] * 4), corrected_fraction([30] * 4, [100] * 4, *GOOD)
    powered = prediction_powered(*stained()[:5])
    assert best_estimate(plain, corrected, powered) is powered
    assert best_estimate(plain, corrected) is corrected
    assert best_estimate(plain) is plain
    chance = corrected_fraction([30] * 4, [100] * 4, Rate((5,) * 4, (10,) * 4), Rate((5,) * 4, (10,) * 4))
    assert best_estimate(plain, chance) is plain
    assert len({reason(one) for one in (plain, corrected, powered)}) == 3


@pytest.mark.parametrize(("prevalence", "correlation"), [(0.05, 0.05), (0.3, 0.1)])
def test_coverage_of_all_three(prevalence, correlation):
    """A small version of benchmarks/coverage.py: 4 fields, 80 cultures, so that a 95 % interval may miss 9 and not more."""
    rng = np.random.default_rng(3)
    strength = 1 / correlation - 1
    held = np.zeros(3)
    for _ in range(80):
        n = rng.poisson(60, 4) + 1
        y = rng.binomial(n, rng.beta(prevalence * strength, (1 - prevalence) * strength, 4))
        true, false = rng.binomial(y, 0.85), rng.binomial(n - y, 0.05)
        estimates = [plain_count(y, n), corrected_fraction(true + false, n, *GOOD)]
        field = np.repeat(np.arange(4), n)
        classes = np.concatenate([np.repeat([1.0, 0.0], [a, b - a]) for a, b in zip(y, n, strict=True)])
        calls = np.concatenate([np.repeat([1.0, 0.0, 1.0, 0.0], [t, a - t, f, b - a - f]) for t, a, f, b in zip(true, y, false, n, strict=True)])
        here = field < 2
        estimates.append(prediction_powered(classes[here], calls[here], field[here], calls[~here], field[~here]))
        held += [one.low <= prevalence <= one.high for one in estimates]
    assert (held >= 71).all(), held
