"""Size, shape, intensity, texture and neighbourhood of every cell of a field, in one pass and on cropped boxes.

Areas, axes, perimeter and solidity are those of scikit-image's ``regionprops``; what its formulas leave open for cells of one
pixel or a line is defined here (`form_factor`, `eccentricity`, texture), so that no value depends on a division by zero.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
import pandas as pd

from core.cells.labels import checked_labels
from core.errors import InputError
from core.tables import MEASUREMENTS, typed

COLUMNS: Final[Mapping[str, str]] = {name: dtype for name, dtype in MEASUREMENTS.items() if name != "fov_id"}
NEIGHBOUR_UM: Final = 15.0  # cells nearer than this, edge to edge, are neighbours
NEIGHBOUR_PX: Final = 20.0  # the same where the pixel size is unknown
TEXTURE_UM: Final = 1.5  # distance of the pixels that the texture compares
TEXTURE_PX: Final = 2
GREY_LEVELS: Final = 32
STRIP: Final = 1024  # rows looked at together
_LENGTHS: Final = ("perimeter", "equivalent_diameter", "major_axis", "minor_axis", "nearest_neighbour", "border_distance")


def measure(labels: np.ndarray, image: np.ndarray, pixel_size_um: float | None = None) -> pd.DataFrame:
    """One row a cell, by rising id; ids may have gaps.

    Parameters
    ----------
    labels : integer (Y, X)
        Label image, 0 is background.
    image : float32 (Y, X)
        Phase image, in its own units.
    pixel_size_um : float, optional
        Micrometres a pixel; without it the µm columns are unknown and distances are judged in px.

    Returns
    -------
    DataFrame
        Columns of `core.tables.MEASUREMENTS` but ``fov_id``; their meaning stands there.

    Raises
    ------
    InputError
        Not a label image, an image of another size, or one with NaN or infinity.
    """
    from skimage.measure import regionprops

    labels = checked_labels(labels)
    image = np.asarray(image)
    if image.shape != labels.shape or not np.isfinite(image).all():
        raise InputError(f"Measurements: wanted an image of finite values of {labels.shape}, found {image.dtype} of {image.shape}.")
    ids, dense = _dense(labels)
    regions = regionprops(dense, cache=True)
    shape = pd.DataFrame([_shape(region) for region in regions], columns=_SHAPE)
    boxes = np.array([region.bbox for region in regions]).reshape(-1, 4)
    nearest, neighbours = _neighbours(regions, boxes, NEIGHBOUR_UM / pixel_size_um if pixel_size_um else NEIGHBOUR_PX)
    intensity = _intensity(dense, image, len(ids))
    distance = max(1, round(TEXTURE_UM / pixel_size_um)) if pixel_size_um else TEXTURE_PX
    parts = {
        "label": ids,
        **shape,
        **intensity,
        **_texture(dense, image, len(ids), distance, intensity["sd_intensity"] ** 2),
        "neighbours": neighbours,
        "nearest_neighbour_px": nearest,
        "border_distance_px": _to_border(boxes, labels.shape),
    }
    return typed(_in_um(pd.DataFrame(parts), pixel_size_um), COLUMNS)[list(COLUMNS)]


def _dense(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ids by rising number, and the label image with 1..N in their place, int32."""
    highest = int(labels.max())
    if highest <= 4 * labels.size:
        present = np.bincount(labels.ravel(), minlength=highest + 1) > 0
        present[0] = False
        ids = np.flatnonzero(present)
        number = np.zeros(highest + 1, np.int32)
        number[ids] = np.arange(1, len(ids) + 1)
        return ids, number[labels]
    ids = np.unique(labels)
    ids = ids[ids > 0]
    return ids, np.where(labels > 0, np.searchsorted(ids, labels) + 1, 0).astype(np.int32)


_SHAPE: Final = ("area_px", "perimeter_px", "equivalent_diameter_px", "major_axis_px", "minor_axis_px", "eccentricity", "solidity", "form_factor")


def _shape(region: Any) -> tuple[float, ...]:
    area, perimeter = float(region.area), float(region.perimeter)
    major, minor = float(region.axis_major_length), float(region.axis_minor_length)
    form = 4 * np.pi * area / perimeter**2 if perimeter > 0 else 1.0
    return area, perimeter, float(region.equivalent_diameter_area), major, minor, float(region.eccentricity), float(region.solidity), form


def _intensity(dense: np.ndarray, image: np.ndarray, n: int) -> dict[str, np.ndarray]:
    """Mean, and population standard deviation about it, of every cell; in strips, so that a huge field needs little memory."""
    count, total, squares = (np.zeros(n) for _ in range(3))
    for rows in _strips(len(dense)):
        index, values = _inside(dense[rows], image[rows])
        count += np.bincount(index, minlength=n)
        total += np.bincount(index, values, minlength=n)
    mean = total / count
    for rows in _strips(len(dense)):
        index, values = _inside(dense[rows], image[rows])
        squares += np.bincount(index, (values - mean[index]) ** 2, minlength=n)
    return {"mean_intensity": mean, "sd_intensity": np.sqrt(squares / count)}


def _inside(dense: np.ndarray, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    inside = dense > 0
    return dense[inside] - 1, image[inside].astype(np.float64)


def _strips(height: int) -> list[slice]:
    return [slice(y, min(y + STRIP, height)) for y in range(0, height, STRIP)]


def _texture(dense: np.ndarray, image: np.ndarray, n: int, distance: int, variance: np.ndarray) -> dict[str, np.ndarray]:
    """Co-occurrence of grey levels (Haralick et al. 1973, doi 10.1109/TSMC.1973.4309314) and the fine share of the variance.

    Compared are all pairs of pixels of one cell, ``distance`` px apart along rows, columns and both diagonals. Contrast is the
    mean squared difference of grey levels, homogeneity the mean of 1 / (1 + squared difference). Granularity is the
    semivariance of the intensities (half the mean squared difference; Matheron 1963) divided by the variance of the cell: near
    0 for a smooth cell, near 1 where pixels so far apart have nothing in common. A cell without such a pair has contrast 0,
    homogeneity 1, granularity 0; a cell of one intensity has granularity 0.
    """
    low, high = np.percentile(image, (1, 99))
    scale = GREY_LEVELS / (float(high - low) or 1.0)
    pairs, contrast, homogeneity, difference = (np.zeros(n) for _ in range(4))
    for here, there in _shifts(dense.shape, distance):
        same = (dense[here] == dense[there]) & (dense[here] > 0)
        index = dense[here][same] - 1
        one, other = (image[where][same].astype(np.float64) for where in (here, there))
        step = (_levels(one - low, scale) - _levels(other - low, scale)) ** 2
        pairs += np.bincount(index, minlength=n)
        contrast += np.bincount(index, step, minlength=n)
        homogeneity += np.bincount(index, 1 / (1 + step), minlength=n)
        difference += np.bincount(index, (one - other) ** 2, minlength=n)
    some = np.maximum(pairs, 1)
    granularity = np.divide(difference / some / 2, variance, out=np.zeros(n), where=variance > 0)
    return {"texture_contrast": contrast / some, "texture_homogeneity": np.where(pairs > 0, homogeneity / some, 1.0), "granularity": granularity}


def _levels(values: np.ndarray, scale: float) -> np.ndarray:
    return np.asarray(np.clip(np.floor(values * scale), 0, GREY_LEVELS - 1))


def _shifts(shape: tuple[int, ...], d: int) -> Iterator[tuple[tuple[slice, slice], tuple[slice, slice]]]:
    """Views of a field and of the same field shifted by ``d`` px in four directions, in strips."""
    height, width = shape
    for down, right in ((0, d), (d, 0), (d, d), (d, -d)):
        if down >= height or abs(right) >= width:
            continue
        left = slice(max(0, -right), width - max(0, right)), slice(max(0, right), width - max(0, -right))
        for rows in _strips(height - down):
            yield (rows, left[0]), (slice(rows.start + down, rows.stop + down), left[1])


def _to_border(boxes: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    if not len(boxes):
        return np.zeros(0)
    return np.asarray(np.minimum(boxes[:, :2], np.array(shape) - boxes[:, 2:]).min(axis=1))


def _neighbours(regions: list[Any], boxes: np.ndarray, reach: float) -> tuple[list[float | None], list[int]]:
    """Distance from every cell to the nearest other one (px between pixel centres, 1 where they touch; None where the cell is
    alone), and how many lie within ``reach`` px. Only cells whose boxes are near enough are looked at pixel by pixel."""
    from scipy.spatial import cKDTree

    edges = [_edge_pixels(region) for region in regions]
    trees = [cKDTree(edge) for edge in edges]
    nearest, counts = [np.inf] * len(regions), [0] * len(regions)
    known: dict[tuple[int, int], float] = {}
    for one, box in enumerate(boxes):
        gap = np.maximum(np.maximum(boxes[:, :2] - box[2:] + 1, box[:2] - boxes[:, 2:] + 1), 0)
        at_least = np.hypot(gap[:, 0], gap[:, 1])
        at_least[one] = np.inf
        for other in np.argsort(at_least, kind="stable").tolist():
            if at_least[other] > max(reach, nearest[one]) or not np.isfinite(at_least[other]):
                break
            pair = (min(one, other), max(one, other))
            if pair not in known:
                known[pair] = float(trees[pair[0]].query(edges[pair[1]])[0].min())
            nearest[one] = min(nearest[one], known[pair])
            counts[one] += known[pair] <= reach
    return [distance if np.isfinite(distance) else None for distance in nearest], counts


def _edge_pixels(region: Any) -> np.ndarray:
    """The pixels (y, x) of a cell with one of their four neighbours outside it."""
    around = np.pad(region.image, 1)
    inner = around[:-2, 1:-1] & around[2:, 1:-1] & around[1:-1, :-2] & around[1:-1, 2:]
    return np.argwhere(region.image & ~inner) + region.bbox[:2]


def _in_um(table: pd.DataFrame, pixel_size_um: float | None) -> pd.DataFrame:
    scale = pd.NA if pixel_size_um is None else pixel_size_um
    table["area_um2"] = table["area_px"].astype("Float64") * scale * scale
    for name in _LENGTHS:
        table[f"{name}_um"] = table[f"{name}_px"].astype("Float64") * scale
    return table
