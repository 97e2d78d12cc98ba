"""``export``: the outlines in the files of another program."""

import argparse
from pathlib import Path
from typing import Any

from core.commands.common import Bar, command, experiment, tell_failures


def register(commands: Any) -> None:
    from core.cells.exchange.formats import FORMATS

    one = command(commands, "export", run, "write the outlines in the files of another program")
    one.add_argument("--format", required=True, choices=list(FORMATS), help="; ".join(f"{name}: {form.title}" for name, form in FORMATS.items()))
    which = one.add_mutually_exclusive_group()
    which.add_argument("--segmentation", metavar="ID", help="the outlines of this segmentation (default: the newest)")
    which.add_argument("--assessment", metavar="ID", help="the outlines with the calls of this assessment")
    one.add_argument("--out", type=Path, metavar="FOLDER", help="write here instead of into the experiment's exports")
    one.add_argument("--overwrite", action="store_true", help="replace files of the same names in FOLDER")


def run(given: argparse.Namespace) -> Path:
    from core.stages.exporting import export

    made = export(experiment(given), given.format, given.segmentation, given.assessment, given.out, given.overwrite, Bar())
    tell_failures(made / "failures.csv")
    return made
