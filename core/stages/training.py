"""Train: a dataset in, a run out: its history epoch by epoch, and the classifier of its best epoch."""

from pathlib import Path
from typing import Any, Final

import numpy as np

from core.errors import InputError
from core.models import add_model
from core.models.model import Model
from core.options import command, settings_from
from core.progress import Progress, silent
from core.settings import TrainSettings
from core.stages.datasets import OpenDataset, open_dataset
from core.stages.training_run import BEST, OUTCOME, STATE, STOP, Run
from core.stages.training_start import find_start, is_simulated
from core.workspace import AlreadyPublished, Experiment, Product, product_id, publish, read_json, set_aside, write_atomic
from core.workspace.experiment import LOCKS
from core.workspace.layout import PARTIAL, checked_name
from core.workspace.locks import hold

DISCARDED: Final = ".discarded"  # a folder beside the runs


def run(params: dict[str, Any], progress: Progress) -> Path:
    """``params``: ``experiment``, ``settings`` (TrainSettings), ``dataset``, or ``resume`` alone (a run that was interrupted)."""
    settings = settings_from(TrainSettings, params.get("settings") or {})
    return train(Path(params["experiment"]), settings, params.get("dataset"), params.get("resume"), progress)


def train(path: Path, settings: TrainSettings, dataset_id: str | None = None, resume: str | None = None, progress: Progress = silent) -> Path:
    """Train a classifier on a dataset of the experiment (by default the newest) and return the folder of the run.

    A finished run of the same inputs is returned at once, an interrupted one goes on after its last epoch, also by its id
    in ``resume``, with the settings it was begun with.

    Raises
    ------
    InputError
        No dataset, too few cells or one class only in training or validation, start weights of another network, a damaged
        checkpoint, a loss that is no number, a full disk.
    """
    from core.stages.evaluating import chosen_dataset  # with torch, which the page that shows runs does without

    experiment = Experiment(path)
    if resume:
        if (path / "runs" / checked_name(resume, "run") / "settings.json").is_file():
            return path / "runs" / resume
        settings, dataset_id = begun(experiment, resume)
    product = chosen_dataset(experiment, dataset_id)
    dataset = open_dataset(product.path)
    check_cells(dataset)
    start = find_start(settings.start, settings.network)
    payload = {"settings": vars(settings) | {"start": start.sha256 or settings.start}, "dataset": product.id}
    about: dict[str, Any] = {
        "command": command("train", path, settings, dataset=product.id),
        "upstream": {"dataset": product.id},
        "models": {"start": start.record} if start.record else {},
    }
    try:
        with publish(experiment, "runs", resume or product_id(settings.network, payload), settings, **about) as partial:
            Run(dataset, settings, start, partial.path, is_simulated(experiment, dataset, product.settings), progress).make(about["command"])
    except AlreadyPublished as ready:
        return ready.path
    return partial.final


def unfinished(experiment: Experiment) -> list[str]:
    """Runs that were begun and not finished, the one touched last first."""
    found = [(file.stat().st_mtime, file.parent.name.removesuffix(PARTIAL)) for file in (experiment.path / "runs").glob(f"*{PARTIAL}/settings.json")]
    return [name for _, name in sorted(found, reverse=True)]


def begun(experiment: Experiment, run_id: str) -> tuple[TrainSettings, str]:
    """The settings and the dataset that an unfinished run was begun with. InputError where there is none, or its record is damaged."""
    record = read_json(_partial(experiment, run_id) / "settings.json")
    return settings_from(TrainSettings, record["settings"]), record["upstream"]["dataset"]


def epochs_done(experiment: Experiment, run_id: str) -> int:
    """How many epochs of an unfinished run are finished."""
    file = _partial(experiment, run_id) / "history.csv"
    return max(0, len(file.read_text(encoding="utf-8-sig").splitlines()) - 1) if file.is_file() else 0


def discard(experiment: Experiment, run_id: str) -> Path:
    """Give up an unfinished run, also one whose record is damaged.

    Its folder moves into ``.discarded`` beside the runs, and back by hand.

    Returns
    -------
    Path
        Where its folder is now.

    Raises
    ------
    InputError
        There is no such unfinished run, or it is being trained now.
    """
    folder = _partial(experiment, run_id)
    with hold(experiment.path / LOCKS / f"runs-{run_id}.lock") as held:
        if not held:
            raise InputError(f"{run_id}: this training is under way. Cancel it before you discard it.")
        return set_aside(folder, DISCARDED)


def stop_early(experiment: Experiment, run_id: str) -> None:
    """Let an unfinished run end after the epoch it is in (or, when it is resumed, at once) with its best epoch so far."""
    folder = _partial(experiment, run_id)
    if not (folder / STATE).is_file():
        raise InputError(f"{run_id}: no epoch is finished yet, so there is nothing to keep.")
    write_atomic(folder / STOP, b"")


def add_to_library(product: Product, name: str) -> Model:
    """Take the best epoch of a finished run into the model library."""
    outcome = read_json(product.path / OUTCOME)
    text = (product.path / "card.md").read_text(encoding="utf-8").replace(f"# {product.id}", f"# {name}", 1)
    return add_model(product.path / BEST, name=name, kind="classifier", summary=outcome["summary"], card=text)


def _partial(experiment: Experiment, run_id: str) -> Path:
    folder = experiment.path / "runs" / f"{checked_name(run_id, 'run')}{PARTIAL}"
    if not (folder / "settings.json").is_file():
        raise InputError(f"{experiment.name}: no unfinished run {run_id!r}. Unfinished: {', '.join(unfinished(experiment)) or 'none'}.")
    return folder


def check_cells(dataset: OpenDataset) -> None:
    """InputError where a class is missing in training or validation, saying which culture has it."""
    manifest = dataset.manifest
    for split, least in (("train", 2), ("validation", 1)):
        classes = dataset.classes[dataset.rows(split)]
        found = [int((classes == c).sum()) for c in (0, 1)]
        if min(found) >= least:
            continue
        rare = int(np.argmin(found))
        name = dataset.statistics["class_names"][rare]
        cells = manifest[manifest["class"] == rare]
        cultures = sorted(set(cells["group"]) - {""})
        where = {0: f"The dataset has {len(cells)} of them.", 1: f"All {name} cells are of one culture, {', '.join(cultures)}, which cannot be in two sets."}
        raise InputError(
            f"{dataset.path.name}: wanted at least {least} {name} cell{'s' * (least > 1)} in the {split} set, found {found[rare]} "
            f"beside {found[1 - rare]} of the other class. {where.get(len(cultures), f'There are {name} cells in {len(cultures)} cultures.')} "
            "Build the dataset with more cultures, or choose the sets of its cultures by hand (page Dataset; --assign on the command line)."
        )
