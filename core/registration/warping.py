"""Apply a registration: the stain on the grid of the phase, where it covers the field, and moving it by hand."""

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from core.errors import InputError
from core.registration.estimate import ANOTHER_SIZE, sized
from core.registration.values import Registration, combined, covered

ORDERS = {0: cv2.INTER_NEAREST, 1: cv2.INTER_LINEAR, 3: cv2.INTER_CUBIC}
DIRECT = ("uint8", "uint16", "int16", "float32", "float64")  # what OpenCV warps as it is


def warp(image: NDArray, registration: Registration, shape: tuple[int, ...], *, order: int = 1, cval: float = 0.0, pad: bool = False) -> NDArray[Any]:
    """Bring a stain or colour image onto the grid of the phase image.

    Parameters
    ----------
    image : (Y, X) or (Y, X, channels), any number type or bool.
    registration : of this pair, see ``Registration`` for the direction.
    shape : (Y, X) of the phase image; an image of another size is refused, unless ``pad``.
    order : 0 nearest pixel (masks, labels), 1 linear, 3 cubic.
    cval : value where the image does not reach, see ``coverage``.

    Returns
    -------
    (Y, X) or (Y, X, channels) of the same type; whole numbers are rounded. Positions are kept to 1/32 px.
    """
    height, width = shape[:2]
    if not pad and image.shape[:2] != (height, width):
        raise InputError(f"Alignment: the phase image has {width} x {height} px, the stain image {sized(image)}. {ANOTHER_SIZE}")
    if order not in ORDERS:
        raise InputError(f"Alignment: wanted an interpolation order of 0, 1 or 3, found {order}.")
    if image.dtype.name in DIRECT:
        return _warped(image, registration, (width, height), order, cval)
    moved = _warped(image.astype(np.float64), registration, (width, height), order, cval)
    if image.dtype == bool:
        return np.asarray(moved > 0.5)
    return np.asarray((moved if image.dtype.kind == "f" else np.rint(moved)).astype(image.dtype))


def _warped(image: NDArray, registration: Registration, size: tuple[int, int], order: int, cval: float) -> NDArray[Any]:
    flags = ORDERS[order] | cv2.WARP_INVERSE_MAP
    fill = [float(cval)] * 4
    moved: NDArray[Any] = cv2.warpAffine(np.ascontiguousarray(image), registration.matrix, size, flags=flags, borderMode=cv2.BORDER_CONSTANT, borderValue=fill)
    return moved


def coverage(registration: Registration, stain_shape: tuple[int, ...], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Where the stain image covers the phase image, bool (Y, X): cells that reach outside cannot be annotated."""
    return covered(registration.matrix, stain_shape, shape)


def nudged(registration: Registration, dy: float, dx: float, rotation_deg: float = 0.0, scale: float = 1.0, *, shape: tuple[int, ...]) -> Registration:
    """Move the stain by hand, as it is seen on the phase: ``dy`` px down, ``dx`` px right, turned clockwise by ``rotation_deg``
    and enlarged by ``scale`` about the middle of the phase image ``shape`` (Y, X).

    The result has the source "manual" and no residual; the verdict is "check" until a person accepts it.
    """
    if not 0.5 <= scale <= 2 or not np.isfinite([dy, dx, rotation_deg]).all():
        raise InputError(f"Alignment by hand: wanted whole moves and a scale from 0.5 to 2, found {dy}, {dx}, {rotation_deg}, {scale}.")
    turn, middle = np.deg2rad(rotation_deg), np.array([(shape[1] - 1) / 2, (shape[0] - 1) / 2])
    linear = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    move = np.column_stack([linear, middle - linear @ middle + [dx, dy]])
    back = np.linalg.inv(np.vstack([move, [0, 0, 1]]))[:2]
    words = "Moved by hand."
    return replace(registration, matrix=combined(registration.matrix, back), residual_px=float("nan"), verdict="check", reason=words, source="manual")
