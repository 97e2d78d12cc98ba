"""What a training loses to another program on the same cores, with and without this project's setting (core/threads.py).

    python benchmarks/busy_cores.py
    python benchmarks/busy_cores.py --network efficientnet-b4 --crop-px 380 --batch 4 --steps 3

Every measurement is a process of its own: a few steps of a training on all cores, first alone, then beside a second, endless
training, as its own setting would have it. Prints JSON lines: seconds a step, the median of the rounds, and their ratios.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

# This folder's coverage.py would hide the package of that name, so the folder gives way to the repository.
sys.path = [str(Path(__file__).resolve().parents[1]), *sys.path[1:]]

from core.threads import DECIDED, wait_without_a_core  # noqa: E402


def train(arguments: argparse.Namespace) -> None:
    """Print the seconds a step takes; with no steps to do, train until killed."""
    if arguments.setting == "ours":
        wait_without_a_core()
    import torch

    from core.classifier.depthwise import quick_backward
    from core.classifier.network import build_network
    from core.memory import keep_freed_memory

    keep_freed_memory()
    network = build_network(arguments.network, arguments.crop_px).to(memory_format=torch.channels_last).train()
    optimiser = torch.optim.AdamW(network.parameters(), 1e-5)
    crops = torch.randn(arguments.batch, 1, arguments.crop_px, arguments.crop_px).contiguous(memory_format=torch.channels_last)
    done, started = -2, time.perf_counter()  # two steps to warm up
    with quick_backward(network):
        while not arguments.steps or done < arguments.steps:
            started = time.perf_counter() if done == 0 else started
            optimiser.zero_grad()
            network(crops).pow(2).mean().backward()
            optimiser.step()
            done += 1
    print((time.perf_counter() - started) / arguments.steps)


def command(arguments: argparse.Namespace, setting: str, steps: int) -> list[str]:
    sizes = ["--network", arguments.network, "--crop-px", str(arguments.crop_px), "--batch", str(arguments.batch)]
    return [sys.executable, __file__, *sizes, "--setting", setting, "--steps", str(steps)]


def measured(arguments: argparse.Namespace, setting: str, beside: bool) -> float:
    undecided = {key: value for key, value in os.environ.items() if key not in DECIDED}
    other = subprocess.Popen(command(arguments, setting, 0), env=undecided) if beside else None
    try:
        time.sleep(8 if beside else 0)  # until the other one trains
        done = subprocess.run(command(arguments, setting, arguments.steps), env=undecided, check=True, capture_output=True, text=True)
    finally:
        if other:
            other.kill()
            other.wait()
    return float(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="efficientnet-b0")
    parser.add_argument("--crop-px", type=int, default=96)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--setting", choices=("default", "ours"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.setting:
        return train(arguments)
    for beside in (False, True):
        rounds = [{setting: measured(arguments, setting, beside) for setting in ("default", "ours")} for _ in range(arguments.rounds)]
        seconds = {setting: statistics.median(one[setting] for one in rounds) for setting in ("default", "ours")}
        print(json.dumps({"beside another training": beside, **{f"{key}_s": round(value, 3) for key, value in seconds.items()}}))
        print(json.dumps({"what": "speed, ours to default", "ratio": round(seconds["default"] / seconds["ours"], 2)}), flush=True)
    return None


if __name__ == "__main__":
    main()
