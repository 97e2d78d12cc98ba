"""``evaluate``: judge a classifier on annotated cells."""

import argparse
import sys
from pathlib import Path
from typing import Any

from core.commands.common import Bar, command, experiment
from core.options import picked, settings_from
from core.settings import EvaluateSettings


def register(commands: Any) -> None:
    one = command(commands, "evaluate", run, "judge a classifier on the annotated cells of a dataset", EvaluateSettings)
    one.add_argument("--dataset", metavar="ID", help="the dataset; by default the newest")


def run(given: argparse.Namespace) -> Path:
    from core.stages.evaluating import evaluate
    from core.workspace import read_json

    made = evaluate(experiment(given), settings_from(EvaluateSettings, picked(EvaluateSettings, given)), given.dataset, Bar())
    found = read_json(made / "metrics.json")
    for text in (found["sentence"], *found["warnings"], *found["remarks"]):
        print(text, file=sys.stderr)
    return made
