"""``report``: tables and one HTML file from an assessment, with what is known beside it by now."""

import argparse
import sys
from pathlib import Path
from typing import Any

from core.commands.common import Bar
from core.options import add_options, picked, settings_from
from core.settings import ReportSettings


def register(commands: Any) -> None:
    words = "report an assessment with what is known beside it: evaluation, stained fields, groups of cultures"
    one = commands.add_parser("report", help=words, description=words.capitalize() + ".")
    one.add_argument("assessment", metavar="ASSESSMENT", help="a folder, EXPERIMENT/ID, an id, or an experiment (its newest assessment)")
    add_options(one, ReportSettings)
    one.set_defaults(run=run)


def run(given: argparse.Namespace) -> Path:
    from core.stages.assessed import find_assessment
    from core.stages.reporting import EVIDENCE, report
    from core.workspace import read_json

    experiment, product = find_assessment(given.assessment)
    made = report(experiment.path, product.id, settings_from(ReportSettings, picked(ReportSettings, given)), Bar())
    words = read_json(made / EVIDENCE)
    for text in (*words["remarks"], *words["comparison"]["warnings"], *words["comparison"]["sentences"]):
        print(text, file=sys.stderr)
    return made
