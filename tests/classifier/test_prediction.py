"""Probabilities: equal to efficientnet_pytorch's own, repeatable, cancellable."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from core.classifier.checkpoint import FORMAT, load_checkpoint, save_checkpoint
from core.classifier.network import WithFeatures
from core.classifier.prediction import Classifier, best_device
from core.errors import Cancelled, InputError


def test_probabilities_are_those_of_the_library(checkpoint, crops):
    from efficientnet_pytorch import EfficientNet

    network = EfficientNet.from_name("efficientnet-b0", in_channels=1, num_classes=1, image_size=64)
    network.load_state_dict(checkpoint.state)
    network.eval()
    with torch.no_grad():
        wanted = torch.sigmoid(network(torch.from_numpy(crops)[:, None]))[:, 0].numpy()
    found = Classifier(checkpoint, device="cpu", engine="pytorch").predict(crops)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, atol=1e-5)


@pytest.mark.parametrize("engine", ["pytorch", "auto"])
def test_features_come_with_the_same_probabilities(checkpoint, crops, engine):
    classifier = Classifier(checkpoint, device="cpu", engine=engine)
    found, features = classifier.predict_with_features(crops)
    np.testing.assert_array_equal(found, classifier.predict(crops))
    assert (features.shape, features.dtype) == ((5, 1280), np.float32)
    logits = features @ checkpoint.state["_fc.weight"].numpy()[0] + checkpoint.state["_fc.bias"].item()
    np.testing.assert_allclose(1 / (1 + np.exp(-logits)), found, atol=1e-4)
    network = checkpoint.network()
    with torch.no_grad():
        pooled = network.extract_features(torch.from_numpy(crops)[:, None]).mean((2, 3)).numpy()
    np.testing.assert_allclose(features, pooled, atol=1e-4)


def test_the_logit_beside_the_features_is_the_networks_own(checkpoint, crops):
    network, x = checkpoint.network(), torch.from_numpy(crops)[:, None]
    with torch.no_grad():
        assert torch.equal(WithFeatures(network)(x)[:, :1], network(x))


def test_openvino_gives_the_probabilities_of_pytorch(checkpoint, crops):
    pytest.importorskip("openvino", reason="the quick engine is not installed")
    quick = Classifier(checkpoint, device="cpu", engine="openvino")
    assert quick.about.startswith("openvino")
    assert Classifier(checkpoint, device="cpu").about == quick.about
    exact = Classifier(checkpoint, device="cpu", engine="pytorch")
    assert exact.about.startswith("pytorch")
    np.testing.assert_allclose(quick.predict(crops), exact.predict(crops), atol=1e-4)


def test_without_openvino_pytorch_does_the_work_and_says_so(checkpoint, crops, monkeypatch):
    def missing():
        raise ImportError

    monkeypatch.setattr("core.inference._openvino", missing)
    fallback = Classifier(checkpoint, device="cpu")
    assert "OpenVINO is not installed" in fallback.about
    np.testing.assert_array_equal(fallback.predict(crops), Classifier(checkpoint, device="cpu", engine="pytorch").predict(crops))
    with pytest.raises(InputError, match="OpenVINO is not installed"):
        Classifier(checkpoint, device="cpu", engine="openvino")


def test_where_memory_runs_out_fewer_crops_are_computed_at_once(checkpoint, crops):
    classifier = Classifier(checkpoint, device="cpu", engine="pytorch")
    wanted, network, seen = classifier.predict(crops), classifier._network, []

    def small(x):
        seen.append(len(x))
        if len(x) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return network(x)

    classifier._network = small
    np.testing.assert_allclose(classifier.predict(crops), wanted, atol=1e-6)
    assert seen == [5, 2, 2, 1]


def test_equal_from_call_to_call_and_in_any_batch(checkpoint, crops):
    classifier = Classifier(checkpoint, device="cpu")
    many = np.concatenate([crops] * 4)[:19]
    found = classifier.predict(many)
    np.testing.assert_array_equal(found, classifier.predict(many))
    np.testing.assert_allclose(found[:5], np.concatenate(list(classifier.predict_batches(crops[i : i + 1] for i in range(5)))), atol=1e-6)


def test_bf16_is_near(checkpoint, crops):
    exact = Classifier(checkpoint, device="cpu").predict(crops)
    for engine in ("auto", "pytorch"):
        np.testing.assert_allclose(Classifier(checkpoint, device="cpu", precision="bf16", engine=engine).predict(crops), exact, atol=0.02)


def test_no_crops_give_no_probabilities(checkpoint):
    assert Classifier(checkpoint, device="cpu").predict(np.zeros((0, 64, 64), np.float32)).shape == (0,)


def test_crops_of_another_size_and_unknown_precision_are_refused(checkpoint):
    with pytest.raises(InputError, match="64"):
        Classifier(checkpoint, device="cpu").predict(np.zeros((1, 32, 32), np.float32))
    with pytest.raises(InputError, match="int8"):
        Classifier(checkpoint, precision="int8")
    with pytest.raises(InputError, match="onnx"):
        Classifier(checkpoint, engine="onnx")


def test_progress_can_cancel(checkpoint, crops):
    seen = []

    def listen(done, total, item):
        seen.append((done, total))
        if done:
            raise Cancelled

    with pytest.raises(Cancelled):
        Classifier(checkpoint, device="cpu", engine="pytorch").predict(np.concatenate([crops] * 4), listen)
    assert seen == [(0, 20), (8, 20)]


def test_the_checkpoint_is_left_as_it_was(checkpoint, crops):
    before = {k: v.clone() for k, v in checkpoint.state.items()}
    Classifier(checkpoint, device="cpu").predict(crops)
    assert all(torch.equal(value, checkpoint.state[key]) for key, value in before.items())


def test_best_device_is_one_of_three():
    assert best_device() in ("cuda", "mps", "cpu")


def test_a_temperature_divides_the_logits(checkpoint, crops, tmp_path):
    plain = Classifier(checkpoint, device="cpu").predict(crops).astype(float)
    save_checkpoint(tmp_path / "warm.pt", replace(checkpoint, temperature=2.0))
    warm = load_checkpoint(tmp_path / "warm.pt")
    assert warm.temperature == 2.0
    found = Classifier(warm, device="cpu").predict(crops).astype(float)
    np.testing.assert_allclose(np.log(found / (1 - found)), np.log(plain / (1 - plain)) / 2, atol=1e-4)


def test_an_older_file_has_no_temperature_and_a_bad_one_is_refused(checkpoint, tmp_path):
    content = vars(checkpoint) | {"format": FORMAT, "class_names": list(checkpoint.class_names)}
    del content["temperature"]
    torch.save(content, tmp_path / "old.pt")
    assert load_checkpoint(tmp_path / "old.pt").temperature == 1.0
    torch.save(content | {"temperature": 0.0}, tmp_path / "bad.pt")
    with pytest.raises(InputError, match="temperature above 0"):
        load_checkpoint(tmp_path / "bad.pt")
