"""What the training images of a classifier looked like: kept in its file, so that strange images are recognised at use.

The features before the last layer are described by one Gaussian a class with a common covariance; how far a cell lies from
them is its Mahalanobis distance to the nearer class (Lee et al. 2018, arXiv:1807.03888), after every cell's features have
been brought to length 1: lengths are so unequal that a few long ones would hide all others (Mueller & Hein 2025,
arXiv:2505.18032). The length enters as its logarithm, since strange images may show in nothing else. There are more features than most
trainings have cells, so the covariance is shrunk (Ledoit & Wolf 2004, doi 10.1016/S0047-259X(03)00096-4) and kept as its
``AXES`` widest directions and one common width for all others, as in probabilistic PCA (Tipping & Bishop 1999, doi
10.1111/1467-9868.00196): no direction is left out, and the file grows by some hundred kilobytes only.

What counts as far is read off held-out cells, never off the training cells, which lie too near by construction.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from core.classifier import looks as images
from core.classifier.ranges import INSIDE, field_ranges
from core.errors import InputError

AXES: Final = 64
_TINY: Final = 1e-12
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Reference:
    """Arrays are float32; C classes, K axes, E = D + 1 numbers a cell: D features of length 1, and the logarithm of their length."""

    means: NDArray[np.float32]  # (C, E)
    axes: NDArray[np.float32]  # (K, E), orthonormal
    widths: NDArray[np.float32]  # (K,) standard deviations along them
    rest: float  # standard deviation along every other direction
    limit: float  # distance within which held-out cells lie, but for the share ``beyond``
    beyond: float  # 0.01, or more where there were too few held-out cells to see so small a share
    cells: int  # training cells that were looked at
    held_out: int  # held-out cells that set the limit
    fields: int  # fields behind ``ranges``
    ranges: Mapping[str, tuple[float, float]]  # by quantity: where the median of a like field lies; unknown ones are absent
    looks: images.Looks | None = None  # what the images look like before any network; None: the file does not say

    def distances(self, features: NDArray) -> Floats:
        """Distance of each cell (N, D) to the training cells, in units of ``limit``: (N,). Above 1 is farther than held-out cells lie."""
        return _distances(_direction(features), self.means, self.axes, self.widths, self.rest) / self.limit

    def summary(self) -> dict[str, Any]:
        """The numbers that people and tables need, as plain values."""
        kept = ("beyond", "cells", "held_out", "fields")
        looks = {"fields": self.looks.fields, "held_out": self.looks.held_out} if self.looks else None
        return {name: getattr(self, name) for name in kept} | {"ranges": {name: list(ends) for name, ends in self.ranges.items()}, "looks": looks}

    def plain(self) -> dict[str, Any]:
        """Tensors and plain values only, as a classifier file holds them."""
        arrays = {name: torch.from_numpy(np.ascontiguousarray(getattr(self, name))) for name in _ARRAYS}
        looks = self.looks.plain() if self.looks else None
        return {**self.summary(), **arrays, "rest": self.rest, "limit": self.limit, "looks": looks}


_ARRAYS: Final = ("means", "axes", "widths")


def from_plain(content: Any, features: int) -> Reference:
    """The reference that ``plain`` made, for a network with that many features. ValueError where it is damaged."""
    try:
        arrays = {name: content[name].numpy().astype(np.float32) for name in _ARRAYS}
        numbers = {name: float(content[name]) for name in ("rest", "limit", "beyond")}
        counts = {name: int(content[name]) for name in ("cells", "held_out", "fields")}
        ranges = {str(name): (float(low), float(high)) for name, (low, high) in content["ranges"].items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"wanted a reference of the training images, found another thing ({error})") from error
    axes = len(arrays["widths"])
    wanted = {"means": (len(arrays["means"]), features + 1), "axes": (axes, features + 1), "widths": (axes,)}
    for name, shape in wanted.items():
        if arrays[name].shape != shape or not np.isfinite(arrays[name]).all():
            raise ValueError(f"wanted finite {name} of shape {shape} in the reference of the training images, found {arrays[name].shape}")
    if not (all(0 < one < np.inf for one in numbers.values()) and (arrays["widths"] > 0).all() and len(arrays["means"])):
        raise ValueError(f"wanted numbers above 0 in the reference of the training images, found {numbers}")
    looks = content.get("looks")  # files of before have none
    values: dict[str, Any] = {**arrays, **numbers, **counts, "ranges": ranges, "looks": None if looks is None else images.from_plain(looks)}
    return Reference(**values)


def fit_reference(train: ArrayLike, classes: ArrayLike, held: ArrayLike, quantities: Mapping[str, ArrayLike], fields: ArrayLike) -> Reference:
    """Describe training cells by their features, and calibrate on held-out ones.

    Parameters
    ----------
    train, classes : (N, D) features of training cells and their classes (N,).
    held : (M, D) features of cells of other cultures, on which nothing but the epoch and the threshold was chosen.
    quantities : numbers of each training cell and then of each held-out cell, e.g. "focus", (N + M,); NaN is unknown.
    fields : the field of view of each of these cells (N + M,).

    Returns
    -------
    Reference
        Its ``ranges`` are those of the quantities, and of "training_distance" over the held-out fields alone.

    Raises
    ------
    InputError
        Fewer than two training cells, or no held-out cell.
    """
    features, kinds, others = _direction(train), np.asarray(classes), _direction(held)
    if len(features) < 2 or not len(others):
        raise InputError(f"Reference: wanted two training cells and one held-out cell, found {len(features)} and {len(others)}.")
    found, which = np.unique(kinds, return_inverse=True)
    means = np.stack([features[kinds == one].mean(axis=0) for one in found])
    axes, widths, rest = _shrunk_covariance(features - means[which])
    kept = [one.astype(np.float32) for one in (means, axes, widths)]  # calibrated as they are kept
    distances = _distances(others, kept[0], kept[1], kept[2], rest)
    rank = min(int(np.ceil((len(distances) + 1) * INSIDE)), len(distances))  # split conformal: Vovk et al. 2005
    limit = max(float(np.sort(distances)[rank - 1]), _TINY)
    of_fields = field_ranges({"training_distance": distances / limit}, np.asarray(fields)[len(features) :])
    return Reference(
        means=kept[0],
        axes=kept[1],
        widths=kept[2],
        rest=rest,
        limit=limit,
        beyond=max(1 - INSIDE, 1 / (len(distances) + 1)),
        cells=len(features),
        held_out=len(others),
        fields=len(np.unique(np.asarray(fields))),
        ranges=field_ranges(quantities, fields) | of_fields,
    )


def _shrunk_covariance(centred: Floats) -> tuple[Floats, Floats, float]:
    """Widest axes (K, D), widths along them (K,) and the width of every other direction, of a Ledoit-Wolf covariance.

    It has the directions of the empirical covariance S, and variances (1 - a) * s + a * trace(S) / D. Features that never
    change get a width far below that of a feature's own size, so that any change of them is far.
    """
    from sklearn.covariance import ledoit_wolf_shrinkage

    n, d = centred.shape
    total = float((centred**2).sum() / n)
    if not total > _TINY:  # every training cell gives the same features: plain distance
        return np.zeros((0, d)), np.zeros(0), 1.0
    shrinkage = float(ledoit_wolf_shrinkage(centred, assume_centered=True))
    _, singular, directions = np.linalg.svd(centred, full_matrices=False)
    kept = min(AXES, len(singular), d - 1)
    variances = (1 - shrinkage) * singular**2 / n + shrinkage * total / d
    rest = (total - float(variances[:kept].sum())) / (d - kept)  # the trace stays
    floor = 1e-6 * total / d
    return directions[:kept], np.sqrt(np.maximum(variances[:kept], floor)), float(np.sqrt(max(rest, floor)))


def _direction(features: ArrayLike) -> Floats:
    """Features (N, D) brought to length 1, and the logarithm of the length they had: (N, D + 1)."""
    values = np.asarray(features, np.float64)
    length = np.maximum(np.linalg.norm(values, axis=1, keepdims=True), _TINY)
    return np.hstack([values / length, np.log(length)])


def _distances(features: Floats, means: NDArray, axes: NDArray, widths: NDArray, rest: float) -> Floats:
    """Mahalanobis distance to the nearest of ``means``: (N,)."""
    squares = []
    for mean in means:
        away = features - mean
        along = away @ axes.T
        outside = np.maximum((away**2).sum(axis=1) - (along**2).sum(axis=1), 0)
        squares.append(((along / widths) ** 2).sum(axis=1) + outside / rest**2)
    return np.asarray(np.sqrt(np.min(squares, axis=0)))
