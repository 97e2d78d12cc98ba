"""Classifier files: written, read, and refused."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from core.classifier.checkpoint import FORMAT, load_checkpoint, save_checkpoint
from core.classifier.reference import fit_reference
from core.errors import InputError


def test_round_trip(tmp_path, checkpoint):
    file = tmp_path / "weights æøå.pt"
    save_checkpoint(file, checkpoint)
    read = load_checkpoint(file)
    assert read == checkpoint
    assert all(torch.equal(value, read.state[key]) for key, value in checkpoint.state.items())
    assert [p.name for p in tmp_path.iterdir()] == [file.name]


def test_half_precision_is_half_as_large_and_nearly_equal(tmp_path, checkpoint):
    save_checkpoint(tmp_path / "full.pt", checkpoint)
    save_checkpoint(tmp_path / "half.pt", checkpoint, half=True)
    assert (tmp_path / "half.pt").stat().st_size < 0.6 * (tmp_path / "full.pt").stat().st_size
    state = load_checkpoint(tmp_path / "half.pt").network().state_dict()
    for key, value in checkpoint.state.items():
        torch.testing.assert_close(state[key], value, atol=1e-3, rtol=1e-3)
        assert state[key].dtype == value.dtype


def test_half_keeps_what_float16_cannot_hold(tmp_path, checkpoint):
    checkpoint.state["_bn0.running_var"][0] = 1e6
    save_checkpoint(tmp_path / "half.pt", checkpoint, half=True)
    assert load_checkpoint(tmp_path / "half.pt").state["_bn0.running_var"][0] == 1e6


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda state: state,
        lambda state: {f"module.{k}": v for k, v in state.items()},
        lambda state: {"state_dict": state, "epoch": 7},
        lambda state: {"model_state_dict": {f"module.{k}": v for k, v in state.items()}, "loss": 0.3},
        lambda state: {k: v for k, v in state.items() if "num_batches_tracked" not in k},
    ],
)
def test_plain_state_dicts_load_as_they_are(tmp_path, small_state, wrapped):
    torch.save(wrapped(small_state), tmp_path / "plain.pt")
    read = load_checkpoint(tmp_path / "plain.pt")
    assert (read.architecture, read.crop_px, read.mean, read.std, read.threshold) == ("efficientnet-b0", 224, None, None, 0.5)
    assert read.intensity == "range"
    assert not read.simulated
    assert torch.equal(read.network().state_dict()["_fc.weight"], small_state["_fc.weight"])


@pytest.mark.parametrize(("name", "crop_px", "padding_px"), [("efficientnet-b4", 380, None), ("efficientnet-b6", 490, 528)])
def test_the_published_models_get_their_crop_size(tmp_path, name, crop_px, padding_px):
    from efficientnet_pytorch import EfficientNet

    torch.save(EfficientNet.from_name(name, in_channels=1, num_classes=1).state_dict(), tmp_path / "plain")
    read = load_checkpoint(tmp_path / "plain")
    assert (read.architecture, read.crop_px, read.padding_px) == (name, crop_px, padding_px)


def _b0(**more):
    from efficientnet_pytorch import EfficientNet

    return EfficientNet.from_name("efficientnet-b0", image_size=64, **more)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (lambda: _b0(in_channels=1, num_classes=1), "whole pickled model"),
        (lambda: _b0(num_classes=1).state_dict(), "found 3 input channels"),
        (lambda: _b0(in_channels=1, num_classes=2).state_dict(), "found 2 outputs"),
        (lambda: {"layer.weight": torch.zeros(3)}, "EfficientNet B0 to B7"),
        (lambda: {}, "EfficientNet B0 to B7"),
        (lambda: torch.zeros(3), "found a Tensor"),
        (lambda: {"format": "senescope-classifier/9"}, "senescope-classifier/1"),
        (lambda: {"format": "senescope-classifier/1", "architecture": "efficientnet-b0"}, "fields of"),
    ],
)
def test_other_files_are_refused(tmp_path, content, words):
    torch.save(content(), tmp_path / "other.pt")
    with pytest.raises(InputError, match=words) as caught:
        load_checkpoint(tmp_path / "other.pt")
    assert "other.pt" in str(caught.value)


def test_a_pickled_model_runs_no_code(tmp_path):
    import pickle

    ran = tmp_path / "ran"

    class Trap:
        def __reduce__(self):
            return (type(ran).touch, (ran,))

    (tmp_path / "trap.pt").write_bytes(pickle.dumps(Trap()))
    torch.save({"model": Trap()}, tmp_path / "trap2.pt")
    for name in ("trap.pt", "trap2.pt"):
        with pytest.raises(InputError):
            load_checkpoint(tmp_path / name)
    assert not ran.exists()


@pytest.mark.parametrize("content", [b"", b"not a model\n", b"\x89PNG\r\n\x1a\n", b"\x80\x02}", b"PK\x03\x04zip"])
def test_files_of_other_kinds_are_refused(tmp_path, content):
    (tmp_path / "x.pt").write_bytes(content)
    with pytest.raises(InputError, match=r"x\.pt"):
        load_checkpoint(tmp_path / "x.pt")


@pytest.mark.parametrize("share", [0.01, 0.5, 0.95, 0.999])
def test_truncated_files_are_refused(tmp_path, checkpoint, share):
    save_checkpoint(tmp_path / "whole.pt", checkpoint)
    whole = (tmp_path / "whole.pt").read_bytes()
    (tmp_path / "cut.pt").write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(InputError, match=r"cut\.pt"):
        load_checkpoint(tmp_path / "cut.pt")


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    for path in (tmp_path / "none.pt", tmp_path):
        with pytest.raises(InputError, match="found no file"):
            load_checkpoint(path)


def test_incomplete_and_broken_weights_are_refused(tmp_path, checkpoint):
    cases = {
        "no _fc.bias": {k: v for k, v in checkpoint.state.items() if k != "_fc.bias"},
        "NaN": checkpoint.state | {"_fc.bias": torch.tensor([float("nan")])},
        "shape": checkpoint.state | {"_bn0.bias": torch.zeros(3)},
        "found also extra": checkpoint.state | {"extra": torch.zeros(3)},
    }
    for words, state in cases.items():
        save_checkpoint(tmp_path / "x.pt", replace(checkpoint, state=state))
        with pytest.raises(InputError, match=words):
            load_checkpoint(tmp_path / "x.pt")


def with_reference(checkpoint):
    rng = np.random.default_rng(0)
    features = rng.normal(size=(60, 1280))
    numbers = {"focus": rng.uniform(0.2, 0.3, 60)}
    return replace(checkpoint, reference=fit_reference(features[:40], rng.integers(0, 2, 40), features[40:], numbers, np.arange(60) // 6))


@pytest.mark.parametrize("half", [False, True])
def test_what_the_training_images_looked_like_is_kept(tmp_path, checkpoint, half):
    saved = with_reference(checkpoint)
    save_checkpoint(tmp_path / "x.pt", saved, half)
    read = load_checkpoint(tmp_path / "x.pt").reference
    features = np.random.default_rng(1).normal(size=(5, 1280))
    assert np.array_equal(read.distances(features), saved.reference.distances(features))
    assert read.summary() == saved.reference.summary()
    save_checkpoint(tmp_path / "plain.pt", checkpoint, half)
    assert (tmp_path / "x.pt").stat().st_size - (tmp_path / "plain.pt").stat().st_size < 1_000_000


def test_a_file_of_before_does_not_say_it(tmp_path, checkpoint):
    content = vars(checkpoint) | {"format": FORMAT, "class_names": list(checkpoint.class_names)}
    del content["reference"]
    torch.save(content, tmp_path / "old.pt")
    read = load_checkpoint(tmp_path / "old.pt")
    assert read.reference is None
    assert read == checkpoint


@pytest.mark.parametrize("reference", [{}, "text", {"means": torch.zeros(2, 5)}])
def test_a_damaged_reference_is_refused(tmp_path, checkpoint, reference):
    content = vars(checkpoint) | {"format": FORMAT, "class_names": list(checkpoint.class_names), "reference": reference}
    torch.save(content, tmp_path / "bad.pt")
    with pytest.raises(InputError, match=r"bad\.pt.*reference of the training images.*damaged"):
        load_checkpoint(tmp_path / "bad.pt")
