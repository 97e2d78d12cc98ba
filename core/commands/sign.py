"""``sign``: add a decision of a person on an assessment to its log, or show the log."""

import argparse
import sys
from pathlib import Path
from typing import Any

from core.tables import SIGNOFF_DECISIONS


def register(commands: Any) -> None:
    words = "sign an assessment off, or show who did"
    one = commands.add_parser("sign", help=words, description=words.capitalize() + ".")
    one.add_argument("assessment", metavar="ASSESSMENT", help="a folder, EXPERIMENT/ID, an id, or an experiment (its newest assessment)")
    one.add_argument("--decision", choices=SIGNOFF_DECISIONS, help="without it the log is shown and checked")
    one.add_argument("--name", default="", help="who decides")
    one.add_argument("--role", default="", help="of that person, e.g. scientist, laboratory head, QA")
    one.add_argument("--comment", default="", help="why; needed for a rejection and for remarks")
    one.add_argument("--report", default="", metavar="ID", help="the report that was looked at (default: the assessment's own)")
    one.set_defaults(run=run)


def run(given: argparse.Namespace) -> Path:
    from core.errors import InputError
    from core.stages.assessed import find_assessment
    from core.stages.signing import problems, sign, signoff_log, signoffs

    experiment, product = find_assessment(given.assessment)
    if given.decision:
        sign(experiment, product.id, given.name, given.role, given.decision, given.comment, given.report)
    for row in signoffs(experiment, product.id).to_dict("records"):
        comment = f": {row['comment']}" if row["comment"] else ""
        print(f"{row['number']}. {row['time']} {row['name']} ({row['role']}): {row['decision']}{comment} [{row['hash'][:10]}]", file=sys.stderr)
    if wrong := problems(experiment, product.id):
        raise InputError(f"{signoff_log(experiment, product.id).file.path}: {' '.join(wrong)}")
    return signoff_log(experiment, product.id).file.path
