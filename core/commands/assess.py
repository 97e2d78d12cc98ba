"""``assess``: score the cells and report senescent fractions."""

import argparse
from pathlib import Path
from typing import Any

from core.commands.common import Bar, command, experiment, tell_failures
from core.options import ASSESS_RENAMED, add_options, picked, settings_from
from core.settings import AssessSettings, SegmentSettings


def register(commands: Any) -> None:
    one = command(commands, "assess", run, "score the cells and report senescent fractions", AssessSettings)
    add_options(one, SegmentSettings, ASSESS_RENAMED)
    one.add_argument("--segmentation", metavar="ID", help="use this segmentation instead of making one; fields that it lacks are outlined in the same way")


def run(given: argparse.Namespace) -> Path:
    from core.stages.assessing import assess

    settings = settings_from(AssessSettings, picked(AssessSettings, given))
    segmenting = settings_from(SegmentSettings, picked(SegmentSettings, given))
    made = assess(experiment(given), settings, segmenting, given.segmentation, Bar())
    tell_failures(made / "failures.csv")
    return made
