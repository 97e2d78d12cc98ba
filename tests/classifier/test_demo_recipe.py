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


def test_batches_are_crops_and_their_classes(monkeypatch):
    monkeypatch.setattr(recipe, "BATCH", 2)
    crops = np.random.default_rng(0).normal(size=(5, 20, 20)).astype(np.float16)
    cells = demo_cells.Cells(crops, np.array([0, 1, 0, 1, 1]), np.ones(5), np.zeros((5, 5)), np.zeros((5, 5)), np.zeros(5))
    found = list(recipe.batches(cells))
    assert [tuple(x.shape) for x, _ in found] == [(2, 1, 20, 20), (2, 1, 20, 20), (1, 1, 20, 20)]
    assert [y.tolist() for _, y in found] == [[0, 1], [0, 1], [1]]
    assert np.array_equal(found[2][0][0, 0].numpy(), crops[4].astype(np.float32))


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


@pytest.mark.parametrize("window_px", [128, 380])
def test_windows_and_their_nuclei_are_turned_alike(window_px):
    crops, nuclei = demo_traits.windows(lessons(), np.arange(6), window_px, np.random.default_rng(0))
    assert crops.shape == (6, 1, window_px, window_px)
    assert torch.equal(crops, nuclei)
    assert crops.sum() == lessons().crops.astype(np.float32).sum()
    again, _ = demo_traits.windows(lessons(), np.arange(6), window_px, np.random.default_rng(1))
    assert not torch.equal(crops, again)


LEGS = (demo_traits.Leg(2, 128, 4, 7e-4, counting=True), demo_traits.Leg(1, 192, 2, 6e-4, counting=False))


def test_the_network_ends_with_the_output_for_the_whole_evidence(monkeypatch, tmp_path):
    monkeypatch.setattr(demo_traits, "LEGS", LEGS)
    network, said = recipe.fresh_network(), []
    before = {key: value.clone() for key, value in network.state_dict().items()}
    demo_traits.learn_traits(network, lessons(), tmp_path / "training.pt", False, said.append)
    after = network.state_dict()
    assert {key: value.shape for key, value in after.items()} == {key: value.shape for key, value in before.items()}
    assert not torch.equal(after["_blocks.9._project_conv.weight"], before["_blocks.9._project_conv.weight"])
    saved = torch.load(tmp_path / "training.pt", weights_only=True)
    assert (saved["leg"], saved["step"]) == (2, 0)
    assert torch.equal(after["_fc.weight"], saved["average"]["_fc.weight"][5:])
    assert [words.split(",")[0] for words in said] == ["leg 1: step 1 of 2", "leg 1: step 2 of 2", "leg 2: step 1 of 1"]


@pytest.mark.parametrize("steps", [1, 2])
def test_an_interrupted_training_goes_on_to_the_same_network(monkeypatch, tmp_path, steps):
    monkeypatch.setattr(demo_traits, "LEGS", LEGS)
    monkeypatch.setattr(demo_traits, "STEPS_BETWEEN_SAVES", 1)
    unbroken, resumed = recipe.fresh_network(), recipe.fresh_network()
    demo_traits.learn_traits(unbroken, lessons(), tmp_path / "unbroken.pt", False, lambda words: None)

    def killed(words, said=[]):  # noqa: B006
        said.append(words)
        if len(said) == steps:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        demo_traits.learn_traits(recipe.fresh_network(), lessons(), tmp_path / "training.pt", False, killed)
    demo_traits.learn_traits(resumed, lessons(), tmp_path / "training.pt", False, lambda words: None)
    assert all(torch.equal(value, resumed.state_dict()[key]) for key, value in unbroken.state_dict().items())


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
    assert about["scores"]["test_auc"] >= 0.95
    checkpoint = load_checkpoint(folder / "weights.pt")
    assert checkpoint.simulated
    assert checkpoint.card["scores"] == about["scores"]
    cells = demo_cells.gather((9900, 9901), (0.65,), masks_vary=True)
    found = Classifier(checkpoint, device="cpu").predict(cells.crops.astype(np.float32))
    assert roc_auc(cells.classes, found) >= 0.9
