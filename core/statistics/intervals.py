"""Intervals for a fraction of cells: one field (Wilson) and several fields of one culture (cluster bootstrap)."""

from math import nan, sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, logit
from scipy.stats import t as student

_DRAWS_AT_ONCE = 1_000_000  # keeps the table of resampling counts at 8 MB, however many fields and samples


def wilson(k: float, n: float, level: float = 0.95) -> tuple[float, float]:
    """Score interval of the fraction ``k / n``, without continuity correction.

    Parameters
    ----------
    k, n : float
        Successes and trials, ``0 <= k <= n``.
    level : float
        Confidence level, between 0 and 1.

    Returns
    -------
    (low, high) : tuple of float
        Within [0, 1] and around ``k / n``; ``(nan, nan)`` where ``n`` is 0.

    Raises
    ------
    ValueError
        ``k`` is not within ``0..n`` or ``level`` not within (0, 1).

    References
    ----------
    Wilson EB (1927) Probable inference, the law of succession, and statistical inference. JASA 22:209-212.
    """
    _check_level(level)
    if not 0 <= k <= n:
        raise ValueError(f"wanted 0 <= k <= n, found k={k}, n={n}")
    if n == 0:
        return nan, nan
    z = NormalDist().inv_cdf(0.5 + level / 2)
    fraction = k / n
    middle = (fraction + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(fraction * (1 - fraction) / n + z * z / (4 * n * n))
    # The ends are exactly 0 and 1 at k = 0 and k = n; floating point misses them by 1e-17.
    low = 0.0 if k == 0 else min(max(0.0, middle - half), fraction)
    high = 1.0 if k == n else max(min(1.0, middle + half), fraction)
    return low, high


def cluster_bootstrap(
    k: ArrayLike, n: ArrayLike, samples: int = 2000, seed: int | list[int] = 0, level: float = 0.95, *, widen: bool = False
) -> tuple[float, float]:
    """Percentile interval of ``sum(k) / sum(n)``, resampling whole fields with replacement.

    Cells of one field resemble each other (density, focus, a clone), so the field and not the cell is what is drawn.

    Parameters
    ----------
    k, n : array-like of int, shape (fields,)
        Senescent and scored cells of each field. Fields with ``n == 0`` say nothing and are left out.
    samples : int
        Resamplings, at least 1.
    seed : int or list of int
        Seed of numpy's generator; the same seed gives the same interval.
    level : float
        Confidence level, between 0 and 1.
    widen : bool
        Correct for few fields. The plain percentile interval of 3 fields covers the truth in about 3 of 4 cases instead
        of 95 %. With ``widen`` the distance of each end from the estimate is stretched on the logit scale by
        ``sqrt(m / (m - 1))`` (the bootstrap's narrowness) and by Student's t with ``m - 1`` degrees of freedom over the
        normal quantile; it fades as fields are added. No effect where the estimate is 0 or 1 or one field is left.

    Returns
    -------
    (low, high) : tuple of float
        Within [0, 1] and around the estimate; ``(nan, nan)`` where nothing was scored. One scored field, or fields
        that all have the same fraction, give an interval of no width: see ``fractions.sample_table`` for what to do then.

    Raises
    ------
    ValueError
        Shapes differ, a count is not within ``0..n``, ``samples`` below 1 or ``level`` not within (0, 1).

    References
    ----------
    Field CA, Welsh AH (2007) Bootstrapping clustered data. J R Stat Soc B 69:369-390 (the cluster bootstrap).
    Hesterberg TC (2015) What teachers should know about the bootstrap. Am Stat 69:371-386 (narrowness, t quantiles).
    """
    _check_level(level)
    counts, totals = np.asarray(k, dtype=float), np.asarray(n, dtype=float)
    if counts.shape != totals.shape or counts.ndim != 1:
        raise ValueError(f"wanted two vectors of one length, found shapes {counts.shape} and {totals.shape}")
    if samples < 1 or not ((counts >= 0) & (counts <= totals)).all():
        raise ValueError("wanted samples >= 1 and 0 <= k <= n in every field")
    counts, totals = counts[totals > 0], totals[totals > 0]
    if totals.size == 0:
        return nan, nan
    estimate = float(counts.sum() / totals.sum())
    stretch = widen and totals.size > 1 and 0 < estimate < 1
    if stretch:  # half a pseudo-cell a field, at the estimate: keeps every resampled ratio off 0 and 1
        counts, totals = counts + 0.5 * estimate, totals + 0.5
    ratios = _resampled_ratios(counts, totals, samples, np.random.default_rng(seed))
    ends = np.quantile(ratios, [0.5 - level / 2, 0.5 + level / 2])
    if stretch:
        ends = _stretched(ends, estimate, totals.size, level)
    return min(float(ends[0]), estimate), max(float(ends[1]), estimate)


def _stretched(ends: np.ndarray, estimate: float, fields: int, level: float) -> np.ndarray:
    """Interval ends moved away from the estimate on the logit scale, for few fields."""
    upper = 0.5 + level / 2
    factor = student.ppf(upper, fields - 1) / NormalDist().inv_cdf(upper) * sqrt(fields / (fields - 1))
    middle = logit(estimate)
    return expit(middle + factor * (logit(ends) - middle))


def _resampled_ratios(counts: np.ndarray, totals: np.ndarray, samples: int, rng: np.random.Generator) -> np.ndarray:
    """Drawing ``m`` fields out of ``m`` is one multinomial vector of how often each is taken."""
    m = counts.size
    chance = np.full(m, 1 / m)
    ratios = np.empty(samples)
    step = max(1, _DRAWS_AT_ONCE // m)
    for start in range(0, samples, step):
        times = rng.multinomial(m, chance, size=min(step, samples - start))
        ratios[start : start + len(times)] = (times @ counts) / (times @ totals)
    return ratios


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise ValueError(f"wanted a level between 0 and 1, found {level}")
