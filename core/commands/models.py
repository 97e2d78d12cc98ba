"""``models``: the model library."""

import argparse
from pathlib import Path
from typing import Any

from core.commands.common import Bar
from core.errors import InputError


def register(commands: Any) -> None:
    one = commands.add_parser("models", help="the model library")
    one.set_defaults(run=run)
    actions = one.add_subparsers(dest="action", required=True)
    actions.add_parser("list", help="every model: embedded, in the library, in the Cellpose zoo")
    adding = actions.add_parser("add", help="import a model file")
    adding.add_argument("file")
    adding.add_argument("--name")
    adding.add_argument("--kind", choices=("segmenter", "classifier"))
    for name, words in (("mean", "training mean"), ("std", "training standard deviation"), ("threshold", "decision threshold")):
        adding.add_argument(f"--{name}", type=float, help=f"{words}, for a classifier file that does not carry it")
    actions.add_parser("download", help="download a model of the Cellpose zoo, or start weights (imagenet-efficientnet-b4)").add_argument("name")
    actions.add_parser("remove", help="take a model out of the library; its files are kept").add_argument("name")
    actions.add_parser("verify", help="compare models with their recorded hashes").add_argument("name", nargs="?")


def run(given: argparse.Namespace) -> object:
    from core import models as library

    if given.action == "list":
        for model in library.list_models():
            where = str(model.path) if model.path else "not downloaded"
            print(f"{model.name}\t{model.kind}\t{model.source}\t{model.licence}\t{where}")
        return None
    if given.action == "add":
        return library.add_model(Path(given.file), name=given.name, kind=given.kind, mean=given.mean, std=given.std, threshold=given.threshold).path
    if given.action == "download":
        from core.stages.downloading import run as download

        return download({"name": given.name}, Bar())
    if given.action == "remove":
        return library.remove_model(given.name)
    _verify(library, given.name)
    return None


def _verify(library: Any, name: str | None) -> None:
    here = [name] if name else [m.name for m in library.list_models() if m.path]
    problems = {one: library.verify_model(one) for one in here}
    for one, found in problems.items():
        print(f"{one}\t{'; '.join(found) or 'ok'}")
    if any(problems.values()):
        raise InputError("Some models are not as they were recorded; import or download them again.")
