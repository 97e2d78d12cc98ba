"""How often the 95 % intervals of a culture's senescent fraction hold the truth: simulated cultures, tables only.

    python benchmarks/coverage.py                       # 1,000 cultures a line and prevalence: some minutes
    python benchmarks/coverage.py --cultures 200 --jobs 2 --csv coverage.csv

Fields of a culture differ: the share of each is drawn from a beta distribution around the culture's with the intra-field
correlation of the line, cells a field vary (mean 60, gamma-Poisson), and the classifier's sensitivity and specificity vary from
field to field too (correlation 0.03). Estimators, as in core/statistics:

    wilson      plain per-cell Wilson over all cells, which takes cells for independent: shown to fail
    plain       plain count of stained cells, beta-binomial interval (cluster bootstrap where that is wider, from 20 fields on)
    calls       the same interval around the classifier's calls, taken for the truth: shown to fail
    corrected   corrected for sensitivity and specificity, known from 6 annotated cultures of 60 cells
    powered     prediction-powered: the first third of the fields (at least 2) is stained, the classifier sees all

Each number is the share of cultures whose interval holds the true fraction, and in brackets the mean width in percentage points.
"""

import argparse
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from core.statistics.estimators import Rate, corrected_fraction, plain_count
from core.statistics.fractions import MANY_FIELDS
from core.statistics.intervals import cluster_bootstrap, wilson
from core.statistics.powered import prediction_powered

FIELDS, PREVALENCE, CORRELATION = (3, 4, 6, 10, 24), (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8), (0.02, 0.05, 0.1)
SENSITIVITY, SPECIFICITY, OF_CALLS = 0.85, 0.93, 0.03
CELLS, REFERENCE_CULTURES = 60, 6
ESTIMATORS = ("wilson", "plain", "calls", "corrected", "powered")


def shares(rng: np.random.Generator, mean: float, correlation: float, fields: int, skewed: bool = False) -> np.ndarray:
    """The share of every field; ``skewed``: normal on the logit scale instead of beta, with the same variance, as a check."""
    strength = 1 / correlation - 1
    if not skewed:
        return rng.beta(mean * strength, (1 - mean) * strength, fields)
    spread = np.sqrt(correlation / (mean * (1 - mean)))
    draws = 1 / (1 + np.exp(-(np.log(mean / (1 - mean)) + spread * rng.standard_normal(20_000))))
    return rng.choice(draws, fields) * mean / draws.mean()


def culture(rng: np.random.Generator, prevalence: float, correlation: float, fields: int, skewed: bool = False) -> dict[str, np.ndarray]:
    """Counts of each field: cells, stained, true and false calls."""
    n = rng.poisson(CELLS * rng.gamma(4, 0.25, fields)) + 1
    stained = rng.binomial(n, np.clip(shares(rng, prevalence, correlation, fields, skewed), 0, 1))
    true = rng.binomial(stained, shares(rng, SENSITIVITY, OF_CALLS, fields))
    false = rng.binomial(n - stained, 1 - shares(rng, SPECIFICITY, OF_CALLS, fields))
    return {"n": n, "stained": stained, "true": true, "false": false}


def intervals(rng: np.random.Generator, prevalence: float, correlation: float, fields: int, skewed: bool) -> Iterator[tuple[float, float]]:
    """One simulated culture and the reference: an interval for each of ``ESTIMATORS``."""
    one = culture(rng, prevalence, correlation, fields, skewed)
    called = one["true"] + one["false"]
    yield wilson(int(one["stained"].sum()), int(one["n"].sum()))
    for hits in (one["stained"], called):
        yield of_count(hits, one["n"])
    known = culture(rng, 0.3, 0.1, REFERENCE_CULTURES)
    sound = known["n"] - known["stained"]
    sensitivity, specificity = Rate(tuple(known["true"]), tuple(known["stained"])), Rate(tuple(sound - known["false"]), tuple(sound))
    corrected = corrected_fraction(called, one["n"], sensitivity, specificity)
    yield corrected.low, corrected.high
    yield powered(one, max(2, fields // 3))


def of_count(k: np.ndarray, n: np.ndarray) -> tuple[float, float]:
    """As ``fractions.sample_table`` chooses."""
    estimate = plain_count(k, n)
    low, high = cluster_bootstrap(k, n, 1000, widen=True) if len(n) >= MANY_FIELDS else (estimate.low, estimate.low)
    return (low, high) if high - low > estimate.high - estimate.low else (estimate.low, estimate.high)


def powered(one: dict[str, np.ndarray], stained: int) -> tuple[float, float]:
    """Prediction-powered interval with the first ``stained`` fields stained."""
    counts = np.stack([one["true"], one["stained"] - one["true"], one["false"], one["n"] - one["stained"] - one["false"]])
    field = np.repeat(np.tile(np.arange(counts.shape[1]), 4), counts.ravel())
    kind = np.repeat(np.repeat(np.arange(4), counts.shape[1]), counts.ravel())
    classes, calls, here = (kind < 2).astype(float), (kind % 2 == 0).astype(float), field < stained
    estimate = prediction_powered(classes[here], calls[here], field[here], calls[~here], field[~here])
    return estimate.low, estimate.high


def line(task: tuple[int, float, float, int, bool]) -> list[dict[str, object]]:
    fields, correlation, prevalence, cultures, skewed = task
    rng = np.random.default_rng([fields, int(1000 * correlation), int(1000 * prevalence)])
    found = np.array([list(intervals(rng, prevalence, correlation, fields, skewed)) for _ in range(cultures)])
    held = (found[:, :, 0] <= prevalence) & (prevalence <= found[:, :, 1])
    width = (found[:, :, 1] - found[:, :, 0]).mean(axis=0)
    row = {"fields": fields, "correlation": correlation, "prevalence": prevalence}
    return [row | {"estimator": name, "coverage": held[:, i].mean(), "width": width[i]} for i, name in enumerate(ESTIMATORS)]


def show(table: pd.DataFrame) -> None:
    text = table.assign(shown=[f"{100 * c:5.1f} ({100 * w:.0f})" for c, w in zip(table["coverage"], table["width"], strict=True)])
    for name in ESTIMATORS:
        some = text[text["estimator"] == name]
        print(f"\n{name}")
        print(some.pivot(index=["correlation", "fields"], columns="prevalence", values="shown").rename(columns=lambda p: f"{100 * p:g} %").to_string())
    summary = table.groupby("estimator")["coverage"].agg(["min", "median", "max"]).reindex(ESTIMATORS) * 100
    summary["share within 93-97 %"] = table.assign(ok=table["coverage"].between(0.93, 0.97)).groupby("estimator")["ok"].mean() * 100
    summary["share below 93 %"] = table.assign(low=table["coverage"] < 0.93).groupby("estimator")["low"].mean() * 100
    print("\n" + summary.round(1).to_string())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cultures", type=int, default=1000, help="simulated cultures for each line and prevalence")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--skewed", action="store_true", help="fields that are not beta distributed, as a check of the model")
    parser.add_argument("--csv", type=Path, help="write the table to this file")
    given = parser.parse_args()
    tasks = [(m, rho, p, given.cultures, given.skewed) for rho, m, p in product(CORRELATION, FIELDS, PREVALENCE)]
    with ProcessPoolExecutor(given.jobs) as pool:
        table = pd.DataFrame([row for rows in pool.map(line, tasks) for row in rows])
    show(table)
    if given.csv:
        table.to_csv(given.csv, index=False)


if __name__ == "__main__":
    main()
