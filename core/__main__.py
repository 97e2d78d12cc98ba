"""The command line: the same stages as the pages.

The product's path is the last line on stdout; progress goes to stderr; a wrong input exits with 2 and one clear line.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

if not (3, 10) <= sys.version_info[:2] <= (3, 12):
    sys.exit(f"Senescope needs Python 3.10, 3.11 or 3.12 (because of Cellpose 3); this is {sys.version.split()[0]}.")

from core.errors import Cancelled, InputError
from core.memory import keep_freed_memory
from core.options import ASSESS_RENAMED, add_options, picked, settings_from
from core.settings import AssessSettings, SegmentSettings, SimulateSettings


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


def parser() -> argparse.ArgumentParser:
    """All commands and their options; every default stands in core/settings.py."""
    top = argparse.ArgumentParser(prog="python -m core", description="Senescence of living MSC cultures from phase-contrast images.")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _command(commands, "simulate", simulate, "write a simulated experiment with known truth", SimulateSettings)
    adding = _command(commands, "add", add, "add images, ready label images or metadata to an experiment")
    for kind, words in (
        ("phase", "phase-contrast images or folders"),
        ("stain", "stain images"),
        ("colour", "colour images"),
        ("labels", "ready label images"),
    ):
        adding.add_argument(f"--{kind}", nargs="+", default=[], metavar="FILE_OR_FOLDER", help=words)
    adding.add_argument("--table", help="CSV with metadata: fov_id or phase, and any column of fields.csv")
    adding.add_argument("--pixel-size", type=float, dest="pixel_size_um", metavar="UM", help="micrometres a pixel, where the files do not say")
    adding.add_argument("--pattern", help="regular expression with named groups (sample, passage, ...) that reads the file names")
    adding.add_argument("--link", action="store_true", help="refer to the files where they are instead of copying them")
    segmenting = _command(commands, "segment", segment, "outline the cells", SegmentSettings)
    segmenting.add_argument("--fields", nargs="+", metavar="FOV_ID", help="only these fields")
    assessing = _command(commands, "assess", assess, "score the cells and report senescent fractions", AssessSettings)
    add_options(assessing, SegmentSettings, ASSESS_RENAMED)
    assessing.add_argument("--segmentation", metavar="ID", help="use this segmentation instead of making one")
    _models(commands.add_parser("models", help="the model library"))
    return top


def _command(commands: Any, name: str, run: Callable[[argparse.Namespace], object], words: str, settings: type | None = None) -> argparse.ArgumentParser:
    one: argparse.ArgumentParser = commands.add_parser(name, help=words, description=words.capitalize() + ".")
    one.add_argument("experiment", metavar="EXP", help="an experiment: a name in the workspace, or a path")
    one.set_defaults(run=run)
    if settings is not None:
        add_options(one, settings)
    return one


def _models(one: argparse.ArgumentParser) -> None:
    one.set_defaults(run=models)
    actions = one.add_subparsers(dest="action", required=True)
    actions.add_parser("list", help="every model: embedded, in the library, in the Cellpose zoo")
    adding = actions.add_parser("add", help="import a model file")
    adding.add_argument("file")
    adding.add_argument("--name")
    adding.add_argument("--kind", choices=("segmenter", "classifier"))
    for name, words in (("mean", "training mean"), ("std", "training standard deviation"), ("threshold", "decision threshold")):
        adding.add_argument(f"--{name}", type=float, help=f"{words}, for a classifier file that does not carry it")
    actions.add_parser("download", help="download a model of the Cellpose zoo").add_argument("name")
    actions.add_parser("verify", help="compare models with their recorded hashes").add_argument("name", nargs="?")


def simulate(given: argparse.Namespace) -> Path:
    from core.stages.simulating import simulate as run

    return run(_path(given), settings_from(SimulateSettings, picked(SimulateSettings, given)), Bar())


def add(given: argparse.Namespace) -> Path:
    from core.fields import DEFAULT_PATTERN
    from core.stages.adding import LEFT_OUT, Addition
    from core.stages.adding import add as run

    wanted = {k: getattr(given, k) for k in ("phase", "stain", "colour", "labels", "table", "pixel_size_um", "link")}
    made = run(_path(given), Addition(**wanted, pattern=given.pattern or DEFAULT_PATTERN), Bar())
    _tell(made.parent / LEFT_OUT)
    return made


def segment(given: argparse.Namespace) -> Path:
    from core.stages.segmenting import segment as run

    made = run(_path(given), settings_from(SegmentSettings, picked(SegmentSettings, given)), given.fields, Bar())
    _tell(made / "failures.csv")
    return made


def assess(given: argparse.Namespace) -> Path:
    from core.stages.assessing import assess as run

    settings = settings_from(AssessSettings, picked(AssessSettings, given))
    segmenting = settings_from(SegmentSettings, picked(SegmentSettings, given))
    made = run(_path(given), settings, segmenting, given.segmentation, Bar())
    _tell(made / "failures.csv")
    return made


def models(given: argparse.Namespace) -> object:
    from core import models as library

    if given.action == "list":
        for model in library.list_models():
            where = str(model.path) if model.path else "not downloaded"
            print(f"{model.name}\t{model.kind}\t{model.source}\t{model.licence}\t{where}")
        return None
    if given.action == "add":
        return library.add_model(Path(given.file), name=given.name, kind=given.kind, mean=given.mean, std=given.std, threshold=given.threshold).path
    if given.action == "download":
        return library.download_model(given.name, Bar()).path
    _verify(library, given.name)
    return None


def _verify(library: Any, name: str | None) -> None:
    here = [name] if name else [m.name for m in library.list_models() if m.path]
    problems = {one: library.verify_model(one) for one in here}
    for one, found in problems.items():
        print(f"{one}\t{'; '.join(found) or 'ok'}")
    if any(problems.values()):
        raise InputError("Some models are not as they were recorded; import or download them again.")


def _path(given: argparse.Namespace) -> Path:
    from core.workspace import experiment_path

    return experiment_path(given.experiment)


def _tell(file: Path) -> None:
    """Say on stderr what was left out, if anything was."""
    from core.report import read_csv
    from core.tables import FAILURES

    if file.is_file():
        for row in read_csv(file, FAILURES).to_dict("records"):
            print(f"left out: {row['file']}: {row['error']}", file=sys.stderr)


def main(arguments: Sequence[str] | None = None) -> int:
    given = parser().parse_args(arguments)
    keep_freed_memory()
    try:
        made = given.run(given)
    except InputError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except (Cancelled, KeyboardInterrupt):
        print("stopped; finished fields are kept, and the same command goes on there", file=sys.stderr)
        return 130
    if made is not None:
        print(made)
    return 0


if __name__ == "__main__":
    sys.exit(main())
