"""One stain out of a colour image: unmixing in optical-density space."""

from collections.abc import Sequence

import cv2
import numpy as np

from core.errors import InputError

XGAL = (1.0, 0.37, 0.32)
"""Optical density in red, green, blue of the blue-green indigo that X-gal leaves, 1 in red. Between what moderately to strongly
stained pixels of a published colour field show (H. Ashraf, SA-Beta-Gal-Quantification: 1, 0.34, 0.35) and what a camera with
a broader red gives (0.40 and 0.25). Cameras differ: measure your own with ``measure_vector``."""

GREY = (1.0, 1.0, 1.0)  # dust, edges of cells, out-of-focus light: as dark in every colour
MIN_ANGLE_DEG = 5.0


def unmix(density: np.ndarray, vector: Sequence[float] = XGAL) -> np.ndarray:
    """Amount of stain in every pixel, as its optical density in the colour that it absorbs most.

    Three parts explain the three colours: the stain, neutral grey, and a rest at right angles to both (Ruifrok & Johnston
    give an unknown third stain so). Grey dust and dark edges of cells thus count as no stain.

    Parameters
    ----------
    density : float32 (Y, X, 3)
        Optical density in red, green, blue.
    vector : three numbers
        Density of the stain in red, green, blue; only the direction matters.

    Returns
    -------
    float32 (Y, X), about 0 without stain; negative where a pixel has the opposite colour.

    Raises
    ------
    InputError
        The vector is not three numbers, has nothing positive, or is (nearly) grey: then colour cannot tell it from dust.

    References
    ----------
    Ruifrok AC, Johnston DA (2001) Quantification of histochemical staining by color deconvolution. Anal Quant Cytol Histol
    23:291-299.
    """
    stain = checked_vector(vector)
    grey = np.asarray(GREY) / np.linalg.norm(GREY)
    rest = np.cross(stain / np.linalg.norm(stain), grey)
    parts = np.stack([stain / stain.max(), grey, rest / np.linalg.norm(rest)])
    weights = np.linalg.inv(parts)[:, 0].astype(np.float32)
    return np.ascontiguousarray(density @ weights)


def checked_vector(vector: Sequence[float]) -> np.ndarray:
    """``vector`` as float64 (3,) if it can be a stain beside grey; InputError says what was found."""
    stain = np.asarray(vector, np.float64)
    if stain.shape != (3,) or not np.isfinite(stain).all() or stain.max() <= 0:
        raise InputError(f"Stain colour: wanted three optical densities (red, green, blue) with one above 0, found {vector}.")
    cosine = stain @ np.asarray(GREY) / (np.linalg.norm(stain) * np.linalg.norm(GREY))
    if np.rad2deg(np.arccos(np.clip(cosine, -1, 1))) < MIN_ANGLE_DEG:
        raise InputError(f"Stain colour: {np.round(stain, 3).tolist()} is grey, so colour cannot tell it from dust. Use a brightfield signal, or click again.")
    return stain


def parse_vector(text: str) -> tuple[float, ...]:
    """The stain vector in a setting: three numbers divided by spaces, commas or semicolons; empty text is X-gal.

    Raises
    ------
    InputError
        Anything else, or a grey vector.
    """
    words = text.replace(";", " ").replace(",", " ").split()
    if not words:
        return XGAL
    try:
        return tuple(checked_vector([float(word) for word in words]).tolist())
    except ValueError as error:
        raise error if isinstance(error, InputError) else InputError(f"Stain colour: wanted three numbers such as '0.88 0.40 0.25', found {text!r}.") from None


def measure_vector(colour: np.ndarray, stained: np.ndarray, unstained: np.ndarray, radius_px: int = 2) -> tuple[float, ...]:
    """The stain's optical density in red, green, blue, from clicked pixels of a colour image.

    Parameters
    ----------
    colour : uint8, uint16 or float (Y, X, 3)
        The image as stored.
    stained, unstained : (N, 2) and (M, 2)
        Clicked points as (y, x) px. Unstained: beside the stain, under the same light.
    radius_px : int
        The median of a disk of this radius round each point is taken, so that a click on noise does little harm.

    Returns
    -------
    Three numbers, the largest is 1.

    Raises
    ------
    InputError
        No point of one kind, a point outside the image, not a colour image, or the stained points are not darker or grey.
    """
    if colour.ndim != 3 or colour.shape[2] != 3:
        raise InputError(f"Stain colour: wanted a colour image (Y, X, 3), found shape {colour.shape}.")
    light, dark = (_medians(colour, points, kind, radius_px) for points, kind in ((unstained, "unstained"), (stained, "stained")))
    white = np.median(light, axis=0)
    density = np.log10(np.maximum(white, 1e-6)) - np.log10(np.maximum(dark, 0.5 * (colour.dtype.kind != "f") + 1e-6))
    mean = density.mean(axis=0)
    if mean.max() <= 0.01:
        raise InputError("Stain colour: the stained points are not darker than the unstained ones. Click on clearly stained cells, and beside them.")
    return tuple(checked_vector(np.maximum(mean, 0) / mean.max()).tolist())


def _medians(colour: np.ndarray, points: np.ndarray, kind: str, radius: int) -> np.ndarray:
    places = np.asarray(points, np.float64).reshape(-1, 2)
    if not len(places):
        raise InputError(f"Stain colour: wanted at least one {kind} point, found none.")
    at = np.rint(places).astype(int)
    if (at < 0).any() or (at >= colour.shape[:2]).any():
        raise InputError(f"Stain colour: a {kind} point lies outside the image of {colour.shape[0]} x {colour.shape[1]} px.")
    disk = np.argwhere(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)) > 0) - radius
    around = np.clip(at[:, None, :] + disk, 0, np.array(colour.shape[:2]) - 1)
    return np.median(colour[around[..., 0], around[..., 1]].astype(np.float64), axis=1)
