"""Pairs of one imaging session share their misalignment: the good ones speak for those that show nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from core.registration.values import Registration, displacement

LEAST: Final = 3
WIDEST_PX: Final = 3.0  # pairs that lie further apart than this do not share one transform
FIELD: Final = 2048.0  # px: over how large a field transforms are compared where none is given


@dataclass(frozen=True)
class Consensus:
    """What the pairs of a session agree on: ``registration`` is None where they do not, and ``reason`` says why."""

    registration: Registration | None
    used: int  # pairs that it rests on
    spread_px: float  # median distance of those pairs from it, px; NaN without pairs
    reason: str


def consensus(registrations: Sequence[Registration], shape: tuple[int, ...] = (int(FIELD), int(FIELD)), *, least: int = LEAST) -> Consensus:
    """Pool the pairs of one imaging session (same cameras, same mounting of the dish) that passed on their own.

    The median of every number of the matrix, twice: the second time without pairs that lie more than 3 px, or three
    times the median distance, from the first.

    Parameters
    ----------
    registrations : of the session; only those with verdict "pass" and source "own" count.
    shape : (Y, X) of the phase images: transforms are compared at the corners and the middle of the field.
    least : fewer pairs than this are no consensus.
    """
    good = [r for r in registrations if r.verdict == "pass" and r.source == "own"]
    if len(good) < least:
        return Consensus(None, len(good), float("nan"), f"{len(good)} of {len(registrations)} pairs of the session are aligned; a consensus needs {least}.")
    points = _points(shape)
    matrices = np.stack([r.matrix for r in good])
    middle, apart = _middle(matrices, points)
    near = apart <= max(WIDEST_PX, 3 * float(np.median(apart)))
    middle, apart = _middle(matrices[near], points)
    spread = float(np.median(apart))
    used = int(near.sum())
    if spread > WIDEST_PX or used < least:
        return Consensus(None, used, spread, f"The {used} aligned pairs lie {spread:.1f} px apart: they share no common alignment.")
    reason = f"Taken from {used} pairs of the session, which lie {spread:.1f} px (median) from it."
    score = float(np.median([r.score for r in good]))
    shared = Registration(middle, good[0].method, score, max(spread, float(np.median([r.residual_px for r in good]))), "check", reason, "consensus")
    return Consensus(shared, used, spread, reason)


def _points(shape: tuple[int, ...]) -> np.ndarray:
    """A grid of 25 points (x, y) over the field."""
    ys, xs = (np.linspace(0, n - 1, 5) for n in shape[:2])
    return np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2)


def _middle(matrices: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The median matrix about the middle of the field, and how far each lies from it on average, px.

    The shift is taken at the middle of the field: at the corner it would carry the scatter of the rotations.
    """
    centre = points.mean(axis=0)
    at_middle = matrices.copy()
    at_middle[:, :, 2] += matrices[:, :, :2] @ centre
    middle = np.median(at_middle, axis=0)
    middle[:, 2] -= middle[:, :2] @ centre
    return middle, np.array([displacement(one, middle, points).mean() for one in matrices])
