"""How the embedded classifier "demo-simulated" was made: an EfficientNet-B4 trained on cells of simulated cultures.

    python -m core.recipes.demo_classifier --out core/embedded/demo-simulated --scratch demo.partial

Nothing but this project's simulator goes in. Cultures are independent between the sets: training fields have seeds from
1000 on, validation fields from 5000, test fields from 9000. Within a round the first epochs see a window around each cell at
half the resolution, the next ones at the full one; batch statistics are taken at the full 380 px. The first round learns the class of every
cell; the second, on more cultures, learns what the simulator knows of it: how strongly all its traits speak for either class
(distillation from the ideal observer; Hinton et al. 2015, arXiv:1503.02531), of which far fewer cells teach as much; the third
learns each trait apart (``demo_traits``), and the last layer is then fitted to the evidence. A temperature fitted on validation cells
makes probabilities of the result. The training resumes from ``--scratch`` when it was interrupted (the third round begins anew).
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from core.classifier.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from core.classifier.network import WithFeatures, build_network
from core.classifier.scores import accuracy, roc_auc, youden_threshold
from core.classifier.training import Batches, FitSettings, fit, reestimate_statistics, score
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
from core.recipes.demo_traits import EVIDENCE_UNIT, Lessons, fit_last_layer, learn_traits
from core.recipes.describing import write_description
from core.statistics.calibration import apply_temperature, fit_temperature

NAME = "demo-simulated"
FITTED_CELLS = 1600  # on which the last layer is fitted


@dataclass(frozen=True)
class Phase:
    """Epochs that see the same pixels."""

    epochs: int
    window_px: int  # around the cell's middle
    shrink: int  # pixels averaged along each axis
    batch: int


@dataclass(frozen=True)
class Round:
    """A training with a learning rate that rises, and falls towards 0 again."""

    rate: float
    phases: tuple[Phase, ...]
    fields: int  # the first so many of the training fields
    steps: int  # batches an epoch
    by_evidence: bool  # learn the evidence for each cell, not its class
    falls_over: int  # epochs after which the rate would be 0


FULL = Phase(8, CROP_PX, 1, 8)
ROUNDS = (
    Round(1e-3, (Phase(40, 192, 2, 32), Phase(16, 192, 1, 16), FULL), fields=60, steps=10, by_evidence=False, falls_over=64),
    Round(5e-4, (Phase(18, 256, 2, 32), Phase(5, 256, 1, 16)), fields=220, steps=20, by_evidence=True, falls_over=32),
)


def batches(cells: Cells, order: np.ndarray, phase: Phase = FULL, by_evidence: bool = False) -> Iterator[tuple[Any, Any]]:
    """The cells in ``order``, a batch at a time, as ``phase`` sees them, with their classes or what the evidence makes of them."""
    import torch

    low = (CROP_PX - phase.window_px) // 2
    targets = 1 / (1 + np.exp(-cells.log_odds / EVIDENCE_UNIT)) if by_evidence else cells.classes.astype(np.int64)
    for start in range(0, len(order), phase.batch):
        part = order[start : start + phase.batch]
        crops = cells.crops[part, low : low + phase.window_px, low : low + phase.window_px].astype(np.float32)
        small = torch.nn.functional.avg_pool2d(torch.from_numpy(crops)[:, None], phase.shrink)
        yield small, torch.from_numpy(targets[part])


def phase_of(phases: Sequence[Phase], epoch: int) -> Phase:
    """The phase of an epoch (from 1)."""
    ends = np.cumsum([phase.epochs for phase in phases])
    return phases[int(np.searchsorted(ends, epoch))]


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
    """Train through ``ROUNDS``; the last state of each lies in ``scratch``/round1.pt and so on."""
    import torch

    scratch.mkdir(parents=True, exist_ok=True)
    cells, held = gather(TRAINING_SEEDS, FIELD_PIXELS_UM, True, scratch / "crops.f16"), gather(VALIDATION_SEEDS, (0.65,), True)
    say(f"{len(cells)} training cells, {cells.classes.mean():.2f} senescent; {len(held)} validation cells")
    network = fresh_network()
    for number, one in enumerate(ROUNDS, 1):
        file = scratch / f"round{number}.pt"
        train_round(network, cells, held, number, one, file, bf16)
        network.load_state_dict(torch.load(file, weights_only=True)["average"])
    learn_traits(network, Lessons(cells.crops, cells.evidence, cells.nuclei), say)
    torch.save({"average": network.state_dict()}, scratch / f"round{len(ROUNDS) + 1}.pt")


def train_round(network: Any, cells: Cells, held: Cells, number: int, one: Round, file: Path, bf16: bool) -> None:
    """Train one round, or what is left of it; its state lies in ``file`` after every epoch."""
    import torch

    watched = np.random.default_rng(0).permutation(len(held))[:96]
    shown = int(np.isin(cells.fields, TRAINING_SEEDS[: one.fields]).sum())  # fields lie in the order of their seeds

    def training(epoch: int) -> Batches:
        phase = phase_of(one.phases, epoch)
        order = np.random.default_rng((number - 1, epoch)).permutation(shown)[: phase.batch * one.steps]
        return batches(cells, order, phase, one.by_evidence)

    def validation(epoch: int) -> Batches:
        return batches(held, watched, phase_of(one.phases, epoch))

    epochs = sum(phase.epochs for phase in one.phases)
    settings = FitSettings(epochs=one.falls_over, steps=one.steps, rate=one.rate, average=0.97, seed=number - 1, bf16=bf16)
    resume = torch.load(file, weights_only=True) if file.is_file() else None
    if resume and resume["epoch"] >= epochs:
        return
    for result in fit(network, training, validation, settings, resume=resume):
        torch.save(result.resume, file.with_suffix(".new"))
        file.with_suffix(".new").replace(file)
        with file.with_suffix(".jsonl").open("a", encoding="utf-8") as history:
            history.write(json.dumps(result.row()) + "\n")
        say(" ".join(f"{key} {value:.4g}" for key, value in result.row().items()))
        if result.epoch == epochs:
            break


def publish(scratch: Path, out: Path, bf16: bool) -> None:
    """Re-estimate the batch statistics and fit the last layer at full size, choose the threshold on validation, score on test, write ``out``."""
    import torch

    network = build_network("efficientnet-b4", CROP_PX)
    network.load_state_dict(torch.load(sorted(scratch.glob("round*.pt"))[-1], weights_only=True)["average"])
    cells = gather(TRAINING_SEEDS[::4], (0.65, 0.87), True)
    order = np.random.default_rng(1).permutation(len(cells))
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        reestimate_statistics(network, batches(cells, order[:256], replace(FULL, batch=16)))
    fit_last_layer(network, pooled(network, cells, order[-FITTED_CELLS:]), cells.evidence[order[-FITTED_CELLS:]])
    held, test = gather(VALIDATION_SEEDS, (0.65,), True), gather(TEST_SEEDS, (0.65,), True)
    classes, raw = probabilities(network, held, bf16)
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
    classes, raw = probabilities(published, test, bf16)
    scores = test_scores(test, classes, apply_temperature(raw, temperature), threshold)
    scores["validation_auc"] = round(roc_auc(*probabilities(published, held, bf16)), 4)
    card = {"name": NAME, "data": "simulated cells of this project", "licence": "BSD-3-Clause", "recipe": RECIPE, "scores": scores, "limits": LIMITS}
    save_checkpoint(out / "weights.pt", replace(checkpoint, card=card), half=True)
    write_card(out, checkpoint, scores)
    say(json.dumps(scores, indent=1))


def renew_reference(out: Path) -> None:
    """Learn what the training images look like anew, for the weights that lie in ``out``."""
    checkpoint = load_checkpoint(out / "weights.pt")
    save_checkpoint(out / "weights.pt", replace(checkpoint, reference=demo_reference(checkpoint)), half=True)
    write_card(out, checkpoint, checkpoint.card["scores"])


def pooled(network: Any, cells: Cells, rows: np.ndarray) -> np.ndarray:
    """What the last layer sees of some cells: (N, D) float32."""
    import torch

    seen = WithFeatures(network.eval().to(memory_format=torch.channels_last))
    with torch.inference_mode():
        return np.concatenate([seen(crops)[:, 1:].numpy() for crops, _ in batches(cells, rows)])


def probabilities(network: Any, cells: Cells, bf16: bool) -> tuple[np.ndarray, np.ndarray]:
    """True classes and probabilities (N,)."""
    import torch

    network = network.to(memory_format=torch.channels_last)
    classes, logits = score(network, batches(cells, np.arange(len(cells))), bf16=bf16)
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
- Training: first on the class of each cell, then, with more cultures, on the simulator's own evidence for it (the log-likelihood ratio of
  its traits), then on what each trait says and on where the nucleus lies; the last layer was fitted to the evidence.

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
    parser.add_argument("--fp32", action="store_true", help="float32 arithmetic, for processors without bfloat16")
    arguments = parser.parse_args()
    from core.memory import keep_freed_memory

    keep_freed_memory()
    if arguments.reference_only:
        return renew_reference(arguments.out)
    if not arguments.publish_only:
        train(arguments.scratch, not arguments.fp32)
    publish(arguments.scratch, arguments.out, not arguments.fp32)
    return None


if __name__ == "__main__":
    main()
