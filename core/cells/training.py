"""Training a Cellpose 3 network on labelled fields: a loop that one can read.

The targets, the loss and the geometric augmentation are Cellpose's own (Stringer et al. 2021,
doi 10.1038/s41592-020-01018-x); the loop adds what a small, noisy training on a CPU needs: AdamW with warm-up and
cosine decay, an exponential moving average of the weights, bf16 where the processor has it, contrast augmentation.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import cos, pi
from typing import Any, Protocol

import numpy as np
import torch
from cellpose import dynamics, transforms, utils
from cellpose.resnet_torch import CPnet
from scipy import ndimage
from torch import Tensor, nn

from core.cells.segmentation import normalise
from core.errors import InputError

DIAM_MEAN = 30.0
TILE = 224
WIDTHS = (2, 32, 64, 128, 256)


@dataclass(frozen=True)
class TrainingField:
    """One field ready for training."""

    image: np.ndarray  # float32 (2, Y, X): phase scaled to its 1st..99th percentile, and an empty channel
    targets: np.ndarray  # float32 (3, Y, X): inside a cell, flow along y, flow along x
    diameter_px: float  # mean cell diameter, Cellpose's definition
    weight: float = 1.0  # how often it is drawn, relative to the others


class Labelled(Protocol):
    """Whatever has the parts of a TrainingField, wherever it keeps them."""

    @property
    def image(self) -> np.ndarray: ...
    @property
    def targets(self) -> np.ndarray: ...
    @property
    def diameter_px(self) -> float: ...


@dataclass(frozen=True)
class Plan:
    """How long and how fast to train."""

    steps: int = 1500
    batch: int = 8
    rate: float = 2e-3
    warmup: int = 100
    decay: int | None = None  # steps over which the rate falls; as many as ``steps`` where None
    weight_decay: float = 1e-4
    scale_range: float = 0.6
    average: float = 0.995
    seed: int = 0
    bf16: bool = True


@dataclass(frozen=True)
class Step:
    """What one optimiser step gave."""

    step: int
    loss: float
    rate: float


def new_network() -> CPnet:
    """The Cellpose 3 network with fresh weights: two input channels, flows and cell probability out."""
    return CPnet(list(WIDTHS), nout=3, sz=3, mkldnn=False, max_pool=True, diam_mean=DIAM_MEAN)


def prepare(image: np.ndarray, labels: np.ndarray, weight: float = 1.0) -> TrainingField:
    """Make the training targets of one field.

    ``image`` is (Y, X) of any numeric dtype, ``labels`` an integer (Y, X) label image. Of a label in several pieces
    the largest is kept: flows are defined for one piece only.

    Raises
    ------
    InputError
        The sizes differ, there is no cell, the image has no contrast or holds NaN or infinite values.
    """
    if image.shape != labels.shape:
        raise InputError(f"The image is {image.shape} and its labels are {labels.shape}; they must have the same size.")
    whole = largest_pieces(labels)
    if whole.max() == 0:
        raise InputError("A training field needs at least one labelled cell; this one has none.")
    if not np.isfinite(image).all():
        raise InputError("A training image needs finite intensities; this one holds NaN or infinite values.")
    grey = normalise(image)
    if grey is None:
        raise InputError("A training image needs contrast; this one is constant.")
    flows = dynamics.masks_to_flows(whole.astype(int)).astype(np.float32)
    return TrainingField(
        image=np.stack([grey, np.zeros_like(grey)]),
        targets=np.concatenate([(whole > 0)[np.newaxis].astype(np.float32), flows]),
        diameter_px=float(utils.diameters(whole)[0]),
        weight=weight,
    )


def largest_pieces(labels: np.ndarray) -> np.ndarray:
    """Keep of every label its largest connected piece (4-neighbours); renumber 1..N. int32 (Y, X)."""
    out = np.zeros(labels.shape, np.int32)
    count = 0
    for value, box in enumerate(ndimage.find_objects(labels.astype(np.int32)), start=1):
        if box is None:
            continue
        pieces, _ = ndimage.label(labels[box] == value)
        size = np.bincount(pieces.ravel())[1:]
        if size.max() < 16:
            continue
        count += 1
        out[box][pieces == size.argmax() + 1] = count
    return out


def train(network: CPnet, fields: Sequence[TrainingField], plan: Plan, state: dict[str, Any] | None = None) -> Iterator[Step]:
    """Train ``network`` in place and yield after every step; at the end it holds the averaged weights.

    ``state`` is a dict that always holds what a resume needs; pass back a saved one to go on where it stopped.

    Raises
    ------
    InputError
        The loss became NaN: the rate is too high or an image is broken.
    """
    state = {} if state is None else state
    rng = np.random.default_rng(plan.seed + state.get("step", 0))
    network = network.to(memory_format=torch.channels_last)
    network.diam_labels.data[:] = float(np.mean([f.diameter_px for f in fields]))
    optimiser = torch.optim.AdamW(network.parameters(), lr=plan.rate, weight_decay=plan.weight_decay)
    average = {k: v.detach().clone() for k, v in network.state_dict().items()}
    if "optimiser" in state:
        network.load_state_dict(state["network"])
        optimiser.load_state_dict(state["optimiser"])
        average = state["average"]
    network.train()
    for step in range(state.get("step", 0), plan.steps):
        images, targets = draw(fields, plan, rng)
        rate = _rate(step, plan)
        for group in optimiser.param_groups:
            group["lr"] = rate
        with torch.autocast("cpu", torch.bfloat16, enabled=plan.bf16):
            predicted = network(images.contiguous(memory_format=torch.channels_last))[0].float()
        loss = flow_loss(predicted, targets)
        if not torch.isfinite(loss):
            raise InputError(f"Training stopped at step {step + 1}: the loss is not a number. Lower the rate (now {rate:.1e}).")
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        _blend(average, network, min(plan.average, (step + 1) / (step + 10)))
        state.update(step=step + 1, network=network.state_dict(), optimiser=optimiser.state_dict(), average=average)
        yield Step(step + 1, float(loss.detach()), rate)
    network.load_state_dict(average)
    network.eval()


def draw(fields: Sequence[TrainingField], plan: Plan, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """One batch of augmented tiles: images (N, 2, 224, 224) and targets (N, 3, 224, 224), float32."""
    weights = np.array([f.weight for f in fields])
    chosen = [fields[i] for i in rng.choice(len(fields), plan.batch, p=weights / weights.sum())]
    return tiles(chosen, rng, plan.scale_range)


def tiles(
    chosen: Sequence[Labelled], rng: np.random.Generator, scale_range: float, diam_mean: float = DIAM_MEAN, contrast: bool = True
) -> tuple[Tensor, Tensor]:
    """One randomly placed, turned, flipped and scaled tile of each field of ``chosen``; shapes as in `draw`.

    Cells come to a mean diameter of ``diam_mean`` px, times 1 ± half of ``scale_range``.
    """
    np.random.seed(int(rng.integers(2**31)))  # noqa: NPY002  Cellpose draws its rotations from the global generator
    images, targets, _ = transforms.random_rotate_and_resize(
        [f.image for f in chosen],
        Y=[f.targets for f in chosen],
        rescale=[f.diameter_px / diam_mean for f in chosen],
        scale_range=scale_range,
        xy=(TILE, TILE),
    )
    if contrast:
        images[:, 0] = np.stack([vary_contrast(tile, rng) for tile in images[:, 0]])
    return torch.from_numpy(images), torch.from_numpy(targets)


def vary_contrast(tile: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Blur, noise, shading, gain and offset as they differ between microscopes. float32 (Y, X) in and out."""
    if rng.random() < 0.3:
        tile = ndimage.gaussian_filter(tile, rng.uniform(0.4, 1.5))
    if rng.random() < 0.3:
        slope_y, slope_x = rng.normal(0, 0.15, 2)
        y, x = np.ogrid[-0.5 : 0.5 : TILE * 1j, -0.5 : 0.5 : TILE * 1j]
        tile = tile + slope_y * y + slope_x * x
    tile = tile * np.exp(rng.normal(0, 0.25)) + rng.normal(0, 0.1)
    if rng.random() < 0.4:
        tile = tile + rng.normal(0, rng.uniform(0.01, 0.06), tile.shape)
    return tile.astype(np.float32)


def flow_loss(predicted: Tensor, targets: Tensor) -> Tensor:
    """Cellpose's loss: squared error of the flows (scaled by 5) plus cross-entropy of cell against background."""
    flows = nn.functional.mse_loss(predicted[:, :2], 5.0 * targets[:, 1:]) / 2.0
    inside = nn.functional.binary_cross_entropy_with_logits(predicted[:, 2], (targets[:, 0] > 0.5).float())
    return flows + inside


def _rate(step: int, plan: Plan) -> float:
    if step < plan.warmup:
        return plan.rate * (step + 1) / plan.warmup
    share = (step - plan.warmup) / max(1, (plan.decay or plan.steps) - plan.warmup)
    return plan.rate * (0.01 + 0.99 * 0.5 * (1 + cos(pi * min(1.0, share))))


def _blend(average: dict[str, Tensor], network: nn.Module, keep: float) -> None:
    for name, value in network.state_dict().items():
        if value.is_floating_point():
            average[name].mul_(keep).add_(value.detach(), alpha=1 - keep)
        else:
            average[name].copy_(value)
