"""``register``: lay stain and colour images on the phase images."""

import argparse
from pathlib import Path
from typing import Any

from core.commands.common import Bar, command, experiment, tell_failures
from core.options import picked, settings_from
from core.settings import RegisterSettings


def register(commands: Any) -> None:
    one = command(commands, "register", run, "lay stain and colour images on the phase images", RegisterSettings)
    one.add_argument("--fields", nargs="+", metavar="FOV_ID", help="only these fields")


def run(given: argparse.Namespace) -> Path:
    from core.stages.registering import register_pairs

    made = register_pairs(experiment(given), settings_from(RegisterSettings, picked(RegisterSettings, given)), given.fields, Bar())
    tell_failures(made / "failures.csv")
    return made
