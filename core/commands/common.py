"""What the commands share: the experiment argument, progress on stderr, and saying what was left out."""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.options import add_options

Run = Callable[[argparse.Namespace], object]


class Bar:
    """Progress on stderr: at most five lines a second on a terminal, one every ten seconds in a log."""

    def __init__(self) -> None:
        self.started = time.monotonic()
        self.last = 0.0
        self.live = sys.stderr.isatty()

    def __call__(self, done: float, total: float, item: str = "") -> None:
        now = time.monotonic()
        finished = done >= total
        if now - self.last < (0.2 if self.live else 10.0) and not finished:
            return
        self.last = now
        share = done / total if total else 1.0
        left = (now - self.started) * (1 - share) / share if share > 0.02 and not finished else None
        text = f"{share:4.0%} {item}" + (f", about {left:.0f} s left" if left is not None else "")
        print(f"\r\x1b[K{text}" if self.live else text, end="\n" if finished or not self.live else "", file=sys.stderr, flush=True)


def command(commands: Any, name: str, run: Run, words: str, settings: type | None = None) -> argparse.ArgumentParser:
    """A command on one experiment; the options of ``settings`` are made from that dataclass."""
    one: argparse.ArgumentParser = commands.add_parser(name, help=words, description=words.capitalize() + ".")
    one.add_argument("experiment", metavar="EXP", help="an experiment: a name in the workspace, or a path")
    one.set_defaults(run=run)
    if settings is not None:
        add_options(one, settings)
    return one


def experiment(given: argparse.Namespace) -> Path:
    """The folder of the experiment that the user named."""
    from core.workspace import experiment_path

    return experiment_path(given.experiment)


def tell_failures(file: Path) -> None:
    """Say on stderr what was left out, if anything was."""
    from core.report import read_csv
    from core.tables import FAILURES

    if file.is_file():
        for row in read_csv(file, FAILURES).to_dict("records"):
            print(f"left out: {row['file']}: {row['error']}", file=sys.stderr)
