"""``annotate``: give every cell a class by its stain."""

import argparse
import sys
from pathlib import Path
from typing import Any

from core.commands.common import Bar, command, experiment, tell_failures
from core.options import picked, settings_from
from core.settings import AnnotateSettings


def register(commands: Any) -> None:
    one = command(commands, "annotate", run, "give every cell a class by its stain image", AnnotateSettings)
    one.add_argument("--segmentation", metavar="ID", help="the outlines to use; by default the newest")
    one.add_argument("--registration", metavar="ID", help="the alignment to use; by default one that was made with these settings, else a new one")
    one.add_argument("--from-csv", metavar="FILE", help="take the classes from an annotation file of the original protocol instead of the stain images")


def run(given: argparse.Namespace) -> Path:
    from core.stages.annotating import annotate

    settings = settings_from(AnnotateSettings, picked(AnnotateSettings, given))
    if given.from_csv:
        from core.stages.annotation_import import annotate_from_csv

        made = annotate_from_csv(experiment(given), Path(given.from_csv), given.segmentation, settings.marker, Bar())
    else:
        made = annotate(experiment(given), settings, given.segmentation, given.registration, progress=Bar())
    tell_failures(made / "failures.csv")
    for line in (made / "notes.txt").read_text(encoding="utf-8").splitlines():
        print(line, file=sys.stderr)
    return made
