"""Scores against their definitions."""

import numpy as np
import pytest

from core.classifier.scores import accuracy, auc_standard_error, roc_auc, youden_threshold


def test_auc_is_the_share_of_pairs_in_order():
    rng = np.random.default_rng(0)
    classes, scores = rng.integers(0, 2, 60), rng.integers(0, 9, 60)  # with ties
    pairs = [(a > b) + 0.5 * (a == b) for a in scores[classes == 1] for b in scores[classes == 0]]
    assert roc_auc(classes, scores) == pytest.approx(np.mean(pairs))


def test_auc_of_one_class_is_unknown():
    assert np.isnan(roc_auc([1, 1], [0.2, 0.3]))
    assert np.isnan(roc_auc([], []))


def test_the_standard_error_is_that_of_the_example_of_hanley_and_mcneil():
    assert auc_standard_error(0.893, 51, 58) == pytest.approx(0.032, abs=6e-4)
    assert auc_standard_error(1.0, 5, 5) == 0.0


def test_youden_is_best_of_all_thresholds():
    rng = np.random.default_rng(1)
    classes = rng.integers(0, 2, 80)
    scores = np.round(rng.normal(classes, 1.0), 1)

    def gain(threshold):
        called = scores >= threshold
        return called[classes == 1].mean() - called[classes == 0].mean()

    assert gain(youden_threshold(classes, scores)) == pytest.approx(max(gain(t) for t in np.unique(scores)))
    assert youden_threshold([0, 0, 1, 1], [0.1, 0.2, 0.6, 0.9]) == pytest.approx(0.4)
    assert youden_threshold([1, 1], [0.1, 0.2]) == 0.5


def test_accuracy_counts_the_threshold_itself_as_senescent():
    assert accuracy([1, 0, 1], [0.5, 0.4, 0.2], 0.5) == pytest.approx(2 / 3)
    assert np.isnan(accuracy([], [], 0.5))
