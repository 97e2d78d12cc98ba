"""Exact or fast scoring. This machine may have no bfloat16: then the other engine's answers are made here."""

from types import SimpleNamespace

import numpy as np
import pytest

from core.classifier import speed
from core.classifier.prediction import Classifier
from core.classifier.speed import ENOUGH, PacedClassifier, checked_precision
from core.errors import InputError


@pytest.fixture
def engines(monkeypatch):
    """Classifiers that answer 0.5, and 0.5 plus a difference in bf16; counts the cells that each saw."""
    state = SimpleNamespace(difference=0.01, seen={"fp32": 0, "bf16": 0})

    class Answers:
        def __init__(self, checkpoint, device=None, precision="fp32"):
            self.device, self.precision, self.about = SimpleNamespace(type=device or "cpu"), precision, f"engine {precision}"

        def predict_with_features(self, crops):
            state.seen[self.precision] += len(crops)
            return np.full(len(crops), 0.5 + state.difference * (self.precision == "bf16"), np.float32), np.zeros((len(crops), 3), np.float32)

        def predict(self, crops):
            return self.predict_with_features(crops)[0]

    monkeypatch.setattr(speed, "Classifier", Answers)
    monkeypatch.setattr(speed, "has_bf16", lambda: True)
    return state


CROPS = np.zeros((10, 8, 8), np.float32)


def test_fast_takes_over_when_it_agrees(engines):
    classifier = PacedClassifier(None, "fast")
    found = [classifier.predict_with_features(CROPS)[0][0] for _ in range(5)]
    assert found == pytest.approx([0.5, 0.5, 0.5, 0.51, 0.51])
    assert engines.seen == {"fp32": 30, "bf16": 50}
    assert classifier.about == "engine bf16 (on this machine 30 cells within 0.01 of the exact probability)"
    assert ENOUGH <= 30


def test_fast_that_disagrees_is_not_used(engines):
    engines.difference = 0.2
    classifier = PacedClassifier(None, "fast")
    assert [classifier.predict_with_features(CROPS)[0][0] for _ in range(5)] == pytest.approx([0.5] * 5)
    assert engines.seen == {"fp32": 50, "bf16": 10}
    assert "fast was not used: on this machine a probability differed by 0.2" in classifier.about


def test_exact_asks_nobody_else(engines):
    classifier = PacedClassifier(None, "exact")
    classifier.predict_with_features(CROPS)
    assert (engines.seen, classifier.about) == ({"fp32": 10, "bf16": 0}, "engine fp32")


def test_without_bfloat16_it_stays_exact_and_says_so(engines, monkeypatch):
    monkeypatch.setattr(speed, "has_bf16", lambda: False)
    classifier = PacedClassifier(None, "fast")
    assert classifier.predict_with_features(CROPS)[0][0] == 0.5
    assert classifier.about == "engine fp32 (fast is not possible here: this processor has no bfloat16 arithmetic)"


def test_a_graphics_processor_stays_exact_and_says_so(engines):
    assert PacedClassifier(None, "fast", "cuda").about == "engine fp32 (the fast choice is for processors and changes nothing on cuda)"


def test_no_cells_prove_nothing(engines):
    classifier = PacedClassifier(None, "fast")
    assert classifier.predict_with_features(CROPS[:0])[0].shape == (0,)
    assert classifier.about == "engine fp32"


def test_with_real_networks(checkpoint, crops, monkeypatch):
    monkeypatch.setattr(speed, "has_bf16", lambda: True)
    monkeypatch.setattr(speed, "ENOUGH", 5)
    classifier, exact = PacedClassifier(checkpoint, "fast", "cpu"), Classifier(checkpoint, "cpu")
    np.testing.assert_array_equal(classifier.predict_with_features(crops)[0], exact.predict(crops))
    assert "bf16" in classifier.about
    np.testing.assert_allclose(classifier.predict_with_features(crops)[0], exact.predict(crops), atol=0.05)


def test_another_word_is_refused():
    with pytest.raises(InputError, match="wanted exact or fast, found 'quick'"):
        checked_precision("quick")
