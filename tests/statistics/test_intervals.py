import numpy as np
import pytest

from core.statistics.intervals import cluster_bootstrap, wilson

NEWCOMBE = [  # Newcombe RG (1998) Stat Med 17:857-872, table I, method 3 (score, no continuity correction)
    (81, 263, 0.2553, 0.3662),
    (15, 148, 0.0624, 0.1605),
    (0, 20, 0.0000, 0.1611),
    (1, 29, 0.0061, 0.1718),
]


@pytest.mark.parametrize(("k", "n", "low", "high"), NEWCOMBE)
def test_wilson_matches_published_values(k, n, low, high):
    assert wilson(k, n) == pytest.approx((low, high), abs=5e-5)


def test_wilson_matches_r():
    """R: prop.test(10, 100, correct = FALSE)."""
    assert wilson(10, 100) == pytest.approx((0.05522914, 0.17436566), abs=1e-8)


def test_wilson_equals_statsmodels():
    proportion = pytest.importorskip("statsmodels.stats.proportion")
    for n in (1, 7, 50, 1000):
        for k in {0, 1, n // 3, n}:
            assert wilson(k, n) == pytest.approx(proportion.proportion_confint(k, n, method="wilson"), abs=1e-12)


def test_wilson_of_nothing_is_unknown():
    assert np.isnan(wilson(0, 0)).all()


def test_wilson_contains_the_estimate_and_mirrors():
    for n in (1, 2, 7, 50, 10_000):
        for k in {0, 1, n // 3, n - 1, n}:
            low, high = wilson(k, n)
            assert 0 <= low <= k / n <= high <= 1
            assert (1 - high, 1 - low) == pytest.approx(wilson(n - k, n))
            assert (low == 0) == (k == 0)
            assert (high == 1) == (k == n)


def test_wilson_narrows_with_cells_and_widens_with_level():
    widths = [np.diff(wilson(n // 4, n))[0] for n in (4, 8, 40, 400, 4000)]
    assert (np.diff(widths) < 0).all()
    widths = [np.diff(wilson(10, 40, level))[0] for level in (0.5, 0.8, 0.95, 0.999)]
    assert (np.diff(widths) > 0).all()


@pytest.mark.parametrize(("k", "n", "level"), [(-1, 5, 0.95), (6, 5, 0.95), (1, 5, 0), (1, 5, 1), (1, 5, 95)])
def test_wilson_refuses_nonsense(k, n, level):
    with pytest.raises(ValueError, match="wanted"):
        wilson(k, n, level)


def test_bootstrap_is_repeatable_and_contains_the_estimate():
    k, n = [3, 9, 0, 5, 11, 7, 2, 8], [20, 30, 10, 40, 31, 17, 23, 29]
    for widen in (False, True):
        low, high = cluster_bootstrap(k, n, 500, seed=3, widen=widen)
        assert (low, high) == cluster_bootstrap(k, n, 500, seed=3, widen=widen)
        assert (low, high) != cluster_bootstrap(k, n, 500, seed=4, widen=widen)
        assert 0 <= low < 45 / 200 < high <= 1


def test_bootstrap_draws_fields_not_cells():
    """Two fields, 0 of 50 and 50 of 50: the only possible ratios are 0, 1/2 and 1."""
    assert cluster_bootstrap([0, 50], [50, 50], 400) == (0, 1)


def test_bootstrap_matches_drawing_one_by_one():
    k, n = np.array([3, 9, 0, 5]), np.array([20, 30, 10, 40])
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, 4, (20_000, 4))
    slow = np.quantile(k[drawn].sum(1) / n[drawn].sum(1), [0.025, 0.975])
    assert cluster_bootstrap(k, n, 20_000) == pytest.approx(slow, abs=0.01)


@pytest.mark.parametrize("widen", [False, True])
def test_bootstrap_degenerate_cases(widen):
    assert np.isnan(cluster_bootstrap([], [], widen=widen)).all()
    assert np.isnan(cluster_bootstrap([0, 0], [0, 0], widen=widen)).all()
    assert cluster_bootstrap([3], [10], 50, widen=widen) == (0.3, 0.3)
    assert cluster_bootstrap([3, 0], [10, 0], 50, widen=widen) == (0.3, 0.3)
    assert cluster_bootstrap([0, 0], [10, 7], 50, widen=widen) == (0, 0)
    assert cluster_bootstrap([10, 7], [10, 7], 50, widen=widen) == (1, 1)


def test_bootstrap_in_pieces_is_the_same_draw(monkeypatch):
    whole = cluster_bootstrap([3, 9, 0], [20, 30, 10], 501)
    monkeypatch.setattr("core.statistics.intervals._DRAWS_AT_ONCE", 30)
    assert cluster_bootstrap([3, 9, 0], [20, 30, 10], 501) == whole


@pytest.mark.parametrize("wrong", [([1], [1, 2]), ([3], [2]), ([-1], [2]), ([[1]], [[2]])])
def test_bootstrap_refuses_nonsense(wrong):
    with pytest.raises(ValueError, match="wanted"):
        cluster_bootstrap(*wrong)


@pytest.mark.parametrize("fields", [3, 8])
def test_coverage_on_clustered_cells(fields):
    """Fields of one culture differ (beta-binomial, intra-field correlation 0.05): the widened interval covers the
    truth about as often as it says, while Wilson over all cells, which takes them for independent, does not."""
    rng = np.random.default_rng(1)
    truth, correlation, trials = 0.3, 0.05, 200
    spread = 1 / correlation - 1
    hits = np.zeros(2)
    for _ in range(trials):
        n = rng.poisson(60, fields) + 1
        k = rng.binomial(n, rng.beta(truth * spread, (1 - truth) * spread, fields))
        intervals = cluster_bootstrap(k, n, 300, seed=1, widen=True), wilson(k.sum(), n.sum())
        hits += [low <= truth <= high for low, high in intervals]
    assert hits[0] / trials > 0.9
    assert hits[1] / trials < 0.75
