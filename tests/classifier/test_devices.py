"""Where a network runs and how it computes there."""

import pytest
import torch

from core.classifier.devices import best_device, chosen_device, chosen_precision, is_out_of_memory, memory_order
from core.errors import InputError


def test_auto_is_the_best_device_and_an_absent_one_is_refused(monkeypatch):
    assert chosen_device("auto").type == best_device()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="found 'cuda'"):
        chosen_device("cuda")
    with pytest.raises(InputError, match="found 'tpu'"):
        chosen_device("tpu")


@pytest.mark.parametrize(
    ("wanted", "kind", "bf16", "found"),
    [
        ("auto", "cpu", True, "fp32"),
        ("bf16", "cpu", False, "bf16"),
        ("auto", "mps", False, "fp32"),
        ("auto", "cuda", True, "bf16"),
        ("auto", "cuda", False, "fp16"),
        ("bf16", "cuda", False, "fp16"),
        ("fp32", "cuda", True, "fp32"),
    ],
)
def test_half_precision_is_automatic_on_cuda_only(monkeypatch, wanted, kind, bf16, found):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: bf16)
    assert chosen_precision(wanted, torch.device(kind)) == found


def test_precision_that_is_not_there_is_refused():
    with pytest.raises(InputError, match="MPS"):
        chosen_precision("bf16", torch.device("mps"))
    with pytest.raises(InputError, match="int8"):
        chosen_precision("int8", torch.device("cpu"))


def test_channels_last_but_for_mps():
    assert [memory_order(torch.device(kind)) for kind in ("cpu", "mps")] == [torch.channels_last, torch.contiguous_format]


def test_errors_of_memory_are_told_apart():
    assert all(map(is_out_of_memory, (torch.OutOfMemoryError("x"), MemoryError(), RuntimeError("MPS backend out of memory"))))
    assert not is_out_of_memory(RuntimeError("shapes do not match"))
