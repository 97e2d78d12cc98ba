"""How much a registration can be believed: against chance, between halves of the tiles, between two kinds of contrast."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from core.registration.fitting import Frame, Numbers, climb, shifts
from core.registration.tiles import Surfaces
from core.registration.values import Registration, covered

PASS_SCORE: Final = 10.0  # standard deviations above chance; see the table of benchmarks/registration.py
FAIL_SCORE: Final = 7.0
PASS_RESIDUAL_PX: Final = 0.6
FAIL_RESIDUAL_PX: Final = 5.0
FLOOR_PX: Final = 0.05  # nothing is known better than this
LEAST_COVERED: Final = 0.5
LARGEST_TURN_DEG: Final = 3.0
LARGEST_STRETCH: Final = 0.04
SPLITS: Final = 4


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
    signed: bool

    @classmethod
    def of(cls, kinds: list[Surfaces], frame: Frame, step: int, count: int, softness: float, signed_from: float) -> "Fit":
        """Fit ``count`` numbers to the surfaces of edges and of ripples together."""
        (edge_peak, edge_spread), (ripple_peak, ripple_spread) = (peak(kind.pooled()) for kind in kinds)
        signed = abs(ripple_peak) >= signed_from
        parts = [kinds[0].values * np.float32(max(edge_peak - 2, 1) / edge_spread)]
        if signed:
            parts.append(kinds[1].values * np.float32(np.sign(ripple_peak) * (abs(ripple_peak) - 2) / ripple_spread))
        both = [Surfaces(part, kinds[0].centres, kinds[0].reach) for part in parts]
        total = Surfaces(sum(parts[1:], parts[0]), kinds[0].centres, kinds[0].reach)
        zero = np.zeros(count)
        numbers = climb(total, zero, frame, softness=softness)[0]

        def again(one: Surfaces) -> Numbers:
            return climb(one, numbers, frame, softness=softness, step=0.5)[0]

        halves = tuple((again(total.some(first)), again(total.some(second))) for first, second in split(total.centres))
        sides = tuple((side, again(total.some(side))) for side in sides_of(total.centres, frame))
        alone = tuple(again(one) for one in both) if signed else ()
        return cls(numbers, halves, sides, alone, total.values.std(axis=(1, 2)).astype(float), total.centres, frame, signed)

    def moved(self) -> float:
        """Mean length of the displacement that was found, px of the level."""
        return self.apart(self.numbers, np.zeros_like(self.numbers))

    def apart(self, first: Numbers, second: Numbers, tiles: NDArray | slice = slice(None)) -> float:
        """Mean distance, px of the level, between two results where there is something to see (in some ``tiles``)."""
        centres = self.centres[tiles]
        gap = np.hypot(*(shifts(first, centres, self.frame) - shifts(second, centres, self.frame)).T)
        return float(np.average(gap, weights=self.weights[tiles] + 1e-12))


def split(centres: NDArray) -> list[tuple[NDArray, NDArray]]:
    """Ways (each two index arrays) to part the tiles in halves that both reach over the field."""
    xs, ys = (np.unique(centres[:, k], return_inverse=True)[1] for k in (0, 1))
    chance = np.random.default_rng(0).permutation(len(centres)) % 2
    ways = ((xs + ys) % 2, ys % 2, xs % 2, chance)[:SPLITS]
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


def chance(phase: list[NDArray], stain: list[NDArray]) -> float:
    """How far the agreement of two aligned sets of features stands above that of displaced ones, in standard deviations.

    Over all circular shifts of the field, the best of the features; a shift of up to 1 px counts as aligned.
    """
    best = 0.0
    for first, second in zip(phase, stain, strict=True):
        shape = first.shape
        product = fft.rfft2(second) * np.conj(fft.rfft2(first))
        everywhere = fft.irfft2(product, shape)
        near = np.roll(everywhere, (8, 8), (0, 1))[:17, :17].copy()
        total, square, inside = everywhere.sum(dtype=float), (everywhere**2).sum(dtype=float), near.size
        outside = everywhere.size - inside
        mean = (total - near.sum(dtype=float)) / outside
        spread = np.sqrt(max((square - (near.astype(float) ** 2).sum()) / outside - mean**2, 0)) + 1e-9
        best = max(best, float(np.abs(near[7:10, 7:10] - mean).max() / spread))
    return best


def uninformative(image: NDArray, name: str) -> str:
    """Why an image cannot be registered at all, or "" where it can be tried."""
    low, high = float(image.min()), float(image.max())
    if low == high:
        what = "all black" if high == 0 else "one grey value"
        return f"The {name} image is {what}: there is nothing to align."
    for edge, word in ((high, "saturated"), (low, "black")):
        share = float((image == edge).mean())
        if share > 0.98:
            return f"{share:.1%} of the {name} image is {word}: there is nothing to align. Take it with another exposure."
    return ""


def residual(fit: Fit, step: int) -> float:
    """Estimated mean displacement that is left, px of the full image.

    Interleaved halves of the tiles differ by twice the error of the whole (chance). A side of the field differs from the
    whole where the transform is of too simple a kind (rule). Two kinds of contrast differ by as much as either may be biased.
    """
    by_sides = np.sqrt(np.mean([fit.apart(fit.numbers, own, side) ** 2 for side, own in fit.sides]))
    by_halves = np.sqrt(np.mean([fit.apart(*pair) ** 2 for pair in fit.halves])) / 2 if fit.halves else np.inf
    by_kinds = fit.apart(*fit.kinds) / 2 if len(fit.kinds) == 2 else 0.0
    return float(step * np.sqrt(max(by_halves, by_sides) ** 2 + by_kinds**2 + FLOOR_PX**2))


def judged(matrix: NDArray[np.float64], method: str, score: float, fit: Fit, step: int, shape: tuple[int, ...], stain_shape: tuple[int, ...]) -> Registration:
    """The registration with its verdict."""
    left = residual(fit, step)
    verdict, reason = _verdict(score, left)
    if verdict == "pass":
        verdict, reason = _plausible(matrix, float(covered(matrix, stain_shape, shape).mean()), reason)
    return Registration(matrix, method, score, left, verdict, reason)


def _verdict(score: float, left: float) -> tuple[str, str]:
    if score < FAIL_SCORE:
        return "fail", "The two images do not agree anywhere: another field, or nothing to see in one of them."
    if left > FAIL_RESIDUAL_PX:
        return "fail", f"Parts of the field disagree by about {left:.1f} px."
    if score < PASS_SCORE:
        return "check", "The two images agree only a little."
    if left > PASS_RESIDUAL_PX:
        return "check", f"Parts of the field disagree: about {left:.1f} px may be left."
    return "pass", "The parts of the field agree."


def _plausible(matrix: NDArray[np.float64], share: float, reason: str) -> tuple[str, str]:
    """A good agreement with an odd transform is for a person to look at."""
    stretches = np.linalg.svd(matrix[:, :2], compute_uv=False)
    turn = float(np.rad2deg(np.arctan2(matrix[1, 0] - matrix[0, 1], matrix[0, 0] + matrix[1, 1])))
    if share < LEAST_COVERED:
        return "check", f"Only {share:.0%} of the field lies in the stain image."
    if abs(turn) > LARGEST_TURN_DEG or abs(np.log(stretches)).max() > LARGEST_STRETCH:
        return "check", f"Turned by {turn:.1f} degrees and enlarged by {stretches.mean() - 1:.1%}: more than expected."
    return "pass", reason
