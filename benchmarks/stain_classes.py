"""How often the class of a cell is right when nobody touches a slider, on simulated experiments with true outlines.

    python benchmarks/stain_classes.py --experiments 5
    python benchmarks/stain_classes.py --experiments 5 --signal gated --size 1024 --fields 2

Each experiment has three cultures and an unstained control, misaligned by up to 40 px, 2 degrees and 2 %. Truth is whether a
cell holds stain at all. Cells at the border of the field count too. Prints a row an experiment, then the whole.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

sys.path[0] = str(Path(__file__).resolve().parents[1])  # in place of this folder, whose names could hide those of libraries

import core.simulate.field as simulated  # noqa: E402
from core.report import read_csv  # noqa: E402
from core.settings import SIGNALS, AnnotateSettings, SimulateSettings  # noqa: E402
from core.simulate.stain import Registration as Truth  # noqa: E402
from core.stages.adding import Addition, add  # noqa: E402
from core.stages.annotating import annotate  # noqa: E402
from core.stages.simulating import simulate  # noqa: E402
from core.tables import ANNOTATED_CELLS, FAILURES  # noqa: E402
from core.workspace import read_json  # noqa: E402


def wide(rng: np.random.Generator, size: int) -> Truth:
    far, way = 40 * np.sqrt(rng.random()), rng.uniform(0, 2 * np.pi)
    return Truth(float(far * np.sin(way)), float(far * np.cos(way)), float(rng.uniform(-2, 2)), float(1 + rng.uniform(-0.02, 0.02)), size)


def one(folder: Path, seed: int, given: argparse.Namespace) -> tuple[dict[str, Any], pd.DataFrame]:
    path = folder / f"seed{seed}"
    if not (path / "fields.csv").is_file():
        simulate(path, SimulateSettings(samples=4, fields=given.fields, size=given.size, seed=seed))
        add(path, Addition(labels=[str(path / "truth" / "labels")]))
    started = time.perf_counter()
    made = annotate(path, AnnotateSettings(signal=given.signal, register=given.register))
    seconds = time.perf_counter() - started
    truth = read_csv(path / "truth" / "cells.csv", {"fov_id": "str", "label": "Int64", "stained": "Int64", "stain_density": "Float64"})
    cells = read_csv(made / "cells.csv", ANNOTATED_CELLS).merge(truth[["fov_id", "label", "stained", "stain_density"]], on=["fov_id", "label"])
    record = read_json(made / "settings.json")["settings"]
    row = {"seed": seed, "threshold": record["threshold_used"], **scores(cells)}
    row |= {"controls": record["control_cells"], "control_positive": record["control_positive_cells"]}
    return row | {"fields_lost": len(read_csv(made / "failures.csv", FAILURES)), "seconds": seconds}, cells.assign(seed=seed)


def scores(cells: pd.DataFrame) -> dict[str, Any]:
    known = cells[cells["class"].notna()]
    called, truth = known["class"].to_numpy(int), known["stained"].to_numpy(int)
    sensitivity, specificity = float(called[truth == 1].mean()), float(1 - called[truth == 0].mean())
    return {
        "cells": len(known),
        "no_class": len(cells) - len(known),
        "sensitivity": sensitivity,
        "specificity": specificity,
        "balanced": (sensitivity + specificity) / 2,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiments", type=int, default=5)
    parser.add_argument("--fields", type=int, default=2, help="of each culture")
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--seed", type=int, default=100)
    parser.add_argument("--signal", choices=SIGNALS, default="brightfield")
    parser.add_argument("--register", default="similarity")
    parser.add_argument("--keep", type=Path, help="folder for the experiments; used again if they are there")
    given = parser.parse_args()
    simulated.draw_registration = wide
    with tempfile.TemporaryDirectory() as scratch:
        found = [one(given.keep or Path(scratch), given.seed + k, given) for k in range(given.experiments)]
    table, cells = pd.DataFrame([row for row, _ in found]), pd.concat([cells for _, cells in found])
    pd.set_option("display.width", 200, "display.max_columns", 30)
    print(table.round(4).to_string(index=False))
    total = scores(cells)
    print(
        f"\n{given.signal}: balanced accuracy {total['balanced']:.4f} over {total['cells']} cells (sensitivity {total['sensitivity']:.4f}, "
        f"specificity {total['specificity']:.4f}), worst experiment {table['balanced'].min():.4f}; "
        f"negative controls positive {table['control_positive'].sum()} of {table['controls'].sum()}"
    )
    wrong = cells[cells["class"].notna() & (cells["class"] != cells["stained"])]
    print(wrong[["seed", "fov_id", "label", "area_px", "critical_threshold", "stain_density", "fragile", "class"]].head(40).to_string(index=False))


if __name__ == "__main__":
    main()
