"""``tune``: train a segmentation model further on corrected or imported outlines."""

import argparse
import sys
from pathlib import Path
from typing import Any

from core.commands.common import Bar, command, experiment, tell_failures
from core.options import picked, settings_from
from core.settings import TuneSettings


def register(commands: Any) -> None:
    one = command(commands, "tune", run, "train a segmentation model further on corrected or imported outlines", TuneSettings)
    one.add_argument("--segmentation", metavar="ID", help="the corrected or imported outlines (default: the newest ones)")
    one.add_argument("--name", metavar="NEW_NAME", help="name of the new model in the library (default: made from the settings)")
    one.add_argument("--fields", nargs="+", metavar="FOV_ID", help="only these fields (default: those in which something was corrected)")
    one.add_argument("--allow-uncorrected", action="store_true", help="train on outlines as a model left them")


def run(given: argparse.Namespace) -> Path:
    from core.stages.tuning import tune
    from core.workspace import read_json

    settings = settings_from(TuneSettings, picked(TuneSettings, given))
    made = tune(experiment(given), settings, given.segmentation, given.name, given.fields, given.allow_uncorrected, Bar())
    tell_failures(made / "failures.csv")
    outcome = read_json(made / "outcome.json")
    for line in (outcome["note"], *outcome["warnings"], f"The new model is in the library as {outcome['model']}."):
        print(line, file=sys.stderr)
    return made
