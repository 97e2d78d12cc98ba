"""What only a graphics processor can show: predictions and trainings on CUDA. Skipped where there is none."""

import numpy as np
import pytest
import torch

from core.classifier.engine import alone, group
from core.classifier.fitting import FitSettings
from core.classifier.network import build_network
from core.classifier.prediction import Classifier
from core.classifier.training import fit
from tests.classifier.toy_cells import GENTLE, toy

KIND = "cuda"
DEVICE = torch.device(KIND)
pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no graphics processor with CUDA")
PRECISIONS = {"fp32": {}, "bf16": {"bf16": True}, "fp16": {"fp16": True}}


@pytest.fixture
def without_bf16(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: False)


def trained(precision, fabric=None, epochs=2, share=slice(None), **more):
    """Results of a short training; ``share``: which of each batch's cells this process has."""
    torch.manual_seed(0)
    device = fabric.device if fabric else DEVICE
    net = build_network("efficientnet-b0", 32, dropout=0.0, drop_connect=0.0).to(device, memory_format=torch.channels_last)
    settings = FitSettings(epochs=epochs, steps=5, rate=1e-3, warmup=3, average=0.8, augmentation=GENTLE, **PRECISIONS[precision])

    def some(seeds):
        return ((crops[share], classes[share]) for crops, classes in map(toy, seeds))

    return list(fit(net, lambda epoch: some(range(100 * epoch, 100 * epoch + 5)), lambda _: some([9000, 9001]), settings, fabric=fabric, **more))


def share_of(fabric):
    return slice(8 * fabric.global_rank, 8 * fabric.global_rank + 8)


def follower(fabric, precision):
    trained(precision, fabric, share=share_of(fabric))


@pytest.mark.parametrize(("precision", "most"), [("fp32", 1e-4), ("bf16", 0.02)])
def test_probabilities_are_those_of_the_processor(checkpoint, crops, precision, most):
    wanted = Classifier(checkpoint, device="cpu", engine="pytorch").predict(crops)
    classifier = Classifier(checkpoint, device=KIND, precision=precision)
    assert classifier.about == f"pytorch {torch.__version__.split('+')[0]} {classifier.precision} on {KIND}"
    np.testing.assert_allclose(classifier.predict(crops), wanted, atol=most)
    np.testing.assert_array_equal(classifier.predict(crops), classifier.predict(crops))


def test_without_bf16_it_is_fp16(checkpoint, crops, without_bf16):
    classifier = Classifier(checkpoint, device=KIND, precision="bf16")
    assert classifier.precision == "fp16"
    np.testing.assert_allclose(classifier.predict(crops), Classifier(checkpoint, device="cpu", engine="pytorch").predict(crops), atol=0.02)


def test_more_crops_than_its_memory_holds(checkpoint, crops):
    classifier = Classifier(checkpoint, device=KIND)
    few = classifier.predict(crops)
    torch.cuda.empty_cache()
    _, whole = torch.cuda.mem_get_info()
    torch.cuda.set_per_process_memory_fraction(min(1.0, (torch.cuda.memory_allocated() + 100 * 2**20) / whole))
    try:
        classifier._batch = 4096
        many = classifier.predict(np.concatenate([crops] * 820))
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert classifier._batch < 4096
    np.testing.assert_allclose(many.reshape(-1, 5), np.broadcast_to(few, (820, 5)), atol=1e-4)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_resumed_training_is_the_unbroken_one_bit_for_bit(precision, tmp_path):
    whole = trained(precision)
    torch.save(whole[0].resume, tmp_path / "last.pt")
    resumed = trained(precision, resume=torch.load(tmp_path / "last.pt", weights_only=True, map_location="cpu"))
    assert [{**one.row(), "seconds": 0} for one in resumed] == [{**whole[1].row(), "seconds": 0}]
    assert all(torch.equal(value, resumed[0].weights[key]) for key, value in whole[1].weights.items())
    assert whole[1].train_loss < whole[0].train_loss


def test_half_precision_learns_what_fp32_learns():
    exact = trained("fp32", epochs=3)
    for precision in ("bf16", "fp16"):
        np.testing.assert_allclose([one.train_loss for one in trained(precision, epochs=3)], [one.train_loss for one in exact], atol=0.1)


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="this machine has fewer than two graphics processors")
@pytest.mark.parametrize("precision", PRECISIONS)
def test_two_graphics_processors_train_together(precision):
    """Batch normalisation sees half of the cells each, so the loss is near that of one, not equal."""
    one = trained(precision, alone(DEVICE, precision))
    with group(2, DEVICE, precision, follower, precision) as fabric:
        assert torch.distributed.get_backend() == "nccl" or not torch.distributed.is_nccl_available()
        both = trained(precision, fabric, share=share_of(fabric))
    np.testing.assert_allclose([result.train_loss for result in both], [result.train_loss for result in one], atol=0.15)
