"""``review``: publish the corrections that were made by hand."""

import argparse
from pathlib import Path
from typing import Any

from core.commands.common import Bar, command, experiment, tell_failures


def register(commands: Any) -> None:
    one = command(commands, "review", run, "publish outlines that were corrected by hand as a new segmentation")
    one.add_argument("--segmentation", required=True, metavar="ID", help="the segmentation that was corrected")


def run(given: argparse.Namespace) -> Path:
    from core.stages.reviewing import review

    made = review(experiment(given), given.segmentation, Bar())
    tell_failures(made / "failures.csv")
    return made
