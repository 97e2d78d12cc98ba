"""How much a registration can be believed: against chance, between halves of the tiles, between two kinds of contrast."""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from core.registration.evidence import Fit
from core.registration.values import Registration, covered

PASS_SCORE: Final = 10.0  # standard deviations above chance; see the table of benchmarks/registration.py
FAIL_SCORE: Final = 7.0
PASS_RESIDUAL_PX: Final = 0.6
FAIL_RESIDUAL_PX: Final = 5.0
FLOOR_PX: Final = 0.05  # nothing is known better than this
LEAST_COVERED: Final = 0.5
LARGEST_TURN_DEG: Final = 3.0
LARGEST_STRETCH: Final = 0.04


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
        what = "all black" if high == 0 else f"one grey value ({high:g})"
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
