import pandas as pd
import pytest

from core.errors import InputError
from core.settings import AcceptanceLimits
from core.statistics.acceptance import checked_limits, verdict_table
from core.tables import REPORTED_SAMPLES, typed

LIMITS = AcceptanceLimits(pass_up_to=0.2, fail_from=0.4, widest_interval=0.25, fewest_cells=100, fewest_fields=3, control_up_to=0.1)
GOOD = {"sample": "MSC1", "role": "sample", "n_fields": 4, "n_scored": 300, "reported_fraction": 0.1, "reported_low": 0.05, "reported_high": 0.2}


def verdict(limits: AcceptanceLimits | None = LIMITS, *others: dict, **changes: object) -> tuple[str, str]:
    table = verdict_table(typed(pd.DataFrame([GOOD | changes, *others]), REPORTED_SAMPLES), limits, 3)
    return str(table["verdict"][0]), str(table["verdict_reasons"][0])


def test_a_good_culture_passes():
    assert verdict() == ("pass", "")
    assert verdict(reported_fraction=0.2, reported_high=0.29) == ("pass", "")  # up to and with the limit


@pytest.mark.parametrize(
    ("changes", "expected", "why"),
    [
        ({"reported_fraction": 0.4, "reported_low": 0.3, "reported_high": 0.5}, "fail", "40 %"),
        ({"reported_fraction": 0.9, "reported_low": 0.2, "reported_high": 1.0}, "fail", "90 %"),
        ({"reported_fraction": 0.3, "reported_low": 0.25, "reported_high": 0.35}, "review", "above 20 %"),
        ({"reported_high": 0.35}, "review", "30 points wide"),
        ({"reported_fraction": 0.19, "reported_low": 0.18, "reported_high": 0.41}, "review", "into the band that fails"),
        ({"reported_low": None, "reported_high": None}, "review", "not known"),
        ({"n_scored": 99}, "review", "99 scored cells of at least 100"),
        ({"n_fields": 2}, "review", "2 of at least 3 fields"),
        ({"n_fields": 2, "reported_fraction": 0.9}, "review", "2 of at least 3 fields"),
        ({"n_scored": 0, "reported_fraction": None}, "review", "no scored cell"),
    ],
)
def test_what_is_reviewed_and_what_fails(changes, expected, why):
    found, reasons = verdict(**changes)
    assert found == expected
    assert why in reasons


def test_a_control_gets_no_verdict_and_a_bad_one_lets_nothing_pass():
    assert verdict(role="negative control") == ("", "")
    control = GOOD | {"sample": "young", "role": "negative control", "reported_fraction": 0.11}
    assert verdict(LIMITS, control) == ("review", "negative control above 10 %: young 11 %")
    assert verdict(LIMITS, control | {"reported_fraction": 0.1}) == ("pass", "")
    assert verdict(LIMITS, control | {"reported_fraction": None}) == ("pass", "")


def test_what_is_no_measurement_passes_nothing():
    table = typed(pd.DataFrame([GOOD, GOOD | {"reported_fraction": 0.9, "reported_high": 1.0}, GOOD | {"role": "positive control"}]), REPORTED_SAMPLES)
    found = verdict_table(table, LIMITS, 3, simulated=True)
    assert found["verdict"].tolist() == ["review", "fail", ""]
    assert "simulated cells" in found["verdict_reasons"][0]
    assert "simulated" not in found["verdict_reasons"][1]


def test_a_culture_with_doubtful_fields_only_passes_nothing():
    assert verdict(n_flagged=3) == ("pass", "")
    assert verdict(n_flagged=4) == ("review", "every field is doubtful: see its flags")
    assert verdict(n_flagged=4, reported_fraction=0.3, reported_low=0.2, reported_high=0.35)[1].startswith("30 % lies above 20 %; every field")
    assert verdict(n_flagged=4, reported_fraction=0.9)[0] == "fail"
    assert verdict(n_flagged=None) == ("pass", "")


def test_without_limits_nobody_gets_a_verdict():
    assert verdict(None) == ("", "")


def test_the_version_stands_beside_the_verdict():
    table = verdict_table(typed(pd.DataFrame([GOOD, GOOD | {"role": "positive control"}]), REPORTED_SAMPLES), LIMITS, 3)
    assert table["limits_version"].tolist() == [3, pd.NA]


def test_limits_that_make_no_sense_are_refused():
    with pytest.raises(InputError, match="below 'fail from'"):
        checked_limits(AcceptanceLimits(pass_up_to=0.4, fail_from=0.4))
