"""Where a classifier comes from, as far as the workspace knows: run, dataset, annotations; which fields it learned from."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from core.errors import InputError
from core.models.model import sha256_of
from core.report import read_csv
from core.tables import MANIFEST
from core.workspace import Experiment, Product, list_experiments, read_json

BEST: Final = "best.pt"
CALIBRATED: Final = "classifier.pt"  # in an evaluation that kept the calibrated model
LEARNED: Final = ("train", "validation")  # the validation cells chose the epoch and the threshold
OF_STAIN: Final = ("marker", "threshold_used", "threshold_from", "threshold_why", "unit", "spots", "min_fraction", "control_cells", "control_positive_cells")


@dataclass(frozen=True)
class Lineage:
    """``run`` and ``dataset``: "experiment/id". ``learned``: (experiment, fov_id) of training and validation cells. ``stains``: of each
    annotation behind it what it says of marker, threshold and spots. ``why``: how the decision threshold was found."""

    run: str
    dataset: str
    learned: frozenset[tuple[str, str]]
    stains: tuple[dict[str, Any], ...]
    why: str

    @property
    def marker(self) -> str:
        return "; ".join(dict.fromkeys(one["marker"] for one in self.stains if one.get("marker")))


def experiments_near(home: Experiment) -> list[Experiment]:
    """``home``, then the others of the workspace."""
    return [home, *(one for one in list_experiments() if one.path.resolve() != home.path.resolve())]


def lineage(home: Experiment, sha256: str) -> Lineage | None:
    """The run whose best epoch has this hash, and what lies behind it; None where the workspace does not know."""
    if not sha256:
        return None
    for experiment in experiments_near(home):
        for run in experiment.products("runs"):
            if (run.path / BEST).is_file() and sha256_of(run.path / BEST) == sha256:
                return _behind(experiment, run)
    return None


def _behind(experiment: Experiment, run: Product) -> Lineage:
    why, dataset_id = "", ""
    try:
        why = str(read_json(run.path / "outcome.json").get("threshold_why", ""))
        dataset_id = str(run.settings["upstream"]["dataset"])
        dataset = experiment.product("datasets", dataset_id)
        manifest = read_csv(dataset.path / "manifest.csv", MANIFEST)
    except (InputError, KeyError):  # deleted meanwhile: then only the run is known
        return Lineage(f"{experiment.name}/{run.id}", f"{experiment.name}/{dataset_id}" if dataset_id else "", frozenset(), (), why)
    used = manifest[manifest["split"].isin(LEARNED)]
    learned = frozenset(zip(used["experiment"], used["fov_id"], strict=True))
    return Lineage(f"{experiment.name}/{run.id}", f"{experiment.name}/{dataset.id}", learned, tuple(_stains(dataset)), why)


def _stains(dataset: Product) -> Iterator[dict[str, Any]]:
    rows = [row for row in dataset.settings.get("inputs") or () if isinstance(row, dict) and {"path", "annotation"} <= set(row)]
    for path, annotation in dict.fromkeys((str(row["path"]), str(row["annotation"])) for row in rows):
        try:
            yield stain_of(Experiment(Path(path)).product("annotations", annotation))
        except InputError:  # it was moved or deleted
            continue


def stain_of(annotation: Product) -> dict[str, Any]:
    """What an annotation says of its marker, threshold, spots and controls; only what is known."""
    kept = annotation.settings.get("settings") or {}
    known = {name: kept[name] for name in OF_STAIN if kept.get(name) not in (None, "")}
    return {"annotation": annotation.id, "experiment": annotation.path.parents[1].name} | known
