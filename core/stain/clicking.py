"""The colour of a stain, measured from spots that a person clicked in colour images."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from core.errors import InputError
from core.stain.unmixing import checked_vector

MIN_SPOTS: Final = 3  # of each kind: with three, the one that contradicts the others can be told
RADIUS_PX: Final = 2
CLIPPED: Final = 0.5  # of the pixels round a spot
UNEVEN: Final = 0.15  # optical density between unstained spots: more is no light that falls off, but stain or dust
LEAST_DENSITY: Final = 0.05
MOST_ANGLE_DEG: Final = 20.0  # X-gal and grey dust are 29 degrees apart, pale and dark X-gal of one image less than 10


@dataclass(frozen=True)
class Spot:
    """A clicked spot of one image: what was meant (``stained``), and what is there.

    ``light`` three numbers, red, green, blue as share of full scale; ``clipped`` is "white" or "black" where the camera was at
    its end there, else "".
    """

    image: str
    stained: bool
    light: tuple[float, float, float]
    clipped: str = ""


@dataclass(frozen=True)
class StainColour:
    """``vector`` optical density of the stain in red, green, blue, the largest is 1; ``angles_deg`` how far each stained spot is from
    it, in the order of the spots."""

    vector: tuple[float, ...]
    angles_deg: tuple[float, ...]


class SpotError(InputError):
    """The spots say nothing, or contradict each other; ``spots`` are the numbers (from 0) of those to be removed or replaced."""

    def __init__(self, message: str, spots: Sequence[int] = ()) -> None:
        super().__init__(message)
        self.spots = tuple(spots)


def spot_at(colour: np.ndarray, y: float, x: float, stained: bool, full_scale: float, image: str = "", radius_px: int = RADIUS_PX) -> Spot:
    """Measure one spot: the median of a disk, so that a click on noise does little harm.

    Parameters
    ----------
    colour : uint8, uint16 or float (Y, X, 3)
        The image as stored.
    y, x : float
        px.
    full_scale : float
        The value of white.
    image : str
        Which image it is: light is compared within one only.

    Raises
    ------
    InputError
        Not a colour image, or the spot lies outside of it.
    """
    if colour.ndim != 3 or colour.shape[2] != 3:
        raise InputError(f"Stain colour: wanted a colour image (Y, X, 3), found shape {colour.shape}.")
    at = np.rint([y, x]).astype(int)
    if (at < 0).any() or (at >= colour.shape[:2]).any():
        raise InputError(f"Stain colour: the spot at x {x:g}, y {y:g} lies outside the image of {colour.shape[1]} x {colour.shape[0]} px.")
    disk = np.argwhere(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius_px + 1, 2 * radius_px + 1)) > 0) - radius_px
    around = np.clip(at + disk, 0, np.array(colour.shape[:2]) - 1)
    pixels = colour[around[:, 0], around[:, 1]].astype(np.float64)
    ends = {"white": pixels >= full_scale, "black": pixels <= 0}
    clipped = next((word for word, there in ends.items() if there.mean(axis=0).max() >= CLIPPED), "")
    red, green, blue = np.median(pixels, axis=0) / full_scale
    return Spot(image, stained, (float(red), float(green), float(blue)), clipped)


def stain_colour(spots: Sequence[Spot]) -> StainColour:
    """The stain's optical density in red, green, blue: the mean of the stained spots against the unstained ones of the same image.

    Raises
    ------
    SpotError
        Too few spots of one kind, in all or in one image; spots at the end of the camera's range; unstained spots that differ in
        light; stained spots that are not darker, differ in colour, or are grey. Spots are counted from 1 in the message.
    """
    _check_numbers(spots)
    _check_clipped(spots)
    white = {image: _light_of(spots, image) for image in dict.fromkeys(one.image for one in spots if one.stained)}
    numbers = [k for k, one in enumerate(spots) if one.stained]
    densities = np.array([white[spots[k].image] - _logarithm(spots[k]) for k in numbers])
    pale = [k for k, density in zip(numbers, densities, strict=True) if density.max() < LEAST_DENSITY]
    if pale:
        raise SpotError(f"Stain colour: {_named(pale, 'is', 'are')} not darker than the unstained ones. Click where the stain is clearly seen.", pale)
    _check_alike(densities, numbers)
    mean = np.maximum(densities.mean(axis=0), 0)
    vector = checked_vector(mean / mean.max())
    return StainColour(tuple(vector.tolist()), tuple(_angles(densities, vector).tolist()))


def _check_numbers(spots: Sequence[Spot]) -> None:
    stained = sum(one.stained for one in spots)
    if min(stained, len(spots) - stained) < MIN_SPOTS:
        raise SpotError(
            f"Stain colour: wanted at least {MIN_SPOTS} stained and {MIN_SPOTS} unstained spots, found {stained} and {len(spots) - stained}. "
            "Click on clearly stained places, and on places without stain beside them."
        )
    for image in dict.fromkeys(one.image for one in spots):
        if not any(one.image == image and not one.stained for one in spots):
            raise SpotError(
                f"Stain colour: {image} has stained spots but no unstained one, and light differs between images. Click an unstained spot there too."
            )


def _check_clipped(spots: Sequence[Spot]) -> None:
    for word, help in (("white", "shorter"), ("black", "longer")):
        found = [k for k, one in enumerate(spots) if one.clipped == word]
        if found:
            raise SpotError(
                f"Stain colour: {_named(found, 'is', 'are')} saturated ({word}), so the colour there is not known. "
                f"Click elsewhere, or take the image with a {help} exposure.",
                found,
            )


def _light_of(spots: Sequence[Spot], image: str) -> np.ndarray:
    """Logarithm of the light of an image without stain, float64 (3,)."""
    numbers = [k for k, one in enumerate(spots) if one.image == image and not one.stained]
    lights = np.array([_logarithm(spots[k]) for k in numbers])
    middle = np.median(lights, axis=0)
    off = [k for k, light in zip(numbers, lights, strict=True) if np.abs(light - middle).max() > UNEVEN]
    if off:
        raise SpotError(
            f"Stain colour: the unstained spots of {image or 'the image'} contradict each other: {_named(off, 'has', 'have')} another brightness "
            "than the others. Remove what lies on stain or dust.",
            off,
        )
    return middle


def _check_alike(densities: np.ndarray, numbers: Sequence[int]) -> None:
    middle = np.median(densities / np.linalg.norm(densities, axis=1, keepdims=True), axis=0)
    angles = _angles(densities, middle)
    off = [k for k, angle in zip(numbers, angles, strict=True) if angle > MOST_ANGLE_DEG]
    if off:
        raise SpotError(
            f"Stain colour: the stained spots contradict each other: {_named(off, 'has', 'have')} another colour than most "
            f"(up to {angles.max():.0f} degrees away; wanted {MOST_ANGLE_DEG:.0f} at most). Remove what is dust, a dark edge, or another stain.",
            off,
        )


def _logarithm(spot: Spot) -> np.ndarray:
    return np.log10(np.maximum(spot.light, 1e-6))


def _angles(densities: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """Degrees between each row of ``densities`` (N, 3) and ``vector`` (3,)."""
    cosines = densities @ vector / np.maximum(np.linalg.norm(densities, axis=1) * np.linalg.norm(vector), 1e-12)
    return np.rad2deg(np.arccos(np.clip(cosines, -1, 1)))


def _named(numbers: Sequence[int], one: str, many: str) -> str:
    """ "spot 2 is" or "spots 2, 5 are"."""
    words = ", ".join(str(k + 1) for k in numbers)
    return f"spot{'s' if len(numbers) > 1 else ''} {words} {many if len(numbers) > 1 else one}"
