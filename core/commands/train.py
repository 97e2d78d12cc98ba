"""``train``: train a classifier on a dataset."""

import argparse
import sys
from pathlib import Path
from typing import Any

from core.commands.common import Bar, command, experiment
from core.errors import InputError
from core.options import picked, settings_from
from core.settings import TrainSettings


def register(commands: Any) -> None:
    one = command(commands, "train", run, "train a classifier on the cells of a dataset", TrainSettings)
    one.add_argument("--dataset", metavar="ID", help="the dataset; by default the newest")
    one.add_argument("--resume", metavar="RUN", help="go on with this interrupted run, with the settings it was begun with")
    one.add_argument("--finish", action="store_true", help="with --resume: train no further, keep the best epoch so far")
    one.add_argument("--discard", metavar="RUN", help="train nothing: give up this interrupted run; its folder is kept in runs/.discarded, and printed")


def run(given: argparse.Namespace) -> Path:
    from core.stages.training import OUTCOME, discard, stop_early, train
    from core.workspace import Experiment, read_json

    path = experiment(given)
    if given.discard:
        if given.resume:
            raise InputError("train: --discard gives a run up and --resume goes on with one. Choose one of them.")
        return discard(Experiment(path), given.discard)
    if given.finish:
        if not given.resume:
            raise InputError("train: --finish wanted --resume RUN, the run to be finished.")
        stop_early(Experiment(path), given.resume)
    settings = settings_from(TrainSettings, picked(TrainSettings, given))
    made = train(path, settings, given.dataset, given.resume, Bar())
    outcome = read_json(made / OUTCOME)
    print(f"{outcome['summary']} Best epoch {outcome['best_epoch']}; {outcome['ended']}.", file=sys.stderr)
    for text in outcome["remarks"]:
        print(text, file=sys.stderr)
    return made
