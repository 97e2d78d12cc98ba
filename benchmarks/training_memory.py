"""What a training step of a classifier takes on the processor, as it comes and where the blocks compute again; a process each.

    python benchmarks/training_memory.py                                          # EfficientNet-B4, 16 crops of 380 px a step
    python benchmarks/training_memory.py --network efficientnet-b0 --side 224 --crops 32

Prints JSON lines: peak memory of the whole process beside what was estimated before the first step, the median of the seconds
of a step after the first two, and whether the weights after all steps are the same bits. Linux and macOS.
"""

import argparse
import itertools
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import torch

# This folder's coverage.py would hide the package of that name, so the folder gives way to the repository.
sys.path = [str(Path(__file__).resolve().parents[1]), *sys.path[1:]]

from core.classifier import economy  # noqa: E402
from core.classifier.fitting import FitSettings  # noqa: E402
from core.classifier.network import build_network  # noqa: E402
from core.classifier.training import fit  # noqa: E402
from core.exported import weights_hash  # noqa: E402
from core.memory import keep_freed_memory  # noqa: E402

WAYS = ("as it comes", "computing again")


def measure(given: argparse.Namespace) -> dict[str, object]:
    """One epoch in this process."""
    keep_freed_memory()
    again, started = given.way == WAYS[1], list[float]()
    economy.way = lambda *_: (again, None)
    torch.manual_seed(0)
    network = build_network(given.network, given.side)
    needed, before = economy.need(network, given.side), peak_bytes()

    def batches(_: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for seed in range(given.steps):
            started.append(time.perf_counter())
            yield torch.randn(given.crops, 1, given.side, given.side, generator=torch.Generator().manual_seed(seed)), torch.arange(given.crops) % 2
        started.append(time.perf_counter())

    settings = FitSettings(epochs=1, steps=given.steps)
    result = next(fit(network, batches, lambda _: [(torch.zeros(2, 1, given.side, given.side), torch.arange(2))], settings))
    seconds = [after - start for start, after in itertools.pairwise(started[2:])]
    each = needed.economical if again else needed.plain
    return {
        "way": given.way,
        "peak_gib": round(peak_bytes() / 2**30, 2),
        "estimated_gib": round((before + needed.fixed + given.crops * each) / 2**30, 2),
        "seconds_a_step": round(statistics.median(seconds), 2),
        "weights": weights_hash(result.weights)[:12],
    }


def peak_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="efficientnet-b4")
    parser.add_argument("--side", type=int, default=380)
    parser.add_argument("--crops", type=int, default=16)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--way", choices=WAYS, help="only this one, in this process")
    given = parser.parse_args()
    if given.way:
        print(json.dumps(measure(given)), flush=True)
        return
    print(json.dumps({"network": given.network, "side": given.side, "crops": given.crops, "threads": torch.get_num_threads()}), flush=True)
    for way in WAYS:
        subprocess.run([sys.executable, *sys.argv, "--way", way], check=True)


if __name__ == "__main__":
    main()
