"""The third round of the recipe of "demo-simulated": what every trait of a cell says, and where its nucleus lies.

Taught nothing but the sum of the evidence, the network reads how large and how flat a cell is, and little else. Here it gets an
output for each trait. In the second leg a layer on two of its feature maps also says how much of every place belongs to the
nucleus, whose size says as much of the class as the area does, and which one number a cell does not teach to find (deep supervision; Lee et al. 2015,
arXiv:1409.5185). These layers and outputs are thrown away: ``demo_classifier.publish`` fits the last layer to the evidence anew.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from core.classifier.depthwise import quick_backward
from core.classifier.training import FitSettings, blend, copied, learning_rate

WINDOW_PX: Final = 128  # at full resolution: most cells are whole, and the others are surely large
JITTER_PX: Final = 10
BATCH: Final = 32
AVERAGE: Final = 0.98
MOST_EVIDENCE: Final = 8.0  # of a trait; beyond it is certain
EVIDENCE_UNIT: Final = 4.0  # of log-odds: all traits together are learned as sigmoid(evidence / 4)
NUCLEUS_BLOCKS: Final = {9: 8, 21: 16}  # blocks of a B4 and the pixels along a side of a place of their maps


@dataclass(frozen=True)
class Leg:
    """Steps with a learning rate that rises for 20 steps and falls to 0 along a cosine."""

    steps: int
    rate: float
    nuclei: bool


LEGS: Final = (Leg(420, 7e-4, nuclei=False), Leg(330, 6e-4, nuclei=True))


@dataclass(frozen=True)
class Lessons:
    """``crops`` (N, S, S) float16; ``evidence`` (N, T) of each trait; ``nuclei`` (N, 5): middle (y, x), half axes (long, short) in
    pixels of the crop, direction (radians from x towards y)."""

    crops: NDArray[np.float16]
    evidence: NDArray[np.float64]
    nuclei: NDArray[np.float64]


def learn_traits(network: Any, lessons: Lessons, say: Callable[[str], None]) -> None:
    """Train all of ``network`` but its last layer through ``LEGS``, in place; it ends as a moving average of its weights."""
    traits = lessons.evidence.shape[1]
    last, network._fc = network._fc, nn.Linear(network._fc.in_features, traits + 1)
    with torch.no_grad():
        network._fc.weight.mul_(0.1)
        network._fc.bias[:traits] = torch.from_numpy(_targets(lessons)[0].mean(0))
        network._fc.weight[traits], network._fc.bias[traits] = last.weight[0], last.bias[0]
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.03
    for number, leg in enumerate(LEGS):
        _learn(network, lessons, leg, np.random.default_rng(11 + number), lambda words, n=number: say(f"leg {n + 1}: {words}"))  # type: ignore[misc]
    network._fc = last


def _targets(lessons: Lessons) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    evidence = np.clip(lessons.evidence, -MOST_EVIDENCE, MOST_EVIDENCE).astype(np.float32)
    return evidence, (1 / (1 + np.exp(-lessons.evidence.sum(1) / EVIDENCE_UNIT))).astype(np.float32)


def _learn(network: Any, lessons: Lessons, leg: Leg, rng: np.random.Generator, say: Callable[[str], None]) -> None:
    torch.manual_seed(5)
    evidence, together = (torch.from_numpy(values) for values in _targets(lessons))
    finders = [_finder(network._blocks[block]._project_conv.out_channels) for block in NUCLEUS_BLOCKS]
    seen: list[Tensor] = []
    hooks = [network._blocks[block].register_forward_hook(lambda _, __, out: seen.append(out)) for block in NUCLEUS_BLOCKS]
    optimiser = torch.optim.AdamW([*network.parameters(), *(weight for finder in finders for weight in finder.parameters())], lr=leg.rate, weight_decay=0.01)
    average, schedule = copied(network.state_dict()), FitSettings(epochs=1, steps=leg.steps, rate=leg.rate)
    network.train()
    with quick_backward(network):
        for step in range(leg.steps):
            rows = rng.choice(len(lessons.crops), BATCH, replace=False)
            crops, nuclei = windows(lessons, rows, rng)
            seen.clear()
            found = network(crops.contiguous(memory_format=torch.channels_last))
            loss = F.smooth_l1_loss(found[:, :-1] / 2, evidence[rows] / 2, reduction="none").sum(1).mean()
            loss = loss + 2 * F.binary_cross_entropy_with_logits(found[:, -1], together[rows])
            if leg.nuclei:
                for finder, places, side in zip(finders, seen, NUCLEUS_BLOCKS.values(), strict=True):
                    loss = loss + 10 * F.binary_cross_entropy_with_logits(finder(places), F.avg_pool2d(nuclei, side))
            _step(optimiser, network, loss, learning_rate(step, schedule))
            blend(average, network.state_dict(), min(AVERAGE, (step + 1) / (step + 10)))
            say(f"step {step + 1} of {leg.steps}, loss {loss.item():.3f}")
    for hook in hooks:
        hook.remove()
    network.load_state_dict(average)


def _finder(channels: int) -> nn.Conv2d:
    """How much of each place of a map belongs to the nucleus, as a logit."""
    finder = nn.Conv2d(channels, 1, 1)
    assert finder.bias is not None
    nn.init.constant_(finder.bias, -3.0)  # few do
    return finder


def windows(lessons: Lessons, rows: NDArray[np.int64], rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Windows round the middles of some crops, turned and mirrored, and where their nuclei lie: each (N, 1, W, W) float32."""
    size = lessons.crops.shape[1]
    crops, nuclei = np.zeros((2, len(rows), 1, WINDOW_PX, WINDOW_PX), np.float32)
    for k, row in enumerate(rows):
        y, x = (size - WINDOW_PX) // 2 + rng.integers(-JITTER_PX, JITTER_PX + 1, 2)
        both = np.stack([lessons.crops[row].astype(np.float32), ellipse(lessons.nuclei[row], size)])[:, y : y + WINDOW_PX, x : x + WINDOW_PX]
        for axis in (1, 2):
            both = np.flip(both, axis) if rng.random() < 0.5 else both
        crops[k, 0], nuclei[k, 0] = both.swapaxes(1, 2) if rng.random() < 0.5 else both
    return torch.from_numpy(crops), torch.from_numpy(nuclei)


def ellipse(nucleus: NDArray[np.float64], size: int) -> NDArray[np.float32]:
    """1 where a row of ``Lessons.nuclei`` lies, 0 elsewhere: (size, size)."""
    middle_y, middle_x, long, short, angle = nucleus
    y, x = np.arange(size)[:, None] - middle_y, np.arange(size)[None, :] - middle_x
    along, across = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
    return (np.hypot(along / long, across / short) <= 1).astype(np.float32)


def _step(optimiser: torch.optim.Optimizer, network: nn.Module, loss: Tensor, rate: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = rate
    optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(network.parameters(), 2.0)
    optimiser.step()


def fit_last_layer(network: Any, features: NDArray[np.float32], evidence: NDArray[np.float64]) -> None:
    """Fit the last layer so that its logit is the evidence in units of ``EVIDENCE_UNIT``: ridge regression on ``features`` (N, D).

    The penalty is chosen by generalised cross-validation (Golub, Heath & Wahba 1979, Technometrics 21:215).
    """
    from sklearn.linear_model import RidgeCV

    middle, spread = features.mean(0), features.std(0) + 1e-6
    wanted = np.clip(evidence.sum(1), -2 * MOST_EVIDENCE, 2 * MOST_EVIDENCE) / EVIDENCE_UNIT
    ridge = RidgeCV(alphas=np.logspace(0, 5, 21)).fit((features - middle) / spread, wanted)
    weight = ridge.coef_ / spread
    with torch.no_grad():
        network._fc.weight[0] = torch.from_numpy(weight.astype(np.float32))
        network._fc.bias[0] = float(ridge.intercept_ - weight @ middle)
