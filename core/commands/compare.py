"""``compare``: two evaluations of the same cells."""

import argparse
import sys
from pathlib import Path
from typing import Any

from core.commands.common import Bar, command, experiment
from core.options import picked, settings_from
from core.settings import CompareSettings


def register(commands: Any) -> None:
    one = command(commands, "compare", run, "compare two classifiers on the same cells", CompareSettings)
    one.add_argument("first", metavar="FIRST", help="an evaluation of the experiment")
    one.add_argument("second", metavar="SECOND", help="another evaluation of the same cells")


def run(given: argparse.Namespace) -> Path:
    from core.stages.comparing import compare
    from core.workspace import read_json

    made = compare(experiment(given), given.first, given.second, settings_from(CompareSettings, picked(CompareSettings, given)), Bar())
    found = read_json(made / "comparison.json")
    for text in (found["sentence"], *found["warnings"], *found["remarks"]):
        print(text, file=sys.stderr)
    return made
