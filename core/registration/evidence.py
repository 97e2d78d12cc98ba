"""What the tiles say together, and what parts of them say alone: the transform of one level and how much it can be believed."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from core.registration.fitting import Frame, Numbers, climb, pooled_at, search_grid, shifts
from core.registration.tiles import Surfaces

SIGNED_FROM: Final = 6.0  # standard deviations from which ripples are believed: below, dye hides them
NARROW: Final = 0.035  # radians, and growth: how far the coarse search may be off


@dataclass(frozen=True)
class Fit:
    """The best transform of one level, with those of parts of the evidence; all px of that level."""

    numbers: Numbers
    halves: tuple[tuple[Numbers, Numbers], ...]
    sides: tuple[tuple[NDArray[np.int64], Numbers], ...]  # left, right, upper, lower half of the field: its tiles, and its own result
    kinds: tuple[Numbers, ...]  # by edges alone and by ripples alone, where both are believed
    weights: NDArray[np.float64]  # of the tiles: how much there is to see
    centres: NDArray[np.float64]
    frame: Frame

    def moved(self) -> float:
        """Mean length of the displacement that was found, px of the level."""
        return self.apart(self.numbers, np.zeros_like(self.numbers))

    def apart(self, first: Numbers, second: Numbers, tiles: NDArray | slice = slice(None)) -> float:
        """Mean distance, px of the level, between two results where there is something to see (in some ``tiles``)."""
        centres = self.centres[tiles]
        gap = np.hypot(*(shifts(first, centres, self.frame) - shifts(second, centres, self.frame)).T)
        return float(np.average(gap, weights=self.weights[tiles] + 1e-12))


def rough_fit(kinds: list[Surfaces], frame: Frame, count: int, softness: float) -> Numbers:
    """``count`` numbers by edges and ripples, looked for over small rotations and scales: the coarse search may be off by as much.

    Each kind, ripples with either sign, proposes a start; the one that stands out most of its own noise is taken.
    """
    turned = count > 2
    edge, ripple = (_unit(kind) for kind in kinds)
    against = Surfaces(-ripple.values, ripple.centres, ripple.reach)
    start = max((search_grid(kind, frame, NARROW if turned else 0.0, keep=1)[0] for kind in (edge, ripple, against)), key=lambda found: found[0])[1]
    at = shifts(start, edge.centres, frame)
    parts = _weighed([edge, ripple], [pooled_at(kind, at, edge.reach // 2) for kind in (edge, ripple)])
    return climb(_sum(parts), start[:count], frame, softness=softness)[0]


def fine_fit(kinds: list[Surfaces], frame: Frame, count: int, softness: float) -> Fit:
    """``count`` numbers by edges and ripples near what is known, and again by parts of the tiles and each kind alone."""
    parts = _weighed(kinds, [kind.pooled() for kind in kinds])
    total = _sum(parts)
    numbers = climb(total, np.zeros(count), frame, softness=softness)[0]

    def again(one: Surfaces) -> Numbers:
        return climb(one, numbers, frame, softness=softness, step=0.5)[0]

    halves = tuple((again(total.some(first)), again(total.some(second))) for first, second in halves_of(total.centres))
    sides = tuple((side, again(total.some(side))) for side in sides_of(total.centres, frame))
    alone = tuple(again(one) for one in parts) if len(parts) == 2 else ()
    return Fit(numbers, halves, sides, alone, total.values.std(axis=(1, 2)).astype(float), total.centres, frame)


def _unit(kind: Surfaces) -> Surfaces:
    """Surfaces whose sum over the tiles has the standard deviation 1 over chance shifts."""
    noise = np.sqrt(kind.values.var(axis=(1, 2)).sum()) + np.float32(1e-9)
    return Surfaces(kind.values / noise, kind.centres, kind.reach)


def _weighed(kinds: list[Surfaces], pooled: list[NDArray[np.float32]]) -> list[Surfaces]:
    """Edges, and ripples with their sign where they are believed, by how far their peaks in ``pooled`` stand out."""
    (edge_peak, edge_spread), (ripple_peak, ripple_spread) = (peak(one) for one in pooled)
    weights = [max(edge_peak - 2, 1) / edge_spread]
    if abs(ripple_peak) >= SIGNED_FROM:
        weights.append(np.sign(ripple_peak) * (abs(ripple_peak) - 2) / ripple_spread)
    return [Surfaces(kind.values * np.float32(weight), kind.centres, kind.reach) for kind, weight in zip(kinds, weights, strict=False)]


def _sum(parts: list[Surfaces]) -> Surfaces:
    return Surfaces(np.sum([part.values for part in parts], axis=0), parts[0].centres, parts[0].reach)


def halves_of(centres: NDArray) -> list[tuple[NDArray, NDArray]]:
    """Four ways (each two index arrays) to part the tiles in halves that both reach over the field."""
    xs, ys = (np.unique(centres[:, k], return_inverse=True)[1] for k in (0, 1))
    drawn = np.random.default_rng(0).permutation(len(centres)) % 2
    ways = ((xs + ys) % 2, ys % 2, xs % 2, drawn)
    return [(np.flatnonzero(way == 0), np.flatnonzero(way == 1)) for way in ways if 0 < way.sum() < len(way)]


def sides_of(centres: NDArray, frame: Frame) -> list[NDArray]:
    """The tiles (index arrays) left and right of the middle, above and below it."""
    low = [centres[:, k] < frame.middle[k] for k in (0, 1)]
    return [np.flatnonzero(side) for side in (low[0], ~low[0], low[1], ~low[1]) if side.any()]


def peak(pooled: NDArray, rim: int = 3) -> tuple[float, float]:
    """Height of the strongest peak (with its sign) in standard deviations of what lies further than ``rim`` px, and that deviation."""
    level = pooled - np.median(pooled)
    y, x = np.unravel_index(int(np.abs(level).argmax()), level.shape)
    rows, columns = np.ogrid[: level.shape[0], : level.shape[1]]
    spread = float(level[(np.abs(rows - y) > rim) | (np.abs(columns - x) > rim)].std()) + 1e-9
    return float(level[y, x]) / spread, spread
