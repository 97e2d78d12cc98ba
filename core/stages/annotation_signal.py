"""The stain signal of one field on the grid of its phase image."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from core.errors import InputError
from core.fields import FieldOfView, split_reference
from core.images import Picture, full_scale, read
from core.registration import Registration, coverage, warp
from core.settings import AnnotateSettings
from core.stages.annotation_alignment import Alignments, images_of
from core.stain.kinds import StainImage, stain_signal
from core.stain.signal import StainSignal, gated_signal
from core.workspace import Experiment

ABSOLUTE: Final = ("fluorescence", "raw")  # kinds whose signal is a share of white: all fields must have the same white
USELESS: Final = 0.9  # share of saturated pixels from which nothing is measured


@dataclass(frozen=True)
class Blanks:
    """Images of the empty field for the stain and the colour images, where there are some."""

    stain: np.ndarray | None = None
    colour: np.ndarray | None = None


@dataclass(frozen=True)
class Aligned:
    """The signal on the phase grid and the registrations that it was laid there with, by image ("stain", "colour")."""

    signal: StainSignal  # NaN where the stain image does not reach
    registrations: Mapping[str, Registration]

    @property
    def covered(self) -> np.ndarray:
        """Where the stain image reaches, bool (Y, X)."""
        return ~np.isnan(self.signal.values)


def blank_file(experiment: Experiment, named: str) -> Path | None:
    """The file of a blank image: beside the experiment's images, or where the user says. InputError where it is missing."""
    if not named.strip():
        return None
    text = split_reference(named.strip())[0]
    found = next((p for p in (experiment.path / text, Path(text)) if p.is_file()), None)
    if found is None:
        raise InputError(f"Blank image: {named}: there is no such file, neither in {experiment.path} nor as written.")
    return found


def read_blanks(experiment: Experiment, settings: AnnotateSettings) -> Blanks:
    def pixels(named: str) -> np.ndarray | None:
        file = blank_file(experiment, named)
        return None if file is None else read(file, split_reference(named.strip())[1]).pixels

    return Blanks(pixels(settings.blank), pixels(settings.colour_blank))


def common_white(experiment: Experiment, chosen: Sequence[FieldOfView], settings: AnnotateSettings) -> dict[str, float]:
    """The value of white for images whose depth is a guess, by dtype; empty where the kind of signal does not hang on it.

    A guess goes by the largest value of one image; another field of the same camera must not get another white.
    """
    white: dict[str, float] = {}
    if settings.signal not in ABSOLUTE:
        return white
    for fov in chosen:
        try:
            picture = read(*experiment.resolve(fov.stain))
        except InputError:  # said when the field itself is measured
            continue
        if picture.bits_guessed or not picture.bits:
            kind = picture.pixels.dtype.name
            white[kind] = max(white.get(kind, 0.0), full_scale(picture))
    return white


def aligned_signal(
    experiment: Experiment,
    fov: FieldOfView,
    settings: AnnotateSettings,
    alignments: Alignments,
    shape: tuple[int, ...],
    blanks: Blanks,
    white: Mapping[str, float],
) -> Aligned:
    """Measure the stain in the image as it was taken, then lay the signal on the phase grid ``shape`` (Y, X).

    Raises
    ------
    InputError
        An image is missing, unreadable, empty, saturated all over, of another size, or not aligned.
    """
    signals, registrations = {}, {}
    for image in images_of(fov, settings.signal):
        reference = getattr(fov, image)
        picture = read(*experiment.resolve(reference))
        registrations[image] = alignments.of(fov.fov_id, image, picture.pixels.shape[:2], shape)
        measured = _measured(settings, image, _stain_image(picture, image, settings, blanks, white))
        signals[image] = _laid(measured, registrations[image], shape, settings)
    if settings.signal == "gated":
        return Aligned(gated_signal(signals["stain"], signals["colour"], settings.gate), registrations)
    return Aligned(next(iter(signals.values())), registrations)


def _stain_image(picture: Picture, image: str, settings: AnnotateSettings, blanks: Blanks, white: Mapping[str, float]) -> StainImage:
    known = picture.bits and not picture.bits_guessed
    top = full_scale(picture) if known else max(full_scale(picture), white.get(picture.pixels.dtype.name, 0.0))
    if settings.signal not in ("binary", "raw"):
        _refuse_saturated(picture.pixels, top, image, dark=settings.signal != "fluorescence")
    colour = image == "colour" or settings.signal == "colour"
    return StainImage(picture.pixels, top, blanks.colour if colour else blanks.stain)


def _refuse_saturated(pixels: np.ndarray, white: float, image: str, dark: bool) -> None:
    if pixels.min() == pixels.max():
        return  # said better where the signal is measured
    for word, share in (("white", float((pixels >= white).mean())), ("black", float((pixels <= 0).mean()) if dark else 0.0)):
        if share > USELESS:
            raise InputError(
                f"{100 * share:.0f} % of the {image} image is saturated ({word}), so no stain can be measured. Take it again with another exposure."
            )


def _measured(settings: AnnotateSettings, image: str, given: StainImage) -> StainSignal:
    if settings.signal == "gated":
        kind = "brightfield" if image == "stain" else "colour"
        return stain_signal(replace(settings, signal=kind), *((given, None) if image == "stain" else (None, given)))
    return stain_signal(settings, None, given) if settings.signal == "colour" else stain_signal(settings, given)


def _laid(signal: StainSignal, registration: Registration, shape: tuple[int, ...], settings: AnnotateSettings) -> StainSignal:
    size = signal.values.shape
    order = 0 if settings.signal == "binary" else 1  # a ready layer has no values between
    values = warp(signal.values, registration, shape, order=order, pad=settings.pad_stain)
    values[~coverage(registration, size, shape)] = np.nan
    return StainSignal(values, signal.unit, signal.scale, signal.warnings)
