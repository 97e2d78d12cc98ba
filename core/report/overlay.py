"""A field with the outlines of its cells in the colour of their call."""

import cv2
import numpy as np
import pandas as pd

from core.errors import InputError

SENESCENT, NOT_SENESCENT, NOT_SCORED = "#D55E00", "#0072B2", "#8A8A8A"
"""Colours of the calls (Okabe and Ito; told apart with every colour vision), for charts on white."""

OUTLINE_SENESCENT, OUTLINE_NOT_SENESCENT, OUTLINE_NOT_SCORED = "#FF7A1A", "#35A7F0", "#DDDDDD"
"""The same hues, brightened to stand out from a grey phase-contrast image."""
OUTLINE_UNCERTAIN = "#F0E442"
"""Of cells near the decision threshold, whatever they are called: the yellow of the same palette."""

_SIZE_OF_2_PX = 1024  # larger images get thicker outlines, so that they still show when scaled to the screen


def overlay(image: np.ndarray, labels: np.ndarray, calls: pd.DataFrame) -> np.ndarray:
    """Draw the outline of every cell, inside the cell.

    Parameters
    ----------
    image : ndarray of float, shape (Y, X)
        Phase contrast, any unit; stretched between its 0.5 and 99.5 percentile.
    labels : ndarray of int, shape (Y, X)
        0 is background, any other number a cell; gaps between numbers are fine.
    calls : DataFrame
        ``label``, ``senescent`` (1, 0 or unknown), ``excluded`` and, where it is known, ``uncertain`` (1: near the threshold, in a
        colour of its own). A cell that is excluded, unknown or not listed is drawn as not scored.

    Returns
    -------
    ndarray of uint8, shape (Y, X, 3)
        RGB.

    Raises
    ------
    InputError
        ``image`` and ``labels`` are not two images of one size.
    """
    if image.ndim != 2 or image.shape != labels.shape:
        raise InputError(f"overlay: wanted an image and a label image of one size, found {image.shape} and {labels.shape}.")
    picture = cv2.cvtColor(_stretched(image), cv2.COLOR_GRAY2RGB)
    outline = np.flatnonzero(inner_outline(labels, outline_px(labels.shape)))
    picture.reshape(-1, 3)[outline] = _colours(labels.reshape(-1)[outline], calls)
    return picture


def outline_px(shape: tuple[int, ...]) -> int:
    """Thickness of the outlines: 2 px up to 1024 px, then in proportion to the longer side."""
    return max(2, round(2 * max(shape[:2]) / _SIZE_OF_2_PX))


def inner_outline(labels: np.ndarray, thickness: int) -> np.ndarray:
    """Pixels of a cell closer than ``thickness`` px to another label (bool, shape of ``labels``).

    One pass for all cells: a pixel lies inside where the smallest and the largest label around it are its own. The edge
    of the image is not an outline, so that a cut cell looks cut.
    """
    values = _compact(labels)
    window = cv2.getStructuringElement(cv2.MORPH_RECT, (2 * thickness + 1, 2 * thickness + 1))
    return (labels != 0) & ((cv2.erode(values, window) != values) | (cv2.dilate(values, window) != values))


def jpeg(picture: np.ndarray, max_px: int | None = None, quality: int = 85) -> bytes:
    """Encode an RGB picture (uint8, shape (Y, X, 3)), scaled down to at most ``max_px`` on its longer side."""
    if max_px is not None:
        picture = shrunk(picture, max_px)
    done, data = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise InputError(f"a picture of shape {picture.shape} cannot be written as JPEG.")
    return data.tobytes()


def shrunk(picture: np.ndarray, max_px: int) -> np.ndarray:
    """The picture (shape (Y, X) or (Y, X, 3)) with at most ``max_px`` on its longer side."""
    longer = max(picture.shape[:2])
    if longer <= max_px:
        return picture
    size = [max(1, round(side * max_px / longer)) for side in picture.shape[1::-1]]
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


def _stretched(image: np.ndarray) -> np.ndarray:
    step = max(1, max(image.shape) // 1024)  # a sample of the pixels gives the same percentiles
    finite = np.nan_to_num(image.astype(np.float32, copy=False), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = np.percentile(finite[::step, ::step], [0.5, 99.5]) if finite.size else (0.0, 0.0)
    if high <= low:
        return np.full(image.shape, 128, dtype=np.uint8)
    scale = 255 / (float(high) - float(low))
    return cv2.convertScaleAbs(np.clip(finite, low, high), alpha=scale, beta=-float(low) * scale)


def _compact(labels: np.ndarray) -> np.ndarray:
    """Labels in a dtype that OpenCV erodes; any one-to-one renaming gives the same outlines."""
    if labels.size and (labels.max() > 65535 or labels.min() < 0):
        codes, _ = pd.factorize(labels.reshape(-1))
        return codes.reshape(labels.shape).astype(np.float32)
    return labels.astype(np.uint16)


def _colours(labels: np.ndarray, calls: pd.DataFrame) -> np.ndarray:
    """Colour (uint8, shape (N, 3)) of the call of each label."""
    colours = (OUTLINE_NOT_SCORED, OUTLINE_NOT_SENESCENT, OUTLINE_SENESCENT, OUTLINE_UNCERTAIN)
    palette = np.array([_rgb(colour) for colour in colours], dtype=np.uint8)
    scored = calls[~calls["excluded"].fillna(False).astype(bool) & calls["senescent"].notna()].sort_values("label")
    if scored.empty:
        return np.broadcast_to(palette[0], (labels.size, 3))
    known = scored["label"].to_numpy(dtype=np.int64)
    place = np.minimum(np.searchsorted(known, labels), known.size - 1)
    kinds = 1 + scored["senescent"].to_numpy(dtype=np.int64)
    if "uncertain" in scored:
        kinds[scored["uncertain"].fillna(0).to_numpy(dtype=np.int64) == 1] = 3
    kind = np.where(known[place] == labels, kinds[place], 0)
    return palette[kind]


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
