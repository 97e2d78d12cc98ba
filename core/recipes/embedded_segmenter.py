"""How the embedded Cellpose model "senescope-phase" was made.

    python -m core.recipes.embedded_segmenter train --real FOLDER --out core/embedded/senescope-phase --scratch /tmp/train
    python -m core.recipes.embedded_segmenter score --real FOLDER --out core/embedded/senescope-phase

``FOLDER`` holds ``images/setNN.tif`` and ``masks/setNN_instances.png``: the 40 hand-outlined phase-contrast fields of
Usiigaci (Tsai et al. 2019, doi 10.1016/j.softx.2019.02.007; MIT licence). ``set33`` to ``set40`` are never trained on.
Training goes in three phases: the real fields alone; real and simulated fields; these and simulated dense layers of
spindles. It resumes from ``--scratch`` when it was interrupted.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from core.recipes.describing import write_description

HELD_BACK = tuple(f"set{i:02d}" for i in range(33, 41))
TRAINED = tuple(f"set{i:02d}" for i in range(1, 33))
SIMULATED_SEEDS = range(40_000, 40_036)
LAYER_SEEDS = range(50_000, 50_040)
SIMULATED_SCORE_SEEDS = range(70_000, 70_006)
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


def scored_sets(real: Path) -> Iterator[tuple[str, str, np.ndarray, np.ndarray]]:
    """Yield (set name, field name, image, true labels) of every field that the model never saw."""
    for name in HELD_BACK:
        yield "held-back real fields", name, *real_field(real, name)
    for seed in SIMULATED_SCORE_SEEDS:
        yield "simulated fields", str(seed), *simulated_field(seed)


def score(real: Path, out: Path) -> dict[str, Any]:
    """Average precision (cellpose.metrics) of the published weights, with the diameter estimated as in the app."""
    from cellpose import metrics

    from core.cells.segmentation import load_segmenter
    from core.settings import SegmentSettings

    settings = SegmentSettings()
    segmenter = load_segmenter(out / "weights.pt")
    rows: list[dict[str, Any]] = []
    for group, name, image, truth in scored_sets(real):
        grey = image.astype(np.float32)
        diameter = segmenter.estimate_diameter([grey])
        found = segmenter.segment(
            grey,
            diameter_px=diameter,
            flow_threshold=settings.flow_threshold,
            cell_probability=settings.cell_probability,
            min_area_px=settings.min_area_px,
        )
        precision = metrics.average_precision([truth], [found], threshold=[0.5, 0.75])[0][0]
        rows.append(
            {
                "group": group,
                "field": name,
                "true_cells": int(len(np.unique(truth)) - 1),
                "found_cells": int(found.max()),
                "diameter_px": round(diameter, 1),
                "ap50": round(float(precision[0]), 3),
                "ap75": round(float(precision[1]), 3),
            }
        )
        print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    groups = sorted({row["group"] for row in rows})
    means = {g: {k: round(float(np.mean([r[k] for r in rows if r["group"] == g])), 3) for k in ("ap50", "ap75")} for g in groups}
    return {"mean": means, "fields": rows}


CARD = """# {name}

A Cellpose 3 network (CPnet, 6.6 million weights, half precision) that outlines cells in phase-contrast images. It opens in the Cellpose 3
programs too.

- Data: {n_trained} hand-outlined phase-contrast fields of Usiigaci (set01 to set32; T98G glioblastoma and NIH/3T3 fibroblasts, 0.87 µm a pixel;
  https://github.com/oist/Usiigaci, MIT licence; Tsai et al. 2019, doi 10.1016/j.softx.2019.02.007), and {n_simulated} fields of this project's
  simulator at 0.5 to 1.1 µm a pixel.
- Licence of the weights: BSD-3-Clause.
- Recipe: `python -m core.recipes.embedded_segmenter train --real FOLDER --out core/embedded/{name}`, from random weights, on a CPU.
- Scores: `python -m core.recipes.embedded_segmenter score --real FOLDER --out core/embedded/{name}`; average precision as in
  `cellpose.metrics`, diameter estimated as the app does.

| fields that were never trained on | fields | AP at IoU 0.5 | AP at IoU 0.75 |
|---|---|---|---|
{means}

| field | true cells | found | diameter (px) | AP 0.5 | AP 0.75 |
|---|---|---|---|---|---|
{fields}

Limits: no field of real MSCs was in the training. Very dense, low-contrast layers of spindles (confluent cultures, compressed
photographs) are mostly missed; long thin processes are cut short; floating cells and debris are sometimes outlined. Look at the
outlines before you trust a number; for such images try another model of the zoo, or one of your own.
"""


def describe(out: Path, scores: dict[str, Any]) -> None:
    """card.md for people, model.json for the model library."""
    rows = scores["fields"]
    mean = [f"| {g} | {sum(r['group'] == g for r in rows)} | {m['ap50']:.3f} | {m['ap75']:.3f} |" for g, m in scores["mean"].items()]
    each = [f"| {r['field']} | {r['true_cells']} | {r['found_cells']} | {r['diameter_px']} | {r['ap50']:.3f} | {r['ap75']:.3f} |" for r in rows]
    text = CARD.format(name=out.name, n_trained=len(TRAINED), n_simulated=len(SIMULATED_SEEDS), means="\n".join(mean), fields="\n".join(each))
    summary = "Cells in phase contrast, any adherent line; trained on real and simulated fields."
    write_description(out, "segmenter", summary, text, scores["mean"], simulated=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("train", "score"))
    parser.add_argument("--real", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--scratch", type=Path, default=Path("training.partial"))
    parser.add_argument("--steps-real", type=int, default=750)
    parser.add_argument("--steps-mixed", type=int, default=450)
    parser.add_argument("--steps-dense", type=int, default=2000)
    arguments = parser.parse_args()
    if arguments.what == "train":
        train(arguments.real, arguments.out, arguments.scratch, arguments.steps_real, arguments.steps_mixed, arguments.steps_dense)
    else:
        scores = score(arguments.real, arguments.out)
        describe(arguments.out, scores)
        print(json.dumps(scores["mean"], indent=1))


if __name__ == "__main__":
    main()
