"""``segment``: outline the cells."""

import argparse
from pathlib import Path
from typing import Any

from core.commands.common import Bar, command, experiment, tell_failures
from core.options import picked, settings_from
from core.settings import SegmentSettings


def register(commands: Any) -> None:
    one = command(commands, "segment", run, "outline the cells", SegmentSettings)
    one.add_argument("--fields", nargs="+", metavar="FOV_ID", help="only these fields")


def run(given: argparse.Namespace) -> Path:
    from core.stages.segmenting import segment

    made = segment(experiment(given), settings_from(SegmentSettings, picked(SegmentSettings, given)), given.fields, Bar())
    tell_failures(made / "failures.csv")
    return made
