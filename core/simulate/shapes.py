"""The cells of a simulated culture: what one cell is like, and its outline.

Lengths are in micrometres; the caller's pixel size turns them into pixels. Every trait of a cell is drawn round the
mean of its class with a spread wide enough for the classes to overlap, so that no single trait gives the class away.
"""

from dataclasses import dataclass

import cv2
import numpy as np

SPEAKING = ("area", "spread", "granules", "vacuoles", "nucleus")  # traits whose means differ between the classes
SUBPIXEL_BITS = 4  # cv2 takes polygon corners in 1/16 px


@dataclass(frozen=True)
class Traits:
    """One cell before it has a place. Areas in µm², lengths in µm, phases in radians of optical path."""

    senescent: bool
    area_um2: float
    spread: float  # 0 slim spindle .. 1 flat polygon
    thickness: float  # phase delay over the cell body
    granules: float  # expected number of dark granules round the nucleus
    vacuoles: float
    fibres: float  # phase of stress fibres
    nucleus_um2: float
    angle: float  # of the long axis, radians from x towards y
    evidence: tuple[float, ...]  # what each of ``SPEAKING`` says of the class: see ``_evidence``


@dataclass(frozen=True)
class Outline:
    """A rasterised cell: ``mask`` bool (h, w) in a box whose pixel (0, 0) lies at ``origin`` (y, x) from the cell's anchor."""

    mask: np.ndarray
    origin: tuple[int, int]


@dataclass(frozen=True)
class _Class:
    """Means of the traits of one class; all but area are drawn with the same deviation in both."""

    log_area: float  # of µm²
    area_deviation: float
    low_um2: float
    high_um2: float
    spread: float  # logit
    log_granules: float
    log_vacuoles: float
    log_nucleus: float


_YOUNG = _Class(7.5, 0.5, 650, 7000, -1.5, 3.6, 0.6, 5.1)
_SENESCENT = _Class(8.45, 0.68, 1200, 16000, 1.1, 4.4, 1.9, 5.5)
_SPREAD_DEVIATION, _SPREAD_BY_AREA = 1.25, 0.6
_GRANULES_DEVIATION, _VACUOLES_DEVIATION, _NUCLEUS_DEVIATION = 0.65, 0.9, 0.22


def draw_traits(rng: np.random.Generator, senescent: bool, size_factor: float, angle: float) -> Traits:
    """Draw one cell of its class; ``size_factor`` multiplies areas (a line's mean cell size), ``angle`` is the local direction.

    Log-area has its class means 1 apart with standard deviations of 0.5 and 0.7: area alone then separates the classes
    with an area under the curve of about 0.85. Granularity overlaps as much and is drawn independently of area.
    """
    law = _SENESCENT if senescent else _YOUNG
    area = float(np.clip(np.exp(rng.normal(law.log_area, law.area_deviation)), law.low_um2, law.high_um2)) * size_factor
    bulk = np.log(area / size_factor) - law.log_area
    spread = float(1 / (1 + np.exp(-(rng.normal(law.spread, _SPREAD_DEVIATION) + _SPREAD_BY_AREA * bulk))))
    thickness = 0.23 * (1800 * size_factor / area) ** 0.35 * np.exp(rng.normal(0.0, 0.3))
    if rng.random() < 0.12 * (1 - spread):
        thickness *= rng.uniform(2.0, 3.5)  # a refractile cell, drawn together
    granules = float(np.exp(rng.normal(law.log_granules, _GRANULES_DEVIATION)))
    vacuoles = float(np.exp(rng.normal(law.log_vacuoles, _VACUOLES_DEVIATION)))
    fibres = float(rng.uniform(-0.02, 0.04) * (0.35 + 0.65 * spread))
    nucleus = float(np.exp(rng.normal(law.log_nucleus, _NUCLEUS_DEVIATION)))
    return Traits(
        senescent=senescent,
        area_um2=area,
        spread=spread,
        thickness=float(np.clip(thickness, 0.09, 2.0)),
        granules=granules,
        vacuoles=vacuoles,
        fibres=fibres,
        nucleus_um2=nucleus,
        angle=angle + float(rng.normal(0.0, 0.35 + 1.2 * spread)),
        evidence=_evidence(area / size_factor, spread, granules, vacuoles, nucleus),
    )


def _evidence(area_um2: float, spread: float, granules: float, vacuoles: float, nucleus_um2: float) -> tuple[float, ...]:
    """Logarithms of the likelihood ratio, senescent against not, of each trait of a cell (area for a size factor of 1; spread given the area).

    By Neyman and Pearson no score of the traits separates the classes better than their sum, so its area under the ROC curve is the
    ceiling for whoever knows the traits exactly; an image shows them with noise, and its ceiling lies lower. That areas are cut off
    at the ends of their range is left out of account.
    """

    def log_likelihoods(law: _Class) -> np.ndarray:
        bulk = np.log(area_um2) - law.log_area
        flatness = np.log(spread / (1 - spread)) - law.spread - _SPREAD_BY_AREA * bulk
        deviations = (
            bulk / law.area_deviation,
            flatness / _SPREAD_DEVIATION,
            (np.log(granules) - law.log_granules) / _GRANULES_DEVIATION,
            (np.log(vacuoles) - law.log_vacuoles) / _VACUOLES_DEVIATION,
            (np.log(nucleus_um2) - law.log_nucleus) / _NUCLEUS_DEVIATION,
        )
        return -0.5 * np.square(deviations) - np.array([np.log(law.area_deviation), 0, 0, 0, 0])

    return tuple((log_likelihoods(_SENESCENT) - log_likelihoods(_YOUNG)).tolist())


def draw_outline(rng: np.random.Generator, traits: Traits, pixel_size_um: float) -> Outline:
    """Draw the outline of ``traits``: polygons from the library of forms below, united, roughened and made one piece."""
    polygons = _flat(rng, traits) if rng.random() < _smooth_step(traits.spread) else _spindle(rng, traits)
    polygons = _scaled_to(polygons, traits.area_um2)
    cos, sin = np.cos(traits.angle), np.sin(traits.angle)
    turned = [(p @ np.array([[cos, sin], [-sin, cos]])) / pixel_size_um for p in polygons]  # columns x, y
    return _rasterise(rng, turned, pixel_size_um)


def _smooth_step(spread: float) -> float:
    return float(np.clip((spread - 0.3) / 0.4, 0, 1))


def _spindle(rng: np.random.Generator, traits: Traits) -> list[np.ndarray]:
    """A bent body with a tapering process at either end, now and then a third one at the side."""
    aspect = np.exp(rng.normal(np.log(7.5) * (1 - traits.spread) + np.log(3.0) * traits.spread, 0.2))
    length = float(np.clip(np.sqrt(traits.area_um2 * aspect / 0.55), 45, 220))
    width = traits.area_um2 / (0.55 * length)
    s = np.linspace(-1, 1, 41)
    centre = rng.uniform(-0.3, 0.3)
    sides = []
    for _ in range(2):
        reach = np.where(s < centre, rng.uniform(0.3, 0.6), rng.uniform(0.3, 0.6))
        body = np.exp(-((np.abs(s - centre) / reach) ** rng.uniform(1.4, 2.4)))
        foot = rng.uniform(0.0, 0.35) * np.exp(-(((np.abs(s) - 0.93) / 0.08) ** 2))  # a process ends in a small fan
        ripple = 1 + _ripple(rng, len(s), 3.0, 0.10)
        sides.append(width / 2 * (0.13 + 0.87 * body + foot) * ripple * (1 - s**2) ** 0.25)
    bend, twist = rng.normal(0, 0.10) * length, rng.normal(0, 0.05) * length
    middle = bend * s**2 + twist * s**3
    top = np.stack([s * length / 2, middle + sides[0]], axis=1)
    bottom = np.stack([s * length / 2, middle - sides[1]], axis=1)[::-1]
    polygons = [np.concatenate([top, bottom])]
    polygons += [_process(rng, length, width) for _ in range(rng.choice(3, p=[0.6, 0.3, 0.1]))]
    return polygons


def _process(rng: np.random.Generator, length: float, width: float) -> np.ndarray:
    """A side process: a narrow triangle with a blunt tip, rooted in the body."""
    direction = rng.choice([-1, 1]) * rng.uniform(0.5, 2.6)
    reach, root = rng.uniform(0.6, 1.3) * max(width, 0.18 * length), rng.uniform(0.25, 0.5) * width
    along = np.array([np.cos(direction), np.sin(direction)])
    across = np.array([-along[1], along[0]])
    start = np.array([rng.uniform(-0.12, 0.12) * length, 0.0])
    tip = start + along * (reach + width / 2)
    return np.stack([start + across * root, tip + across * 0.8, tip - across * 0.8, start - across * root])


def _flat(rng: np.random.Generator, traits: Traits) -> list[np.ndarray]:
    """A spread cell: corners held by adhesions, the edge between them drawn in, or bulging where a lamella advances."""
    corners = int(rng.integers(4, 9))
    angles = (np.arange(corners) + rng.uniform(-0.32, 0.32, corners)) * 2 * np.pi / corners
    aspect = np.exp(rng.normal(np.log(1.25) * traits.spread + np.log(2.2) * (1 - traits.spread), 0.22))
    radii = np.exp(rng.normal(0, 0.2, corners))
    tips = np.stack([np.cos(angles) * np.sqrt(aspect), np.sin(angles) / np.sqrt(aspect)], axis=1) * radii[:, None]
    t = np.linspace(0, 1, 24, endpoint=False)[:, None]
    edges = []
    for k in range(corners):
        a, b = tips[k], tips[(k + 1) % corners]
        pull = (a + b) / 2 * rng.choice([rng.uniform(0.6, 0.95), rng.uniform(1.1, 1.5)], p=[0.6, 0.4])
        edges.append((1 - t) ** 2 * a + 2 * t * (1 - t) * pull + t**2 * b)
    outline = np.concatenate(edges)
    wavy = _ripple(rng, len(outline), 6.0, rng.uniform(0.02, 0.06)) + _ripple(rng, len(outline), 1.6, rng.uniform(0.01, 0.035))
    return [outline * (1 + wavy)[:, None]]


def _ripple(rng: np.random.Generator, count: int, width: float, strength: float) -> np.ndarray:
    """Smooth noise round a closed line of ``count`` points: correlation over ``width`` points, deviation ``strength``."""
    steps = np.minimum(np.arange(count), count - np.arange(count))
    kernel = np.exp(-((steps / width) ** 2) / 2)
    noise = np.fft.irfft(np.fft.rfft(rng.standard_normal(count)) * np.fft.rfft(kernel), count)
    return strength * noise / np.sqrt((kernel**2).sum())


def _scaled_to(polygons: list[np.ndarray], area: float) -> list[np.ndarray]:
    """Scale the whole so that its first polygon has ``area``."""
    x, y = polygons[0].T
    own = abs(float(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))) / 2
    return [p * np.sqrt(area / max(own, 1e-6)) for p in polygons]


def _rasterise(rng: np.random.Generator, polygons: list[np.ndarray], pixel_size_um: float) -> Outline:
    every = np.concatenate(polygons)
    margin = int(np.ceil(4 / pixel_size_um)) + 2
    low = np.floor(every.min(axis=0)).astype(int) - margin
    width, height = np.ceil(every.max(axis=0)).astype(int) + margin - low + 1
    canvas = np.zeros((height, width), np.float32)
    for polygon in polygons:
        corners = np.round((polygon - low) * (1 << SUBPIXEL_BITS)).astype(np.int32)
        cv2.fillPoly(canvas, [corners], 1.0, shift=SUBPIXEL_BITS)
    blur = max(0.8 / pixel_size_um, 0.5)
    soft = cv2.GaussianBlur(canvas, (0, 0), blur)
    rough = cv2.GaussianBlur(rng.standard_normal((height, width), np.float32), (0, 0), 1.6 * blur)
    mask = soft + rough * (rng.uniform(0.06, 0.24) / max(float(rough.std()), 1e-6)) > 0.45
    return Outline(largest_piece(mask & (cv2.dilate(canvas, np.ones((3, 3), np.uint8)) > 0)), (int(low[1]), int(low[0])))


def largest_piece(mask: np.ndarray) -> np.ndarray:
    """Return the largest 4-connected piece of bool ``mask`` (h, w), its holes filled."""
    contours, _ = cv2.findContours(_largest(mask).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = np.zeros(mask.shape, np.uint8)
    cv2.drawContours(filled, contours, -1, 1, thickness=cv2.FILLED)
    return filled.astype(bool)


def _largest(mask: np.ndarray) -> np.ndarray:
    count, pieces, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)
    return mask if count <= 2 else pieces == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
