"""How well stain images are laid on their phase images, against simulated truth: error, verdict, time.

    python benchmarks/registration.py --experiments 20
    python benchmarks/registration.py --experiments 2 --size 2048 --images mono
    python benchmarks/registration.py --faint 8 --unrelated 20       # hard cases only

Pairs are misaligned by up to 40 px, 2 degrees and 2 %. "error" is the mean displacement of the cells' middles, px.
Prints one table per kind of pair, then the pairs that are off by more than 1 px.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

sys.path[0] = str(Path(__file__).resolve().parents[1])  # in place of this folder, whose file names may hide packages

import core.simulate.field as simulated  # noqa: E402
from core.registration import displacement, register  # noqa: E402
from core.settings import SimulateSettings  # noqa: E402
from core.simulate import SimulatedField, simulate_experiment, simulate_field  # noqa: E402
from core.simulate.stain import Registration as Truth  # noqa: E402


def wide(rng: np.random.Generator, size: int) -> Truth:
    """A misalignment as large as is promised: up to 40 px in any direction, 2 degrees, 2 %."""
    far, way = 40 * np.sqrt(rng.random()), rng.uniform(0, 2 * np.pi)
    return Truth(float(far * np.sin(way)), float(far * np.cos(way)), float(rng.uniform(-2, 2)), float(1 + rng.uniform(-0.02, 0.02)), size)


def fields(given: argparse.Namespace) -> Iterator[tuple[str, SimulatedField]]:
    """Whole experiments (three cultures and an unstained control each), then sparse fields that show little."""
    for seed in range(given.seed, given.seed + given.experiments):
        for row, field in simulate_experiment(SimulateSettings(samples=4, fields=1, size=given.size, seed=seed)):
            yield "unstained control" if row["role"] == "negative control" else "stained culture", field
    for k in range(given.faint):
        seed = 10_000 + given.seed + k
        yield "sparse, faint stain", simulate_field(seed, given.size, confluence=0.13, stain_strength=0.3, prevalence=0.05)
        yield "sparse, strong stain", simulate_field(seed + 5000, given.size, confluence=0.13, stain_strength=0.9, prevalence=0.7)


def measured(what: str, image: str, phase: np.ndarray, stain: np.ndarray, field: SimulatedField | None, method: str) -> dict[str, Any]:
    started, busy = time.perf_counter(), time.process_time()
    found = register(phase, stain, method)
    seconds, cpu = time.perf_counter() - started, time.process_time() - busy
    error = np.nan
    if field is not None and len(field.cells):
        truth = np.array(field.registration["matrix"])[:2]
        error = displacement(found.matrix, truth, field.cells[["x_px", "y_px"]].to_numpy()).mean()
    return {"pair": what, "image": image, "error_px": error, **found.row(), "seconds": seconds, "cpu_seconds": cpu}


def measure(given: argparse.Namespace) -> pd.DataFrame:
    simulated.draw_registration = wide
    rows, before = [], None
    unrelated = 0
    for what, field in fields(given):
        images = {"mono": field.stain, "colour": field.colour}
        for image in given.images:
            rows.append(measured(what, image, field.phase, images[image], field, given.method))
            if before is not None and unrelated < given.unrelated:
                rows.append(measured("unrelated", image, before.phase, images[image], None, given.method))
                unrelated += 1
        before = field
    return pd.DataFrame(rows)


def show(table: pd.DataFrame) -> None:
    related = table[table["pair"] != "unrelated"]
    for (pair, image), some in table.groupby(["pair", "image"]):
        verdicts = some["verdict"].value_counts()
        told = ", ".join(f"{verdicts.get(v, 0)} {v}" for v in ("pass", "check", "fail"))
        errors = some["error_px"].dropna()
        about = f"within 1 px {(errors <= 1).mean():6.1%}  median {errors.median():.3f}  largest {errors.max():7.2f}" if len(errors) else " " * 48
        print(f"{pair:22s} {image:7s} n {len(some):3d}  {about}  {told};  score {some['score'].min():5.1f} .. {some['score'].max():5.1f}")
    if len(related):
        off = related[related["error_px"] > 1]
        print(f"\nall related pairs: n {len(related)}, within 1 px {(related['error_px'] <= 1).mean():.1%}, median {related['error_px'].median():.3f} px")
        print(f"off by more than 1 px: {len(off)}, of these called pass: {(off['verdict'] == 'pass').sum()}")
        print(f"error / estimated residual: median {(related['error_px'] / related['residual_px']).median():.2f}")
        bins = pd.cut(related["error_px"], [0, 0.1, 0.3, 0.6, 1, 3, np.inf])
        print("\n", pd.crosstab(bins, related["verdict"]).to_string(), "\n", sep="")
        if len(off):
            print(off[["pair", "image", "error_px", "score", "residual_px", "verdict", "reason"]].to_string(index=False))
    for name, words in (("seconds", "seconds"), ("cpu_seconds", "processor seconds, all threads,")):
        print(f"{words} a pair: median {table[name].median():.2f}, largest {table[name].max():.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiments", type=int, default=0)
    parser.add_argument("--faint", type=int, default=0, help="pairs of hard fields of either kind")
    parser.add_argument("--unrelated", type=int, default=0, help="pairs of different fields")
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--method", default="similarity")
    parser.add_argument("--images", nargs="+", default=["mono", "colour"], choices=["mono", "colour"])
    parser.add_argument("--csv", type=Path, help="write every pair here")
    given = parser.parse_args()
    table = measure(given)
    if given.csv:
        table.to_csv(given.csv, index=False)
    show(table)


if __name__ == "__main__":
    main()
