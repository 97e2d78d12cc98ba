"""Training on two processes: what it computes is what one process computes, and nothing is left behind."""

import math
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from core.classifier.augmentation import Augmentation
from core.classifier.crop_data import CropData
from core.classifier.engine import TrainingStopped, alone, gathered, group
from core.classifier.fitting import FitSettings
from core.classifier.sampling import epoch_order, steps_of
from core.classifier.training import fit
from core.errors import Cancelled
from core.jobs.processes import alive, identity

CPU = torch.device("cpu")
STILL = Augmentation(rotate=False, scale=0, shift_px=0, contrast=0, brightness=0, blur_px=0, noise=0)
CELLS, BATCH = 19, 7  # batches of 7, 7 and 5: shares of 4 and 3, at last of 3 and 2
SETTINGS = FitSettings(
    epochs=2, steps=steps_of(CELLS, BATCH, 2), rate=1e-2, warmup=2, positive_weight=1.7, smoothing=0.1, average=0.7, augmentation=STILL, clip=0.5
)


class Squares:
    """Crops of bright squares: 19 cells to train on, then 9 to validate."""

    def __init__(self):
        generator = torch.Generator().manual_seed(0)
        self.classes = np.arange(CELLS + 9) % 3 % 2
        self.pixels = torch.zeros(len(self.classes), 12, 12)
        for pixels, one in zip(self.pixels, self.classes, strict=True):
            pixels[3 : 7 + 2 * one, 3 : 7 + 2 * one] = 1 + torch.rand(4 + 2 * one, 4 + 2 * one, generator=generator)

    def __len__(self):
        return len(self.classes)

    def batch(self, indices):
        return self.pixels[np.asarray(indices)].numpy()


def tiny(norm=False):
    """A network that no EfficientNet is: quick, and without batch statistics unless they are wanted."""
    torch.manual_seed(0)
    layers = [("conv", nn.Conv2d(1, 4, 3)), *([("norm", nn.BatchNorm2d(4))] if norm else []), ("relu", nn.ReLU())]
    net = nn.Sequential()
    for name, layer in [*layers, ("pool", nn.AdaptiveAvgPool2d(2)), ("flat", nn.Flatten()), ("_fc", nn.Linear(16, 1))]:
        net.add_module(name, layer)
    return net


def run(fabric, net, settings=SETTINGS, spoil=lambda crops: crops, **more):
    """All epochs of a training; each process its share."""
    cells, rank, count = Squares(), fabric.global_rank, fabric.world_size
    train, held = CropData(cells, cells.classes, np.arange(CELLS)), CropData(cells, cells.classes, np.arange(CELLS, CELLS + 9))

    def batches(epoch):
        for crops, classes in train.batches(BATCH, epoch_order(np.zeros(CELLS), BATCH, 0, epoch, processes=2), (rank, count)):
            yield spoil(crops), classes

    return list(fit(net, batches, lambda _: held.batches(4, np.array_split(np.arange(9), count)[rank]), settings, fabric=fabric, **more))


def short_of_memory(fabric):
    """A network that on the second process takes no more than two crops at once."""
    net = tiny()

    def limited(module, given):
        if fabric.global_rank == 1 and module.training and len(given[0]) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    net.register_forward_pre_hook(limited)
    return net


def nan_on_the_second(fabric):
    return lambda crops: crops * math.nan if fabric.global_rank == 1 else crops


def everything(fabric, folder):
    """What both processes do in one group, as starting one takes seconds."""
    found = {
        "plain": run(fabric, tiny()),
        "head": run(fabric, tiny(), replace(SETTINGS, head_epochs=1)),
        "short": run(fabric, short_of_memory(fabric)),
        "norm": run(fabric, tiny(norm=True)),
        "bf16": run(fabric, tiny(), replace(SETTINGS, bf16=True)),
    }
    found["resumed"] = run(fabric, tiny(), resume=found["plain"][0].resume)
    try:
        run(fabric, tiny(), spoil=nan_on_the_second(fabric))
    except TrainingStopped as stopped:
        found["stopped"] = str(stopped)
    found["gathered"] = gathered(fabric, np.arange(3 + fabric.global_rank, dtype=np.float32))
    torch.save([one.weights for one in found["norm"]], Path(folder) / f"{fabric.global_rank}.pt")
    fabric.barrier()
    return found


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    with group(2, CPU, "fp32", everything, str(folder)) as fabric:
        found = everything(fabric, folder)
    assert multiprocessing.active_children() == []
    assert not torch.distributed.is_initialized()
    return found | {"states": [torch.load(folder / f"{rank}.pt") for rank in (0, 1)]}


def same(results, others):
    assert len(results) == len(others)
    for one, other in zip(results, others, strict=True):
        for key, value in one.row().items():
            assert key == "seconds" or value == pytest.approx(other.row()[key], rel=1e-4), key
        np.testing.assert_allclose(one.probabilities, other.probabilities, rtol=1e-4)
        for key, value in one.weights.items():
            torch.testing.assert_close(value, other.weights[key], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("name", "settings"), [("plain", SETTINGS), ("head", replace(SETTINGS, head_epochs=1))])
def test_two_processes_compute_what_one_does(together, name, settings):
    """Uneven shares, class weights, smoothing, clipping, moving average, validation: all as of the whole batch."""
    same(together[name], run(alone(CPU), tiny(), settings))


def test_memory_that_runs_out_on_one_steps_all_down(together):
    same(together["short"], run(alone(CPU), tiny()))
    assert [one.at_once for one in together["short"]] == [2, 2]


def test_a_resumed_group_goes_on_bit_for_bit(together):
    last, resumed = together["plain"][1], together["resumed"][0]
    assert {k: v for k, v in last.row().items() if k != "seconds"} == {k: v for k, v in resumed.row().items() if k != "seconds"}
    assert all(torch.equal(value, resumed.weights[key]) for key, value in last.weights.items())


def test_batch_statistics_of_the_processes_are_averaged(together):
    first, second = together["states"]
    for one, other in zip(first, second, strict=True):
        assert all(torch.equal(value, other[key]) for key, value in one.items())
    cells = Squares()
    with torch.no_grad():
        seen = tiny(norm=True).conv(torch.from_numpy(cells.batch(np.arange(CELLS)))[:, None]).mean()
    assert float(first[-1]["norm.running_mean"].mean()) == pytest.approx(float(seen), abs=0.2)


def test_a_loss_that_is_no_number_on_one_stops_all(together):
    assert "The loss became nan" in together["stopped"]


def test_values_of_unequal_number_are_gathered_in_order(together):
    assert together["gathered"].tolist() == [0, 1, 2, 0, 1, 2, 3]
    assert together["gathered"].dtype == np.float32
    assert np.isfinite([one.train_loss for one in together["bf16"]]).all()


def dies(fabric):
    os._exit(3)


class Deadly:
    """Ends the process that reads it."""

    def __reduce__(self):
        return os._exit, (4,)


def test_a_process_that_does_not_start_is_said():
    with pytest.raises(TrainingStopped, match="Process 2 of the 2 of this training ended with exit code 4"), group(2, CPU, "fp32", dies, Deadly()):
        pytest.fail("there is no group")
    assert multiprocessing.active_children() == []


def test_a_process_that_dies_is_said_and_a_cancelled_training_leaves_none():
    with pytest.raises(TrainingStopped, match="Process 2 of the 2 of this training ended with exit code 3"), group(2, CPU, "fp32", dies) as fabric:
        run(fabric, tiny())
    assert multiprocessing.active_children() == []

    def cancel(done, total, item):
        raise Cancelled

    with pytest.raises(Cancelled), group(2, CPU, "fp32", everything, "nowhere") as fabric:
        run(fabric, tiny(), progress=cancel)
    assert multiprocessing.active_children() == []


PARENT = """
import sys, time, torch, multiprocessing
from core.classifier.engine import group
def waits(fabric):
    time.sleep(600)
if __name__ == "__main__":
    with group(2, torch.device("cpu"), "fp32", waits):
        print(multiprocessing.active_children()[0].pid, flush=True)
        time.sleep(600)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows ends the whole tree")
def test_killed_it_leaves_no_process_behind(tmp_path):
    (tmp_path / "parent.py").write_text(PARENT, encoding="utf-8")
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen([sys.executable, tmp_path / "parent.py"], stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(root)}) as parent:
        other = int(parent.stdout.readline())
        lives = identity(other)
        parent.kill()
    assert lives
    for _ in range(300):
        if not alive(other, lives):
            return
        time.sleep(0.1)
    os.kill(other, signal.SIGKILL)
    pytest.fail("the other process outlived the first")
