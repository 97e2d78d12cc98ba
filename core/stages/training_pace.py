"""How long an epoch may take, where an earlier run tells."""

from dataclasses import dataclass

from core.errors import InputError
from core.report import read_csv
from core.stages.training_run import OUTCOME
from core.tables import TRAINING_HISTORY
from core.workspace import Experiment, Product, read_json


@dataclass(frozen=True)
class Pace:
    """``seconds`` an epoch of the dataset may take, by the finished ``run``, which was computed on ``device``."""

    seconds: float
    run: str
    device: str


def known_pace(experiment: Experiment, dataset: str, network: str) -> Pace | None:
    """By the newest run of the same network on crops of the same size, in proportion to the cells; None where there is no such run.

    Which computer it was is not recorded: a workspace that was moved to another one brings the pace of the first.
    """
    cells, crop_px = _size(experiment, dataset)
    for run in experiment.products("runs"):
        try:
            if run.settings["settings"]["network"] != network:
                continue
            others, size = _size(experiment, run.settings["upstream"]["dataset"])
            if size == crop_px:
                return Pace(_seconds(run) * cells / others, run.id, read_json(run.path / OUTCOME)["device"])
        except InputError:  # its dataset is gone: how many cells it had is not known
            continue
    return None


def _size(experiment: Experiment, dataset: str) -> tuple[int, int]:
    """Cells that an epoch looks at (training and validation), and the size of their crops."""
    about = read_json(experiment.path / "datasets" / dataset / "statistics.json")
    return sum(sum(about["counts"][split].values()) for split in ("train", "validation")), about["crop_px"]


def _seconds(run: Product) -> float:
    return float(read_csv(run.path / "history.csv", TRAINING_HISTORY)["seconds"].median())
