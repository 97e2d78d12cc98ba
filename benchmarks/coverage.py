"""How often the 95 % intervals of a culture's senescent fraction hold the truth: simulated cultures, tables only.

    python benchmarks/coverage.py                        # 2,000 cultures a line and prevalence, one core
    python benchmarks/coverage.py --cultures 500 --csv coverage.csv
    python benchmarks/coverage.py --skewed               # fields that do not follow the model of the intervals
    python benchmarks/coverage.py --shifted              # a classifier that errs differently in every culture
    python benchmarks/coverage.py --references 2         # sensitivity and specificity known from two annotated cultures only

Fields of a culture differ: the share of each is drawn from a beta distribution around the culture's. How much (the correlation of
two cells of one field) differs from culture to culture in the lines "mixed" (0.01 to 0.15, even on the logarithm) and is fixed in the
others. Cells a field vary (mean 60, gamma-Poisson), and so do the classifier's sensitivity and specificity from field to field
(correlation 0.03). Estimators, as in core/statistics:

    wilson      plain per-cell Wilson over all cells, which takes cells for independent: shown to fail
    plain       plain count of stained cells, beta-binomial interval (cluster bootstrap where that is wider, from 20 fields on)
    calls       the same interval around the classifier's calls, taken for the truth: shown to fail
    corrected   corrected for sensitivity and specificity, known from 6 annotated cultures (``--references``) of 60 cells
    powered     prediction-powered: the first third of the fields (at least 2) is stained, the classifier sees all

Each number is the share of cultures whose interval holds the true fraction, and in brackets the mean width in percentage points; the
lines outside 93 to 97 % are marked, and listed at the end.
The beta-binomial intervals of many cultures are computed at once from tables of the likelihood; the last lines say how far they are
from those of ``plain_count`` and ``corrected_fraction`` on the same cultures.
"""

import argparse
import sys
import time
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, gammaln

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from core.statistics.estimators import RATE_PRIOR, Rate, corrected_fraction, plain_count
from core.statistics.fractions import MANY_FIELDS
from core.statistics.intervals import cluster_bootstrap, wilson
from core.statistics.posterior import CORRELATION_PRIOR, SHARE_PRIOR
from core.statistics.powered import prediction_powered

Floats, Ints = NDArray[np.float64], NDArray[np.int64]
FIELDS, PREVALENCE, MIXED = (3, 5, 10, 24), (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8), (0.01, 0.15)
CORRELATION = ("mixed", 0.02, 0.05, 0.1)
SENSITIVITY, SPECIFICITY, OF_CALLS, SHIFT = 0.85, 0.93, 0.03, 0.4  # the last: SD of a culture's own, on the logit scale
CELLS, DRAWS, CHECKED = 60, 1500, 4
ESTIMATORS = ("wilson", "plain", "calls", "corrected", "powered")
PROMISED, LOW, HIGH = ("plain", "corrected", "powered"), 0.93, 0.97  # the estimators that are to hold the truth so often


class Likelihoods:
    """Of the counts of a field at every point of a grid of shares and correlations; the same model as ``core.statistics.posterior``."""

    logits = np.linspace(-11, 7, 181)
    correlations = np.geomspace(5e-4, 0.8, 28)  # as in core

    def __init__(self, most: int = 420) -> None:
        counts, strength = np.arange(most), np.broadcast_to(1 / self.correlations - 1, (len(self.logits), len(self.correlations)))
        alpha, beta = expit(self.logits)[:, None] * strength, expit(-self.logits)[:, None] * strength
        self.hits, self.misses, self.cells = (self._rising(values, counts) for values in (alpha, beta, strength))

    @staticmethod
    def _rising(start: Floats, counts: Ints) -> NDArray[np.float32]:
        """log of start (start + 1) ... (start + count - 1): (counts, grid)."""
        return (gammaln(start.ravel() + counts[:, None]) - gammaln(start.ravel())).astype(np.float32)

    def posterior(self, k: Ints, n: Ints, prior: tuple[float, float]) -> Floats:
        """Mass on ``logits`` for each culture (B, grid), from its fields (B, m)."""
        log = sum(self.hits[k[:, j]] + self.misses[n[:, j] - k[:, j]] - self.cells[n[:, j]] for j in range(k.shape[1]))
        assert not isinstance(log, int)
        log = log.reshape(len(k), len(self.logits), len(self.correlations))
        log = log + (prior[0] * np.log(self.correlations) + (prior[1] - 1) * np.log1p(-self.correlations)).astype(np.float32)
        mass = np.exp(log - log.max(axis=(1, 2), keepdims=True)).sum(axis=2).astype(float)
        mass *= np.exp(SHARE_PRIOR * (np.log(expit(self.logits)) + np.log(expit(-self.logits))))
        return mass / mass.sum(axis=1, keepdims=True)

    def quantiles(self, mass: Floats, q: Floats) -> Floats:
        """(B, Q) shares for ``q`` (B, Q)."""
        middle = mass.cumsum(axis=1) - mass / 2
        return expit(np.stack([np.interp(one, row, self.logits) for one, row in zip(q, middle, strict=True)]))


def shares(rng: np.random.Generator, mean: Floats | float, correlation: Floats | float, shape: tuple[int, int], skewed: bool = False) -> Floats:
    """The share of every field (cultures, fields); ``skewed``: normal on the logit scale instead of beta, of about the same variance, as a check."""
    mean, strength = np.broadcast_to(mean, shape), 1 / np.broadcast_to(correlation, shape) - 1
    if not skewed:
        return rng.beta(mean * strength, (1 - mean) * strength)
    spread = np.sqrt(1 / (1 + strength) / (mean * (1 - mean)))
    ends = np.linspace(-4, 4, 161)
    weight = np.exp(-(ends**2) / 2) / np.exp(-(ends**2) / 2).sum()
    low, high = np.full(shape, -12.0), np.full(shape, 12.0)
    for _ in range(40):  # the middle on the logit scale that gives the wanted mean
        middle = (low + high) / 2
        above = (expit(middle[..., None] + spread[..., None] * ends) @ weight) > mean
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return expit(middle + spread * rng.standard_normal(shape))


def cultures(rng: np.random.Generator, many: int, fields: int, prevalence: float, correlation: str | float, how: argparse.Namespace) -> dict[str, Ints]:
    """Counts (cultures, fields): cells, stained, true and false calls."""
    size = many, fields
    own = np.exp(rng.uniform(*np.log(MIXED), (many, 1))) if correlation == "mixed" else float(correlation)
    n = np.minimum(rng.poisson(CELLS * rng.gamma(4, 0.25, size)) + 1, 400)
    stained = rng.binomial(n, shares(rng, prevalence, own, size, how.skewed))
    moved = (SHIFT if how.shifted else 0.0) * rng.standard_normal((2, many, 1))
    sensitivity, specificity = (expit(np.log(rate / (1 - rate)) + move) for rate, move in zip((SENSITIVITY, SPECIFICITY), moved, strict=True))
    true = rng.binomial(stained, shares(rng, sensitivity, OF_CALLS, size))
    false = rng.binomial(n - stained, 1 - shares(rng, specificity, OF_CALLS, size))
    return {"n": n, "stained": stained, "true": true, "false": false}


def references(rng: np.random.Generator, many: int, how: argparse.Namespace) -> tuple[tuple[Ints, Ints], tuple[Ints, Ints]]:
    """Right calls and cells of each annotated culture, for the sensitivity and for the specificity."""
    one = cultures(rng, many * how.references, 1, 0.3, 0.1, how)
    n, stained, true, false = (one[name].reshape(many, how.references) for name in ("n", "stained", "true", "false"))
    return (true, stained), (n - stained - false, n - stained)


def counted(table: Likelihoods, k: Ints, n: Ints) -> Floats:
    """Intervals of plain counts (B, 2), as ``plain_count`` and, from 20 fields on, ``fractions.sample_table`` choose them."""
    ends = table.quantiles(table.posterior(k, n, CORRELATION_PRIOR), np.broadcast_to([0.025, 0.975], (len(k), 2)))
    share = k.sum(axis=1) / n.sum(axis=1)
    low = np.where(share == 0, 0.0, np.minimum(ends[:, 0], share))
    found = np.stack([low, np.where(share == 1, 1.0, np.maximum(ends[:, 1], share))], axis=1)
    if k.shape[1] >= MANY_FIELDS:
        drawn = np.array([cluster_bootstrap(one, cells, 400, widen=True) for one, cells in zip(k, n, strict=True)])
        wider = np.ptp(drawn, axis=1) > np.ptp(found, axis=1)
        found[wider] = drawn[wider]
    return found


def corrected(rng: np.random.Generator, table: Likelihoods, called: Ints, n: Ints, rates: tuple[tuple[Ints, Ints], tuple[Ints, Ints]]) -> Floats:
    """Intervals corrected for sensitivity and specificity (B, 2), as ``corrected_fraction``."""
    known = [table.posterior(called, n, CORRELATION_PRIOR), *(table.posterior(right, cells, RATE_PRIOR) for right, cells in rates)]
    calls, sensitivity, specificity = (table.quantiles(mass, rng.random((len(n), DRAWS))) for mass in known)
    gain = sensitivity + specificity - 1
    drawn = np.clip((calls + specificity - 1) / np.where(gain > 0.1, gain, np.nan), 0, 1)
    return np.nanquantile(drawn, [0.025, 0.975], axis=1).T


def powered(one: dict[str, Ints], stained: int) -> tuple[float, float]:
    """Prediction-powered interval of one culture with its first ``stained`` fields stained."""
    counts = np.stack([one["true"], one["stained"] - one["true"], one["false"], one["n"] - one["stained"] - one["false"]])
    field = np.repeat(np.tile(np.arange(counts.shape[1]), 4), counts.ravel())
    kind = np.repeat(np.repeat(np.arange(4), counts.shape[1]), counts.ravel())
    classes, calls, here = (kind < 2).astype(float), (kind % 2 == 0).astype(float), field < stained
    estimate = prediction_powered(classes[here], calls[here], field[here], calls[~here], field[~here])
    return estimate.low, estimate.high


def line(table: Likelihoods, fields: int, correlation: str | float, prevalence: float, how: argparse.Namespace) -> tuple[list[dict[str, object]], Floats]:
    """Coverage and width of every estimator, and the largest distance from the functions of core."""
    rng = np.random.default_rng([fields, CORRELATION.index(correlation), int(1000 * prevalence)])
    many = cultures(rng, how.cultures, fields, prevalence, correlation, how)
    rates, called = references(rng, how.cultures, how), many["true"] + many["false"]
    found = {
        "wilson": np.array([wilson(int(k), int(n)) for k, n in zip(many["stained"].sum(axis=1), many["n"].sum(axis=1), strict=True)]),
        "plain": counted(table, many["stained"], many["n"]),
        "calls": counted(table, called, many["n"]),
        "corrected": corrected(rng, table, called, many["n"], rates),
        "powered": np.array([powered({key: value[i] for key, value in many.items()}, max(2, fields // 3)) for i in range(how.cultures)]),
    }
    row = {"fields": fields, "correlation": correlation, "prevalence": prevalence}
    held = {name: ((ends[:, 0] <= prevalence) & (prevalence <= ends[:, 1])).mean() for name, ends in found.items()}
    rows = [row | {"estimator": name, "coverage": held[name], "width": np.ptp(found[name], axis=1).mean()} for name in ESTIMATORS]
    return rows, check(many, called, rates, found)


def check(many: dict[str, Ints], called: Ints, rates: tuple[tuple[Ints, Ints], tuple[Ints, Ints]], found: dict[str, Floats]) -> Floats:
    """Largest distance of interval ends from those of ``plain_count`` and ``corrected_fraction``, on the first few cultures."""
    gaps = np.zeros(2)
    for i in range(min(CHECKED, len(called))):
        known = [Rate(tuple(right[i]), tuple(cells[i])) for right, cells in rates]
        for j, (name, one) in enumerate(
            (("plain", plain_count(many["stained"][i], many["n"][i])), ("corrected", corrected_fraction(called[i], many["n"][i], *known)))
        ):
            if name == "corrected" or many["n"].shape[1] < MANY_FIELDS:
                gaps[j] = max(gaps[j], np.abs(found[name][i] - [one.low, one.high]).max())
    return gaps


def marked(table: pd.DataFrame, many: int) -> pd.Series:
    """``+`` where more than 97 %, ``-`` where less than 93 % of ``many`` cultures would be held, by more than chance (Wilson 95 % of the share); else ""."""
    ends = [wilson(round(share * many), many) for share in table["coverage"]]
    return pd.Series(["+" if low > HIGH else "-" if high < LOW else "" for low, high in ends], index=table.index)


def show(table: pd.DataFrame, many: int) -> None:
    """The tables, then every line that lies outside 93 to 97 %, in words. ``many``: cultures behind each number."""
    table = table.assign(mark=marked(table, many))
    text = table.assign(shown=[f"{100 * c:5.1f}{m or ' '}({100 * w:.0f})" for c, m, w in zip(table["coverage"], table["mark"], table["width"], strict=True)])
    for name in ESTIMATORS:
        some = text[text["estimator"] == name]
        wide = some.pivot_table(index=["correlation", "fields"], columns="prevalence", values="shown", aggfunc="first", sort=False)
        print(f"\n{name}\n{wide.rename(columns=lambda p: f'{100 * p:g} %').to_string()}")
    print(f"\n+ above 97 %, - below 93 %, by more than {many} cultures can differ by chance; in brackets the mean width in percentage points")
    for words, some in (("mixed correlations", table[table["correlation"] == "mixed"]), ("fixed correlations", table[table["correlation"] != "mixed"])):
        by = some.groupby("estimator")["coverage"]
        summary = (by.agg(["min", "median", "max"]) * 100).reindex(ESTIMATORS)
        summary["within 93-97 %"] = by.apply(lambda c: 100 * c.between(LOW, HIGH).mean())
        for heading, sign in (("surely below", "-"), ("surely above", "+")):
            summary[heading] = some.groupby("estimator")["mark"].apply(lambda m, sign=sign: 100 * (m == sign).mean())
        print(f"\n{words}, per cent of lines\n{summary.round(1).to_string()}")
    for name in PROMISED:
        outside(table[table["estimator"] == name], name)


def outside(table: pd.DataFrame, name: str) -> None:
    """The lines of one estimator that lie outside, by correlation and number of fields."""
    for sign, words in (("-", "below 93 %"), ("+", "above 97 %")):
        found = table[table["mark"] == sign]
        print(f"\n{name}, {words}: {len(found)} of {len(table)} lines")
        for (correlation, fields), some in found.groupby(["correlation", "fields"], sort=False):
            held = " to ".join(dict.fromkeys(f"{100 * share:.1f}" for share in (some["coverage"].min(), some["coverage"].max())))
            print(f"  correlation {correlation}, {fields} fields, prevalence {', '.join(f'{100 * p:g}' for p in some['prevalence'])} %: {held} %")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cultures", type=int, default=2000, help="simulated cultures for each line and prevalence")
    parser.add_argument("--skewed", action="store_true", help="fields that are not beta distributed, as a check of the model")
    parser.add_argument("--shifted", action="store_true", help="sensitivity and specificity of every culture differ from those of the others")
    parser.add_argument("--references", type=int, default=6, help="annotated cultures that sensitivity and specificity are known from")
    parser.add_argument("--csv", type=Path, help="write the table to this file")
    given = parser.parse_args()
    started, likelihoods, rows, gaps = time.process_time(), Likelihoods(), list[dict[str, object]](), np.zeros(2)
    for correlation, fields, prevalence in product(CORRELATION, FIELDS, PREVALENCE):
        found, gap = line(likelihoods, fields, correlation, prevalence, given)
        rows, gaps = rows + found, np.maximum(gaps, gap)
        print(f"{correlation} {fields} fields {prevalence:g}: {time.process_time() - started:.0f} s of processor time", file=sys.stderr)
    table = pd.DataFrame(rows)
    show(table, given.cultures)
    print(f"\ninterval ends differ from those of core by at most {gaps[0]:.4f} (plain count) and {gaps[1]:.4f} (corrected, drawn at random)")
    print(f"{given.cultures * len(table) // len(ESTIMATORS)} cultures, {time.process_time() - started:.0f} s of processor time")
    if given.csv:
        table.to_csv(given.csv, index=False)


if __name__ == "__main__":
    main()
