"""Where a run starts, and whether its cells are simulated."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from core.models import find_model
from core.models.imagenet import imagenet_file
from core.models.model import sha256_of
from core.stages.datasets import OpenDataset
from core.workspace import Experiment, workspace_root

if TYPE_CHECKING:
    from core.classifier.starting import Start

SCRATCH: Final = "scratch"
IMAGENET: Final = "imagenet"


@dataclass(frozen=True)
class FoundStart:
    """Start weights, and what ``settings.json`` keeps of them; without weights the network starts at random."""

    words: str
    weights: "Start | None" = None
    sha256: str = ""
    record: dict[str, Any] = field(default_factory=dict)


def find_start(name: str, architecture: str) -> FoundStart:
    """``scratch``, ``imagenet``, a classifier of the library, or a file. InputError for what is not there or does not fit."""
    from core.classifier.starting import read_start

    if name in ("", SCRATCH):
        return FoundStart("random weights")
    path = imagenet_file(architecture) if name == IMAGENET else Path(name).expanduser()
    if name == IMAGENET or path.is_file():
        found = FoundStart(f"the weights in {path.name}", read_start(path, architecture), sha256_of(path))
        record = {"name": name if name == IMAGENET else path.stem, "kind": "start weights", "sha256": found.sha256, "file": path.name}
        return FoundStart(found.words, found.weights, found.sha256, record)
    model = find_model(name, "classifier")
    assert model.path is not None  # find_model refuses what is not there
    return FoundStart(f"the classifier {model.name}", read_start(model.path, architecture), model.sha256, model.record())


def is_simulated(experiment: Experiment, dataset: OpenDataset, record: dict[str, Any]) -> bool:
    """Whether all cells of a dataset come from simulated experiments: those keep the truth beside their images."""
    inputs = record.get("inputs") or []
    known = {row["experiment"]: Path(row["path"]) for row in inputs if isinstance(row, dict) and "path" in row}
    names = set(dataset.manifest["experiment"])
    return bool(names) and all(_truth(name, known, experiment) for name in names)


def _truth(name: str, known: dict[str, Path], experiment: Experiment) -> bool:
    places = [known.get(name), experiment.path if experiment.name == name else None]
    if name and Path(name).name == name:
        places.append(workspace_root() / name)
    return any(place is not None and (place / "truth" / "cells.csv").is_file() for place in places)
