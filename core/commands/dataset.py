"""``dataset``: crops of annotated cells, split by culture."""

import argparse
import sys
from pathlib import Path
from typing import Any

from core.commands.common import Bar, tell_failures
from core.errors import InputError
from core.options import add_options, picked, settings_from
from core.settings import DatasetSettings


def register(commands: Any) -> None:
    words = "cut the annotated cells of experiments into crops, split by culture"
    one: argparse.ArgumentParser = commands.add_parser("dataset", help=words, description=words.capitalize() + ".")
    one.add_argument("experiments", nargs="*", metavar="EXP", help="annotated experiments: names in the workspace, or paths")
    one.add_argument("--out", metavar="EXP", help="the experiment that gets the dataset (made if needed); by default the only one named")
    one.add_argument("--annotation", nargs="+", default=[], metavar="ID", help="use these annotations; by default the newest of each experiment")
    one.add_argument(
        "--assign", nargs="+", default=[], metavar="GROUP=SET", help="put a culture into train, validation or test by hand, or leave it out ('MSC1=left out')"
    )
    one.add_argument("--assign-from", metavar="CSV", help="the same from a file with the columns group and split")
    one.add_argument(
        "--split-from", nargs="+", default=[], metavar="CSV", help="train and test file of the original pipeline; without EXP they are only checked"
    )
    one.add_argument("--from-folder", metavar="FOLDER_OR_ZIP", help="crops cut elsewhere: FOLDER/[train|val|test/]CLASS/image, or that folder as a ZIP")
    one.add_argument("--only", metavar="REGEX", default="", help="with --from-folder: only files whose path matches")
    one.add_argument("--positive", metavar="CLASS", default="", help="with --from-folder: the folder of the senescent class")
    one.add_argument("--export", metavar="FOLDER", help="also write the crops as PNG folders by set and class, with manifest and original-format CSV")
    add_options(one, DatasetSettings)
    one.set_defaults(run=run)


def run(given: argparse.Namespace) -> Path | None:
    if given.split_from and not given.experiments:
        _check_only(given.split_from)
        return None
    made = _imported(given) if given.from_folder else _collected(given)
    _tell(made)
    if given.export:
        from core.stages.crop_folders import export_folder

        export_folder(made, Path(given.export), Bar())
    return made


def _collected(given: argparse.Namespace) -> Path:
    from core.stages.collecting import collect
    from core.stages.splitting import Wanted
    from core.workspace import experiment_path

    if not given.experiments or (given.out is None and len(given.experiments) > 1):
        raise InputError("dataset: wanted EXP..., and with more than one experiment --out EXP for the dataset.")
    paths = [experiment_path(name) for name in given.experiments]
    out = experiment_path(given.out) if given.out else paths[0]
    return collect(Wanted(paths, out, given.annotation, _assignment(given), given.split_from), _settings(given), Bar())


def _imported(given: argparse.Namespace) -> Path:
    from core.stages.crop_archives import import_crops
    from core.workspace import experiment_path

    if not given.out or given.experiments:
        raise InputError("dataset: --from-folder wanted --out EXP for the dataset, and no other experiment.")
    return import_crops(Path(given.from_folder), experiment_path(given.out), _settings(given), given.only, given.positive, Bar())


def _settings(given: argparse.Namespace) -> DatasetSettings:
    return settings_from(DatasetSettings, picked(DatasetSettings, given))


def _assignment(given: argparse.Namespace) -> dict[str, str]:
    out: dict[str, str] = {}
    if given.assign_from:
        from core.report import read_csv

        table = read_csv(Path(given.assign_from), {"group": "str", "split": "str"})
        out = {g: s for g, s in zip(table["group"], table["split"], strict=True) if s}
    for pair in given.assign:
        group, equals, split = pair.rpartition("=")
        if not equals:
            raise InputError(f"--assign: wanted GROUP=SET such as MSC1=test, found {pair!r}.")
        out[group] = split
    return out


def _check_only(files: list[str]) -> None:
    from core.dataset.original import check_split
    from core.dataset.sentences import split_sentences
    from core.stages.original_files import read_sets

    for one in split_sentences(check_split(read_sets(files))):
        print(f"{one['level']}: {one['text']}")


def _tell(made: Path) -> None:
    """What is left out and what to beware of, on stderr."""
    from core.workspace import read_json

    tell_failures(made / "failures.csv")
    for one in read_json(made / "report.json")["warnings"]:
        print(f"{one['level']}: {one['text']}", file=sys.stderr)
