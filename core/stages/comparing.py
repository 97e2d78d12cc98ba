"""Compare: two finished evaluations that judged the same cells, and whether one classifier is better than the other."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from core.errors import InputError
from core.options import command, settings_from
from core.progress import Progress, silent
from core.report import read_csv, write_csv
from core.report.comparison import comparison_report
from core.settings import CompareSettings
from core.stages.datasets import open_dataset
from core.stages.judging import fields_of
from core.stages.pictured import first_of, with_pictures
from core.statistics.curves import roc_table
from core.statistics.metrics import cluster_of
from core.statistics.paired import delong, flip_table, outcomes, paired_sentence, paired_table
from core.statistics.sentences import few_clusters
from core.statistics.thresholds import thin
from core.tables import COMPARED_CELLS, DISAGREEMENTS, OUTCOMES, PREDICTIONS, typed
from core.workspace import AlreadyPublished, Experiment, Product, product_id, publish, read_json, write_json

KEPT: Final = ["cell_id", "fov_id", "label", "sample", "class"]


@dataclass(frozen=True)
class Judgement:
    """What an evaluation says of its cells, and of itself."""

    product: Product
    cells: pd.DataFrame  # tables.PREDICTIONS
    threshold: float
    warnings: list[str]

    @property
    def dataset(self) -> str:
        return str(self.product.settings.get("upstream", {}).get("dataset", ""))

    @property
    def origin(self) -> object:
        """What its cells come from: the annotations of the dataset; where it names none or is gone, the dataset itself."""
        folder = self.product.path.parents[1] / "datasets" / self.dataset
        return Product("datasets", self.dataset, folder).settings.get("upstream") or self.dataset if (folder / "settings.json").is_file() else self.dataset

    @property
    def model(self) -> str:
        return str(self.product.settings.get("models", {}).get("classifier", {}).get("name", "")) or self.product.id


def run(params: dict[str, Any], progress: Progress) -> Path:
    """``params``: ``experiment``, ``first`` and ``second`` (ids of evaluations), ``settings`` (CompareSettings)."""
    settings = settings_from(CompareSettings, params.get("settings") or {})
    return compare(Path(params["experiment"]), params["first"], params["second"], settings, progress)


def compare(path: Path, first: str, second: str, settings: CompareSettings | None = None, progress: Progress = silent) -> Path:
    """Compare the classifiers of two evaluations on the cells that both judged, and return the folder of the comparison.

    Raises
    ------
    InputError
        One evaluation is named twice, or they did not judge the same cells with the same classes.
    """
    experiment, settings = Experiment(path), settings or CompareSettings()
    if first == second:
        raise InputError(f"{experiment.name}: wanted two evaluations to compare, found {first} twice.")
    one, other = (judgement(experiment.product("evaluations", id)) for id in (first, second))
    cells = same_cells(one, other)
    about: dict[str, Any] = {
        "command": f"{command('compare', path, settings)} {first} {second}",
        "upstream": {"first": first, "second": second, "dataset": one.dataset},
        "models": {name: j.product.settings.get("models", {}).get("classifier", {}) for name, j in (("first", one), ("second", other))},
        "seed": settings.seed,
    }
    name = product_id(f"{one.model}-{other.model}", {"first": first, "second": second, "settings": settings})
    try:
        with publish(experiment, "comparisons", name, settings, **about) as partial:
            progress(0.0, 1.0, "differences and their intervals")
            _write(partial.path, experiment, one, other, cells, settings)
    except AlreadyPublished as ready:
        return ready.path
    progress(1.0, 1.0, "done")
    return partial.final


def judgement(product: Product) -> Judgement:
    found = read_json(product.path / "metrics.json")
    return Judgement(product, read_csv(product.path / "predictions.csv", PREDICTIONS), float(found["threshold"]["value"]), list(found["warnings"]))


def same_cells(one: Judgement, other: Judgement) -> pd.DataFrame:
    """``tables.COMPARED_CELLS`` of two evaluations. InputError where they are not of the same cells with the same classes."""
    if one.origin != other.origin:  # numbers of cells may be the same by chance
        raise _refused(one, other, f"the first judged on the dataset {one.dataset}, the second on {other.dataset}")
    both = one.cells.merge(other.cells, on="cell_id", suffixes=("", "_second"))
    if not len(both) == len(one.cells) == len(other.cells):
        raise _refused(one, other, f"the first judged {len(one.cells)} cells, the second {len(other.cells)}, and {len(both)} are the same")
    changed = int((both["class"] != both["class_second"]).sum())
    if changed:
        raise _refused(one, other, f"{changed} cells have another class in the second")
    names = {"senescence_probability": "first_probability", "senescence_probability_second": "second_probability"}
    called = both.rename(columns=names | {"predicted": "first_called", "predicted_second": "second_called"})
    return typed(called.assign(kind=outcomes(called["class"], called["first_called"], called["second_called"])), COMPARED_CELLS)[list(COMPARED_CELLS)]


def _refused(one: Judgement, other: Judgement, found: str) -> InputError:
    return InputError(
        f"{one.product.id} and {other.product.id}: wanted two evaluations of the same cells, but {found}. "
        "Evaluate both models on the same dataset and the same set of cells."
    )


def _write(folder: Path, experiment: Experiment, one: Judgement, other: Judgement, cells: pd.DataFrame, settings: CompareSettings) -> None:
    clusters, word = cluster_of(cells["sample"].to_numpy(), fields_of(cells).to_numpy())
    truth, first, second = cells["class"].to_numpy(dtype=int), *(cells[f"{name}_probability"].to_numpy(dtype=float) for name in ("first", "second"))
    metrics = paired_table(truth, first, second, (one.threshold, other.threshold), clusters, settings.bootstrap, settings.seed)
    flips = flip_table(truth, cells["first_called"], cells["second_called"])
    names = _names(one, other)
    tables = {
        "metrics": metrics,
        "flips": flips,
        "cells": cells,
        "roc": pd.concat(
            [thin(roc_table(truth, p)).assign(model=name) for name, p in zip(("first", "second"), (first, second), strict=True)], ignore_index=True
        ),
        "disagreements": _disagreements(folder, experiment, one, cells),
    }
    result = {
        "sentence": paired_sentence(metrics, flips, *names, word),
        "warnings": [f"{name}: {text}" for name, j in zip(names, (one, other), strict=True) for text in j.warnings],
        "remarks": [text for text in (few_clusters(len(set(clusters)), word),) if text],
        "check": _check(truth, first, second),
        "first": {"name": names[0], "evaluation": one.product.id, "threshold": one.threshold},
        "second": {"name": names[1], "evaluation": other.product.id, "threshold": other.threshold},
        "n_cells": len(cells),
        "intervals_over": word,
    }
    for name, table in tables.items():
        write_csv(folder / f"{name}.csv", table)
    write_json(folder / "comparison.json", result)
    comparison_report(folder / "report.html", read_json(folder / "settings.json") | {"experiment": experiment.name}, result, tables)


def _names(one: Judgement, other: Judgement) -> tuple[str, str]:
    """The models' names; the evaluations' where one model was judged twice."""
    return (one.model, other.model) if one.model != other.model else (one.product.id, other.product.id)


def _check(truth: np.ndarray, first: np.ndarray, second: np.ndarray) -> str:
    """DeLong's interval beside ours, in words."""
    try:
        gap, low, high = delong(truth, first, second)
    except InputError:
        return ""
    return (
        f"Check: were cells independent, the difference of the AUCs of {gap:+.3f} would have the 95 % interval {low:+.3f} to {high:+.3f} (DeLong 1988). "
        "Cells of a culture are alike, so the interval by cultures counts."
    )


def _disagreements(folder: Path, experiment: Experiment, one: Judgement, cells: pd.DataFrame) -> pd.DataFrame:
    """Cells that only one of the two calls rightly, those with the largest difference first, with pictures where the dataset is there."""
    gap = (cells["first_probability"] - cells["second_probability"]).abs()
    ordered = cells.assign(gap=gap).sort_values("gap", ascending=False, kind="stable")
    some = pd.concat([first_of(ordered[ordered["kind"] == kind], kind) for kind in OUTCOMES[1:3]], ignore_index=True)
    dataset = experiment.path / "datasets" / one.dataset
    if (dataset / "manifest.csv").is_file():
        opened = open_dataset(dataset)
        places = {cell: i for i, cell in enumerate(opened.manifest["cell_id"])}
        some = with_pictures(folder, opened, some.assign(row=[places[cell] for cell in some["cell_id"]]))
    return typed(some, DISAGREEMENTS)[list(DISAGREEMENTS)]
