import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from core.errors import InputError
from core.statistics.agreement import agreement_table
from core.statistics.baselines import (
    baseline_sentence,
    baseline_table,
    best_culture_scores,
    culture_scores,
    outdone,
    outdone_by,
    regression_scores,
)
from core.statistics.metrics import metric_table
from core.statistics.sentences import few_clusters, interval_sentence, verdict
from core.statistics.shape import SHAPE, cell_shape


def cells(n: int = 600, cultures: int = 6, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.4).astype(int)
    return y, np.clip(0.3 + 0.3 * y + rng.normal(0, 0.15, n), 0, 1), rng.integers(0, cultures, n)


def test_table_compares_the_same_cells():
    y, p, g = cells()
    other = np.random.default_rng(1).random(len(y))
    table = baseline_table(y, p, {"chance": other, "itself": p}, g, samples=200).set_index("baseline")
    assert table.loc["chance", "auc"] == pytest.approx(roc_auc_score(y, other))
    assert table.loc["chance", "model_auc"] == pytest.approx(roc_auc_score(y, p))
    assert table.loc["chance", "verdict"] == "better"
    assert (table.loc["itself", ["difference", "ci_low", "ci_high"]] == 0).all()
    assert table.loc["itself", "verdict"] == "not shown to be better"
    assert baseline_table(y, other, {"good": p}, g, samples=200)["verdict"].iloc[0] == "worse"


def test_sentences_name_what_is_not_beaten():
    y, p, g = cells()
    assert "not better than itself" in baseline_sentence(baseline_table(y, p, {"itself": p}, g, samples=100))
    assert "better than every baseline (chance)" in baseline_sentence(baseline_table(y, p, {"chance": np.zeros(len(y))}, g, samples=100))
    assert "no baseline" in baseline_sentence(baseline_table(y, p, {}, g, samples=100))
    one_class = baseline_table(np.zeros(len(y)), p, {"any": p}, g, samples=100)
    assert "not defined" in baseline_sentence(one_class)


def test_sentences_say_which_is_the_better_one():
    y, p, g = cells()
    poor = np.random.default_rng(1).random(len(y))
    table = baseline_table(y, poor, {"cell area only": p}, g, samples=100)
    good, bad = table["auc"][0], table["model_auc"][0]
    text = baseline_sentence(table)
    assert f"cell area only, which is better by more than the uncertainty (its AUC {good:.2f}, the model's {bad:.2f}; " in text
    assert f"the model's minus this {bad - good:+.2f}, 95 % interval -" in text
    unsure = baseline_sentence(table.assign(verdict="not shown to be better"))
    assert "cell area only, which has the higher AUC (" in unsure
    assert "not better than itself (its AUC" in baseline_sentence(baseline_table(y, p, {"itself": p}, g, samples=100))


def test_simple_predictors_that_outdo_the_model_are_named():
    one = outdone(0.71, {"cell area": 0.81, "culture": 0.5, "confluence": None})
    assert one == ["Cell area alone tells the classes apart better than this model (AUC 0.81 against 0.71)."]
    [two] = outdone(0.71, {"cell area": 0.81, "morphology": 0.83})
    assert two == "Cell area alone (AUC 0.81) and morphology alone (AUC 0.83) tell the classes apart better than this model (AUC 0.71)."
    assert outdone(0.812, {"cell area": 0.814}) == outdone(None, {"cell area": 0.9}) == outdone(0.9, {}) == []
    y, p, g = cells()
    table = baseline_table(y, np.zeros(len(y)), {"cell area only": p, "culture only, from the training cells": p}, g, samples=100)
    assert outdone_by(table) == [f"Cell area alone tells the classes apart better than this model (AUC {table['auc'][0]:.2f} against 0.50)."]
    assert outdone_by(table.iloc[:0]) == []


def test_culture_scores_know_training_cultures_only():
    found = culture_scores(["A", "A", "B", "B"], [0, 1, 1, 1], ["A", "B", "C"])
    assert found.tolist() == [0.5, 1.0, 0.75]
    assert best_culture_scores(["A", "A", "B"], [0, 1, 1]).tolist() == [0.5, 0.5, 1.0]


def test_regression_finds_which_way_a_number_points():
    rng = np.random.default_rng(0)
    y = np.arange(400) % 2
    table = pd.DataFrame({"area": 500 - 300 * y + rng.normal(0, 100, 400), "flat": 1.0})
    table.loc[3, "area"] = np.nan
    found = regression_scores(table[:300], y[:300], table[300:])
    assert roc_auc_score(y[300:], found) > 0.95
    assert ((found > 0) & (found < 1)).all()


def test_regression_refuses_too_little():
    with pytest.raises(InputError, match="at least 10 training cells"):
        regression_scores(pd.DataFrame({"a": range(20)}), [0] * 15 + [1] * 5, pd.DataFrame({"a": [1]}))
    with pytest.raises(InputError, match="differs between training cells, found none in a"):
        regression_scores(pd.DataFrame({"a": [1.0] * 20}), [0, 1] * 10, pd.DataFrame({"a": [1]}))


def test_shape_of_known_cells():
    values = np.zeros((20, 30), np.float32)
    mask = np.zeros((20, 30), bool)
    mask[5:15, 4:24] = True
    found = dict(zip(SHAPE, cell_shape(values, mask), strict=True))
    assert found["elongation"] == pytest.approx(2)
    assert found["extent"] == 1
    assert found["intensity_spread"] == found["edge_contrast"] == 0
    assert np.isnan(cell_shape(values, mask & False)).all()
    single = np.zeros((5, 5), bool)
    single[2, 2] = True
    assert cell_shape(np.ones((5, 5), np.float32), single) == pytest.approx((1, 1, 0, 0))


def said(y: np.ndarray, p: np.ndarray, g: np.ndarray, fractions: tuple[list[float], list[float]] = ([0.1, 0.2, 0.3], [0.11, 0.21, 0.28])) -> str:
    baselines = baseline_table(y, p, {"chance": np.random.default_rng(9).random(len(y))}, g, samples=200)
    return verdict(metric_table(y, p, g, 0.5, samples=200), baselines, agreement_table(*fractions), len(y), "culture")


def test_verdict_says_what_a_model_is_good_for():
    y, p, g = cells()
    text = said(y, p, g)
    assert "% of pairs" in text
    assert "In a culture with 5 % senescent cells" in text
    assert "good for the fraction of a culture where an error of" in text
    assert "needs more stained cultures" in said(y, p, g, ([0.1], [0.1]))


def test_cells_that_are_alone_in_their_cluster_are_not_told_apart_within_it():
    y, p, _ = cells()
    assert "tell cells of one" not in said(y, p, np.arange(len(y)))


def test_verdict_says_what_a_model_is_not_good_for():
    y, _, g = cells()
    assert "not been shown to be better than chance" in said(y, np.random.default_rng(5).random(len(y)), g)
    assert "of one class" in said(np.zeros(len(y)), y * 0.5, g)


def test_remarks_on_few_clusters_and_fields():
    assert few_clusters(5, "culture") == ""
    assert "2 cultures only: too few for an interval" in few_clusters(2, "culture")
    assert "rest on 3 cultures only" in few_clusters(3, "culture")
    assert "no interval" in few_clusters(1, "field")
    assert len({interval_sentence(n) for n in (1, 2, 3, 10)}) == 4


def test_shape_of_a_slanted_cell_is_that_of_scikit_image():
    from skimage.draw import ellipse
    from skimage.measure import regionprops

    mask = np.zeros((80, 90), bool)
    mask[ellipse(40, 45, 30, 12, rotation=0.6)] = True
    one = regionprops(mask.astype(int))[0]
    found = dict(zip(SHAPE, cell_shape(np.zeros(mask.shape, np.float32), mask), strict=True))
    assert found["elongation"] == pytest.approx(one.axis_major_length / one.axis_minor_length, rel=2e-3)  # it takes pixels for points
    assert found["extent"] == pytest.approx(one.extent)
