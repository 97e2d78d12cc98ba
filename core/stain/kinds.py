"""The stain signal of a field, as the settings say."""

from dataclasses import dataclass

import numpy as np

from core.errors import InputError
from core.settings import SIGNALS, AnnotateSettings
from core.stain.signal import (
    StainSignal,
    binary_signal,
    brightfield_signal,
    colour_signal,
    fluorescence_signal,
    gated_signal,
    raw_signal,
)
from core.stain.unmixing import parse_vector

RED_USED = "The stain image is in colour: its red part was used, as behind a red filter."


@dataclass(frozen=True)
class StainImage:
    """``pixels`` (Y, X) or (Y, X, 3) as stored, ``full_scale`` the value of white (4095 for 12 bits), ``blank`` an image of the
    empty field of the same shape, where there is one."""

    pixels: np.ndarray
    full_scale: float
    blank: np.ndarray | None = None

    def grey(self) -> tuple["StainImage", tuple[str, ...]]:
        """The image itself, or the red part of a colour image and a sentence that says so."""
        if self.pixels.ndim == 2:
            return self, ()
        red = StainImage(self.pixels[..., 0], self.full_scale, self.blank if self.blank is None or self.blank.ndim == 2 else self.blank[..., 0])
        return red, (RED_USED,)


def stain_signal(settings: AnnotateSettings, stain: StainImage | None, colour: StainImage | None = None) -> StainSignal:
    """The stain signal of the kind ``settings.signal``.

    Parameters
    ----------
    stain
        The stain image. A colour image is taken for its red part by the kinds that want a monochrome one.
    colour
        The colour image: for "gated", lying on ``stain`` (else align both first and use ``signal.gated_signal``); for
        "colour", or ``stain`` where that is a colour image.

    Raises
    ------
    InputError
        An image is missing that the kind needs, is empty, or does not fit; an unknown kind.
    """
    kind = settings.signal
    if kind not in SIGNALS:
        raise InputError(f"Kind of stain image: wanted one of {', '.join(SIGNALS)}, found {kind!r}.")
    if kind == "colour":
        return _colour(settings, _colour_image(stain, colour))
    if stain is None:
        raise InputError(f"Kind of stain image {kind!r}: the field has no stain image. Add it to the field table, or leave the field out.")
    image, notes = stain.grey()
    signal = _monochrome(settings, image)
    if kind == "gated":
        signal = gated_signal(signal, _colour(settings, _colour_image(stain, colour)), settings.gate)
    return StainSignal(signal.values, signal.unit, signal.scale, (*notes, *signal.warnings))


def _monochrome(settings: AnnotateSettings, image: StainImage) -> StainSignal:
    if settings.signal == "binary":
        return binary_signal(image.pixels)
    if settings.signal == "raw":
        return raw_signal(image.pixels, image.full_scale, settings.raw_stain)
    measure = fluorescence_signal if settings.signal == "fluorescence" else brightfield_signal
    return measure(image.pixels, image.full_scale, image.blank, settings.background_px)


def _colour(settings: AnnotateSettings, image: StainImage) -> StainSignal:
    return colour_signal(image.pixels, image.full_scale, parse_vector(settings.stain_vector), image.blank, settings.background_px)


def _colour_image(stain: StainImage | None, colour: StainImage | None) -> StainImage:
    if colour is not None:
        return colour
    if stain is not None and stain.pixels.ndim == 3:
        return stain
    raise InputError("The field has no colour image, which this kind of stain image needs. Add it to the field table, or choose 'brightfield'.")


def threshold_of(settings: AnnotateSettings) -> float | None:
    """The threshold in signal units that the settings name; None for "auto".

    Raises
    ------
    InputError
        Neither a number nor "auto".
    """
    text = settings.threshold.strip().lower()
    if text == "auto":
        return None
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        value = np.nan
    if not np.isfinite(value):
        raise InputError(f"Stain threshold: wanted a number or 'auto', found {settings.threshold!r}.")
    return value


def spot_px(settings: AnnotateSettings, pixel_size_um: float | None) -> int:
    """Smallest stain spot in pixels, at least 1: from µm² where that is set and the pixel size is known, else as set in px.

    Raises
    ------
    InputError
        It is given in µm², but the pixel size is unknown.
    """
    if settings.min_spot_um2 <= 0:
        return settings.min_spot_px
    if not pixel_size_um:
        raise InputError("Smallest stain spot: given in µm², but the pixel size is unknown. Enter it in the field table, or give the spot in px.")
    return max(1, round(settings.min_spot_um2 / pixel_size_um**2))
