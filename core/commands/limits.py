"""``limits``: the laboratory's acceptance limits: shown with all their versions, or a new version added to the log."""

import argparse
import sys
from pathlib import Path
from typing import Any

from core.options import add_options, picked
from core.settings import AcceptanceLimits


def register(commands: Any) -> None:
    words = "show the laboratory's acceptance limits, or set them"
    more = "Without options the limits and all their versions are shown and the log is checked. With some, a new version is added: what is not named stays."
    one = commands.add_parser("limits", help=words, description=f"{words.capitalize()}. {more}")
    add_options(one, AcceptanceLimits, only_given=True)
    one.add_argument("--name", default="", help="who sets them; needed")
    one.add_argument("--comment", default="", help="why")
    one.set_defaults(run=run)


def run(given: argparse.Namespace) -> Path:
    from core.errors import InputError
    from core.report.words import limits_words
    from core.stages.signing import change_limits, limits_log, versions_of_limits

    changes = picked(AcceptanceLimits, given)
    if changes:
        change_limits(changes, given.name, given.comment)
    elif given.name or given.comment:
        raise InputError("Acceptance limits: wanted a limit to change (for example --pass-up-to 0.2), found only a name or a comment.")
    versions, log = versions_of_limits(), limits_log()
    for limits, row in versions:
        comment = f" ({row['comment']})" if row["comment"] else ""
        print(f"{row['number']}. {row['time']} {row['name']}: {limits_words(limits)}{comment} [{row['hash'][:10]}]", file=sys.stderr)
    if wrong := log.problems():
        raise InputError(f"{log.file.path}: {' '.join(wrong)}")
    if not versions:
        print("No acceptance limits are set, so no culture gets a verdict. For example: python -m core limits --pass-up-to 0.2 --name NAME", file=sys.stderr)
    return log.file.path
