"""The recipe of the embedded classifier, and the classifier itself on cells it never saw."""

import itertools
import json

import numpy as np
import pytest
import torch

from core.classifier.checkpoint import load_checkpoint
from core.classifier.prediction import Classifier
from core.classifier.scores import roc_auc
from core.models.library import EMBEDDED
from core.recipes import demo_cells, demo_traits
from core.recipes import demo_classifier as recipe


def test_outlines_are_narrower_and_wider_and_no_cell_is_lost():
    labels = np.zeros((60, 60), np.int32)
    labels[10:30, 10:40] = 4
    labels[30:50, 10:40] = 9
    labels[55, 5:9] = 12
    narrow, right, wide, wider = demo_cells.outlines(labels)
    assert right is labels
    areas = [np.bincount(variant.ravel(), minlength=13) for variant in (narrow, right, wide, wider)]
    assert all((small[[4, 9]] < large[[4, 9]]).all() for small, large in itertools.pairwise(areas))
    assert all(set(np.unique(variant)) == {0, 4, 9, 12} for variant in (narrow, right, wide, wider))


def test_epochs_belong_to_their_phases():
    phases = (recipe.Phase(2, 192, 2, 32), recipe.Phase(3, 192, 1, 16), recipe.Phase(1, 380, 1, 8))
    assert [recipe.phase_of(phases, epoch) for epoch in range(1, 7)] == [phases[k] for k in (0, 0, 1, 1, 1, 2)]


def test_batches_are_windows_of_the_crops():
    crops = np.random.default_rng(0).normal(size=(5, 380, 380)).astype(np.float16)
    evidence = np.array([[-50.0, 10], [4, 0], [3, -3], [1, 0], [20, 20]])
    cells = demo_cells.Cells(crops, np.array([0, 1, 0, 1, 1]), np.ones(5), evidence, np.zeros((5, 5)), np.zeros(5))
    found = list(recipe.batches(cells, np.array([4, 0, 2]), recipe.Phase(1, 192, 2, 2)))
    assert [tuple(x.shape) for x, _ in found] == [(2, 1, 96, 96), (1, 1, 96, 96)]
    assert [y.tolist() for _, y in found] == [[1, 0], [0]]
    by_evidence = list(recipe.batches(cells, np.array([4, 0, 2]), recipe.Phase(1, 192, 2, 3), by_evidence=True))
    assert by_evidence[0][1].tolist() == pytest.approx([1, 0, 0.5], abs=1e-3)
    assert found[0][0][0, 0, 0, 0].item() == pytest.approx(crops[4, 94:96, 94:96].astype(np.float32).mean(), abs=1e-3)


def test_nuclei_lie_where_they_are_in_the_crops():
    cells = demo_cells.simulated_cells(5003, 0.87, masks_vary=True)
    assert cells.evidence.shape == (len(cells), 5)
    assert cells.log_odds[cells.classes == 1].mean() > 2 > -2 > cells.log_odds[cells.classes == 0].mean()
    inside = [(crop[demo_traits.ellipse(nucleus, 380) > 0] != 0).mean() for crop, nucleus in zip(cells.crops, cells.nuclei, strict=True)]
    assert np.median(inside) > 0.95
    areas = np.pi * cells.nuclei[:, 2] * cells.nuclei[:, 3]  # at 1 µm a pixel
    assert np.corrcoef(np.log(areas), cells.evidence[:, 4])[0, 1] > 0.99


def lessons(n: int = 6) -> demo_traits.Lessons:
    """Crops that show their nuclei and nothing else."""
    rng = np.random.default_rng(2)
    nuclei = np.column_stack([rng.uniform(170, 210, (n, 2)), rng.uniform(9, 20, n), rng.uniform(5, 9, n), rng.uniform(-2, 2, n)])
    crops = np.stack([demo_traits.ellipse(nucleus, 380) for nucleus in nuclei]).astype(np.float16)
    return demo_traits.Lessons(crops, rng.normal(0, 3, (n, 5)), nuclei)


def test_windows_and_their_nuclei_are_turned_alike():
    crops, nuclei = demo_traits.windows(lessons(), np.arange(6), np.random.default_rng(0))
    assert crops.shape == (6, 1, 128, 128)
    assert torch.equal(crops, nuclei)
    again, _ = demo_traits.windows(lessons(), np.arange(6), np.random.default_rng(1))
    assert not torch.equal(crops, again)


def test_the_third_round_teaches_all_but_the_last_layer(monkeypatch):
    monkeypatch.setattr(demo_traits, "BATCH", 4)
    monkeypatch.setattr(demo_traits, "LEGS", (demo_traits.Leg(1, 7e-4, nuclei=False), demo_traits.Leg(1, 6e-4, nuclei=True)))
    network, said = recipe.fresh_network(), []
    before = {key: value.clone() for key, value in network.state_dict().items()}
    demo_traits.learn_traits(network, lessons(), said.append)
    after = network.state_dict()
    assert after.keys() == before.keys()
    assert torch.equal(after["_fc.weight"], before["_fc.weight"])
    assert not torch.equal(after["_blocks.9._project_conv.weight"], before["_blocks.9._project_conv.weight"])
    assert [words.split(",")[0] for words in said] == ["leg 1: step 1 of 1", "leg 2: step 1 of 1"]
    assert not any(block._forward_hooks for block in network._blocks)


def test_the_last_layer_is_fitted_to_the_evidence():
    rng = np.random.default_rng(4)
    features = rng.normal(5, 2, (400, 1792)).astype(np.float32)
    evidence = (features[:, :5] - 5) / 2
    network = recipe.fresh_network()
    demo_traits.fit_last_layer(network, features, evidence)
    new = rng.normal(5, 2, (300, 1792)).astype(np.float32)
    with torch.no_grad():
        found = network._fc(torch.from_numpy(new))[:, 0].numpy()
    assert np.corrcoef(found, (new[:, :5] - 5).sum(1))[0, 1] > 0.4  # from far fewer cells than numbers
    assert abs(found.mean()) < 0.3


def test_sets_of_cultures_do_not_overlap():
    sets = [set(seeds) for seeds in (demo_cells.TRAINING_SEEDS, demo_cells.VALIDATION_SEEDS, demo_cells.TEST_SEEDS)]
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
    cells = demo_cells.gather((9900, 9901), (0.65,), masks_vary=True)
    found = Classifier(checkpoint, device="cpu").predict(cells.crops.astype(np.float32))
    assert roc_auc(cells.classes, found) >= 0.8
