"""The recipe of the embedded classifier, and the classifier itself on cells it never saw."""

import itertools
import json

import numpy as np
import pytest

from core.classifier.checkpoint import load_checkpoint
from core.classifier.prediction import Classifier
from core.classifier.scores import roc_auc
from core.models.library import EMBEDDED
from core.recipes import demo_classifier as recipe


def test_outlines_are_narrower_and_wider_and_no_cell_is_lost():
    labels = np.zeros((60, 60), np.int32)
    labels[10:30, 10:40] = 4
    labels[30:50, 10:40] = 9
    labels[55, 5:9] = 12
    narrow, right, wide, wider = recipe.outlines(labels)
    assert right is labels
    areas = [np.bincount(variant.ravel(), minlength=13) for variant in (narrow, right, wide, wider)]
    assert all((small[[4, 9]] < large[[4, 9]]).all() for small, large in itertools.pairwise(areas))
    assert all(set(np.unique(variant)) == {0, 4, 9, 12} for variant in (narrow, right, wide, wider))


def test_epochs_belong_to_their_phases():
    phases = (recipe.Phase(2, 192, 2, 32), recipe.Phase(3, 192, 1, 16), recipe.Phase(1, 380, 1, 8))
    assert [recipe.phase_of(phases, epoch) for epoch in range(1, 7)] == [phases[k] for k in (0, 0, 1, 1, 1, 2)]


def test_batches_are_windows_of_the_crops():
    crops = np.random.default_rng(0).normal(size=(5, 380, 380)).astype(np.float16)
    cells = recipe.Cells(crops, np.array([0, 1, 0, 1, 1]), np.ones(5), np.array([-40.0, 4, 0, 1, 40]), np.zeros(5))
    found = list(recipe.batches(cells, np.array([4, 0, 2]), recipe.Phase(1, 192, 2, 2)))
    assert [tuple(x.shape) for x, _ in found] == [(2, 1, 96, 96), (1, 1, 96, 96)]
    assert [y.tolist() for _, y in found] == [[1, 0], [0]]
    by_evidence = list(recipe.batches(cells, np.array([4, 0, 2]), recipe.Phase(1, 192, 2, 3), by_evidence=True))
    assert by_evidence[0][1].tolist() == pytest.approx([1, 0, 0.5], abs=1e-3)
    assert found[0][0][0, 0, 0, 0].item() == pytest.approx(crops[4, 94:96, 94:96].astype(np.float32).mean(), abs=1e-3)


def test_sets_of_cultures_do_not_overlap():
    sets = [set(seeds) for seeds in (recipe.TRAINING_SEEDS, recipe.VALIDATION_SEEDS, recipe.TEST_SEEDS)]
    assert sum(map(len, sets)) == len(set.union(*sets))


def test_the_reference_is_of_fields_of_both_sets(monkeypatch):
    """With stand-ins for the network and for most of the fields."""
    from core.recipes import demo_reference

    monkeypatch.setattr(demo_reference, "FIELDS", 2)
    seen = []
    monkeypatch.setattr(demo_reference, "learn_reference", lambda checkpoint, train, held: seen.extend((train, held)))
    demo_reference.demo_reference(None)
    train, held = seen
    assert set(train.fields) == {1000, 1001}
    assert set(held.fields) == {5000, 5001}
    for cells in seen:
        assert len(cells.rows) == len(cells.classes) == len(cells.fields)
        assert all(len(values) == len(cells.rows) and (values > 0).all() for values in cells.numbers.values())
        assert cells.crops(cells.rows[:3]).shape == (3, 380, 380)
        assert cells.numbers["brightness"].max() < 1
        assert cells.numbers["confluence"].max() < 0.6


@pytest.mark.slow
def test_the_embedded_classifier_knows_cells_of_new_cultures():
    folder = EMBEDDED / recipe.NAME
    about = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    assert about["simulated"]
    assert about["scores"]["test_auc"] >= 0.90
    checkpoint = load_checkpoint(folder / "weights.pt")
    assert checkpoint.simulated
    assert checkpoint.card["scores"] == about["scores"]
    cells = recipe.gather((9900, 9901), (0.65,), masks_vary=True)
    found = Classifier(checkpoint, device="cpu").predict(cells.crops.astype(np.float32))
    assert roc_auc(cells.classes, found) >= 0.8
