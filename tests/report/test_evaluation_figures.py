"""Charts of an evaluation."""

import pandas as pd
import pytest

from core.report.evaluation_figures import FRACTIONS, agreement_figure, bland_altman_figure
from core.tables import EVALUATED_CULTURES, typed


def cultures(stained: list[float], predicted: list[float]) -> pd.DataFrame:
    rows = {"sample": [f"MSC{i}" for i in range(len(stained))]}
    for kind, values in (("stained", stained), ("predicted", predicted)):
        rows |= {f"{kind}_fraction": values, f"{kind}_low": [0.0] * len(values), f"{kind}_high": [1.0] * len(values)}
    return typed(pd.DataFrame(rows), EVALUATED_CULTURES)


def test_fractions_end_at_0_and_100_percent_also_with_a_single_culture() -> None:
    for some in (cultures([0.5], [0.25]), cultures([0.1, 0.9], [0.2, 0.6])):
        agreement, bland = agreement_figure(some), bland_altman_figure(some, {})
        for axis in (agreement.layout.xaxis, agreement.layout.yaxis, bland.layout.xaxis):
            assert axis.range == FRACTIONS


def test_differences_are_shown_with_the_limits_of_agreement_and_0_in_the_middle() -> None:
    figure = bland_altman_figure(cultures([0.5], [0.25]), {"bias": -0.25, "limit_low": -0.4, "limit_high": -0.1})
    low, high = figure.layout.yaxis.range
    assert low == -high
    assert 0.4 < high < 0.6
    assert bland_altman_figure(cultures([], []), {}).layout.yaxis.range == pytest.approx((-0.1, 0.1))
