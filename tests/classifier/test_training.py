"""Training on a toy task, and everything that may happen to it."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from core.classifier.engine import TrainingStopped
from core.classifier.fitting import FitSettings
from core.classifier.forward import reestimate_statistics, score
from core.classifier.training import fit
from core.errors import Cancelled, InputError
from tests.classifier.toy_cells import GENTLE, network, toy, training, validation

SETTINGS = FitSettings(epochs=3, steps=5, rate=3e-3, warmup=3, average=0.8, augmentation=GENTLE)


def test_a_toy_task_is_learnt():
    results = list(fit(network(), training, validation, SETTINGS))
    assert [r.epoch for r in results] == [1, 2, 3]
    assert results[-1].train_loss < results[0].train_loss
    last = network()
    last.load_state_dict(results[-1].weights)
    reestimate_statistics(last, training(1))
    classes, logits = score(last, validation())
    assert logits[classes == 1].min() > logits[classes == 0].max()
    assert {"epoch", "train_loss", "val_loss", "val_auc", "val_accuracy", "seconds"} <= set(results[-1].row())
    assert all(isinstance(value, int | float) for value in results[-1].row().values())


def _comparable(result):
    return {key: value for key, value in result.row().items() if key != "seconds"}


def test_a_resumed_training_is_the_unbroken_one_bit_for_bit(tmp_path):
    settings = FitSettings(epochs=2, steps=5, rate=1e-3, augmentation=GENTLE)
    whole = list(fit(network(), training, validation, settings))
    torch.save(whole[0].resume, tmp_path / "last.pt")
    resumed = list(fit(network(), training, validation, settings, resume=torch.load(tmp_path / "last.pt", weights_only=True)))
    assert [_comparable(r) for r in resumed] == [_comparable(whole[1])]
    assert all(torch.equal(value, resumed[0].weights[key]) for key, value in whole[1].weights.items())


def test_a_loss_that_is_no_number_stops_with_the_reason():
    crops, classes = toy(0)
    with pytest.raises(TrainingStopped, match="learning rate"):
        list(fit(network(), lambda _: [(crops * math.nan, classes)], validation, SETTINGS))


def test_validation_of_one_class_is_refused():
    crops, classes = toy(0)
    with pytest.raises(InputError, match="both classes"):
        list(fit(network(), lambda _: [(crops, classes)], lambda _: [(crops, classes * 0)], SETTINGS))


def test_an_epoch_without_batches_is_refused():
    with pytest.raises(InputError, match="no batch"):
        list(fit(network(), lambda _: [], validation, SETTINGS))


def test_progress_can_cancel():
    def listen(done, total, item):
        raise Cancelled

    with pytest.raises(Cancelled):
        list(fit(network(), training, validation, SETTINGS, progress=listen))


def test_progress_counts_the_validation():
    seen = []
    list(fit(network(), training, validation, replace(SETTINGS, epochs=2, scored=2), progress=lambda *told: seen.append(told)))
    done = [told[0] for told in seen]
    assert done == sorted(done)
    assert done[:7] == pytest.approx([k / (5 + 2 / 3) for k in (1, 2, 3, 4, 5, 5, 5 + 1 / 3)])
    assert ["loss" in told[2] for told in seen] == [True] * 5 + [False] * 2 + [True] * 5 + [False] * 2
    assert done[-1] < 2
    assert {told[1] for told in seen} == {2}


def test_the_validation_can_be_cancelled():
    def listen(done, total, item):
        if "validation" in item:
            raise Cancelled

    with pytest.raises(Cancelled):
        list(fit(network(), training, validation, SETTINGS, progress=listen))


def test_bf16_learns_too():
    """On few crops: a processor without bfloat16 is slow at it."""
    settings = FitSettings(epochs=1, steps=3, rate=3e-3, warmup=3, bf16=True, augmentation=GENTLE)
    result = next(fit(network(), lambda _: (toy(k, count=4) for k in range(3)), lambda _: [toy(9000, count=4)], settings))
    assert np.isfinite(result.train_loss)
    assert result.weights["_fc.weight"].dtype == torch.float32


def test_batch_statistics_are_the_mean_over_the_batches():
    net = network()
    batches = [toy(k) for k in range(3)]
    reestimate_statistics(net, batches)
    stem = net._bn0
    with torch.no_grad():
        features = [net._conv_stem(crops) for crops, _ in batches]
    torch.testing.assert_close(stem.running_mean, torch.stack([f.mean((0, 2, 3)) for f in features]).mean(0), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(stem.running_var, torch.stack([f.var((0, 2, 3)) for f in features]).mean(0), rtol=1e-3, atol=1e-5)
    assert stem.momentum == 0.2


def test_where_memory_runs_out_gradients_of_smaller_pieces_are_added():
    frozen = FitSettings(epochs=1, steps=1, warmup=0, head_epochs=1, augmentation=GENTLE)  # batch statistics stand still
    one = [toy(1)]
    whole = next(fit(network(), lambda _: one, validation, frozen))
    net, seen = network(), []

    def small(module, given):
        if module.training and not given[0].is_meta:
            seen.append(len(given[0]))
            if len(given[0]) > 5:
                raise torch.OutOfMemoryError("CUDA out of memory.")

    net.register_forward_pre_hook(small)
    pieces = next(fit(net, lambda _: one, validation, frozen))
    assert seen == [16, 16, 8, 4, 4, 4, 4]  # as it is, with blocks that compute again, then ever fewer at once
    assert (whole.at_once, whole.again, pieces.at_once, pieces.again) == (None, False, 4, True)
    assert pieces.train_loss == pytest.approx(whole.train_loss, rel=1e-5)
    torch.testing.assert_close(pieces.weights["_fc.weight"], whole.weights["_fc.weight"], rtol=1e-4, atol=1e-5)


def test_without_memory_for_two_crops_it_ends():
    net = network()

    def full(_, given):
        if not given[0].is_meta:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    net.register_forward_pre_hook(full)
    with pytest.raises(TrainingStopped, match="not enough memory"):
        list(fit(net, training, validation, SETTINGS))


def test_other_errors_are_not_taken_for_a_lack_of_memory(monkeypatch):
    net = network()
    monkeypatch.setattr(net, "forward", lambda x: x.reshape(3, 5, 7))
    with pytest.raises(RuntimeError, match="shape"):
        list(fit(net, training, validation, SETTINGS))


def test_the_head_learns_alone_at_first():
    settings = FitSettings(epochs=2, steps=5, head_epochs=1, warmup=0, average=0.0, augmentation=GENTLE)
    before = network().state_dict()
    first, second = (r.weights for r in fit(network(), training, validation, settings))
    moved = [[key for key, value in after.items() if not torch.equal(value, before[key])] for after in (first, second)]
    assert set(moved[0]) == {"_fc.weight", "_fc.bias"}
    assert {"_conv_stem.weight", "_bn0.running_mean"} <= set(moved[1])
