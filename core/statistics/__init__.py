"""Fractions and their intervals."""

from core.statistics.fractions import field_table, sample_table
from core.statistics.intervals import cluster_bootstrap, wilson

__all__ = ["cluster_bootstrap", "field_table", "sample_table", "wilson"]
