"""How the embedded Cellpose model "senescope-phase" was made.

    python -m core.recipes.embedded_segmenter --real FOLDER --out core/embedded/senescope-phase --scratch training.partial
    python -m core.recipes.segmenter_scores --data FOLDER_ABOVE --out core/embedded/senescope-phase

``FOLDER`` holds ``images/setNN.tif`` and ``masks/setNN_instances.png``: the 40 hand-outlined phase-contrast fields of
Usiigaci (Tsai et al. 2019, doi 10.1016/j.softx.2019.02.007; MIT licence). ``set33`` to ``set40`` are never trained on.
Training goes in three phases: the real fields alone; real and simulated fields; these and simulated dense layers of
spindles. It resumes from ``--scratch`` when it was interrupted.
"""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

TRAINED = tuple(f"set{i:02d}" for i in range(1, 33))
SIMULATED_SEEDS = range(40_000, 40_036)
LAYER_SEEDS = range(50_000, 50_040)
SIMULATED_PIXEL_UM = (0.5, 0.65, 0.87, 1.1)


def real_field(folder: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Phase image and hand-drawn label image of one field, both (Y, X)."""
    from core.images import read, read_labels

    return read(folder / "images" / f"{name}.tif").pixels, read_labels(folder / "masks" / f"{name}_instances.png")


def simulated_field(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Phase image and true label image of one simulated field; magnification and prevalence vary with the seed."""
    from core.simulate import simulate_field

    rng = np.random.default_rng(seed)
    um = SIMULATED_PIXEL_UM[seed % len(SIMULATED_PIXEL_UM)]
    field = simulate_field(seed, 1024, prevalence=float(rng.uniform(0.05, 0.8)), pixel_size_um=um, stain=False)
    return field.phase, field.labels


def layer_field(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Image and true label image of one simulated dense layer of spindles."""
    from core.simulate.layer import simulate_layer

    layer = simulate_layer(seed)
    return layer.image, layer.labels


def train(real: Path, out: Path, scratch: Path, steps_real: int, steps_mixed: int, steps_dense: int) -> None:
    """Train all phases and publish half-precision weights to ``out``."""
    import torch

    from core.cells.training import Plan, new_network, prepare

    scratch.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    network = new_network()
    fields = [prepare(*real_field(real, name)) for name in TRAINED]
    _phase(network, fields, Plan(steps=steps_real, decay=steps_real * 6 // 5), scratch / "real.pt")
    mixed = fields + [prepare(*simulated_field(seed), weight=0.6) for seed in SIMULATED_SEEDS]
    _phase(network, mixed, Plan(steps=steps_mixed, rate=1.2e-3, warmup=40, scale_range=0.8, seed=1), scratch / "mixed.pt")
    dense = mixed + [prepare(*layer_field(seed), weight=0.8) for seed in LAYER_SEEDS]
    _phase(network, dense, Plan(steps=steps_dense, rate=1.2e-3, warmup=40, scale_range=0.8, seed=2), scratch / "dense.pt")
    out.mkdir(parents=True, exist_ok=True)
    half = {k: v.half() if v.is_floating_point() and not k.startswith("diam") else v for k, v in network.state_dict().items()}
    torch.save({k: v.contiguous() for k, v in half.items()}, out / "weights.pt")


def _phase(network: Any, fields: list[Any], plan: Any, file: Path) -> None:
    import torch

    from core.cells.training import train as steps

    state = torch.load(file, weights_only=True) if file.is_file() else {}
    if state.get("step", 0) >= plan.steps:
        network.load_state_dict(state["average"])
        return
    started, recent = time.time(), []
    for step in steps(network, fields, plan, state):
        recent.append(step.loss)
        if step.step % 50 == 0 or step.step == plan.steps:
            torch.save(state, file)
            print(f"{file.stem} {step.step}/{plan.steps} loss {np.mean(recent):.3f} {time.time() - started:.0f} s", file=sys.stderr, flush=True)
            recent = []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--scratch", type=Path, default=Path("training.partial"))
    parser.add_argument("--steps-real", type=int, default=750)
    parser.add_argument("--steps-mixed", type=int, default=450)
    parser.add_argument("--steps-dense", type=int, default=2000)
    arguments = parser.parse_args()
    train(arguments.real, arguments.out, arguments.scratch, arguments.steps_real, arguments.steps_mixed, arguments.steps_dense)


if __name__ == "__main__":
    main()
