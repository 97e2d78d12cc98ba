"""Weight files: the architecture is Cellpose's, and everything that is not one is refused with a reason."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from core.cells.weights import check_weights, expected_shapes, read_weights
from core.errors import InputError


def saved(path: Path, state: object) -> Path:
    torch.save(state, path)
    return path


def test_shapes_are_those_of_cellpose() -> None:
    from cellpose.resnet_torch import CPnet

    for channels in (1, 2, 3):
        wanted = {k: tuple(v.shape) for k, v in CPnet([channels, 32, 64, 128, 256], 3, 3).state_dict().items()}
        optional = {k for k in wanted if k.endswith("num_batches_tracked") or k.startswith("diam_")}
        assert {k: v for k, v in wanted.items() if k not in optional} == expected_shapes(channels)


def test_good_file(weights: Path) -> None:
    assert check_weights(weights) == "cpnet"
    found = read_weights(weights)
    assert (found.channels, found.diam_mean, found.diam_labels) == (2, 30.0, 24.0)


def test_half_precision_is_widened(tmp_path: Path, state: dict) -> None:
    half = {k: v.half() if not k.startswith("diam") else v for k, v in state.items()}
    found = read_weights(saved(tmp_path / "half.pt", half))
    assert {v.dtype for v in found.state.values()} == {torch.float32}


def test_old_serialisation_and_absent_diameters(tmp_path: Path, state: dict) -> None:
    """Files of Cellpose 1 are not zip files and state no diameter."""
    old = {k: v for k, v in state.items() if not k.startswith("diam")}
    path = tmp_path / "cytotorch_0"
    torch.save(old, path, _use_new_zipfile_serialization=False)
    assert read_weights(path).diam_mean == read_weights(path).diam_labels == 30.0


def test_nuclei_work_at_17_px(tmp_path: Path, state: dict) -> None:
    found = read_weights(saved(tmp_path / "nucleitorch_0", {k: v for k, v in state.items() if k != "diam_labels"}))
    assert (found.diam_mean, found.diam_labels) == (17.0, 17.0)


def test_one_and_three_channels(tmp_path: Path, state: dict) -> None:
    changed = {k: v[:, :1] if k.startswith("downsample.down.res_down_0") and v.ndim == 4 and v.shape[1] == 2 else v for k, v in state.items()}
    norms = [k for k in changed if k.startswith("downsample.down.res_down_0") and changed[k].shape == (2,)]
    changed |= {k: changed[k][:1] for k in norms}
    assert read_weights(saved(tmp_path / "grey", changed)).channels == 1


def refused(path: Path, *words: str) -> None:
    with pytest.raises(InputError) as caught:
        check_weights(path)
    text = str(caught.value)
    assert path.name in text
    assert "wanted a Cellpose 3 model" in text
    for word in words:
        assert word in text, text


def test_missing_and_empty(tmp_path: Path) -> None:
    refused(tmp_path / "none.pt", "no such file")
    (tmp_path / "empty.pt").touch()
    refused(tmp_path / "empty.pt", "empty")


@pytest.mark.parametrize("text", [b"<!DOCTYPE html><html>404</html>", b"\n<html lang=en>"])
def test_web_page(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "model").write_bytes(text)
    refused(tmp_path / "model", "web page")


def test_lfs_pointer_and_text(tmp_path: Path) -> None:
    (tmp_path / "pointer").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    refused(tmp_path / "pointer", "git lfs pull")
    (tmp_path / "text").write_text("hello", encoding="utf-8")
    refused(tmp_path / "text")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_truncated(tmp_path: Path, weights: Path, share: float) -> None:
    data = weights.read_bytes()
    (tmp_path / "cut.pt").write_bytes(data[: int(share * len(data))])
    refused(tmp_path / "cut.pt", "damaged")


class Runs:
    ran = False

    def __reduce__(self) -> tuple:
        return (exec, ("import tests_never_imports_this",))


def test_pickled_code_is_not_run(tmp_path: Path) -> None:
    refused(saved(tmp_path / "model.pt", Runs()), "may run program code")
    (tmp_path / "plain.pkl").write_bytes(pickle.dumps(Runs()))
    refused(tmp_path / "plain.pkl")


def test_whole_model(tmp_path: Path) -> None:
    refused(saved(tmp_path / "whole.pt", torch.nn.Conv2d(1, 1, 1)), "may run program code", "state_dict")


def test_cellpose_4(tmp_path: Path, state: dict) -> None:
    sam = {"encoder.pos_embed": torch.zeros(1), "W2": torch.zeros(1), "out.weight": torch.zeros(1)}
    refused(saved(tmp_path / "cpsam", sam), "Cellpose 4")
    refused(saved(tmp_path / "both", state | {"W2": torch.zeros(1)}), "Cellpose 4")


def test_other_networks(tmp_path: Path) -> None:
    refused(saved(tmp_path / "b4.pt", {"_conv_stem.weight": torch.zeros(48, 1, 3, 3), "_fc.weight": torch.zeros(1, 1792)}), "EfficientNet")
    refused(saved(tmp_path / "ours.pt", {"format": "senescope-classifier/1", "architecture": "efficientnet-b4", "state": {}}), "classifier")
    refused(saved(tmp_path / "seg.pt", {"net.encoder.patch_embed1.proj.weight": torch.zeros(1)}), "transformer")
    refused(saved(tmp_path / "trained.pt", {"state_dict": {}, "epoch": 3}), "save the state_dict")
    refused(saved(tmp_path / "list.pt", [1, 2]), "list")


def test_one_tensor_missing(tmp_path: Path, state: dict) -> None:
    """Cellpose loads such a file in silence."""
    name = "upsample.up.res_up_2.conv.conv_1.full.weight"
    refused(saved(tmp_path / "gap.pt", {k: v for k, v in state.items() if k != name}), "1 of 270", name)
    first = "downsample.down.res_down_0.proj.1.weight"
    refused(saved(tmp_path / "one.pt", {first: state[first]}), "269 of 270")


def test_wrong_shape_type_and_value(tmp_path: Path, state: dict) -> None:
    two = {**state, "output.2.weight": torch.zeros(2, 32, 1, 1)}  # Cellpose's denoising networks
    refused(saved(tmp_path / "two.pt", two), "(3, 32, 1, 1)", "(2, 32, 1, 1)")
    refused(saved(tmp_path / "whole.pt", {**state, "output.2.bias": torch.zeros(3, dtype=torch.int64)}), "int64")
    refused(saved(tmp_path / "nan.pt", {**state, "output.2.bias": torch.full((3,), np.nan)}), "NaN")
    refused(saved(tmp_path / "diameter.pt", {**state, "diam_mean": torch.zeros(1)}), "diameters")
    refused(saved(tmp_path / "channels.pt", {**state, "downsample.down.res_down_0.proj.1.weight": torch.zeros(32, 7, 1, 1)}), "(32, 7, 1, 1)")
