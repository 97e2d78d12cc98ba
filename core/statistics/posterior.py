"""How often a thing happens to cells that come in clusters: the beta-binomial posterior, the heart of the intervals.

Cells of one field resemble each other (density, focus, a clone). With three fields their spread is hardly known, and an
interval from the spread of three numbers is either very wide (Student's t) or, by luck, far too narrow. Here the share of
each field is drawn from a beta distribution around the share of the culture; how much fields differ (the correlation of
two cells of one field) is unknown too and is averaged over, with a weak prior that a few fields correct.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, gammaln, logit

CORRELATION_PRIOR: Final = (1.0, 14.0)  # Beta: most mass near 0, mean 0.07; chosen by benchmarks/coverage.py
SHARE_PRIOR: Final = 0.5  # Beta(1/2, 1/2), Jeffreys
_CORRELATIONS: Final = np.geomspace(5e-4, 0.8, 28)
_COARSE: Final = np.arange(-16, 16.01, 0.5)  # logit of the share
_FINE: Final = 121
_NOTHING: Final = 1e-6  # mass that may lie outside the fine grid
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Posterior:
    """Distribution of a share: ``mass`` (sums to 1) on ``shares``, ascending."""

    shares: Floats
    mass: Floats

    def quantile(self, q: ArrayLike) -> Floats:
        """Shares below which the mass ``q`` lies, between grid points on the logit scale."""
        upto = np.cumsum(self.mass)
        middle = upto - self.mass / 2
        return np.asarray(expit(np.interp(np.asarray(q, dtype=float), middle, logit(self.shares))))

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Equal mass on both sides."""
        low, high = self.quantile([0.5 - level / 2, 0.5 + level / 2])
        return float(low), float(high)

    def draw(self, size: int, rng: np.random.Generator) -> Floats:
        return self.quantile(rng.random(size))

    def mean(self) -> float:
        return float(self.mass @ self.shares)


def beta_binomial(k: ArrayLike, n: ArrayLike, prior: tuple[float, float] = CORRELATION_PRIOR) -> Posterior:
    """Posterior of the share of a culture from its fields (or of any clusters).

    Parameters
    ----------
    k, n : array-like of int, shape (clusters,)
        Cells that have the property and cells looked at, in each cluster. Clusters with ``n == 0`` say nothing.
    prior : (float, float)
        Beta distribution of the correlation of two cells of a cluster, before the clusters are seen.

    Returns
    -------
    Posterior
        One cluster is allowed: then how clusters differ comes from the prior alone. No cell at all gives the prior.

    Raises
    ------
    ValueError
        Shapes differ or a count is not within ``0..n``.

    References
    ----------
    Kleinman JC (1973) Proportions with extraneous variance: single and independent samples. JASA 68:46-54 (the model).
    Berger JO, Yang R (1996) Noninformative priors and Bayesian testing (the prior of the share).
    """
    counts, totals = checked_counts(k, n)
    counts, totals = counts[totals > 0], totals[totals > 0]
    rough = _marginal(_COARSE, _CORRELATIONS[::3], counts, totals, prior)
    inside = np.flatnonzero((np.cumsum(rough) > _NOTHING) & (np.cumsum(rough[::-1])[::-1] > _NOTHING))
    low, high = max(inside[0] - 1, 0), min(inside[-1] + 1, len(_COARSE) - 1)
    logits = np.linspace(_COARSE[low], _COARSE[high], _FINE)
    return Posterior(expit(logits), _marginal(logits, _CORRELATIONS, counts, totals, prior))


def checked_counts(k: ArrayLike, n: ArrayLike) -> tuple[Floats, Floats]:
    """``k`` and ``n`` as vectors of float; ValueError where they are no counts of clusters."""
    counts, totals = np.asarray(k, dtype=float), np.asarray(n, dtype=float)
    if counts.shape != totals.shape or counts.ndim != 1:
        raise ValueError(f"wanted two vectors of one length, found shapes {counts.shape} and {totals.shape}")
    if not ((counts >= 0) & (counts <= totals)).all():
        raise ValueError("wanted 0 <= k <= n in every cluster")
    return counts, totals


def _marginal(logits: Floats, correlations: Floats, k: Floats, n: Floats, prior: tuple[float, float]) -> Floats:
    """Mass on a regular grid of logits, summed over the correlation."""
    share = expit(logits)[:, None]
    strength = 1 / correlations - 1  # a + b of the beta distribution of the fields
    a, b = share * strength, expit(-logits)[:, None] * strength
    log = np.zeros((len(logits), len(correlations)))
    for hits, cells in zip(k, n, strict=True):
        log += gammaln(a + hits) + gammaln(b + cells - hits) - gammaln(strength + cells)
    log += len(k) * (gammaln(strength) - gammaln(a) - gammaln(b))
    log += SHARE_PRIOR * (np.log(share) + np.log(expit(-logits)[:, None])) + _log_prior(correlations, prior)
    mass = np.exp(log - log.max()).sum(axis=1)
    return np.asarray(mass / mass.sum())


def _log_prior(correlations: Floats, prior: tuple[float, float]) -> Floats:
    """Log prior mass on a grid that is regular in the logarithm of the correlation."""
    first, second = prior
    return np.asarray(first * np.log(correlations) + (second - 1) * np.log1p(-correlations))
