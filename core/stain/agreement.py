"""How far two raters agree."""

from dataclasses import dataclass

import pandas as pd

from core.stain.curation import CELL, standing
from core.tables import DECISIONS


@dataclass(frozen=True)
class Agreement:
    """Of the ``cells`` that both decided on: ``observed`` share decided alike, ``expected`` by chance, Cohen's ``kappa``.

    All None without common cells; ``kappa`` also where both gave one and the same answer always (chance explains all).
    ``table``: counts, rows the first rater's decisions, columns the second's. ``differing``: the cells they see differently.
    """

    cells: int
    observed: float | None
    expected: float | None
    kappa: float | None
    table: pd.DataFrame
    differing: pd.DataFrame


def agreement(curation: pd.DataFrame, segmentation: str, first: str, second: str, classes_only: bool = False) -> Agreement:
    """Cohen's kappa of two raters' standing decisions: (observed - expected) / (1 - expected).

    ``expected`` is the sum over decisions of the product of the raters' shares. ``classes_only`` leaves out cells that one
    of them excluded or could not tell.

    References
    ----------
    Cohen J (1960) A coefficient of agreement for nominal scales. Educ Psychol Meas 20:37-46.
    """
    rows = standing(curation)
    rows = rows[rows["segmentation"] == segmentation]
    one, two = (rows[rows["rater"] == name].set_index(CELL)["decision"] for name in (first, second))
    both = pd.concat([one, two], axis=1, join="inner", keys=["first", "second"])
    if classes_only:
        both = both[both.isin(["positive", "negative"]).all(axis=1)]
    answers = [d for d in DECISIONS if not classes_only or d in ("positive", "negative")]
    table = pd.crosstab(both["first"], both["second"]).reindex(index=answers, columns=answers, fill_value=0)
    differing = both[both["first"] != both["second"]].reset_index()
    cells = len(both)
    if not cells:
        return Agreement(0, None, None, None, table, differing)
    observed = float((both["first"] == both["second"]).mean())
    expected = float((table.sum(axis=1) * table.sum(axis=0)).sum()) / cells**2
    kappa = (observed - expected) / (1 - expected) if expected < 1 else None
    return Agreement(cells, observed, expected, kappa, table, differing)
