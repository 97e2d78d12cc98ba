"""How the embedded classifier "demo-simulated" was made: an EfficientNet-B4 trained on cells of simulated cultures.

    python -m core.recipes.demo_classifier --out core/embedded/demo-simulated --scratch demo.partial

Nothing but this project's simulator goes in. Cultures are independent between the sets: training fields have seeds from
1000 on, validation fields from 5000, test fields from 9000. The network learns what every trait of a cell says of its class
(``demo_traits``), first in windows round the cells, then at the full 380 px. A temperature fitted on validation cells makes
probabilities of the result. The training resumes from ``--scratch`` when it was interrupted.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from core.classifier.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from core.classifier.forward import score
from core.classifier.network import build_network
from core.classifier.scores import accuracy, roc_auc, youden_threshold
from core.recipes.demo_cells import (
    CROP_PX,
    FIELD_PIXELS_UM,
    MEAN,
    PIXEL_UM,
    SPREAD,
    TEST_SEEDS,
    TRAINING_SEEDS,
    VALIDATION_SEEDS,
    Cells,
    gather,
)
from core.recipes.demo_reference import demo_reference
from core.recipes.demo_traits import Lessons, learn_traits
from core.recipes.describing import write_description
from core.statistics.calibration import apply_temperature, fit_temperature

NAME = "demo-simulated"
BATCH = 16


def batches(cells: Cells) -> Iterator[tuple[Any, Any]]:
    """The cells and their classes, a batch at a time."""
    import torch

    for start in range(0, len(cells), BATCH):
        part = slice(start, start + BATCH)
        yield torch.from_numpy(cells.crops[part].astype(np.float32)[:, None]), torch.from_numpy(cells.classes[part].astype(np.int64))


def fresh_network() -> Any:
    """A random EfficientNet-B4 that a short training can move.

    The last normalisation of every block with a shortcut starts at 0, so that the network starts out shallow (Goyal et al.
    2017, arXiv:1706.02677), and running statistics follow within tens of steps: the library's 1 % is for hundreds of
    thousands.
    """
    import torch

    torch.manual_seed(0)
    network = build_network("efficientnet-b4", CROP_PX, dropout=0.1, drop_connect=0.0)
    for block in network._blocks:
        arguments = block._block_args
        if arguments.stride in (1, [1]) and arguments.input_filters == arguments.output_filters:
            torch.nn.init.zeros_(block._bn2.weight)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 0.1
    return network.to(memory_format=torch.channels_last)


def train(scratch: Path, bf16: bool) -> None:
    """Train, or go on with it; the result lies in ``scratch``/average.pt."""
    import torch

    scratch.mkdir(parents=True, exist_ok=True)
    cells = gather(TRAINING_SEEDS, FIELD_PIXELS_UM, True, scratch / "crops.f16")
    say(f"{len(cells)} training cells, {cells.classes.mean():.2f} senescent")
    network = fresh_network()
    learn_traits(network, Lessons(cells.crops, cells.evidence, cells.nuclei), scratch / "training.pt", bf16, say)
    torch.save(network.state_dict(), scratch / "average.pt")


def publish(scratch: Path, out: Path) -> None:
    """Choose the threshold on validation, score on test, write ``out``."""
    import torch

    network = build_network("efficientnet-b4", CROP_PX)
    network.load_state_dict(torch.load(scratch / "average.pt", weights_only=True))
    held, test = gather(VALIDATION_SEEDS, (0.65,), True), gather(TEST_SEEDS, (0.65,), True)
    classes, raw = probabilities(network, held)
    temperature = fit_temperature(classes, raw)
    threshold = youden_threshold(classes, apply_temperature(raw, temperature))
    checkpoint = Checkpoint(
        architecture="efficientnet-b4",
        crop_px=CROP_PX,
        mean=MEAN,
        std=SPREAD,
        intensity="field",
        pixel_size_um=PIXEL_UM,
        threshold=threshold,
        simulated=True,
        temperature=temperature,
        state=network.state_dict(),
    )
    out.mkdir(parents=True, exist_ok=True)
    save_checkpoint(out / "weights.pt", checkpoint, half=True)
    checkpoint = replace(checkpoint, reference=demo_reference(load_checkpoint(out / "weights.pt")))
    published = load_checkpoint(out / "weights.pt").network()  # what is scored is what is published, half precision and all
    classes, raw = probabilities(published, test)
    scores = test_scores(test, classes, apply_temperature(raw, temperature), threshold)
    scores["validation_auc"] = round(roc_auc(*probabilities(published, held)), 4)
    card = {"name": NAME, "data": "simulated cells of this project", "licence": "BSD-3-Clause", "recipe": RECIPE, "scores": scores, "limits": LIMITS}
    save_checkpoint(out / "weights.pt", replace(checkpoint, card=card), half=True)
    write_card(out, checkpoint, scores)
    say(json.dumps(scores, indent=1))


def renew_reference(out: Path) -> None:
    """Learn what the training images look like anew, for the weights that lie in ``out``."""
    checkpoint = load_checkpoint(out / "weights.pt")
    save_checkpoint(out / "weights.pt", replace(checkpoint, reference=demo_reference(checkpoint)), half=True)
    write_card(out, checkpoint, checkpoint.card["scores"])


def probabilities(network: Any, cells: Cells) -> tuple[np.ndarray, np.ndarray]:
    """True classes and probabilities (N,)."""
    import torch

    network = network.to(memory_format=torch.channels_last)
    classes, logits = score(network, batches(cells))
    return classes, 1 / (1 + np.exp(-logits.astype(np.float64)))


def test_scores(cells: Cells, classes: np.ndarray, found: np.ndarray, threshold: float) -> dict[str, Any]:
    """What the card says of the test cells, with the cells' area alone as a baseline."""
    called = found >= threshold
    return {
        "test_cells": len(cells),
        "test_senescent": int(classes.sum()),
        "test_auc": round(roc_auc(classes, found), 4),
        "test_accuracy": round(accuracy(classes, found, threshold), 4),
        "true_positive": int((called & (classes == 1)).sum()),
        "false_positive": int((called & (classes == 0)).sum()),
        "false_negative": int((~called & (classes == 1)).sum()),
        "true_negative": int((~called & (classes == 0)).sum()),
        "area_alone_auc": round(roc_auc(classes, cells.areas), 4),
        "ceiling_auc": round(roc_auc(classes, cells.log_odds), 4),
    }


RECIPE = f"python -m core.recipes.demo_classifier --out core/embedded/{NAME}"
LIMITS = "Trained on simulated cells only: a demonstration, not fit for scientific or clinical conclusions."
CARD = """# {name}

An EfficientNet-B4 (one grey channel, one logit, crops of {crop_px} px at {pixel_um} µm a pixel) that tells senescent from other cells
in **simulated** phase-contrast images.

**{limits}** On real images its
probabilities mean nothing until it is checked against a stain on your own cells.

- Data: cells of {training} simulated fields of 1024 x 1024 px ({low} to {high} µm a pixel) made by this project's simulator; labels are
  the simulator's truth. Outlines were randomly narrowed and widened. Cells that touch the border are left out.
- Licence: BSD-3-Clause.
- Recipe: `{recipe}`
- Decision threshold: {threshold:.3f}, by Youden's index on {validation} simulated validation fields, on which the temperature of the
  probabilities ({temperature:.2f}) was fitted too.
- Training: on the simulator's own evidence for the class of a cell (the log-likelihood ratio of its traits), trait by trait
  and all together, and on where its nucleus lies.

| on {tests} simulated test fields of other seeds (0.65 µm a pixel) | |
|---|---|
| cells, of them senescent | {test_cells}, {test_senescent} |
| area under the ROC curve | {test_auc} |
| the same by cell area alone | {area_alone_auc} |
| the same for whoever knows every trait that the simulator gave the cell: the ceiling | {ceiling_auc} |
| accuracy | {test_accuracy} |
| senescent called senescent / not | {true_positive} / {false_negative} |
| other cells called senescent / not | {false_positive} / {true_negative} |

Limits: the simulator's idea of a senescent cell (large, flat, granular) is the only one it knows. Real cultures, other cell types,
other optics, strong defocus and wrong outlines were not tested.
"""


def write_card(out: Path, checkpoint: Checkpoint, scores: dict[str, Any]) -> None:
    """card.md for people, model.json for the model library."""
    card = CARD.format(
        name=NAME,
        limits=LIMITS,
        recipe=RECIPE,
        crop_px=CROP_PX,
        pixel_um=PIXEL_UM,
        training=len(TRAINING_SEEDS),
        low=min(FIELD_PIXELS_UM),
        high=max(FIELD_PIXELS_UM),
        threshold=checkpoint.threshold,
        temperature=checkpoint.temperature,
        validation=len(VALIDATION_SEEDS),
        tests=len(TEST_SEEDS),
        **scores,
    )
    write_description(out, "classifier", "EfficientNet-B4 trained on simulated cells: for the demo only.", card, scores, simulated=True)


def say(text: str) -> None:
    print(time.strftime("%H:%M:%S"), text, file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--scratch", type=Path, default=Path("demo.partial"))
    parser.add_argument("--publish-only", action="store_true", help="publish what --scratch holds")
    parser.add_argument("--reference-only", action="store_true", help="learn what the training images look like anew, for the weights in --out")
    parser.add_argument("--fp32", action="store_true", help="train in float32, for processors without bfloat16")
    arguments = parser.parse_args()
    from core.memory import keep_freed_memory

    keep_freed_memory()
    if arguments.reference_only:
        return renew_reference(arguments.out)
    if not arguments.publish_only:
        train(arguments.scratch, not arguments.fp32)
    publish(arguments.scratch, arguments.out)
    return None


if __name__ == "__main__":
    main()
