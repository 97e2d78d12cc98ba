"""``simulate``: an experiment with known truth."""

import argparse
from pathlib import Path
from typing import Any

from core.commands.common import Bar, command, experiment
from core.options import picked, settings_from
from core.settings import SimulateSettings


def register(commands: Any) -> None:
    command(commands, "simulate", run, "write a simulated experiment with known truth", SimulateSettings)


def run(given: argparse.Namespace) -> Path:
    from core.stages.simulating import simulate

    return simulate(experiment(given), settings_from(SimulateSettings, picked(SimulateSettings, given)), Bar())
