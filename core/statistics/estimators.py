"""Three estimates of the senescent fraction of a culture, each with an interval that knows that cells come in fields.

``plain_count``         counts cells. Right for stained cells; for a classifier's calls it is the fraction *called* senescent.
``corrected_fraction``  takes a classifier's errors out, with its sensitivity and specificity on other, annotated cultures.
``prediction_powered``  for an experiment in which some fields are stained: the stained fields correct the calls on all others.

Which one is reported (``best_estimate``): prediction-powered where fields of the culture itself are stained, because it rests
on no other culture; else corrected, because the calls of an imperfect classifier are biased (at 2 % senescent cells and 95 %
specificity, three of four calls are false); else the plain count, named as what it is.

No correction is made with a sensitivity or specificity that is known from fewer than ``FEWEST_CULTURES`` cultures (``why_not_corrected``):
fields of one culture show how alike it errs within itself, not how it errs elsewhere, and an interval over them is far too narrow.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from core.statistics.posterior import beta_binomial, checked_counts

PLAIN: Final = "plain count"
CORRECTED: Final = "corrected for sensitivity and specificity"
POWERED: Final = "prediction-powered"
FEW_FIELDS: Final = 3
FEW_CELLS: Final = 50
FEWEST_CULTURES: Final = 2
DRAWS: Final = 4000
RATE_PRIOR: Final = (1.0, 29.0)  # of how alike a classifier errs within a culture (mean 0.03): less than how alike its cells are; see benchmarks/coverage.py
_WORTHLESS: Final = 0.1  # sensitivity + specificity - 1 below which a correction divides by nearly nothing


@dataclass(frozen=True)
class Rate:
    """A sensitivity or specificity as it was counted: right calls and cells of each cluster, a culture, or a field of one culture (``by_field``)."""

    right: tuple[int, ...]
    cells: tuple[int, ...]
    by_field: bool = False

    @property
    def value(self) -> float:
        return sum(self.right) / sum(self.cells) if sum(self.cells) else float("nan")

    @property
    def clusters(self) -> int:
        """Of these, how many have cells."""
        return sum(n > 0 for n in self.cells)

    @property
    def cultures(self) -> int:
        """How many cultures the cells are of."""
        return min(self.clusters, 1) if self.by_field else self.clusters


@dataclass(frozen=True)
class Estimate:
    """A senescent fraction with its 95 % interval; NaN where nothing is known. ``notes`` say what makes it weak."""

    fraction: float
    low: float
    high: float
    method: str
    n_fields: int
    n_cells: int
    notes: tuple[str, ...] = ()


def plain_count(k: ArrayLike, n: ArrayLike, level: float = 0.95) -> Estimate:
    """Cells with the property over cells looked at, with the interval of ``posterior.beta_binomial`` over fields.

    Parameters
    ----------
    k, n : array-like of int, shape (fields,)
        Senescent and scored cells of each field.
    """
    counts, totals = checked_counts(k, n)
    cells, fields = int(totals.sum()), int((totals > 0).sum())
    if not cells:
        return Estimate(float("nan"), float("nan"), float("nan"), PLAIN, fields, 0, _few(fields, 0))
    fraction = float(counts.sum() / cells)
    low, high = beta_binomial(counts, totals).interval(level)
    return Estimate(fraction, *_around(fraction, low, high, counts.sum(), cells), PLAIN, fields, cells, _few(fields, cells))


def corrected_fraction(k: ArrayLike, n: ArrayLike, sensitivity: Rate, specificity: Rate, level: float = 0.95, seed: int = 0) -> Estimate:
    """(called + specificity - 1) / (sensitivity + specificity - 1), within 0..1.

    The interval is the spread of that formula when the fraction called, the sensitivity and the specificity are drawn from
    their posteriors over fields and over the clusters that ``Rate`` lists. It assumes that sensitivity and specificity are the
    same here as there; it is cautious near 0 and 1, where the formula is cut off.

    Parameters
    ----------
    k, n : array-like of int, shape (fields,)
        Cells called senescent and cells scored of each field.

    References
    ----------
    Rogan WJ, Gladen B (1978) Estimating prevalence from the results of a screening test. Am J Epidemiol 107:71-76.
    Lang Z, Reiczigel J (2014) Confidence limits for prevalence of disease adjusted for estimated sensitivity and specificity.
    Prev Vet Med 113:13-22 (the uncertainty of both belongs into the interval).
    """
    counts, totals = checked_counts(k, n)
    cells, fields = int(totals.sum()), int((totals > 0).sum())
    notes = _few(fields, cells) + _few_reference(sensitivity, "sensitivity", "senescent") + _few_reference(specificity, "specificity", "non-senescent")
    unknown = Estimate(float("nan"), float("nan"), float("nan"), CORRECTED, fields, cells, notes)
    if not cells or not sum(sensitivity.cells) or not sum(specificity.cells):
        return unknown
    rng = np.random.default_rng(seed)
    known = beta_binomial(counts, totals), beta_binomial(*_counted(sensitivity), RATE_PRIOR), beta_binomial(*_counted(specificity), RATE_PRIOR)
    called, sens, spec = (one.draw(DRAWS, rng) for one in known)
    usable = sens + spec - 1 > _WORTHLESS
    gain = sensitivity.value + specificity.value - 1
    if gain <= _WORTHLESS or usable.mean() < 0.95:
        said = f"sensitivity {sensitivity.value:.2f} and specificity {specificity.value:.2f} are too close to chance for a correction"
        return Estimate(unknown.fraction, 0.0, 1.0, CORRECTED, fields, cells, (*notes, said))
    fraction = float(np.clip((counts.sum() / cells + specificity.value - 1) / gain, 0, 1))
    draws = np.clip((called + spec - 1)[usable] / (sens + spec - 1)[usable], 0, 1)
    low, high = np.quantile(draws, [0.5 - level / 2, 0.5 + level / 2])
    return Estimate(fraction, min(float(low), fraction), max(float(high), fraction), CORRECTED, fields, cells, notes)


def best_estimate(plain: Estimate, corrected: Estimate | None = None, powered: Estimate | None = None) -> Estimate:
    """The one that is reported: prediction-powered, else corrected, else the plain count; one that is unknown is passed over."""
    for one in (powered, corrected):
        if one is not None and np.isfinite(one.fraction):
            return one
    return plain


def why_not_corrected(sensitivity: Rate, specificity: Rate) -> str:
    """Why calls of another culture cannot be corrected with these; "" where they can."""
    known = (sensitivity, "sensitivity", "senescent"), (specificity, "specificity", "non-senescent")
    said = [_known_from(*one) for one in known if one[0].cultures < FEWEST_CULTURES]
    return f"not corrected: {' and '.join(said)}" if said else ""


def reason(estimate: Estimate) -> str:
    """Why this estimate is the one that is reported, in one sentence."""
    return {
        POWERED: "Some fields of this culture are stained: they correct the classifier's calls on the others, so no other culture is relied on.",
        CORRECTED: "The classifier errs; its calls are corrected with the sensitivity and specificity it had on other, annotated cultures, "
        "assuming that they are the same here.",
        PLAIN: "A count as it is: for stained cells the senescent fraction, for a classifier's calls the fraction called senescent.",
    }[estimate.method]


def _counted(rate: Rate) -> tuple[np.ndarray, np.ndarray]:
    return np.array(rate.right, float), np.array(rate.cells, float)


def _around(fraction: float, low: float, high: float, hits: float, cells: float) -> tuple[float, float]:
    """The interval reaches 0 where nothing was found, and 1 where everything was, and holds the estimate."""
    return 0.0 if hits == 0 else min(low, fraction), 1.0 if hits == cells else max(high, fraction)


def _few(fields: int, cells: int) -> tuple[str, ...]:
    said = []
    if fields < FEW_FIELDS:
        said.append(f"only {fields} scored field{'' if fields == 1 else 's'}: how much fields differ is mostly assumed")
    if cells < FEW_CELLS:
        said.append(f"only {cells} scored cell{'' if cells == 1 else 's'}")
    return tuple(said)


def _few_reference(rate: Rate, name: str, kind: str) -> tuple[str, ...]:
    enough = sum(rate.cells) >= FEW_CELLS and rate.clusters >= FEW_FIELDS and rate.cultures >= FEWEST_CULTURES
    return () if enough else (_known_from(rate, name, kind),)


def _known_from(rate: Rate, name: str, kind: str) -> str:
    fields = f"{_count(rate.clusters, 'field')} of " if rate.by_field else ""
    return f"{name} known from {_count(sum(rate.cells), f'{kind} cell')} of {fields}{_count(rate.cultures, 'culture')} only"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
