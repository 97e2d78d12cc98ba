"""The command line: the same stages as the pages.

The product's path is the last line on stdout; progress goes to stderr; a wrong input exits with 2 and one clear line.
"""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

if not (3, 10) <= sys.version_info[:2] <= (3, 12):
    sys.exit(f"Senescope needs Python 3.10, 3.11 or 3.12 (because of Cellpose 3); this is {sys.version.split()[0]}.")

from core.errors import Cancelled, InputError
from core.memory import keep_freed_memory
from core.threads import wait_without_a_core

STAIN = ("register", "annotate", "tune")
MODELS = ("dataset", "train", "evaluate", "compare", "models")
COMMANDS = ("simulate", "add", "segment", "review", *STAIN, "assess", "report", "sign", "limits", *MODELS, "export")


def parser() -> argparse.ArgumentParser:
    """All commands and their options; every default stands in core/settings.py."""
    top = argparse.ArgumentParser(prog="python -m core", description="Senescence of living MSC cultures from phase-contrast images.")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in COMMANDS:
        import_module(f"core.commands.{name}").register(commands)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    wait_without_a_core()  # before a command imports PyTorch
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
