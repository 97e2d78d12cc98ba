"""Where a network runs and how it computes there."""

import pytest
import torch

from core.classifier.devices import best_device, chosen_count, chosen_device, chosen_precision, is_out_of_memory, memory_order
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


@pytest.mark.parametrize(
    ("wanted", "kind", "batch", "found"),
    [(0, "cpu", 64, 1), (2, "cpu", 16, 2), (0, "cuda", 64, 4), (0, "cuda", 16, 2), (0, "cuda", 4, 1), (3, "cuda", 6, 3), (0, "mps", 64, 1)],
)
def test_as_many_devices_as_get_enough_cells(monkeypatch, wanted, kind, batch, found):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert chosen_count(wanted, torch.device(kind), batch) == found


def test_more_devices_than_there_are_or_a_batch_serves_are_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    with pytest.raises(InputError, match="at most 4, as many as this machine has of cuda, found 5"):
        chosen_count(5, torch.device("cuda"), 64)
    with pytest.raises(InputError, match="at most 1, as many as this machine has of mps"):
        chosen_count(2, torch.device("mps"), 64)
    with pytest.raises(InputError, match="at least 2 cells a step for each of 3 devices, found 4"):
        chosen_count(3, torch.device("cpu"), 4)
