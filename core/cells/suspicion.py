"""Which outlines to look at first: what is measured of every cell, and which of it is unusual.

Each reason adds a weight to the score of a cell; the weights order a list, they are no probabilities. Everything is
measured on the bounding box of a cell.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from core.cells.labels import checked_labels, compressed, touches_border

Box = tuple[slice, slice]

MEASURES = ("label", "y_px", "x_px", "area_px", "solidity", "pieces", "parts", "neck", "elongation", "touches_border", "flow_error")
CLEAR = 0.4  # score; below, nothing but being cut by the border speaks against a cell
UNUSUAL = 3.5
"""Robust z-score beyond which a value counts as an outlier (Iglewicz & Hoaglin 1993, How to Detect and Handle Outliers)."""
FEW = 12  # with fewer cells a field is no measure of itself
LEAST_SPREAD = 0.15  # of the logarithm of areas: among nearly equal cells 15 % more is not unusual
LEAST_SPREAD_SOLIDITY = 0.04
SEVERAL = "several thick parts"
UNSURE = "the network was unsure"
RAGGED = 0.6  # area over area of the convex hull; cells with long processes lie lower than round ones, so where there are
RAGGED_AT_MOST = 0.85  # many cells, one counts as ragged when it lies far below the median of all, but never above this
CONVEX = 0.95  # two touching cells in one outline lie below; above, no parts are looked for
THIN_NECK = 0.5  # a neck of less than half the thickness of the parts that it joins
NOTICEABLE_NECK = 0.7
LEAST_PART = 0.4  # thickness of a part against the thickest one of the cell
LEAST_PART_PX = 2.5
LONG = 8.0  # times longer than wide
FLOW_LIMIT = 0.3  # Cellpose drops cells above 0.4 by default; these are near that
LEVELS = (0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85)  # of the greatest depth, where the parts of a cell are counted


def measure(labels: np.ndarray, ids: Sequence[int] | None = None, flow_error: Mapping[int, float] | None = None) -> pd.DataFrame:
    """What is unusual is found in: one row a cell, by rising id.

    Parameters
    ----------
    labels : integer (Y, X)
        Label image, 0 is background.
    ids : sequence of int, optional
        Only these cells; those that do not exist are left out.
    flow_error : mapping of id to float, optional
        Cellpose's flow error of the cells, where it is known.

    Returns
    -------
    DataFrame
        ``MEASURES``: centre (px), area (px²), solidity (area over that of the convex hull), number of unconnected
        pieces, number of ``parts`` (see ``parts_of``) and thickness of the neck between them against the thinner one
        (NaN: one part), length over width of the ellipse with the same moments, border, flow error (NaN: unknown).
    """
    labels = checked_labels(labels)
    rows = [_measured(label, box, labels[box] == label) for label, box in _boxes(labels, ids)]
    table = pd.DataFrame(rows, columns=[name for name in MEASURES if name not in ("touches_border", "flow_error")])
    table["touches_border"] = touches_border(labels, table["label"].to_numpy())
    table["flow_error"] = [float((flow_error or {}).get(label, np.nan)) for label in table["label"]]
    return table.sort_values("label", ignore_index=True)


def suspicion(measures: pd.DataFrame, areas: np.ndarray | None = None) -> pd.DataFrame:
    """How suspicious each cell is, the most suspicious first.

    Parameters
    ----------
    measures : DataFrame
        As from ``measure``.
    areas : float (N,), optional
        Areas (px²) of uncut cells of the whole experiment: the measure of size where the field has few cells.

    Returns
    -------
    DataFrame
        label, y_px, x_px, score (0: nothing to see), reason (words, the weightiest first; "" for a score of 0) and clear
        (whether the score reaches ``CLEAR``).
    """
    m = {name: measures[name].to_numpy(float) for name in MEASURES}
    found = _reasons(m, _size_z(m["area_px"], m["touches_border"] > 0, areas))
    weights = np.array([weight for _, weight in found]).reshape(len(found), len(measures))
    table = measures[["label", "y_px", "x_px"]].assign(score=weights.sum(axis=0))
    names = [name for name, _ in found]
    words = [_words(names, one, int(parts), error) for one, parts, error in zip(weights.T, m["parts"], m["flow_error"], strict=True)]
    table["reason"] = pd.array(words, dtype="str")
    table["clear"] = table["score"] >= CLEAR
    return table.sort_values(["score", "label"], ascending=[False, True], ignore_index=True)


def _words(names: Sequence[str], weights: np.ndarray, parts: int, flow_error: float) -> str:
    """The names with a weight, the weightiest first."""
    said = "; ".join(names[k] for k in np.argsort(-weights, kind="stable") if weights[k] > 0)
    return said.replace(SEVERAL, f"{parts} thick parts, perhaps {parts} cells").replace(UNSURE, f"{UNSURE} (flow error {flow_error:.2f})")


def _reasons(m: Mapping[str, np.ndarray], size_z: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """Words and weights (0: does not apply). One clear sign weighs about 1; being cut by the border is common, so it weighs little."""
    cut, several = m["touches_border"] > 0, m["parts"] > 1
    far = np.minimum(np.abs(size_z) / UNUSUAL, 3.0)
    flow = np.nan_to_num(m["flow_error"])
    return [
        ("in several pieces", 1.5 * (m["pieces"] > 1)),
        (SEVERAL, np.where(several, 1.6 - np.nan_to_num(m["neck"], nan=1.0), 0.0)),
        ("thin neck", 0.4 * (several & (m["neck"] < THIN_NECK))),
        ("much larger than the others", np.where(size_z > UNUSUAL, far, 0.0)),
        ("much smaller than the others", np.where((size_z < -UNUSUAL) & ~cut, far, 0.0)),
        ("ragged or bent outline", _ragged(m["solidity"])),
        ("very long", 0.5 * (m["elongation"] > LONG)),
        (UNSURE, np.where(flow > FLOW_LIMIT, np.minimum(flow / FLOW_LIMIT, 3.0), 0.0)),
        ("cut by the border", 0.2 * cut),
    ]


def _spread(values: np.ndarray, least: float) -> float:
    """1.4826 x median absolute deviation (Hampel 1974): a standard deviation that outliers do not enlarge."""
    return max(1.4826 * float(np.median(np.abs(values - np.median(values)))), least)


def _ragged(solidity: np.ndarray) -> np.ndarray:
    limit = RAGGED
    if len(solidity) >= FEW:
        limit = min(RAGGED_AT_MOST, float(np.median(solidity)) - UNUSUAL * _spread(solidity, LEAST_SPREAD_SOLIDITY))
    return np.where(solidity < limit, np.minimum(0.5 + (limit - solidity) / 0.2, 1.5), 0.0)


def _size_z(area: np.ndarray, cut: np.ndarray, areas: np.ndarray | None) -> np.ndarray:
    """Robust z-score of the logarithm of the area among the uncut cells of the field, or of the experiment."""
    others = area[~cut] if np.count_nonzero(~cut) >= FEW or areas is None else np.asarray(areas, float)
    if len(others) < FEW:
        return np.zeros(len(area))
    logs = np.log(others)
    return (np.log(area) - float(np.median(logs))) / _spread(logs, LEAST_SPREAD)


def _boxes(labels: np.ndarray, ids: Sequence[int] | None) -> Iterator[tuple[int, Box]]:
    from scipy import ndimage

    if ids is not None:
        for label in ids:
            found = ndimage.find_objects((labels == label).view(np.uint8))
            if found:
                yield int(label), found[0]
        return
    inside = labels > 0
    known, index = compressed(labels[inside])  # gapped ids may be huge
    rank = np.zeros(labels.shape, np.int32)
    rank[inside] = index + 1
    yield from zip(known.tolist(), ndimage.find_objects(rank), strict=True)


def _measured(label: int, box: Box, mask: np.ndarray) -> tuple[float, ...]:
    ys, xs = np.nonzero(mask)
    y, x = float(ys.mean()), float(xs.mean())
    solidity = len(ys) / _hull_area(mask)
    parts, neck, pieces = parts_of(mask) if solidity < CONVEX else (1, float("nan"), 1)
    return (label, y + box[0].start, x + box[1].start, len(ys), solidity, pieces, parts, neck, _elongation(ys - y, xs - x))


def _hull_area(mask: np.ndarray) -> float:
    """Area of the convex hull of the corners of the pixels, so that a rectangle has solidity 1."""
    import cv2

    rows = np.flatnonzero(mask.any(axis=1)).astype(np.int32)
    left, right = mask[rows].argmax(axis=1), mask.shape[1] - mask[rows][:, ::-1].argmax(axis=1)
    corners = np.empty((4 * len(rows), 2), np.int32)
    corners[:, 0] = np.concatenate([left, left, right, right])
    corners[:, 1] = np.concatenate([rows, rows + 1, rows, rows + 1])
    return float(cv2.contourArea(cv2.convexHull(corners)))


def _elongation(y: np.ndarray, x: np.ndarray) -> float:
    """Length over width of the ellipse with the same second moments about the centre; a pixel counts as a square."""
    yy, xx, xy = float(y @ y) / len(y) + 1 / 12, float(x @ x) / len(x) + 1 / 12, float(x @ y) / len(x)
    middle, half = (yy + xx) / 2, float(np.hypot((yy - xx) / 2, xy))
    return float(np.sqrt((middle + half) / (middle - half)))


def parts_of(mask: np.ndarray) -> tuple[int, float, int]:
    """Thick parts of a cell that thin necks join: their number, neck over the thinner part (NaN: one part), unconnected pieces.

    The depth of a pixel is its distance to the edge of the cell. Cut off everything less deep than a level, and a cell of
    two touching ones falls into two pieces while each alone stays whole. A piece counts where its own depth is at
    least ``LEAST_PART`` of the deepest and the level is less than ``NOTICEABLE_NECK`` of it: processes and rough
    edges are no parts. Phase-contrast nuclei are not told apart from vesicles reliably, so intensity is not used.
    """
    import cv2

    padded = cv2.copyMakeBorder(mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    depth = np.asarray(cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE))
    deepest = float(depth.max())
    pieces = cv2.connectedComponents(padded, connectivity=8)[0] - 1
    several = []
    for level in LEVELS if deepest >= LEAST_PART_PX else ():
        deep = depth > level * deepest
        count, islands = cv2.connectedComponents(deep.astype(np.uint8), connectivity=8)
        if count > 2:
            peaks = np.zeros(count)
            np.maximum.at(peaks, islands[deep].astype(np.intp), depth[deep])
            thick = np.sort(peaks[1:][peaks[1:] >= max(LEAST_PART * deepest, LEAST_PART_PX, level * deepest / NOTICEABLE_NECK)])
            if len(thick) > 1:
                several.append((len(thick), level * deepest / thick[-2]))
    if not several:
        return 1, float("nan"), pieces
    return max(n for n, _ in several), float(several[0][1]), pieces  # the lowest level that separates is the neck
