"""How fast stain becomes a class for every cell, beside the loop over cells that it replaces; equal results are checked.

    python benchmarks/annotation.py                  # one field of 2048 px with 800 cells; 24 fields with 20,000 cells
    python benchmarks/annotation.py --loop-cells 800 # time the whole loop instead of 100 cells of it

Prints one JSON line a measurement; ratios are wall time of the loop over wall time of Senescope, best of several runs.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

sys.path[0] = str(Path(__file__).resolve().parents[1])  # in place of this folder, whose names could hide those of libraries

from core.stain.counting import CellCounts, classes, count_cells, critical_threshold, stained_area, stained_pixels  # noqa: E402
from core.stain.opening import area_opening  # noqa: E402
from core.stain.quantisation import DENSITY  # noqa: E402

SPOT, FRACTION, THRESHOLD = 20, 0.05, 0.1


def simulated_field(seed: int, size: int, cells: int) -> tuple[np.ndarray, np.ndarray]:
    """Codes of a smooth, noisy stain signal uint16 and labels int32 of ``cells`` ellipses on a jittered grid."""
    rng = np.random.default_rng(seed)
    signal = cv2.GaussianBlur(rng.standard_normal((size, size), np.float32), (0, 0), 8.0)
    signal = 0.1 * signal / signal.std() + 0.006 * rng.standard_normal((size, size), np.float32)
    labels = np.zeros((size, size), np.int32)
    side = int(np.ceil(np.sqrt(cells)))
    pitch = size / side
    for k in range(cells):
        middle = ((k % side + 0.5) * pitch + rng.uniform(-2, 2), (k // side + 0.5) * pitch + rng.uniform(-2, 2))
        axes = (int(pitch * rng.uniform(0.3, 0.45)), int(pitch * rng.uniform(0.2, 0.45)))
        cv2.ellipse(labels, (round(middle[0]), round(middle[1])), axes, rng.uniform(0, 180), 0, 360, k + 1, -1)
    return DENSITY.codes(signal), labels


def timed(work: Callable[[], Any], runs: int = 5) -> tuple[float, Any]:
    """Seconds of the fastest of ``runs``, after one that is not counted (numba compiles in it), and the result."""
    result = work()
    seconds = []
    for _ in range(runs):
        started = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - started)
    return min(seconds), result


def say(what: str, **values: Any) -> None:
    print(json.dumps({"what": what} | {k: float(f"{v:.4g}") if isinstance(v, float) else v for k, v in values.items()}), flush=True)


def one_field(size: int, cells: int, loop_cells: int) -> None:
    codes, labels = simulated_field(0, size, cells)
    opening_s, opened = timed(lambda: area_opening(codes, SPOT), 2)
    stain = opened > DENSITY.code_of(THRESHOLD)
    numbers = np.unique(labels[labels > 0])
    started = time.perf_counter()
    loop = np.array([np.mean(stain * (labels == n)) / np.mean(labels == n) for n in numbers[:loop_cells]])
    loop_s = (time.perf_counter() - started) * len(numbers) / len(loop)
    pass_s, (ids, area, stained) = timed(lambda: stained_pixels(stain, labels))
    counting_s, counts = timed(lambda: count_cells(opened, labels, DENSITY, codes))
    equal = np.array_equal(ids, numbers) and np.allclose((stained / area)[: len(loop)], loop, rtol=1e-12, atol=0)
    same = np.array_equal(stained_area(counts, THRESHOLD), stained)
    say("loop over cells", size=size, cells=len(numbers), seconds=loop_s, timed_cells=len(loop))
    say("annotation of one field from its stain mask", seconds=pass_s, ratio=loop_s / pass_s, equal=bool(equal))
    say("all thresholds of one field (histograms of every cell)", seconds=counting_s, ratio=loop_s / counting_s, equal=bool(same))
    say("area opening of one field, once a spot size", seconds=opening_s)


def new_threshold(fields: int, size: int, cells: int) -> None:
    counts: list[CellCounts] = []
    for seed in range(fields):
        codes, labels = simulated_field(seed, size, cells // fields + (seed < cells % fields))
        counts.append(count_cells(area_opening(codes, SPOT), labels, DENSITY, codes))

    def called() -> np.ndarray:
        return np.concatenate([classes(stained_area(c, THRESHOLD), c.area, FRACTION) for c in counts])

    look_s, found = timed(called)
    critical_s, critical = timed(lambda: np.concatenate([critical_threshold(c, FRACTION) for c in counts]))
    move_s, moved = timed(lambda: (critical > THRESHOLD).astype(np.int64))
    stored = sum(c.levels.nbytes + c.above.nbytes + c.starts.nbytes for c in counts)
    say("classes of all cells from a new threshold", fields=fields, cells=len(found), seconds=look_s, megabytes=stored / 2**20)
    say("critical thresholds of all cells, once a smallest fraction", seconds=critical_s)
    say("classes from critical thresholds", seconds=move_s, equal=bool(np.array_equal(found, moved)), positive=float(found.mean()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=2048)
    parser.add_argument("--cells", type=int, default=800)
    parser.add_argument("--loop-cells", type=int, default=100, help="cells that the slow loop is timed on; the time is scaled up")
    parser.add_argument("--fields", type=int, default=24)
    parser.add_argument("--all-cells", type=int, default=20_000)
    given = parser.parse_args()
    one_field(given.size, given.cells, given.loop_cells)
    new_threshold(given.fields, given.size, given.all_cells)


if __name__ == "__main__":
    main()
