"""Find the transform on which the tiles agree best: a grid of rotations and scales first, then a smooth search."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, optimize

from core.registration.tiles import Agreement, Surfaces

Numbers = NDArray[np.float64]
"""2, 4 or 6 numbers in px: see ``shifts``."""
GRID_STEPS = 17


@dataclass(frozen=True)
class Frame:
    """Where transforms are measured from: the middle (x, y) of the field, and a length at which a turn is felt, px."""

    middle: tuple[float, float]
    radius: float


def frame_of(shape: tuple[int, ...]) -> Frame:
    """The frame of an image (Y, X)."""
    return Frame(((shape[1] - 1) / 2, (shape[0] - 1) / 2), float(np.hypot(shape[0], shape[1])) / 4)


def shifts(numbers: NDArray[np.float64], centres: NDArray, frame: Frame) -> NDArray[np.float64]:
    """Displacement (n, 2) of (dx, dy) at ``centres`` (n, 2).

    ``numbers`` in px: 2 shift; 4 and growth and turn; 6 and two shears (stretch of x against y, diagonal stretch), those
    at ``frame.radius`` from the middle.
    """
    full = np.zeros(6)
    full[: len(numbers)] = numbers
    x, y = ((centres - np.array(frame.middle)) / frame.radius).T
    dx = full[0] + full[2] * x - full[3] * y + full[4] * x + full[5] * y
    dy = full[1] + full[2] * y + full[3] * x - full[4] * y + full[5] * x
    return np.column_stack([dx, dy])


def matrix_of(numbers: NDArray[np.float64], frame: Frame) -> NDArray[np.float64]:
    """The 2 x 3 matrix whose displacement is that of ``shifts``."""
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    origin, right, down = corners + shifts(numbers, corners, frame)
    return np.column_stack([right - origin, down - origin, origin])


def search_grid(given: Surfaces, frame: Frame, widest: float, *, keep: int) -> list[tuple[float, Numbers]]:
    """The ``keep`` best different starts, each with its agreement and 4 numbers as in ``shifts``.

    Tried are all whole shifts with rotations up to ``widest`` radians and growths up to that share, in 17 steps (0: none).
    """
    found = []
    limit = int(given.reach * 0.9)
    grid = np.linspace(-widest, widest, GRID_STEPS) if widest else np.zeros(1)
    for growth in grid:
        for turn in grid:
            numbers = np.array([0, 0, growth, turn]) * frame.radius
            total = pooled_at(given, shifts(numbers, given.centres, frame), limit)
            at = np.unravel_index(int(total.argmax()), total.shape)
            found.append((float(total[at]), np.array([at[1] - limit, at[0] - limit, numbers[2], numbers[3]], float)))
    found.sort(key=lambda item: -item[0])
    kept: list[tuple[float, Numbers]] = []
    for value, numbers in found:
        if all(np.hypot(*(numbers[:2] - other[:2])) > 4 for _, other in kept):
            kept.append((value, numbers))
    return kept[:keep]


def pooled_at(given: Surfaces, at: NDArray[np.float64], limit: int) -> NDArray[np.float32]:
    """Sum of the surfaces, each moved by its own whole shift, for common shifts of up to ``limit`` px."""
    side = 2 * limit + 1
    total = np.zeros((side, side), np.float32)
    for values, (dx, dy) in zip(given.values, np.rint(at).astype(int), strict=True):
        top, left = given.reach + dy - limit, given.reach + dx - limit
        y0, y1, x0, x1 = max(top, 0), min(top + side, values.shape[0]), max(left, 0), min(left + side, values.shape[1])
        if y1 > y0 and x1 > x0:
            total[y0 - top : y1 - top, x0 - left : x1 - left] += values[y0:y1, x0:x1]
    return total


def climb(given: Surfaces, start: NDArray[np.float64], frame: Frame, *, softness: float = 0.0, step: float = 1.0) -> tuple[NDArray[np.float64], float]:
    """The best numbers near ``start`` (Nelder and Mead 1965) and their agreement; ``softness`` px of blur widen the peak."""
    soft = Surfaces(ndimage.gaussian_filter(given.values, (0, softness, softness)), given.centres, given.reach) if softness else given
    agreement = Agreement(soft)

    def cost(numbers: NDArray[np.float64]) -> float:
        return -float(agreement(shifts(numbers, given.centres, frame)).sum())

    simplex = np.vstack([start, start + step * np.eye(len(start))])
    done = optimize.minimize(cost, start, method="Nelder-Mead", options={"initial_simplex": simplex, "xatol": 0.01, "fatol": 1e-4 * abs(cost(start)) + 1e-9})
    return np.asarray(done.x), -float(done.fun)
