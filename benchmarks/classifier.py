"""Crops scored a second: ours against plain ``efficientnet_pytorch``, fp32 eager, same weights, same crops, same processor.

    python benchmarks/classifier.py                       # the embedded EfficientNet-B4 on cells of a simulated field, 380 px
    python benchmarks/classifier.py --rounds 9 --crops 32
    python benchmarks/classifier.py --device cuda         # on a graphics processor: 256 crops, both by PyTorch

All run in one process, by turns, and the median of the rounds counts. First plain efficientnet_pytorch as a user gets it, 8 crops
a batch. Then the same with this project's setting of the allocator (core/memory.py), which speeds it up most, at the batch size
of 1, 2 and 8 that is quickest: its fastest setting. Ours is ``Classifier`` with the engine that it chooses itself, in fp32 and in
bf16, and with PyTorch, the reference; its probabilities are compared with those of plain efficientnet_pytorch.

Prints JSON lines. Crops a second depend on the machine, ratios less; bf16 gains depend on the processor (AMX), and all depend
on how much of a crop is a cell, since the empty background is computed only once: "computed" is the share, on average, of the
pixels of the first maps, of a half and of a quarter of the crop's resolution, that are.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from efficientnet_pytorch import EfficientNet

# This folder's coverage.py would hide the package of that name, so the folder gives way to the repository.
sys.path = [str(Path(__file__).resolve().parents[1]), *sys.path[1:]]

from core.classifier.background import levels_of, shrunk  # noqa: E402
from core.classifier.checkpoint import Checkpoint, load_checkpoint  # noqa: E402
from core.classifier.devices import bf16_is_quick  # noqa: E402
from core.classifier.prediction import Classifier  # noqa: E402
from core.memory import keep_freed_memory  # noqa: E402
from core.models import find_model  # noqa: E402
from core.recipes.demo_cells import simulated_cells  # noqa: E402
from core.settings import EMBEDDED_CLASSIFIER  # noqa: E402

Predict = Callable[[np.ndarray], np.ndarray]


def plain(checkpoint: Checkpoint, batch: int, device: str = "cpu") -> Predict:
    """efficientnet_pytorch as its readme uses it."""
    network = EfficientNet.from_name(checkpoint.architecture, in_channels=1, num_classes=1, image_size=checkpoint.crop_px)
    network.load_state_dict({key: value.float() if value.is_floating_point() else value for key, value in checkpoint.state.items()})
    network.eval().to(device)

    def predict(crops: np.ndarray) -> np.ndarray:
        batches = (torch.from_numpy(crops[i : i + batch])[:, None].to(device) for i in range(0, len(crops), batch))
        with torch.no_grad():
            parts = [torch.sigmoid(network(some) / checkpoint.temperature).cpu() for some in batches]
        return torch.cat(parts)[:, 0].numpy()

    return predict


def by_turns(ways: Mapping[str, Predict], crops: np.ndarray, rounds: int) -> dict[str, float]:
    """Crops a second of every way: the median of ``rounds``, after one that does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, predict in ways.items():
            started = time.perf_counter()
            predict(crops)
            if number:
                seconds[name].append(time.perf_counter() - started)
    return {name: len(crops) / statistics.median(times) for name, times in seconds.items()}


def tell(what: str, **more: object) -> None:
    print(json.dumps({"what": what, **more}), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--crops", type=int, default=16)
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    path = find_model(EMBEDDED_CLASSIFIER, "classifier").path
    assert path is not None
    checkpoint = load_checkpoint(path)
    crops = simulated_cells(9000, 0.65, False).crops[: given.crops].astype(np.float32)
    if given.device != "cpu":
        on_graphics(checkpoint, crops, given.rounds, given.device)
        return
    exact, half = (Classifier(checkpoint, "cpu", precision=precision) for precision in ("fp32", "bf16"))
    reference = Classifier(checkpoint, "cpu", engine="pytorch")
    ours: dict[str, Predict] = {f"ours {one.about}": one.predict for one in (exact, half)}
    fp32, bf16 = ours
    eight = plain(checkpoint, 8)
    levels = levels_of(checkpoint.network(), checkpoint.crop_px)
    shares = np.mean([[counts.size / counts.sum() for counts in shrunk(crop, levels)[1::2]] for crop in crops], 0)
    about = {"architecture": checkpoint.architecture, "crop_px": checkpoint.crop_px, "computed": shares.round(3).tolist()}
    tell("setting", **about, crops=len(crops), threads=torch.get_num_threads(), amx=bf16_is_quick())
    agree(eight(crops), {**ours, f"ours {reference.about}": reference.predict}, crops, checkpoint.threshold)
    default = by_turns({"efficientnet_pytorch, batch 8": eight, **ours}, crops, given.rounds)
    tell("as it is", crops_per_second=rounded(default))
    keep_freed_memory()
    tuned = {f"efficientnet_pytorch, batch {n}, allocator set": plain(checkpoint, n) for n in (1, 2, 8)}
    best = by_turns({**tuned, **ours, f"ours {reference.about}": reference.predict}, crops, given.rounds)
    tell("its fastest setting", crops_per_second=rounded(best))
    fastest = max(best[name] for name in tuned)
    tell(
        "ratios",
        fp32_to_default=round(default[fp32] / default["efficientnet_pytorch, batch 8"], 2),
        fp32_to_fastest=round(best[fp32] / fastest, 2),
        bf16_to_default=round(default[bf16] / default["efficientnet_pytorch, batch 8"], 2),
        bf16_to_fastest=round(best[bf16] / fastest, 2),
    )


def on_graphics(checkpoint: Checkpoint, crops: np.ndarray, rounds: int, device: str) -> None:
    """On a graphics processor, of many crops, so that it has enough to do; the probabilities are compared with the processor's."""
    many = np.concatenate([crops] * -(-256 // len(crops)))
    ways = {f"efficientnet_pytorch, batch {n}": plain(checkpoint, n, device) for n in (8, 64)}
    for precision in ("fp32", "bf16"):
        classifier = Classifier(checkpoint, device, precision=precision)
        ways[f"ours {classifier.about}"] = classifier.predict
    tell("setting", architecture=checkpoint.architecture, crop_px=checkpoint.crop_px, crops=len(many), device=device)
    agree(plain(checkpoint, 8)(crops), ways, crops, checkpoint.threshold)
    tell("as it is", crops_per_second=rounded(by_turns(ways, many, rounds)))


def agree(wanted: np.ndarray, ways: Mapping[str, Predict], crops: np.ndarray, threshold: float) -> None:
    """Say how far the probabilities lie from those of plain efficientnet_pytorch, and how many calls are the same."""
    for name, predict in ways.items():
        found = predict(crops)
        same = float(np.mean((found >= threshold) == (wanted >= threshold)))
        tell("agreement", way=name, largest_difference=float(f"{np.abs(found - wanted).max():.2g}"), same_calls=same)


def rounded(speeds: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 2) for name, value in speeds.items()}


if __name__ == "__main__":
    main()
