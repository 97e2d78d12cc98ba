"""Crops of single cells: one cell at a fixed size on black, as the classifier sees it."""

import math
from collections.abc import Iterator, Sequence
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from core.errors import InputError

Intensity = Literal["range", "field"]
Background = Literal["black", "kept"]
_DENSE_LABELS = 2**24  # above this a table with one entry a label id costs more than sorting the pixels


def scale_intensity(image: NDArray, how: Intensity, full_scale: float) -> NDArray[np.float32]:
    """Bring the grey values of a whole field to the scale that a classifier was trained on.

    Parameters
    ----------
    image : (Y, X) array of finite numbers.
    how : "range" divides by ``full_scale`` (65535 for 16 bit), which keeps differences of exposure;
        "field" gives (image - median) / (99th - 1st percentile) of the field, which does not depend on exposure, bit
        depth or camera offset.
    full_scale : largest value that the camera could write, in units of ``image``.

    Returns
    -------
    (Y, X) float32. Zeros where a field has no contrast at all (how="field").
    """
    if how == "range":
        return (image / np.float32(full_scale)).astype(np.float32)
    if how != "field":
        raise InputError(f"Intensity scaling: wanted 'range' or 'field', found {how!r}.")
    low, middle, high = np.percentile(image, (1, 50, 99))
    if high <= low:
        return np.zeros(image.shape, np.float32)
    return ((image - np.float32(middle)) / np.float32(high - low)).astype(np.float32)


def normalise(image: NDArray, mean: float, std: float) -> NDArray[np.float32]:
    """(image - mean) / std as float32, of any shape. Normalise the field **before** cutting its cells: the black outside
    a cell then lies at the mean of the training cells, as in the original definition, and not at -mean / std."""
    if not std > 0:
        raise InputError(f"Normalisation: wanted a standard deviation above 0, found {std}.")
    return ((image - np.float32(mean)) / np.float32(std)).astype(np.float32)


def cut_crops(
    image: NDArray,
    labels: NDArray,
    ids: Sequence[int] | NDArray,
    crop_px: int,
    *,
    scale: float = 1.0,
    background: Background = "black",
) -> NDArray[np.float32]:
    """Cut the cells ``ids`` of one field; all at once, so N * crop_px**2 * 4 bytes. See ``iterate_crops``.

    Returns
    -------
    (N, crop_px, crop_px) float32, in the order of ``ids``.
    """
    crops = list(iterate_crops(image, labels, ids, crop_px, scale=scale, background=background, batch=64))
    return np.concatenate(crops) if crops else np.zeros((0, crop_px, crop_px), np.float32)


def iterate_crops(
    image: NDArray,
    labels: NDArray,
    ids: Sequence[int] | NDArray,
    crop_px: int,
    *,
    scale: float = 1.0,
    background: Background = "black",
    batch: int = 8,
) -> Iterator[NDArray[np.float32]]:
    """Cut the cells ``ids`` of one field, ``batch`` cells at a time.

    The middle of the cell's bounding box, pixel (first + last) // 2, comes to pixel crop_px // 2 of the crop; what does not
    fit is cut off. Black (0) are the pixels outside the field and, with ``background="black"``, those of other cells and of
    the background. This is the definition of the original pipeline (CustomImageDataset of voynovaes/Senescence), except
    that it loses the last row and column of every cell, and cannot cut a cell that is one pixel wide.

    Parameters
    ----------
    image : (Y, X), grey values; normalise it first.
    labels : (Y, X) integers, 0 is background; ids may have gaps.
    ids : the cells to cut.
    scale : magnification, the field's µm a pixel divided by the classifier's. Cells are resampled linearly (after a Gaussian
        against aliasing where they shrink), their masks to the nearest pixel; 1 copies pixels. A cell that shrinks to
        nothing gives zeros.
    """
    _check(image, labels, crop_px, scale, background)
    boxes = bounding_boxes(labels, ids)
    image = smoothed(image, scale)
    for start in range(0, len(boxes), batch):
        part = slice(start, start + batch)
        yield np.stack([_cut(image, labels, i, box, crop_px, scale, background) for i, box in zip(ids[part], boxes[part], strict=True)])


def bounding_boxes(labels: NDArray, ids: Sequence[int] | NDArray) -> NDArray[np.int64]:
    """Bounding boxes of the cells ``ids`` in a label image (Y, X): (N, 4) first row, first column, last row, last column.

    Raises
    ------
    InputError
        An id is not in the label image.
    """
    wanted = np.asarray(ids, np.int64)
    present, found = _all_boxes(labels)
    at = np.searchsorted(present, wanted)
    missing = (at == len(present)) | (present[np.minimum(at, len(present) - 1)] != wanted) if len(present) else np.ones(len(wanted), bool)
    if missing.any():
        raise InputError(f"Label image: wanted cell {int(wanted[missing][0])}, found {len(present)} cells without it.")
    return found[at] if len(wanted) else np.zeros((0, 4), np.int64)


def extents(labels: NDArray, ids: Sequence[int] | NDArray) -> NDArray[np.int64]:
    """Longer side in pixels of the bounding box of each cell ``ids``: (N,). Cells up to ``crop_px`` stay whole."""
    boxes = bounding_boxes(labels, ids)
    return (boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=-1) + 1


def _all_boxes(labels: NDArray) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    if labels.max(initial=0) < _DENSE_LABELS:
        dense = labels if labels.dtype.kind == "i" else labels.astype(np.int64)
        slices = ndimage.find_objects(dense)
        present = np.array([i for i, s in enumerate(slices, 1) if s is not None], np.int64)
    else:
        values, dense = np.unique(labels, return_inverse=True)
        first = int(np.searchsorted(values, 1))
        present = values[first:].astype(np.int64)
        slices = ndimage.find_objects(dense.reshape(labels.shape) - (first - 1))
    boxes = [(s[0].start, s[1].start, s[0].stop - 1, s[1].stop - 1) for s in slices if s is not None]
    return present, np.array(boxes, np.int64).reshape(-1, 4)


def _cut(image: NDArray, labels: NDArray, cell: int, box: NDArray, crop_px: int, scale: float, background: Background) -> NDArray[np.float32]:
    middle = ((box[:2] + box[2:]) // 2).astype(int)
    if scale == 1:
        first = middle - crop_px // 2
        pixels = _window(image, first, crop_px).astype(np.float32)
        return pixels if background == "kept" else np.where(_window(labels, first, crop_px) == cell, pixels, np.float32(0))
    pixels, mask = magnified(image, labels, cell, box, crop_px, scale)
    return pixels if background == "kept" else pixels * mask


def magnified(image: NDArray, labels: NDArray, cell: int, box: NDArray, crop_px: int, scale: float) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """One cell at another magnification: pixels (crop_px, crop_px), background kept, and its mask of the same shape.

    ``image`` is smoothed already where cells shrink (``smoothed``); ``box`` is the cell's row of ``bounding_boxes``.
    """
    middle = ((box[:2] + box[2:]) // 2).astype(int)
    reach = math.ceil(crop_px / scale / 2) + 2
    pixels = _resampled(_window(image, middle - reach, 2 * reach + 1).astype(np.float32), reach, crop_px, scale, cv2.INTER_LINEAR)
    mask = (_window(labels, middle - reach, 2 * reach + 1) == cell).astype(np.uint8)
    return pixels, _resampled(mask, reach, crop_px, scale, cv2.INTER_NEAREST).astype(bool)


def smoothed(image: NDArray, scale: float) -> NDArray:
    """The field as it is before it shrinks: a Gaussian against aliasing where ``scale`` < 1, else the image itself."""
    return cv2.GaussianBlur(np.asarray(image, np.float32), (0, 0), (1 / scale - 1) / 2) if scale < 1 else image


def _window(array: NDArray, first: NDArray, side: int) -> NDArray:
    """The square of ``side`` pixels from ``first`` (y, x) on, zero outside the array."""
    out = np.zeros((side, side), array.dtype)
    low = np.maximum(first, 0)
    high = np.minimum(first + side, array.shape)
    if (high > low).all():
        inside = array[low[0] : high[0], low[1] : high[1]]
        out[low[0] - first[0] : high[0] - first[0], low[1] - first[1] : high[1] - first[1]] = inside
    return out


def _resampled(window: NDArray, middle: int, crop_px: int, scale: float, interpolation: int) -> NDArray:
    """Magnify a window by ``scale`` so that its pixel ``middle`` comes to pixel crop_px // 2."""
    step = 1 / scale
    shift = middle - step * (crop_px // 2)
    back = np.array([[step, 0, shift], [0, step, shift]], np.float64)
    return cv2.warpAffine(window, back, (crop_px, crop_px), flags=interpolation | cv2.WARP_INVERSE_MAP)


def _check(image: NDArray, labels: NDArray, crop_px: int, scale: float, background: str) -> None:
    if image.ndim != 2 or labels.shape != image.shape:
        raise InputError(f"Crops: wanted an image and a label image of one shape (Y, X), found {image.shape} and {labels.shape}.")
    if labels.dtype.kind not in "iu":
        raise InputError(f"Crops: wanted a label image of integers, found {labels.dtype}.")
    if crop_px < 1 or not scale > 0 or background not in ("black", "kept"):
        raise InputError(f"Crops: wanted a size and a scale above 0 and a background black or kept, found {crop_px}, {scale}, {background!r}.")
