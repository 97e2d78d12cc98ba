"""How the network of "demo-simulated" learns: what every trait of a cell says of its class, and where its nucleus lies.

Of the class alone a network learns slowly, and taught only the sum of the evidence it reads how large and how flat a cell is, and
little else. So it gets an output for the evidence in each trait (the ideal observer's; Hinton et al. 2015, arXiv:1503.02531). And a
layer on two of its feature maps says how much of every place belongs to the nucleus, whose size says as much of the class as the area
does, and which one number a cell does not teach to find (deep supervision; Lee et al. 2015, arXiv:1409.5185). Of all this only the
output for the whole evidence is kept.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from core.classifier.depthwise import quick_backward
from core.classifier.fitting import FitSettings, learning_rate
from core.classifier.training import blend, copied

JITTER_PX: Final = 10
AVERAGE: Final = 0.98
MOST_EVIDENCE: Final = 8.0  # of a trait; beyond it is certain
EVIDENCE_UNIT: Final = 4.0  # of log-odds: all traits together are learned as sigmoid(evidence / 4)
NUCLEUS_MAPS: Final = {"reduction_3": 56, "reduction_4": 160}  # feature maps of a B4 with their channels; a place is 8 and 16 pixels wide
STEPS_BETWEEN_SAVES: Final = 50


@dataclass(frozen=True)
class Leg:
    """Steps with a learning rate that rises for 20 steps and falls to 0 along a cosine; ``window_px`` round the middle of a crop."""

    steps: int
    window_px: int
    batch: int
    rate: float
    counting: bool  # batch normalisation takes the statistics of each batch, and not those that it has collected


# Most cells are whole in 128 px, and the others are surely large. At the end the network sees crops as it will at use: mostly
# background, whose statistics would drown those of the cells, and which thins all that is averaged over a map.
LEGS: Final = (Leg(3000, 128, 32, 1e-3, counting=True), Leg(300, 380, 8, 3e-4, counting=False))


@dataclass(frozen=True)
class Lessons:
    """``crops`` (N, S, S) float16; ``evidence`` (N, T) of each trait; ``nuclei`` (N, 5): middle (y, x), half axes (long, short) in
    pixels of the crop, direction (radians from x towards y)."""

    crops: NDArray[np.float16]
    evidence: NDArray[np.float64]
    nuclei: NDArray[np.float64]


def learn_traits(network: Any, lessons: Lessons, file: Path, bf16: bool, say: Callable[[str], None]) -> None:
    """Train ``network`` through ``LEGS``, in place. It ends as a moving average of its weights; its logit is the evidence in all traits
    together, in units of ``EVIDENCE_UNIT``.

    The state lies in ``file`` every so many steps; where there is one the training goes on from it, to the same end.
    """
    width = network._fc.in_features
    network._fc = nn.Linear(width, lessons.evidence.shape[1] + 1)
    training = _Training(network, file)
    with quick_backward(network):
        while training.leg < len(LEGS):
            say(training.step_on(lessons, LEGS[training.leg], bf16))
    outputs, network._fc = network._fc, nn.Linear(width, 1)
    network._fc.load_state_dict({name: value[-1:] for name, value in outputs.state_dict().items()})


class _Training:
    """A network, with layers that find the nucleus on its maps, on its way."""

    def __init__(self, network: Any, file: Path) -> None:
        self.network, self.file = network, file
        self.finders = nn.ModuleList(_finder(channels) for channels in NUCLEUS_MAPS.values())
        self.optimiser = torch.optim.AdamW([*network.parameters(), *self.finders.parameters()], weight_decay=0.01)
        self.average = copied(network.state_dict())
        self.leg = self.step = 0
        if file.is_file():
            saved = torch.load(file, weights_only=True)
            for name, part in self._parts.items():
                part.load_state_dict(saved[name])
            self.average, self.leg, self.step = saved["average"], saved["leg"], saved["step"]

    @property
    def _parts(self) -> dict[str, Any]:
        return {"network": self.network, "finders": self.finders, "optimiser": self.optimiser}

    def _save(self) -> None:
        states = {name: part.state_dict() for name, part in self._parts.items()}
        torch.save({"average": self.average, "leg": self.leg, "step": self.step, **states}, self.file.with_suffix(".new"))
        self.file.with_suffix(".new").replace(self.file)

    def step_on(self, lessons: Lessons, leg: Leg, bf16: bool) -> str:
        """Take one step of a leg; what came of it, in words."""
        torch.manual_seed(self.step)  # every step has random numbers of its own, wherever the training was interrupted
        rng = np.random.default_rng((11, self.leg, self.step))
        self._ready(leg)
        rows = rng.choice(len(lessons.crops), leg.batch, replace=False)
        crops, nuclei = windows(lessons, rows, leg.window_px, rng)
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            found, places = self._found(crops.contiguous(memory_format=torch.channels_last))
        loss, parts = _loss(found.float(), [one.float() for one in places], lessons.evidence[rows], nuclei)
        self.optimiser.param_groups[0]["lr"] = learning_rate(self.step, FitSettings(epochs=1, steps=leg.steps, rate=leg.rate))
        self.optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 2.0)
        self.optimiser.step()
        blend(self.average, self.network.state_dict(), min(AVERAGE, (self.step + 1) / (self.step + 10)))
        said = f"leg {self.leg + 1}: step {self.step + 1} of {leg.steps}, loss {loss.item():.3f} ({parts})"
        self.step += 1
        if self.step == leg.steps:
            self.leg, self.step = self.leg + 1, 0
            self.network.load_state_dict(self.average)
        if self.step % STEPS_BETWEEN_SAVES == 0:
            self._save()
        return said

    def _ready(self, leg: Leg) -> None:
        self.network.train()
        for module in self.network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.train(leg.counting)

    def _found(self, crops: Tensor) -> tuple[Tensor, list[Tensor]]:
        """What the network says of the cells, and of every place of its maps."""
        maps = self.network.extract_endpoints(crops)
        pooled = self.network._avg_pooling(maps["reduction_6"]).flatten(1)
        return self.network._fc(self.network._dropout(pooled)), [finder(maps[name]) for finder, name in zip(self.finders, NUCLEUS_MAPS, strict=True)]


def _loss(found: Tensor, places: list[Tensor], evidence: NDArray[np.float64], nuclei: Tensor) -> tuple[Tensor, str]:
    """How far off the evidence in each trait, all of it together, and the places of the nucleus are; and the three in words."""
    apart = torch.from_numpy(np.clip(evidence, -MOST_EVIDENCE, MOST_EVIDENCE).astype(np.float32))
    together = torch.from_numpy((1 / (1 + np.exp(-evidence.sum(1) / EVIDENCE_UNIT))).astype(np.float32))
    traits = F.smooth_l1_loss(found[:, :-1] / 2, apart / 2, reduction="none").sum(1).mean()
    whole = F.binary_cross_entropy_with_logits(found[:, -1], together)
    nucleus = torch.stack([F.binary_cross_entropy_with_logits(one, F.adaptive_avg_pool2d(nuclei, (one.shape[2], one.shape[3]))) for one in places]).sum()
    windows = (nuclei.shape[-1] / LEGS[0].window_px) ** 2  # of the first leg: the same loss for the same nucleus in a wider and emptier one
    return traits + 2 * whole + 10 * windows * nucleus, f"traits {traits.item():.3f}, together {whole.item():.3f}, nucleus {nucleus.item():.4f}"


def _finder(channels: int) -> nn.Conv2d:
    """How much of each place of a map belongs to the nucleus, as a logit."""
    finder = nn.Conv2d(channels, 1, 1)
    assert finder.bias is not None
    nn.init.constant_(finder.bias, -3.0)  # few do
    return finder


def windows(lessons: Lessons, rows: NDArray[np.int64], window_px: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Windows round the middles of some crops, turned and mirrored, and where their nuclei lie: each (N, 1, W, W) float32."""
    room = (lessons.crops.shape[1] - window_px) // 2
    jitter = min(JITTER_PX, room)
    crops, nuclei = np.zeros((2, len(rows), 1, window_px, window_px), np.float32)
    for k, row in enumerate(rows):
        y, x = room + rng.integers(-jitter, jitter + 1, 2)
        crop = lessons.crops[row, y : y + window_px, x : x + window_px].astype(np.float32)
        both = np.stack([crop, ellipse(lessons.nuclei[row] - [y, x, 0, 0, 0], window_px)])
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
