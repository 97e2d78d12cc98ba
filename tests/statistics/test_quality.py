"""Quality flags of fields and the abstain band, on tables with known truth."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from core.report.doubts import LEFT_OUT as SAID_LEFT_OUT
from core.report.doubts import UNLIKE as SAID_UNLIKE
from core.report.doubts import UNUSUAL as SAID_UNUSUAL
from core.statistics import field_table, sample_table
from core.statistics.quality import LEFT_OUT, UNLIKE, UNUSUAL, is_uncertain, more_than_chance, with_doubts, with_quality
from core.tables import ASSESSED_CELLS, ASSESSED_FIELDS, ASSESSED_SAMPLES, FLAGS, MEASURED_FLAGS, typed

LEARNED: dict[str, Any] = {"beyond": 0.01, "ranges": {"focus": [0.2, 0.4], "brightness": [0.3, 0.6], "confluence": [0.1, 0.5], "median_area": [400, 4000]}}


def cells(fov_id: str = "f1", n: int = 20, **more: Any) -> pd.DataFrame:
    """``n`` cells like the training cells, every second one senescent."""
    values = {"label": np.arange(1, n + 1), "sample": "A", "excluded": False, "exclusion_reason": "", "senescent": np.arange(n) % 2}
    values |= {"senescence_probability": 0.5, "uncertain": 0, "focus": 0.3, "brightness": 0.4, "training_distance": 0.7, "area_px": 1000, "area_um2": 900.0}
    table = pd.DataFrame({"fov_id": [fov_id] * n} | {"cell_id": [f"{fov_id}:{k}" for k in range(n)]} | values | more)
    return typed(table, ASSESSED_CELLS)


def judged(*parts: pd.DataFrame, learned: dict | None = LEARNED, um: float | None = 1.0, confluence: float = 0.3) -> tuple[pd.DataFrame, pd.DataFrame]:
    table = pd.concat(parts, ignore_index=True) if parts else typed(pd.DataFrame(), ASSESSED_CELLS)
    names = list(dict.fromkeys(table["fov_id"])) or ["f1"]
    fields = field_table(table, pd.DataFrame({"fov_id": names, "sample": "A", "confluence": confluence}))
    fields = with_quality(fields, table, learned, um)
    return fields, with_doubts(sample_table(fields, bootstrap=100), fields)


def test_a_like_field_has_no_flag() -> None:
    fields, samples = judged(cells())
    row = fields.iloc[0]
    assert row["flags"] == ""
    assert (row["focus"], row["brightness"], row["median_area"], row["training_distance"], row["n_unlike"]) == (0.3, 0.4, 900, 0.7, 0)
    assert row["excluded_fraction"] == 0
    assert (samples["n_flagged"][0], samples["n_unlike"][0]) == (0, 0)


@pytest.mark.parametrize(
    ("change", "flag"),
    [
        ({"focus": 0.1}, "blurred"),
        ({"focus": 0.5}, "grainy"),
        ({"brightness": 0.1}, "dark"),
        ({"brightness": 0.9}, "bright"),
        ({"area_um2": 100.0}, "small cells"),
        ({"area_um2": 9000.0}, "large cells"),
        ({"training_distance": 1.2}, UNLIKE),
        ({"excluded": [True] * 11 + [False] * 9, "exclusion_reason": ["too small"] * 11 + [""] * 9}, LEFT_OUT),
    ],
)
def test_a_strange_field_is_flagged_for_what_is_strange(change: dict, flag: str) -> None:
    fields, samples = judged(cells(), cells("f2", **change))
    assert list(fields["flags"]) == ["", flag]
    assert samples["n_flagged"][0] == 1
    assert flag in FLAGS


def test_a_field_whose_cells_are_all_somewhat_strange_is_unlike_too() -> None:
    learned = LEARNED | {"ranges": LEARNED["ranges"] | {"training_distance": [0.1, 0.6]}}
    assert list(judged(cells(training_distance=0.5), cells("f2"), learned=learned)[0]["flags"]) == ["", UNLIKE]  # the usual 0.7 is beyond


@pytest.mark.parametrize(("distance", "flags"), [(0.9, ""), (1.0, ""), (1.1, UNUSUAL), (pd.NA, "")])
def test_an_image_that_lies_far_is_unusual(distance: object, flags: str) -> None:
    table = cells()
    fields = field_table(table, pd.DataFrame({"fov_id": ["f1"], "sample": "A", "confluence": 0.3})).assign(image_distance=distance, contrast=0.2, noise=0.5)
    assert with_quality(fields, table, LEARNED, 1.0)["flags"][0] == flags
    noisy = LEARNED | {"ranges": LEARNED["ranges"] | {"noise": [0.01, 0.03], "contrast": [0.3, 0.5]}}
    assert with_quality(fields, table, noisy, 1.0)["flags"][0] == "; ".join(one for one in (flags, "low contrast", "noisy") if one)


def test_the_confluence_is_compared_too() -> None:
    assert judged(cells(), confluence=0.8)[0]["flags"][0] == "dense"
    assert judged(cells(), confluence=0.05)[0]["flags"][0] == "sparse"


def test_every_flag_is_explained() -> None:
    assert set(FLAGS) == {UNLIKE, UNUSUAL, LEFT_OUT, *(flag for both in MEASURED_FLAGS.values() for flag in both)}
    assert set(MEASURED_FLAGS) <= set(ASSESSED_FIELDS)
    assert (SAID_UNLIKE, SAID_UNUSUAL, SAID_LEFT_OUT) == (UNLIKE, UNUSUAL, LEFT_OUT)


def test_several_flags_are_joined() -> None:
    fields, _ = judged(cells(focus=0.1, training_distance=3.0))
    assert fields["flags"][0] == "unlike training; blurred"
    assert fields["n_unlike"][0] == 20


def test_a_model_that_does_not_say_what_it_learned_flags_nothing_but_what_is_left_out() -> None:
    fields, samples = judged(cells(focus=0.01, brightness=0.99, training_distance=pd.NA), learned=None)
    assert fields["flags"][0] == ""
    assert fields["focus"][0] == pytest.approx(0.01)
    assert pd.isna(fields["n_unlike"][0])
    assert pd.isna(samples["n_unlike"][0])


def test_a_range_that_is_not_known_flags_nothing() -> None:
    fields, _ = judged(cells(focus=9.0), learned={"beyond": 0.5, "ranges": {}})
    assert fields["flags"][0] == ""


def test_areas_are_in_the_units_of_the_classifier() -> None:
    assert judged(cells(area_um2=pd.NA), um=2.0)[0]["median_area"][0] == 4000  # the pixel size is taken to be the classifier's
    assert judged(cells(), um=None)[0]["median_area"][0] == 1000


def test_a_field_without_cells_and_one_without_scored_cells() -> None:
    fields, samples = judged()
    assert fields["flags"][0] == ""
    assert fields[["focus", "n_uncertain", "excluded_fraction"]].iloc[0].tolist() == [pd.NA, 0, pd.NA]
    assert pd.isna(samples["fraction_uncertain_low"][0])
    gone = cells(excluded=True, exclusion_reason="touches border", senescent=pd.NA, uncertain=pd.NA, focus=pd.NA, training_distance=pd.NA)
    fields, samples = judged(gone)
    assert fields["flags"][0] == LEFT_OUT
    assert (fields["n_unlike"][0], samples["n_flagged"][0]) == (0, 1)


@pytest.mark.parametrize(("unlike", "of", "wanted"), [(0, 50, False), (1, 1, False), (1, 50, False), (2, 2, True), (3, 5, True), (20, 50, True)])
def test_more_than_chance(unlike: int, of: int, wanted: bool) -> None:
    assert more_than_chance(unlike, of, 0.01) == wanted


@pytest.mark.parametrize("beyond", [0.01, 0.1])
@pytest.mark.parametrize("n", [3, 20, 100])
def test_like_fields_are_flagged_as_unlike_at_most_once_in_a_hundred(n: int, beyond: float) -> None:
    """Fields whose cells resemble each other, as stated: the share beyond the limit varies from field to field."""
    rng = np.random.default_rng(n)
    shares = rng.beta(9 * beyond, 9 * (1 - beyond), 4000)
    flagged = [more_than_chance(int(k), n, beyond) for k in rng.binomial(n, shares)]
    assert np.mean(flagged) <= 0.015


def test_cells_near_the_threshold_are_uncertain() -> None:
    found = is_uncertain(np.array([0.0, 0.31, 0.4, 0.49, 0.51, 1.0]), 0.4, 0.1)
    assert found.tolist() == [False, True, True, True, False, False]
    assert not is_uncertain(np.array([0.4]), 0.4, 0.0).any()


def test_uncertain_cells_stay_called_and_give_a_range() -> None:
    """20 cells, 10 senescent; uncertain are 3 senescent ones and 2 others."""
    unsure = np.zeros(20, int)
    unsure[[1, 3, 5, 0, 2]] = 1
    fields, samples = judged(cells(uncertain=unsure), cells("f2", n=20))
    for table, of in ((fields, 20), (samples, 40)):
        row = table.iloc[0]
        called = 10 if of == 20 else 20
        assert (row["n_scored"], row["n_senescent"], row["n_uncertain"]) == (of, called, 5)
        assert row["fraction_uncertain_low"] == pytest.approx((called - 3) / of)
        assert row["fraction_uncertain_high"] == pytest.approx((called + 2) / of)
    assert (fields["n_uncertain"][1], fields["fraction_uncertain_low"][1]) == (0, 0.5)


def test_an_assessment_of_before_has_no_band() -> None:
    fields, samples = judged(cells(uncertain=pd.NA))
    assert fields[["n_uncertain", "fraction_uncertain_low"]].isna().all(axis=None)
    assert samples[["n_uncertain", "fraction_uncertain_high"]].isna().all(axis=None)


def test_the_columns_are_those_of_the_tables() -> None:
    fields, samples = judged(cells())
    assert list(fields) == list(ASSESSED_FIELDS)
    assert list(samples) == list(ASSESSED_SAMPLES)
