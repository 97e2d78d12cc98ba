"""An evaluation of 20,000 predictions, with every interval, baseline, table, figure and the report, against scikit-learn in a loop.

    python benchmarks/evaluation.py                       # 40 judged cultures of 5 fields of 100 cells
    python benchmarks/evaluation.py --cultures 8 --reference 20

The peer is what a notebook does: draw cultures with replacement, put their cells together, call scikit-learn's functions, 2,000
times. It runs for a few draws and is scaled up; every number of those draws is compared with ours. The dataset is on disk, as the
evaluation finds it. The network is left out: how long it takes per cell, benchmarks/classifier.py says.

Prints JSON lines. Seconds depend on the machine, ratios less.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

# This folder's coverage.py would hide the package of that name, so the folder gives way to the repository.
sys.path = [str(Path(__file__).resolve().parents[1]), *sys.path[1:]]

from core.dataset.store import CropWriter, Scaling  # noqa: E402
from core.report import write_csv  # noqa: E402
from core.report.evaluation import evaluation_report  # noqa: E402
from core.settings import EvaluateSettings  # noqa: E402
from core.stages.comparing import compare  # noqa: E402
from core.stages.datasets import OpenDataset, open_dataset  # noqa: E402
from core.stages.judging import judge  # noqa: E402
from core.statistics.metrics import all_metrics  # noqa: E402
from core.statistics.resampling import cluster_codes, cluster_draws  # noqa: E402
from core.statistics.thresholds import choose_threshold  # noqa: E402
from core.tables import ERRORS, MANIFEST, typed  # noqa: E402
from core.workspace import Experiment, publish, read_json, write_json  # noqa: E402

FIELDS, CELLS, SIDE, STEP = 5, 100, 40, 44


def make_up(folder: Path, cultures: int) -> Path:
    """``folder``/judged with a dataset: ``cultures`` test cultures, 6 of validation and 10 of training."""
    rng, rows, names = np.random.default_rng(0), list[dict[str, Any]](), list[str]()
    experiment = Experiment(folder / "judged")
    y, x = np.mgrid[:STEP, :STEP] - STEP / 2
    with publish(experiment, "datasets", "d", {}) as partial:
        writer = CropWriter(partial.path / "crops", 64, "black")
        for split, many in (("test", cultures), ("validation", 6), ("train", 10)):
            for culture, field in np.ndindex(many, FIELDS):
                labels = np.zeros((10 * STEP, 10 * STEP), np.int32)
                for cell in range(CELLS):
                    place = slice(cell // 10 * STEP, cell // 10 * STEP + STEP), slice(cell % 10 * STEP, cell % 10 * STEP + STEP)
                    inside = (y / rng.uniform(8, SIDE / 2)) ** 2 + (x / rng.uniform(8, SIDE / 2)) ** 2 < 1
                    labels[place][inside] = cell + 1
                name, share = f"{split}{culture}_{field}", 0.1 + 0.5 * rng.random()
                writer.add_field(name, rng.integers(1, 255, labels.shape).astype(np.uint8), labels, range(1, CELLS + 1), Scaling(0.0, 255.0, 255.0))
                names.append(name)
                rows += [
                    {"cell_id": f"{name}:{i}", "fov_id": name, "label": i, "sample": f"{split}{culture}", "class": int(rng.random() < share), "split": split}
                    for i in range(1, CELLS + 1)
                ]
        index = writer.finish(names)
        table = pd.DataFrame(rows).assign(experiment="judged", area_px=index["area"], mean_intensity=index["total"] / index["n"])
        write_csv(partial.path / "manifest.csv", typed(table, MANIFEST)[list(MANIFEST)])
        about = {"mean": 0.5, "std": 0.2, "crop_px": 64, "intensity": "range", "background": "black", "pixel_size_um": None, "counts": {}}
        write_json(partial.path / "statistics.json", about)
        write_json(partial.path / "report.json", {})
    return experiment.path


def predictions(dataset: OpenDataset, seed: int, skill: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.clip(rng.beta(2, 4, len(dataset.classes)) + skill * dataset.classes, 0, 1)


def evaluation(experiment: Path, dataset: OpenDataset, scores: np.ndarray, name: str, seconds: dict[str, float]) -> None:
    """All of an evaluation but the network, published as ``name``; what each part takes goes into ``seconds``."""

    def timed(what: str, work: Callable[[], Any]) -> Any:
        started = time.perf_counter()
        found = work()
        seconds[what] = time.perf_counter() - started
        return found

    settings = EvaluateSettings()
    validation = dataset.rows("validation")
    threshold = choose_threshold(dataset.classes[validation], scores[validation])
    with publish(Experiment(experiment), "evaluations", name, settings, upstream={"dataset": "d"}) as partial:
        found = timed("intervals, baselines, cultures", lambda: judge(dataset, scores, dataset.rows("test"), threshold, settings))
        said = {key: value for key, value in vars(found).items() if key != "tables"} | {"warnings": [], "temperature": 1.0, "split": "test"}
        said |= {"threshold": {"value": threshold.value, "why": threshold.why}}
        write_json(partial.path / "metrics.json", said)
        timed("tables", lambda: [write_csv(partial.path / f"{key}.csv", table) for key, table in found.tables.items()])
        tables = found.tables | {"errors": typed(pd.DataFrame(), ERRORS)}
        timed("report with figures", lambda: evaluation_report(partial.path / "report.html", read_json(partial.path / "settings.json"), said, tables))


def by_scikit_learn(truth: np.ndarray, scores: np.ndarray, threshold: float) -> dict[str, float]:
    from sklearn import metrics as sk

    called = scores >= threshold
    return {
        "auc": sk.roc_auc_score(truth, scores),
        "average_precision": sk.average_precision_score(truth, scores),
        "accuracy": sk.accuracy_score(truth, called),
        "balanced_accuracy": sk.balanced_accuracy_score(truth, called),
        "sensitivity": sk.recall_score(truth, called),
        "specificity": sk.recall_score(truth, called, pos_label=0),
        "ppv": sk.precision_score(truth, called),
        "npv": sk.precision_score(truth, called, pos_label=0),
        "f1": sk.f1_score(truth, called),
        "mcc": sk.matthews_corrcoef(truth, called),
        "brier": sk.brier_score_loss(truth, scores),
    }


def reference(dataset: OpenDataset, scores: np.ndarray, draws: int, samples: int) -> dict[str, float]:
    """Seconds of ``samples`` draws by either way, their ratio, and the largest difference of a number."""
    rows = dataset.rows("test")
    truth, found = dataset.classes[rows], scores[rows]
    codes, names = cluster_codes(dataset.manifest["sample"].to_numpy()[rows])
    weights = cluster_draws(len(names), samples, 0)
    started = time.perf_counter()
    ours = all_metrics(truth.astype(bool), found, codes, weights, 0.5)
    quick = time.perf_counter() - started
    cells = [np.flatnonzero(codes == code) for code in range(len(names))]
    started, gap = time.perf_counter(), 0.0
    for i in range(draws):
        drawn = np.concatenate([np.tile(cells[code], int(times)) for code, times in enumerate(weights[i])])
        gap = max(gap, *(abs(value - ours[name][i]) for name, value in by_scikit_learn(truth[drawn], found[drawn], 0.5).items()))
    slow = (time.perf_counter() - started) / draws * samples
    return {"ours_s": round(quick, 3), "scikit_learn_s": round(slow, 1), "ratio": round(slow / quick, 1), "largest_difference": gap}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cultures", type=int, default=40)
    parser.add_argument("--reference", type=int, default=10, help="draws that scikit-learn makes; 2,000 are made by ours")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        experiment = make_up(Path(folder), given.cultures)
        dataset = open_dataset(experiment / "datasets" / "d")
        scores = predictions(dataset, 1, 0.3)
        seconds: dict[str, float] = {}
        processor = time.process_time()
        evaluation(experiment, dataset, scores, "first", seconds)
        total = {"all_s": round(sum(seconds.values()), 2), "processor_s": round(time.process_time() - processor, 2)}
        print(json.dumps({"cells": len(dataset.rows("test")), **total, **{key: round(value, 2) for key, value in seconds.items()}}))
        print(json.dumps({"resampling": EvaluateSettings.bootstrap, **reference(dataset, scores, given.reference, EvaluateSettings.bootstrap)}))
        evaluation(experiment, dataset, predictions(dataset, 2, 0.32), "second", {})
        started = time.perf_counter()
        compare(experiment, "first", "second")
        print(json.dumps({"comparison_s": round(time.perf_counter() - started, 2)}))


if __name__ == "__main__":
    main()
