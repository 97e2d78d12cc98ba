"""Fractions and their intervals; how good a classifier is; comparing groups of cultures."""

from core.statistics.estimators import Estimate, Rate, best_estimate, corrected_fraction, plain_count
from core.statistics.fractions import field_table, sample_table
from core.statistics.intervals import cluster_bootstrap, wilson
from core.statistics.posterior import beta_binomial

__all__ = [
    "Estimate",
    "Rate",
    "best_estimate",
    "beta_binomial",
    "cluster_bootstrap",
    "corrected_fraction",
    "field_table",
    "plain_count",
    "sample_table",
    "wilson",
]
