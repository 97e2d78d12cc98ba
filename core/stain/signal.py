"""The stain signal: float (Y, X), larger is more stain, for every kind of stain image."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from core.errors import InputError
from core.stain.background import LITTLE, smooth_background
from core.stain.quantisation import DENSITY, SHARE, Quantisation, stored
from core.stain.unmixing import XGAL, unmix

DENSITY_UNIT, SHARE_UNIT, LAYER_UNIT = "optical density", "share of full scale", "stained or not"
SATURATED = 0.01  # of the pixels: fewer are bubbles and dust


@dataclass(frozen=True)
class StainSignal:
    """``values`` float32 (Y, X) in ``unit``, larger is more stain; NaN where a stain image does not reach (after alignment).

    ``scale`` is how it becomes 16 bits; ``warnings`` are sentences for the user.
    """

    values: np.ndarray
    unit: str
    scale: Quantisation
    warnings: tuple[str, ...] = field(default=())

    def codes(self) -> np.ndarray:
        """The signal in 16 bits, uint16 (Y, X): see ``Quantisation``."""
        return self.scale.codes(self.values)


def brightfield_signal(stain: np.ndarray, full_scale: float, blank: np.ndarray | None = None, background_px: float = 0.0) -> StainSignal:
    """Optical density above the unstained background of a red-filter monochrome or brightfield image.

    Parameters
    ----------
    stain : integer or float (Y, X)
        Pixels as stored; dark is stain.
    full_scale : float
        The value of white, e.g. 4095 for 12 bits.
    blank : (Y, X), optional
        An image of the empty field under the same light: gives the shape of the light; its level is taken from ``stain``.
        Without it the light is estimated from the field: see ``background.smooth_background``.
    background_px : float
        Light changes more slowly than this; 0: an eighth of the field. Not used with ``blank``.

    Raises
    ------
    InputError
        The image is empty (one value everywhere), not (Y, X), or the blank image does not fit.
    """
    _check(stain, full_scale, 2, "stain image")
    density, share = _density(stain, full_scale, blank, background_px)
    return StainSignal(density, DENSITY_UNIT, DENSITY, (*_saturation(stain, full_scale, "stain image"), *_little(share)))


def colour_signal(
    colour: np.ndarray, full_scale: float, vector: Sequence[float] = XGAL, blank: np.ndarray | None = None, background_px: float = 0.0
) -> StainSignal:
    """Amount of one stain in a colour image, as optical density in the colour it absorbs most.

    ``colour`` and ``blank`` (Y, X, 3) red, green, blue; every colour gets its own background as in ``brightfield_signal``,
    then the stain ``vector`` is unmixed from grey (``unmixing.unmix``).

    Raises
    ------
    InputError
        As ``brightfield_signal``; or no colour image; or a grey stain vector.
    """
    _check(colour, full_scale, 3, "colour image")
    if blank is not None and blank.shape != colour.shape:
        raise InputError(f"Blank image: wanted the shape of the colour image {colour.shape}, found {blank.shape}.")
    found = [_density(colour[..., c], full_scale, None if blank is None else blank[..., c], background_px) for c in range(3)]
    amount = unmix(np.stack([density for density, _ in found], axis=-1), vector)
    return StainSignal(amount, DENSITY_UNIT, DENSITY, (*_saturation(colour, full_scale, "colour image"), *_little(min(s for _, s in found))))


def gated_signal(mono: StainSignal, colour: StainSignal, gate: float, reach_px: float = 3.0) -> StainSignal:
    """Keep the monochrome signal only where the colour image shows real stain; elsewhere there is none (at most 0).

    The two must lie on each other. ``gate`` is the smallest signal of ``colour`` (same unit), smoothed by 1 px against
    noise; the gate is widened by ``reach_px`` because two cameras never match to the pixel.

    Raises
    ------
    InputError
        The two have different sizes.
    """
    if mono.values.shape != colour.values.shape:
        raise InputError(f"Colour gate: wanted a colour image of the stain image's size {mono.values.shape}, found {colour.values.shape}. Align them first.")
    open_gate = cv2.GaussianBlur(np.nan_to_num(colour.values, nan=-1.0), (0, 0), 1.0) > gate
    side = 2 * round(reach_px) + 1
    wide = cv2.dilate(open_gate.astype(np.uint8), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))) > 0
    values = np.where(wide | np.isnan(mono.values), mono.values, np.minimum(mono.values, 0))
    values = np.where(np.isnan(colour.values), np.float32(np.nan), values)  # where colour was not seen, nothing can be said
    return StainSignal(values, mono.unit, mono.scale, (*mono.warnings, *colour.warnings))


def fluorescence_signal(stain: np.ndarray, full_scale: float, blank: np.ndarray | None = None, background_px: float = 0.0) -> StainSignal:
    """Brightness above the background, as share of full scale; bright is stain. Parameters as in ``brightfield_signal``.

    ``blank`` (an image of an even fluorescent layer) flattens the light; the background is always estimated and taken off.
    """
    _check(stain, full_scale, 2, "stain image")
    share = stain.astype(np.float32) / np.float32(full_scale)
    if blank is not None:
        shape = _blank(blank, stain.shape)
        share = share / shape * np.float32(shape.mean())
    background, seen = smooth_background(share, background_px, stain_is="bright", tolerance=0.05)
    return StainSignal(share - background, SHARE_UNIT, SHARE, (*_saturation(stain, full_scale, "stain image", dark=False), *_little(seen)))


def binary_signal(layer: np.ndarray) -> StainSignal:
    """A ready layer of any bit depth: 0 is unstained, everything else is stained and becomes 1. A threshold of 0.5 parts them.

    An empty layer is a fair answer (nothing is stained), so it only earns a warning.
    """
    if layer.ndim != 2 or 0 in layer.shape:
        raise InputError(f"Binary stain layer: wanted an image (Y, X), found shape {layer.shape}.")
    stained = layer != 0
    share = float(stained.mean())
    found = tuple(f"The stain layer is {word} everywhere." for word, all_of_it in (("unstained", share == 0), ("stained", share == 1)) if all_of_it)
    return StainSignal(stained.astype(np.float32), LAYER_UNIT, stored(1.0), found)


def raw_signal(stain: np.ndarray, full_scale: float, stain_is: str = "dark") -> StainSignal:
    """Pixels as they are, as share of full scale; ``stain_is`` "dark" turns them over. Nothing is corrected.

    Images of whole numbers up to 16 bits keep every value: the codes are the pixel values (or ``full_scale`` minus them).
    """
    _check(stain, full_scale, 2, "stain image")
    if stain_is not in ("dark", "bright"):
        raise InputError(f"Raw stain: wanted 'dark' or 'bright', found {stain_is!r}.")
    whole = stain.dtype.kind in "ui" and full_scale < 2**16
    share = stain.astype(np.float64) / full_scale
    values = (share if stain_is == "bright" else 1 - share).astype(np.float32)
    return StainSignal(values, SHARE_UNIT, stored(full_scale) if whole else stored(2.0**16 - 1), _saturation(stain, full_scale, "stain image"))


def _density(plane: np.ndarray, full_scale: float, blank: np.ndarray | None, background_px: float) -> tuple[np.ndarray, float]:
    """Optical density above background, float32 (Y, X), and the share of the field that is background."""
    darkest = 0.5 if plane.dtype.kind in "ui" else 1e-5 * full_scale  # what a pixel of 0 may have seen
    logarithm = np.log10(np.maximum(plane.astype(np.float32), np.float32(darkest)))
    if blank is not None:
        logarithm = logarithm - np.log10(_blank(blank, plane.shape))
    background, share = smooth_background(logarithm, background_px, degree=0) if blank is not None else smooth_background(logarithm, background_px)
    return background - logarithm, share


def _blank(blank: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The blank image without its noise, float32."""
    if blank.shape != shape:
        raise InputError(f"Blank image: wanted the size of the stain image {shape}, found {blank.shape}.")
    smooth = cv2.GaussianBlur(cv2.medianBlur(blank.astype(np.float32), 5), (0, 0), 4.0)
    if smooth.min() <= 0:
        raise InputError("Blank image: wanted light everywhere, found black pixels. Use an image of an empty, unstained field.")
    return smooth


def _check(image: np.ndarray, full_scale: float, dimensions: int, name: str) -> None:
    wanted = "(Y, X)" if dimensions == 2 else "(Y, X, 3)"
    if image.ndim != dimensions or 0 in image.shape or (dimensions == 3 and image.shape[2] != 3):
        raise InputError(f"The {name}: wanted {wanted}, found shape {image.shape}.")
    if not full_scale > 0:
        raise InputError(f"The {name}: wanted a full scale above 0, found {full_scale}.")
    low, high = image.min(), image.max()
    if low == high:
        raise InputError(f"The {name} is empty: every pixel is {low}. Check that the right file and channel was chosen.")
    if high > full_scale:
        raise InputError(f"The {name}: wanted values up to {full_scale:g}, found {high}. Its bit depth is stated wrongly.")


def _saturation(image: np.ndarray, full_scale: float, name: str, *, dark: bool = True) -> tuple[str, ...]:
    """What is lost at the ends of the scale, in words."""
    found = []
    for end, word, loss in ((full_scale, "white", "brighter"), (0, "black", "darker")):
        share = float((image >= end).mean() if end else (image <= 0).mean())
        if share > SATURATED and (end or dark):
            found.append(f"{100 * share:.0f} % of the {name} is saturated ({word}): what is {loss} was lost, so the stain there is not measured.")
    return tuple(found)


def _little(share: float) -> tuple[str, ...]:
    if share >= LITTLE:
        return ()
    return (f"Only {100 * share:.0f} % of the field looks like unstained background: the estimated light may be wrong. A blank image would help.",)
