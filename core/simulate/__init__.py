"""Simulated MSC cultures with known truth: phase-contrast fields, their stained twins, whole experiments."""

from core.simulate.experiment import simulate_experiment
from core.simulate.field import SimulatedField, simulate_field

__all__ = ["SimulatedField", "simulate_experiment", "simulate_field"]
