"""Pictures that show whether a pair lies on each other. All take 8-bit images of one size and return new ones."""

import cv2
import numpy as np
from numpy.typing import NDArray

from core.errors import InputError

Picture8 = NDArray[np.uint8]
RAISE = 0.6  # power below 1: small differences are drawn larger


def checkerboard(phase: Picture8, stain: Picture8, tile: int = 128) -> Picture8:
    """Squares of ``tile`` px, in turns phase (top left first) and stain: outlines must run on across the seams.

    (Y, X) of two grey images, (Y, X, 3) where one of them is in colour.
    """
    if tile < 1:
        raise InputError(f"Checkerboard: wanted squares of at least 1 px, found {tile}.")
    first, second = _alike(phase, stain)
    y, x = np.arange(first.shape[0])[:, None] // tile, np.arange(first.shape[1])[None, :] // tile
    second_here = (y + x) % 2 == 1
    return np.where(second_here[..., None] if first.ndim == 3 else second_here, second, first)


def false_colour(phase: Picture8, stain: Picture8) -> Picture8:
    """Phase green, stain magenta, uint8 (Y, X, 3): where both are equally bright the picture is grey."""
    first, second = (_grey(image) for image in _alike(phase, stain))
    return np.stack([second, first, second], axis=-1)


def blink(phase: Picture8, stain: Picture8) -> tuple[Picture8, Picture8]:
    """Two frames of the same kind and brightness, phase then stain, to be shown in turns: nothing must jump."""
    first, second = _alike(phase, stain)
    return first, np.clip(np.rint(second - second.mean() + first.mean()), 0, 255).astype(np.uint8)


def flattened(image: NDArray) -> Picture8:
    """Detail for the eye, uint8 of the same shape: uneven light taken away, background at middle grey, faint structures raised.

    ``image`` (Y, X) or (Y, X, 3), finite, 0 or larger. Makes pale cells visible beside dark dye, and both images of a pair alike.
    """
    pixels = image.astype(np.float32)
    light = cv2.GaussianBlur(pixels, (0, 0), max(3.0, min(image.shape[:2]) / 24), borderType=cv2.BORDER_REFLECT)
    detail = cv2.GaussianBlur(pixels, (0, 0), 0.8) / np.maximum(light, np.float32(1e-6)) - 1
    strongest = max(float(np.percentile(np.abs(detail[::4, ::4]), 99.5)), 1e-3)
    raised = np.sign(detail) * np.minimum(np.abs(detail) / strongest, 1) ** RAISE
    return np.rint(128 + 120 * raised).astype(np.uint8)


def _alike(phase: Picture8, stain: Picture8) -> tuple[Picture8, Picture8]:
    if phase.shape[:2] != stain.shape[:2] or phase.dtype != np.uint8 or stain.dtype != np.uint8:
        raise InputError(f"Pictures of a pair: wanted two 8-bit images of one size, found {phase.dtype} {phase.shape} and {stain.dtype} {stain.shape}.")
    if phase.ndim == stain.ndim:
        return phase, stain
    first, second = (np.repeat(image[..., None], 3, axis=-1) if image.ndim == 2 else image for image in (phase, stain))
    return first, second


def _grey(image: Picture8) -> Picture8:
    return image if image.ndim == 2 else np.rint(image.mean(axis=-1)).astype(np.uint8)
