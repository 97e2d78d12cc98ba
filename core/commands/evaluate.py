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
    one.set_defaults(model=None)  # the newest run, where there is one


def run(given: argparse.Namespace) -> Path:
    from core.stages.evaluating import default_model, evaluate
    from core.workspace import read_json

    folder = experiment(given)
    given.model = given.model or default_model(folder)
    made = evaluate(folder, settings_from(EvaluateSettings, picked(EvaluateSettings, given)), given.dataset, Bar())
    found = read_json(made / "metrics.json")
    for text in (found["sentence"], *found["warnings"], *found["remarks"]):
        print(text, file=sys.stderr)
    return made
