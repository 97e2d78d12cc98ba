"""One stain out of a colour image: unmixing in optical-density space."""

from collections.abc import Sequence

import numpy as np

from core.errors import InputError

XGAL = (1.0, 0.37, 0.32)
"""Optical density in red, green, blue of the blue-green indigo that X-gal leaves, 1 in red. Between what moderately to strongly
stained pixels of a published colour field show (H. Ashraf, SA-Beta-Gal-Quantification: 1, 0.34, 0.35) and what a camera with
a broader red gives (0.40 and 0.25). Cameras differ: measure your own with ``clicking.stain_colour``."""

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
