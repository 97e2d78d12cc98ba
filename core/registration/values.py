"""What a registration is: where the stain image lies on the phase image, how sure that is, and where the answer comes from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError

METHODS: Final = ("translation", "similarity", "affine")
PARAMETERS: Final = ("a", "b", "tx", "c", "d", "ty")  # the 2 x 3 matrix row by row
IDENTITY: Final = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))


@dataclass(frozen=True, eq=False)
class Registration:
    """Carries phase coordinates to stain coordinates.

    ``x_stain = a * x_phase + b * y_phase + tx`` and ``y_stain = c * x_phase + d * y_phase + ty``, in px, x (column) before y
    (row), pixel centres at whole numbers. This is the direction that OpenCV calls WARP_INVERSE_MAP and scikit-image
    ``inverse_map``: to bring the stain onto the phase, look up ``stain[y_stain, x_stain]`` for every phase pixel.
    ``core.simulate`` gives its truth the same way.
    """

    matrix: NDArray[np.float64]  # (2, 3): [[a, b, tx], [c, d, ty]]; read only
    method: str  # one of METHODS, or "none"
    score: float  # how far the agreement stands out of chance, in standard deviations; NaN where nothing was measured
    residual_px: float  # estimated mean displacement that is left, px of the phase image; NaN where unknown
    verdict: str  # "pass", "check", "fail": see core.tables.VERDICTS
    reason: str  # why, in plain words
    source: str = "own"  # see core.tables.REGISTRATION_SOURCES

    def __post_init__(self) -> None:
        matrix = np.array(self.matrix, np.float64)
        if matrix.shape != (2, 3) or not np.isfinite(matrix).all():
            raise InputError(f"Registration: wanted a matrix of 2 x 3 finite numbers, found {self.matrix!r}.")
        if abs(np.linalg.det(matrix[:, :2])) < 1e-6:
            raise InputError("Registration: the matrix maps the field onto a line; wanted one that can be inverted.")
        matrix.flags.writeable = False
        object.__setattr__(self, "matrix", matrix)

    def row(self) -> dict[str, Any]:
        """The columns of ``core.tables.REGISTRATIONS`` but ``fov_id``."""
        words = {name: getattr(self, name) for name in ("method", "score", "residual_px", "verdict", "reason", "source")}
        numbers = dict(zip(PARAMETERS, map(float, self.matrix.ravel()), strict=True))
        return {key: None if isinstance(value, float) and np.isnan(value) else value for key, value in (words | numbers).items()}

    def displacement(self, other: "Registration", points: NDArray) -> NDArray[np.float64]:
        """How far two registrations carry the same phase points (n, 2) of (x, y) apart: (n,) px."""
        return displacement(self.matrix, other.matrix, points)


def displacement(first: NDArray, second: NDArray, points: NDArray) -> NDArray[np.float64]:
    """Distance (n,) px between where two matrices (2, 3) carry points (n, 2) of (x, y)."""
    apart = np.asarray(points, np.float64) @ (first - second)[:, :2].T + (first - second)[:, 2]
    return np.hypot(apart[:, 0], apart[:, 1])


def combined(outer: NDArray, inner: NDArray) -> NDArray[np.float64]:
    """The matrix (2, 3) that does ``inner`` first, then ``outer``."""
    out: NDArray[np.float64] = outer @ np.vstack([inner, [0.0, 0.0, 1.0]])
    return out


def covered(matrix: NDArray, stain_shape: tuple[int, ...], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Which pixels of a phase image ``shape`` (Y, X) a matrix (2, 3) carries into a stain image ``stain_shape``, bool (Y, X)."""
    y, x = np.arange(shape[0], dtype=np.float32)[:, None], np.arange(shape[1], dtype=np.float32)[None, :]
    inside = np.ones(shape[:2], bool)
    for (by_x, by_y, offset), size in zip(matrix, stain_shape[1::-1], strict=True):
        there = np.float32(by_x) * x + np.float32(by_y) * y + np.float32(offset)
        inside &= (there >= -1e-3) & (there <= size - 1 + 1e-3)  # single precision of the position
    return inside


def from_row(row: Mapping[str, Any]) -> Registration:
    """The registration of one row of ``core.tables.REGISTRATIONS``."""

    def number(name: str) -> float:
        value = row.get(name)
        return float("nan") if value is None or str(value) in ("", "<NA>") else float(value)

    matrix = np.array([number(name) for name in PARAMETERS]).reshape(2, 3)
    return Registration(matrix, str(row["method"]), number("score"), number("residual_px"), str(row["verdict"]), str(row["reason"]), str(row["source"]))


def unregistered(reason: str) -> Registration:
    """No registration could be found: the identity, verdict "fail", source "none"."""
    return Registration(np.array(IDENTITY), "none", float("nan"), float("nan"), "fail", reason, "none")
