"""Thresholds worth trying, each with the reason in a sentence.

All of them look at one number a cell, its critical threshold (``counting.critical_threshold``): the stain signal that the
smallest stained part of the cell exceeds. The fraction of positive cells at a threshold is the share of cells whose number
lies above it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.errors import InputError
from core.settings import PROPOSALS

WINDOW = 2.0
"""Stability looks at the threshold divided and multiplied by this."""

RARE = 0.02  # share of the cells that may be dust
FEW_CONTROLS = FEW_CELLS = 20
ALIKE = "The cells' signals show no plateau: no threshold parts two groups of them."
CURVE_POINTS = 200


@dataclass(frozen=True)
class Proposal:
    """``threshold`` in signal units, None where the method cannot say; ``why`` is one or two sentences for the user."""

    name: str
    threshold: float | None
    why: str


def proposals(critical: np.ndarray, control: np.ndarray, allowed: float = 0.05) -> list[Proposal]:
    """One proposal a method of ``settings.PROPOSALS``, in that order.

    Parameters
    ----------
    critical : float (N,)
        Critical threshold of every cell, signal units; cells that were not seen (minus infinity) are left out.
    control : bool (N,)
        Whether the cell belongs to a negative control.
    allowed : float
        Share of the control cells that may be positive, 0..1.

    Raises
    ------
    InputError
        The two have different lengths, or no cell was seen.
    """
    values, controls = _seen(critical, control)
    from_controls = control_threshold(values[controls], allowed)
    named: dict[str, Callable[[], Proposal]] = {
        "best": lambda: _best(values, controls, allowed, from_controls),
        "negative control": lambda: _control(values[controls], allowed, from_controls),
        "Otsu": lambda: _histogram("Otsu", values, "the spread within the stained and the unstained cells is smallest"),
        "triangle": lambda: _histogram("triangle", values, "the histogram lies farthest below the line from its peak to its end (good for few stained cells)"),
        "Li": lambda: _histogram("Li", values, "the two groups' means describe the signal best (least cross-entropy)"),
        "stability": lambda: _stability(values),
    }
    return [named[name]() for name in PROPOSALS]


def proposed(name: str, critical: np.ndarray, control: np.ndarray, allowed: float = 0.05) -> Proposal:
    """The proposal of one method; InputError where the method cannot say, or does not exist."""
    found = {p.name: p for p in proposals(critical, control, allowed)}
    if name not in found:
        raise InputError(f"Proposed threshold: wanted one of {', '.join(PROPOSALS)}, found {name!r}.")
    if found[name].threshold is None:
        raise InputError(f"Proposed threshold, {name}: {found[name].why} Enter a threshold, or choose another proposal.")
    return found[name]


def control_threshold(controls: np.ndarray, allowed: float) -> float | None:
    """The lowest threshold at which at most the share ``allowed`` of the control cells (critical thresholds) is positive."""
    if not 0 <= allowed < 1:
        raise InputError(f"Positive control cells allowed: wanted a share from 0 to below 1, found {allowed}.")
    if not len(controls):
        return None
    falling = np.sort(controls)[::-1]
    return float(falling[int(np.floor(allowed * len(controls) + 1e-9))])


def most_stable(values: np.ndarray, lowest: float = -np.inf) -> float | None:
    """The threshold from ``lowest`` on around which the fraction of positive cells changes least: the middle of the plateau.

    Change is the difference of the log-odds of the fraction between ``threshold / WINDOW`` and ``threshold * WINDOW``, so that
    the flat ends of the curve (nobody or everybody positive) are no plateau: there the odds still change. Thresholds are
    tried on a logarithmic grid from the ``RARE`` quantile of the cells' values, or from ``lowest`` where that is lower, to their
    maximum; of equally stable ones the middle (geometric) is taken. Where all positive values but ``RARE`` ones lie within
    ``WINDOW`` of that middle, these cells are alike and are not parted: the threshold is then below them, if ``lowest`` or cells
    without signal say that this is possible. None without positive values above ``lowest``, or if all cells are alike.
    """
    positive = values[values > 0]
    if not len(positive):
        return None
    start = float(np.quantile(positive, RARE))
    grid = np.geomspace(min(start, lowest) if lowest > 0 else start, positive.max(), 400)
    grid = grid[grid >= lowest]
    if not len(grid):
        return None
    change = _log_odds(values, grid / WINDOW) - _log_odds(values, grid * WINDOW)
    flattest = np.flatnonzero(change <= change.min() + 1e-9)
    run = flattest[np.cumsum(np.diff(flattest, prepend=flattest[0]) > 1) == _longest(flattest)]
    middle = float(np.sqrt(grid[run[0]] * grid[run[-1]]))
    if ((positive <= middle / WINDOW) | (positive > middle * WINDOW)).mean() > RARE:
        return middle
    below = start / WINDOW
    known = lowest > -np.inf or len(positive) < len(values)  # what unstained cells look like
    return below if known and below >= lowest else None


def fraction_curve(critical: np.ndarray, group: Sequence[str] | np.ndarray, thresholds: np.ndarray | None = None) -> pd.DataFrame:
    """Fraction of positive cells against the threshold for every group (line, sample, field).

    Parameters
    ----------
    critical : float (N,)
        Critical threshold of every cell; minus infinity (not seen) is left out.
    group : (N,)
        The line each cell belongs to.
    thresholds : float (T,), optional
        Where to look; else ``CURVE_POINTS`` values that cover the cells' signal.

    Returns
    -------
    DataFrame
        Columns ``group, threshold, n_cells, n_positive, fraction``; groups in order of appearance.
    """
    values, names = np.asarray(critical, float), np.asarray(group, object)
    seen = values > -np.inf
    at = curve_thresholds(values) if thresholds is None else np.asarray(thresholds, float)
    parts = []
    for name in dict.fromkeys(names[seen]):
        rising = np.sort(values[seen & (names == name)])
        positive = len(rising) - np.searchsorted(rising, at, side="right")
        parts.append(pd.DataFrame({"group": name, "threshold": at, "n_cells": len(rising), "n_positive": positive, "fraction": positive / len(rising)}))
    columns = ["group", "threshold", "n_cells", "n_positive", "fraction"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def curve_thresholds(critical: np.ndarray, points: int = CURVE_POINTS) -> np.ndarray:
    """Thresholds that show the whole curve, rising: logarithmic over positive signals, where most of the change is; else even."""
    values = np.asarray(critical, float)
    values = values[np.isfinite(values)]
    if not len(values):
        return np.zeros(0)
    low, high = float(np.quantile(values, 0.01)), float(values.max())
    positive = values[values > 0]
    if len(positive) > 0.5 * len(values) and high > (start := float(max(np.quantile(positive, 0.01), high / 1000))):
        return np.geomspace(start / 1.2, high * 1.05, points)
    room = 0.05 * (high - low) or 0.5
    return np.linspace(low - room, high + room, points)


def _seen(critical: np.ndarray, control: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    values, controls = np.asarray(critical, float), np.asarray(control, bool)
    if values.shape != controls.shape or values.ndim != 1:
        raise InputError(f"Proposed threshold: wanted one value and one role a cell, found {values.shape} and {controls.shape}.")
    seen = values > -np.inf
    if not seen.any():
        raise InputError("Proposed threshold: there is no cell that a stain image covers. Check the segmentation and the alignment.")
    return values[seen], controls[seen]


def _best(values: np.ndarray, controls: np.ndarray, allowed: float, lowest: float | None) -> Proposal:
    stable = most_stable(values, -np.inf if lowest is None else lowest)
    share = _percent(allowed)
    if lowest is None:
        why = "There is no negative control, so nothing says how much signal unstained cells have. "
        if stable is None:
            return Proposal("best", None, why + ALIKE)
        return Proposal("best", stable, why + "This is the threshold around which the fraction of positive cells changes least; check it by eye.")
    if stable is None:
        return Proposal("best", lowest, f"The lowest threshold at which at most {share} of the negative-control cells are positive.")
    found = _positive(values[controls], stable)
    return Proposal(
        "best", stable, f"Of all thresholds that keep the negative controls at or below {share}, the fraction of positive cells is most stable here ({found})."
    )


def _control(controls: np.ndarray, allowed: float, threshold: float | None) -> Proposal:
    if threshold is None:
        return Proposal("negative control", None, "There is no negative control: mark unstained or young cultures as such in the field table.")
    why = f"The lowest threshold at which at most {_percent(allowed)} of the negative-control cells are positive ({_positive(controls, threshold)})."
    if len(controls) < FEW_CONTROLS:
        why += f" With only {len(controls)} control cells this is a rough value."
    return Proposal("negative control", threshold, why)


def _histogram(name: str, values: np.ndarray, reason: str) -> Proposal:
    from skimage.filters import threshold_li, threshold_otsu, threshold_triangle

    if len(np.unique(values)) == 1:
        return Proposal(name, None, "All cells have the same signal, so nothing parts stained from unstained ones.")
    methods: dict[str, Callable[[np.ndarray], float]] = {"Otsu": threshold_otsu, "triangle": threshold_triangle, "Li": threshold_li}
    method = methods[name]
    few = " With so few cells this is a rough value." if len(values) < FEW_CELLS else ""
    return Proposal(name, float(method(values)), f"Over the signals of {len(values)} cells: here {reason}.{few}")


def _stability(values: np.ndarray) -> Proposal:
    stable = most_stable(values)
    if stable is None:
        return Proposal("stability", None, ALIKE)
    share = float((values > stable).mean())
    return Proposal("stability", stable, f"The fraction of positive cells ({_percent(share)}) changes least round this threshold.")


def _log_odds(values: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Log-odds of the fraction above each threshold, with half a cell added to either side."""
    positive = len(values) - np.searchsorted(np.sort(values), thresholds, side="right")
    return np.log((positive + 0.5) / (len(values) - positive + 0.5))


def _longest(flattest: np.ndarray) -> int:
    """Number of the longest run of neighbours in ``flattest``; the first of equals."""
    runs = np.cumsum(np.diff(flattest, prepend=flattest[0]) > 1)
    return int(np.bincount(runs).argmax())


def _positive(values: np.ndarray, threshold: float) -> str:
    found = int((values > threshold).sum())
    return f"{found} of {len(values)} control cells, {_percent(found / len(values))}"


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
