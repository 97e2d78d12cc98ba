"""How the cells of a field look before any network: what gives away another focus, camera, contrast or microscope.

A network's last features are made to tell cells apart, and hold little of what is common to all cells of an image: a cell that is
out of focus, or white on black, lies among its training cells (Lee et al. 2018, arXiv:1807.03888, find early layers better for the
same reason). So a few plain numbers are taken of every cell, and what is compared is their median over a field, in which the
differences between cells cancel and those between images stay: its Mahalanobis distance to the fields of the training.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Final

import cv2
import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from core.classifier.focus import TINY, smooth, with_contrast
from core.classifier.ranges import SLACK
from core.tables import APPEARANCE, EXPOSURE

Floats = NDArray[np.float64]
SCALES_PX: Final = (1.0, 2.0, 4.0)  # standard deviations of Gaussians, in pixels of the crop
NOISE: Final = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32) / 6  # blind to edges and slopes: Immerkaer 1996, doi 10.1006/cviu.1996.0060
INSIDE: Final = 0.97  # share of like fields that count as like
LEAST_FIELDS: Final = 5  # of each set; fewer do not show how fields differ
_ARRAYS: Final = ("mean", "between", "within")


def appearance(crops: NDArray[np.float32]) -> Floats:
    """The numbers ``tables.APPEARANCE`` of each cell: (N, F); NaN for a cell without contrast or with too few pixels.

    Parameters
    ----------
    crops : (N, S, S) float32, normalised; pixels that are exactly 0 do not belong to the cell.
    """
    return np.array([_of_cell(crop) for crop in crops], np.float64).reshape(len(crops), len(APPEARANCE))


def _of_cell(crop: NDArray[np.float32]) -> list[float]:
    unknown, found = [np.nan] * len(APPEARANCE), with_contrast(crop)
    if found is None:
        return unknown
    cell, inside, spread = found
    deep = cv2.erode(inside.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    if not deep.any() or deep.sum() == inside.sum():
        return unknown
    values = cell[inside].astype(np.float64)
    level = float(values.mean())
    blurred = [cell, *(smooth(cell, inside, sigma) for sigma in SCALES_PX)]
    bands = [float((fine - coarse)[inside].std(dtype=np.float64)) for fine, coarse in pairwise(blurred)]
    noise = float(np.percentile(np.abs(cv2.filter2D(cell, cv2.CV_32F, NOISE))[deep], 25))  # where the cell is smooth
    skew = float((((values - level) / spread) ** 3).mean())
    rim = float(cell[inside & ~deep].mean(dtype=np.float64) - cell[deep].mean(dtype=np.float64)) / spread
    return [level, rim, skew, np.log(spread), *(np.log(max(one / spread, TINY)) for one in bands), np.log(max(noise / spread, TINY))]


def exposures(image: NDArray, boxes: NDArray[np.int64]) -> dict[str, Floats]:
    """``exposure`` of the cells of a field (Y, X) with these bounding boxes (N, 4: first row, first column, last row, last column): by column (N,)."""
    found = [exposure(image[top : bottom + 1, left : right + 1]) for top, left, bottom, right in boxes]
    return dict(zip(EXPOSURE, np.array(found, np.float64).reshape(-1, len(EXPOSURE)).T, strict=True))


def exposure(pixels: NDArray) -> tuple[float, float]:
    """``tables.EXPOSURE`` of one cell: contrast, and noise of the camera in the smooth parts, both in share of the median.

    ``pixels``: its bounding box (Y, X) with what lies around it, in grey values as written. The box depends little on how narrowly the cell
    is outlined. NaN where it is too small or black.
    """
    middle = float(np.median(pixels)) if pixels.size else 0.0
    if not middle > 0 or min(pixels.shape) < 3:
        return float("nan"), float("nan")
    low, high = np.percentile(pixels, (5, 95))
    noise = np.percentile(np.abs(cv2.filter2D(pixels.astype(np.float32), cv2.CV_32F, NOISE)), 25) / 0.3186  # to the sigma of a Gaussian
    return float(high - low) / middle, float(noise) / middle


@dataclass(frozen=True)
class Looks:
    """The fields that a classifier learned from, F numbers each (``tables.APPEARANCE``); arrays are float32."""

    mean: NDArray[np.float32]  # (F,)
    between: NDArray[np.float32]  # (F, F) covariance of the fields' medians
    within: NDArray[np.float32]  # (F, F) covariance of the cells of a field
    typical: float  # cells behind such a median
    limit: float  # distance within which like fields lie
    fields: int  # training fields
    held_out: int  # held-out fields, which set the limit

    def judge(self, numbers: ArrayLike) -> tuple[float, Floats]:
        """Of one field with the numbers (N, F) of its cells: how far it lies from the training fields, in units of ``limit``
        (NaN where no cell has any), and by how many standard deviations each median differs from theirs (F,)."""
        known = _known(numbers)
        if not len(known):
            return float("nan"), np.full(len(self.mean), np.nan)
        away = np.median(known, axis=0) - self.mean
        covariance = _of_median(self.between, self.within, self.typical, len(known))
        return _distance(away, covariance) / self.limit, away / np.sqrt(np.diag(covariance))

    def plain(self) -> dict[str, Any]:
        """Tensors and plain values only, as a classifier file holds them."""
        arrays = {name: torch.from_numpy(np.ascontiguousarray(getattr(self, name))) for name in _ARRAYS}
        return {**arrays, "typical": self.typical, "limit": self.limit, "fields": self.fields, "held_out": self.held_out}


def from_plain(content: Mapping[str, Any]) -> Looks:
    """What ``Looks.plain`` made. ValueError where it is damaged."""
    try:
        arrays = {name: content[name].numpy().astype(np.float32) for name in _ARRAYS}
        numbers = {name: float(content[name]) for name in ("typical", "limit")}
        counts = {name: int(content[name]) for name in ("fields", "held_out")}
        values: dict[str, Any] = {**arrays, **numbers, **counts}
        found = Looks(**values)
        size = len(APPEARANCE)
        whole = [found.mean.shape, found.between.shape, found.within.shape] == [(size,), (size, size), (size, size)]
        sound = whole and all(np.isfinite(one).all() for one in arrays.values()) and float(np.linalg.eigvalsh(found.between).min()) > 0
        if not (sound and 0 < found.typical < np.inf and 0 < found.limit < np.inf):
            raise ValueError(f"shapes {[one.shape for one in arrays.values()]}")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"wanted how the training images look, found another thing ({error})") from error
    return found


def fit_looks(train: ArrayLike, fields: ArrayLike, held: ArrayLike, held_fields: ArrayLike) -> Looks | None:
    """Describe the training fields, and calibrate on held-out ones.

    Parameters
    ----------
    train, held : numbers of cells (N, F) and (M, F), as ``appearance`` gives them.
    fields, held_fields : the field of view of each cell, (N,) and (M,).

    Returns
    -------
    Looks or None
        None where fewer than ``LEAST_FIELDS`` fields of either kind have cells. The covariance between fields is shrunk (Ledoit & Wolf 2004),
        the limit a bound (Student's t) for the logarithm of the distance of a further field, from the held-out ones.
    """
    from scipy.stats import t
    from sklearn.covariance import ledoit_wolf

    known, others = _by_field(train, fields), _by_field(held, held_fields)
    if min(len(known), len(others)) < LEAST_FIELDS:
        return None
    medians = np.array([np.median(one, axis=0) for one in known])
    mean, scale = medians.mean(axis=0), np.maximum(medians.std(axis=0), TINY)
    shrunk = ledoit_wolf((medians - mean) / scale, assume_centered=True)[0]  # of numbers of one size, so that each keeps its own
    between = shrunk * np.outer(scale, scale) + SLACK**2 * np.eye(len(mean))
    within = np.cov(np.concatenate([one - np.median(one, axis=0) for one in known]).T)
    typical = 1 / float(np.mean([1 / len(one) for one in known]))
    arrays = {name: one.astype(np.float32) for name, one in zip(_ARRAYS, (mean, between, within), strict=True)}  # calibrated as they are kept
    found = Looks(**arrays, typical=typical, limit=1.0, fields=len(known), held_out=len(others))
    distances = np.array([found.judge(one)[0] for one in others])
    logs = np.log(np.maximum(distances, TINY))
    reach = float(t.ppf(INSIDE, len(logs) - 1)) * float(logs.std(ddof=1)) * np.sqrt(1 + 1 / len(logs))
    limit = float(np.exp(logs.mean() + max(reach, SLACK)))
    return replace(found, limit=limit)


def _known(numbers: ArrayLike) -> Floats:
    values = np.asarray(numbers, np.float64).reshape(-1, len(APPEARANCE))
    return values[np.isfinite(values).all(axis=1)]


def _by_field(numbers: ArrayLike, fields: ArrayLike) -> list[Floats]:
    values, names = np.asarray(numbers, np.float64), np.asarray(fields)
    found = [_known(values[names == name]) for name in np.unique(names)]
    return [one for one in found if len(one)]


def _of_median(between: NDArray, within: NDArray, typical: float, cells: int) -> Floats:
    """Covariance of the median of ``cells`` cells: that of fewer cells than usual scatters more (pi / 2 / n of a normal distribution)."""
    fewer = max(1 / cells - 1 / typical, 0.0)
    return np.asarray(between, np.float64) + fewer * np.pi / 2 * np.asarray(within, np.float64)


def _distance(away: Floats, covariance: Floats) -> float:
    return float(np.sqrt(max(float(away @ np.linalg.solve(covariance, away)), 0.0)))
