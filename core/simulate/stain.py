"""The stained twin of a phase field: a red-filter monochrome image and a colour image, both taken with a slightly moved camera."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from core.simulate.layout import Canvas, PlacedCell
from core.simulate.optics import camera, uneven_light, wide_blur
from core.simulate.phase import Nucleus, Spots, Texture

FLOAT = np.float32
XGAL_RGB = np.array([1.0, 0.42, 0.24], FLOAT)  # optical density in red, green, blue: the dye takes the red light away
DUST_RGB = np.array([1.0, 1.02, 1.05], FLOAT)
FAINT_SHARE = 0.12  # of senescent cells that stain only faintly
YOUNG_SHARE = 0.05  # of young cells with a trace of stain


@dataclass(frozen=True)
class Registration:
    """A similarity that carries phase coordinates to stain (and colour) coordinates.

    ``stain_xy = scale * R * (phase_xy - c) + c + shift``, with (x, y) px, pixel centres at whole numbers, ``c`` the middle
    of the field ``((size - 1) / 2)``, and ``R = [[cos, -sin], [sin, cos]]`` of ``rotation_deg``: with y pointing down a
    positive angle turns the picture clockwise on the screen.
    """

    shift_y_px: float
    shift_x_px: float
    rotation_deg: float
    scale: float
    size: int

    def matrix(self) -> np.ndarray:
        """The 3 x 3 matrix, float64: ``(x_stain, y_stain, 1) = matrix @ (x_phase, y_phase, 1)``."""
        turn, centre = np.deg2rad(self.rotation_deg), (self.size - 1) / 2
        linear = self.scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        offset = np.array([self.shift_x_px, self.shift_y_px]) + centre - linear @ np.array([centre, centre])
        return np.vstack([np.column_stack([linear, offset]), [0, 0, 1]])

    def margin_px(self, size: int) -> int:
        """How far beyond its own border the stain image of a ``size`` px field looks."""
        corners = np.array([[0, 0, 1], [size, 0, 1], [0, size, 1], [size, size, 1]], float).T
        seen = (np.linalg.inv(self.matrix()) @ corners)[:2]
        return int(np.ceil(max(0.0, -seen.min(), seen.max() - size)))

    def row(self) -> dict[str, Any]:
        """Plain values for a table; ``matrix`` is a nested list of 3 x 3 floats (phase to stain, x before y)."""
        return {
            "shift_y_px": self.shift_y_px,
            "shift_x_px": self.shift_x_px,
            "rotation_deg": self.rotation_deg,
            "scale": self.scale,
            "matrix": self.matrix().tolist(),
        }


def draw_registration(rng: np.random.Generator, size: int) -> Registration:
    """Draw a misalignment as a stage gives it when a dish is taken out, stained and put back."""
    shift_y, shift_x = rng.uniform(-12, 12, 2)
    rotation, scale = rng.uniform(-0.8, 0.8), 1 + rng.uniform(-0.012, 0.012)
    return Registration(float(shift_y), float(shift_x), float(rotation), float(scale), size)


def render_stain(
    rng: np.random.Generator,
    canvas: Canvas,
    cells: list[PlacedCell],
    nuclei: list[Nucleus],
    labels: np.ndarray,
    path: np.ndarray,
    registration: Registration,
    strength: float,
    bits: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the monochrome image uint16 (Y, X), the colour image uint8 (Y, X, 3) and the peak density of every cell.

    ``strength`` 0 is an unstained dish. Both images show the same dish: transmitted light, X-gal as optical density,
    cells faintly by refraction (their phase is ``path``), grey dust that the red filter alone cannot tell from stain.
    """
    density = _densities(rng, cells, strength)
    dye = _dye(rng, canvas, cells, nuclei, labels, density)
    if strength > 0:
        dye += _precipitate(rng, canvas) * FLOAT(min(strength, 1.5))
    dust = _dust(rng, canvas)
    clear = 1 + FLOAT(0.16) * (path - wide_blur(path, 1.2 / canvas.pixel_size_um))  # slightly out of focus, cells refract
    blur = max(float(np.hypot(0.45, abs(rng.normal(0, 0.4)))) / canvas.pixel_size_um, 0.3)
    dye, dust, clear = (_seen(cv2.GaussianBlur(layer, (0, 0), blur), canvas, registration) for layer in (dye, dust, clear))
    shading = uneven_light(rng, dye.shape, rng.uniform(0.08, 0.35))
    mono = clear * shading * np.exp(-np.log(FLOAT(10)) * (dye * XGAL_RGB[0] + dust * DUST_RGB[0]))
    stain = camera(rng, mono, bits, level=rng.uniform(0.5, 0.75), electrons=rng.uniform(5000, 14000), read_noise=rng.uniform(2, 8))
    return stain, _colour(rng, dye, dust, clear * shading), density


def _densities(rng: np.random.Generator, cells: list[PlacedCell], strength: float) -> np.ndarray:
    """Peak optical density of X-gal in each cell, float64 (n,), 0 for none."""
    peak = np.zeros(len(cells))
    for k, cell in enumerate(cells):
        full, faint, which = np.exp(rng.normal(np.log(0.5), 0.35)), rng.uniform(0.04, 0.12), rng.random()
        if cell.traits.senescent:
            peak[k] = faint if which < FAINT_SHARE else full
        elif which < YOUNG_SHARE:
            peak[k] = faint
    return peak * strength


def _dye(rng: np.random.Generator, canvas: Canvas, cells: list[PlacedCell], nuclei: list[Nucleus], labels: np.ndarray, density: np.ndarray) -> np.ndarray:
    """X-gal round the nuclei as optical density, float32 over the canvas: a cloud of grains, denser at one side."""
    dye = np.zeros(canvas.shape, FLOAT)
    grain, cloud = Texture(rng, 0.6 / canvas.pixel_size_um), Texture(rng, 2.5 / canvas.pixel_size_um)
    for cell, nucleus, peak in zip(cells, nuclei, density, strict=True):
        reach = rng.uniform(1.6, 3.0) * (0.75 + 0.5 * cell.traits.spread)
        offset = rng.normal(0, 0.35, 2)
        windows = grain.window(rng, cell.mask.shape), cloud.window(rng, cell.mask.shape)
        if peak <= 0:
            continue
        shifted = Nucleus(nucleus.y + offset[0] * nucleus.short, nucleus.x + offset[1] * nucleus.short, nucleus.long, nucleus.short, nucleus.angle)
        falloff = np.exp(-((shifted.radius(cell.box) / FLOAT(reach)) ** 2))
        nucleus_free = 1 - FLOAT(0.55) * (nucleus.radius(cell.box) < 0.9)
        grains = np.clip(0.75 + 0.3 * windows[0] + 0.35 * windows[1], 0, 2)
        dye[cell.box] += np.where(cell.mask & (labels[cell.box] == cell.label), FLOAT(peak) * falloff * nucleus_free * grains, 0)
    return dye


def _precipitate(rng: np.random.Generator, canvas: Canvas) -> np.ndarray:
    """Crystals of the dye that fell out of solution: specks and short needles anywhere, optical density float32."""
    room = canvas.shape[0] * canvas.shape[1] * canvas.pixel_size_um**2
    spots = Spots(canvas)
    count = rng.poisson(rng.choice([4, 20, 60]) * room / 4.4e5)
    for y, x in rng.uniform(0, canvas.shape[0], (count, 2)):
        turn, length = rng.uniform(0, np.pi), rng.gamma(1.5, 2.5) / canvas.pixel_size_um
        along = np.linspace(-length, length, 2 + int(length))
        spots.add(int(rng.integers(0, 2)), y + along * np.sin(turn), x + along * np.cos(turn), np.full(len(along), rng.uniform(0.15, 0.6)))
    return np.minimum(spots.drawn(), 1.2)


def _dust(rng: np.random.Generator, canvas: Canvas) -> np.ndarray:
    """Grey specks, as dark in every colour, optical density float32."""
    room = canvas.shape[0] * canvas.shape[1] * canvas.pixel_size_um**2
    spots = Spots(canvas)
    count = rng.poisson(rng.uniform(5, 40) * room / 4.4e5)
    y, x = rng.uniform(0, canvas.shape[0], (2, count))
    size = rng.integers(0, 3, count)
    for layer in range(3):
        spots.add(layer, y[size == layer], x[size == layer], rng.uniform(0.05, 0.6, int((size == layer).sum())))
    return np.minimum(spots.drawn(), 1.2)


def _seen(layer: np.ndarray, canvas: Canvas, registration: Registration) -> np.ndarray:
    """Cut the field out of a canvas layer as the moved camera sees it, float32 (size, size)."""
    from_canvas = registration.matrix() @ np.array([[1, 0, -canvas.pad], [0, 1, -canvas.pad], [0, 0, 1]], float)
    side = (canvas.size, canvas.size)
    return cv2.warpAffine(layer, from_canvas[:2], side, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)


def _colour(rng: np.random.Generator, dye: np.ndarray, dust: np.ndarray, clear: np.ndarray) -> np.ndarray:
    """The RGB picture uint8: lamp colour times what dye and dust let through, in 8 bits with a little noise."""
    lamp = np.array([218, 220, 214], FLOAT) * rng.uniform(0.93, 1.0, 3).astype(FLOAT) * FLOAT(rng.uniform(0.85, 1.0))
    out = np.empty((*dye.shape, 3), np.uint8)
    for c in range(3):
        light = clear * lamp[c] * np.exp(-np.log(FLOAT(10)) * (dye * XGAL_RGB[c] + dust * DUST_RGB[c]))
        out[..., c] = np.clip(np.rint(light + FLOAT(1.8) * rng.standard_normal(dye.shape, FLOAT)), 0, 255)
    return out
