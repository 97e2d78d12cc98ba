"""Start weights: RGB stems, other heads, other networks, damaged files; the state of a training in a file."""

import errno

import numpy as np
import pytest
import torch
from efficientnet_pytorch import EfficientNet

from core.classifier.checkpoint import save_checkpoint
from core.classifier.starting import read_start, starting_network
from core.classifier.states import load_state, save_state
from core.errors import InputError


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """Weights as those of ImageNet: three channels, many classes; and their network."""
    torch.manual_seed(1)
    network = EfficientNet.from_name("efficientnet-b0", num_classes=10).eval()
    path = tmp_path_factory.mktemp("photographs") / "efficientnet-b0-355c32eb.pth"
    torch.save(network.state_dict(), path)
    return path, network


def test_a_grey_network_answers_as_the_one_for_colours_did(photographs):
    path, colours = photographs
    start = read_start(path, "efficientnet-b0")
    assert not start.head
    grey = starting_network("efficientnet-b0", 64, start, dropout=0.0, seed=0).eval()
    image = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 1, 64, 64)).astype(np.float32))
    same = EfficientNet.from_name("efficientnet-b0", num_classes=10, image_size=64).eval()
    same.load_state_dict(colours.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(grey.extract_features(image), same.extract_features(image.expand(-1, 3, -1, -1)), rtol=1e-4, atol=1e-5)
        assert grey(image).shape == (2, 1)


def test_a_classifier_of_ours_keeps_its_last_layer(checkpoint, tmp_path):
    save_checkpoint(tmp_path / "ours.pt", checkpoint)
    start = read_start(tmp_path / "ours.pt", "efficientnet-b0")
    assert start.head
    assert start.simulated
    network = starting_network("efficientnet-b0", 32, start, dropout=0.1, seed=0)
    assert torch.equal(network.state_dict()["_fc.weight"], checkpoint.state["_fc.weight"])


def test_from_scratch_the_seed_decides_and_blocks_with_shortcuts_begin_flat():
    one, same, other = (starting_network("efficientnet-b0", 32, None, dropout=0.0, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(one._conv_stem.weight, same._conv_stem.weight)
    assert not torch.equal(one._conv_stem.weight, other._conv_stem.weight)
    assert not one._blocks[2]._bn2.weight.any()
    assert one._blocks[0]._bn2.weight.all()


def test_what_does_not_fit_is_refused(photographs, tmp_path):
    path, network = photographs
    with pytest.raises(InputError, match=r"wanted start weights of efficientnet-b4, found those of efficientnet-b0.*--network efficientnet-b0"):
        read_start(path, "efficientnet-b4")
    state = network.state_dict()
    for changed, words in (
        ({"_conv_stem.weight": torch.zeros(32, 4, 3, 3)}, "1 or 3 input channels, found 4"),
        ({"_bn0.weight": torch.zeros(5)}, r"_bn0.weight of shape \(32,\), found shape \(5,\)"),
        ({"_bn0.weight": torch.full((32,), torch.nan)}, "NaN"),
        ({"more": torch.zeros(1)}, "found also more"),
    ):
        torch.save(state | changed, tmp_path / "changed.pth")
        with pytest.raises(InputError, match=words):
            read_start(tmp_path / "changed.pth", "efficientnet-b0")
    torch.save({"layer.weight": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(InputError, match="found other weights"):
        read_start(tmp_path / "other.pth", "efficientnet-b0")


class FullDisk:
    """Stands in for torch.save: the disk fills up after the first bytes."""

    def __call__(self, content, file):
        file.write(b"first bytes")
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_leaves_the_earlier_files(checkpoint, tmp_path, monkeypatch):
    save_state(tmp_path / "state.pt", {"epoch": 1})
    save_checkpoint(tmp_path / "best.pt", checkpoint)
    before = (tmp_path / "best.pt").read_bytes()
    monkeypatch.setattr(torch, "save", FullDisk())
    with pytest.raises(OSError, match="No space"):
        save_state(tmp_path / "state.pt", {"epoch": 2})
    with pytest.raises(OSError, match="No space"):
        save_checkpoint(tmp_path / "best.pt", checkpoint)
    assert load_state(tmp_path / "state.pt") == {"epoch": 1}
    assert (tmp_path / "best.pt").read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["best.pt", "state.pt"]


def test_a_damaged_state_is_said(tmp_path):
    (tmp_path / "state.pt").write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(InputError, match="damaged"):
        load_state(tmp_path / "state.pt")
