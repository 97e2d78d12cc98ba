"""A cell with what the classifier looked at laid over it."""

import cv2
import numpy as np
from numpy.typing import NDArray

from core.report.overlay import OUTLINE_NOT_SENESCENT, OUTLINE_SENESCENT, _rgb

_STRONGEST = 0.7  # opacity of the colour where the map is largest


def heat_overlay(picture: NDArray[np.uint8], contributions: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Orange where the crop speaks for senescent, blue where it speaks against, clear where it says nothing.

    Parameters
    ----------
    picture : ndarray of uint8, shape (S, S)
        The crop.
    contributions : ndarray of float, shape (h, w)
        Parts of the logit (``core.classifier.activation``); smoothed between their places, and as strong as the largest of this map.

    Returns
    -------
    ndarray of uint8, shape (S, S, 3)
        RGB.
    """
    largest = float(np.abs(contributions).max(initial=0.0))
    scaled = contributions.astype(np.float32) / (largest or 1.0)
    smooth = np.clip(cv2.resize(scaled, picture.shape[::-1], interpolation=cv2.INTER_CUBIC), -1, 1)
    colour = np.where(smooth[..., None] > 0, *(np.array(_rgb(one), np.float32) for one in (OUTLINE_SENESCENT, OUTLINE_NOT_SENESCENT)))
    opacity = _STRONGEST * np.abs(smooth)[..., None]
    return np.rint(picture[..., None] * (1 - opacity) + colour * opacity).astype(np.uint8)
