"""Dense layers of spindles as routine culture microscopes show them: low magnification, oblique light, JPEG.

`simulate_field` draws clean phase contrast; confluent cultures photographed on a routine microscope look like a relief instead:
every cell bright on one side and dark on the other, little contrast, overlapping ends, a burnt-in scale bar.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from core.simulate.optics import uneven_light
from core.simulate.shapes import Outline, Traits, draw_outline, draw_traits

MOST_COVERED = 0.3  # share of a new cell that may lie on cells already there
LEAST_VISIBLE = 0.5  # share of a cell that must stay visible to be labelled


@dataclass(frozen=True)
class Layer:
    """``image`` uint8 (Y, X) and ``labels`` int32 (Y, X), cells 1..N."""

    image: np.ndarray
    labels: np.ndarray


def simulate_layer(seed: int, size: int = 768) -> Layer:
    """A square field of ``size`` px of one dense layer; everything about it comes from ``seed``."""
    rng = np.random.default_rng(seed)
    pixel_size_um = float(np.exp(rng.uniform(np.log(0.8), np.log(2.2))))
    directions = _directions(rng, size, coherence_px=rng.uniform(40, 160) / pixel_size_um)
    labels, height = _place(rng, size, pixel_size_um, directions, confluence=rng.uniform(0.3, 0.85))
    image = _light(rng, height, labels, pixel_size_um)
    return Layer(_photograph(rng, image), labels)


def _directions(rng: np.random.Generator, size: int, coherence_px: float) -> np.ndarray:
    """Local long axis of the cells in radians, float32 (Y, X): neighbours lie alike, as spindles do."""
    small = max(4, int(size / coherence_px * 4))
    noise = [cv2.GaussianBlur(rng.standard_normal((small, small), np.float32), (0, 0), 2.5) for _ in range(2)]
    doubled = np.arctan2(*(cv2.resize(n, (size, size), interpolation=cv2.INTER_CUBIC) for n in noise))
    return doubled / 2  # an axis, not an arrow


def _place(rng: np.random.Generator, size: int, um: float, directions: np.ndarray, confluence: float) -> tuple[np.ndarray, np.ndarray]:
    labels = np.zeros((size, size), np.int32)
    height = np.zeros((size, size), np.float32)
    seen_px: dict[int, int] = {}
    factor = float(np.exp(rng.normal(-0.6, 0.35)))  # spindles of a dense layer are narrow
    covered, misses = 0, 0
    while covered < confluence * size * size and misses < 1500:
        y, x = rng.integers(0, size, 2)
        traits = _slim(rng, draw_traits(rng, bool(rng.random() < 0.06), factor, float(directions[y, x])), float(directions[y, x]))
        outline = draw_outline(rng, traits, um)
        box, inside = _window(outline, int(y), int(x), size)
        under = labels[box]
        if inside.sum() < 25 or (under[inside] > 0).mean() > MOST_COVERED:
            misses += 1
            continue
        number = len(seen_px) + 1
        covered += int((under[inside] == 0).sum())
        height[box] += _profile(rng, inside, um) * np.float32(np.exp(rng.normal(0, 0.35)))
        under[inside] = number
        seen_px[number] = int(inside.sum())
    return _still_visible(labels, seen_px), height


def _slim(rng: np.random.Generator, traits: Traits, direction: float) -> Traits:
    """Most cells of a dense layer are slim and lie along their neighbours."""
    if rng.random() < 0.15:
        return traits
    return replace(traits, spread=min(traits.spread, float(rng.uniform(0, 0.25))), angle=direction + float(rng.normal(0, 0.3)))


def _window(outline: Outline, y: int, x: int, size: int) -> tuple[tuple[slice, slice], np.ndarray]:
    """Where the outline lies in the field, and its mask cut to the field."""
    top, left = y + outline.origin[0], x + outline.origin[1]
    high, wide = outline.mask.shape
    rows, columns = slice(max(0, top), max(0, min(size, top + high))), slice(max(0, left), max(0, min(size, left + wide)))
    return (rows, columns), outline.mask[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]


def _profile(rng: np.random.Generator, mask: np.ndarray, um: float) -> np.ndarray:
    """Height over the dish, float32 (h, w): steep at the edge, domed where the cell is wide, with fine texture."""
    inner = cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, 3)[1:-1, 1:-1] * um
    dome = np.sqrt(np.minimum(inner, 9.0))
    texture = cv2.GaussianBlur(rng.standard_normal(mask.shape, np.float32), (0, 0), max(0.6, 1.2 / um))
    return np.where(mask, dome * (1 + 0.25 * texture), 0).astype(np.float32)


def _still_visible(labels: np.ndarray, drawn_px: dict[int, int]) -> np.ndarray:
    """Drop the labels of cells that later ones mostly cover, and renumber."""
    out = np.zeros_like(labels)
    number = 0
    for value, area in drawn_px.items():
        visible = labels == value
        if visible.sum() >= LEAST_VISIBLE * area:
            number += 1
            out[visible] = number
    return out


def _light(rng: np.random.Generator, height: np.ndarray, labels: np.ndarray, um: float) -> np.ndarray:
    """Image of ``height`` under oblique light, float32 (Y, X), background 0: a slope shade, some halo, some absorption."""
    smooth = cv2.GaussianBlur(height, (0, 0), float(np.clip(rng.uniform(0.8, 1.8) / um, 0.5, 2.5)))
    angle = rng.uniform(0, 2 * np.pi)
    slope = np.cos(angle) * np.gradient(smooth, axis=1) + np.sin(angle) * np.gradient(smooth, axis=0)
    halo = smooth - cv2.GaussianBlur(smooth, (0, 0), 4.0 / um + 1)
    relief, ring, body = rng.dirichlet([2.0, 1.0, 0.7]) * [1.0, rng.choice([-0.7, 0.7], p=[0.4, 0.6]), rng.choice([-0.25, 0.25])]
    image = relief * slope / (slope.std() + 1e-6) + ring * halo / (halo.std() + 1e-6) + body * smooth / (smooth.std() + 1e-6)
    return (image + _specks(rng, height.shape, um, angle)).astype(np.float32)


def _specks(rng: np.random.Generator, shape: tuple[int, ...], um: float, angle: float) -> np.ndarray:
    """Round floating cells and debris, bright on the lit side: no cell of the layer, so without a label."""
    out = np.zeros(shape, np.float32)
    for _ in range(rng.poisson(rng.uniform(2, 40))):
        y, x = rng.integers(0, shape[0]), rng.integers(0, shape[1])
        radius = float(np.exp(rng.normal(np.log(3.5), 0.5))) / um
        shift = (int(x + np.cos(angle) * radius / 3), int(y + np.sin(angle) * radius / 3))
        cv2.circle(out, (int(x), int(y)), max(1, round(radius)), -1.5, 1)
        cv2.circle(out, shift, max(1, round(0.7 * radius)), float(rng.uniform(1, 5)), cv2.FILLED)
    return cv2.GaussianBlur(out, (0, 0), 0.7)


def _photograph(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """8-bit picture as such cameras save it: low contrast, uneven light, noise, JPEG, often a scale bar and a dark frame."""
    grain = cv2.GaussianBlur(rng.standard_normal(image.shape, np.float32), (0, 0), rng.uniform(0.3, 1.0))
    grain = grain / grain.std()
    contrast = rng.uniform(4, 14)
    picture = rng.uniform(90, 150) * uneven_light(rng, image.shape, rng.uniform(0, 0.25)) + contrast * (
        image + np.exp(rng.uniform(np.log(0.02), np.log(0.25))) * grain
    )
    picture = np.clip(picture, 0, 255).astype(np.uint8)
    if rng.random() < 0.6:
        _scale_bar(rng, picture)
    if rng.random() < 0.4:
        picture[: rng.integers(1, 6)] = rng.integers(0, 30)
    if rng.random() < 0.7:
        _, packed = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(55, 96))])
        picture = cv2.imdecode(packed, cv2.IMREAD_GRAYSCALE)
    return np.asarray(picture)


def _scale_bar(rng: np.random.Generator, picture: np.ndarray) -> None:
    size = picture.shape[0]
    long, y = int(rng.integers(40, 120)), size - int(rng.integers(12, 40))
    x, colour = size - long - int(rng.integers(10, 40)), int(rng.choice([0, 255]))
    cv2.rectangle(picture, (x, y), (x + long, y + int(rng.integers(2, 6))), colour, cv2.FILLED)
    cv2.putText(picture, f"{rng.choice([20, 50, 100, 200])} um", (x, y - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.5, colour, 1, cv2.LINE_AA)
