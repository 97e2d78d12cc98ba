"""What lies on the dish, as optical path: cells with nucleus, granules and fibres; debris; round floating cells."""

from dataclasses import dataclass

import cv2
import numpy as np

from core.simulate.layout import Canvas, PlacedCell

FLOAT = np.float32


@dataclass(frozen=True)
class Nucleus:
    """Centre (y, x) on the canvas, half axes (long, short) and direction (radians from x towards y) in pixels."""

    y: float
    x: float
    long: float
    short: float
    angle: float

    def radius(self, box: tuple[slice, slice]) -> np.ndarray:
        """Elliptical distance float32 over ``box``: 0 at the centre, 1 on the nuclear envelope."""
        y = np.arange(box[0].start, box[0].stop, dtype=FLOAT)[:, None] - FLOAT(self.y)
        x = np.arange(box[1].start, box[1].stop, dtype=FLOAT)[None, :] - FLOAT(self.x)
        cos, sin = FLOAT(np.cos(self.angle)), FLOAT(np.sin(self.angle))
        return np.hypot((cos * x + sin * y) / FLOAT(self.long), (cos * y - sin * x) / FLOAT(self.short))


class Texture:
    """A plate of smooth noise made once a field, from which every cell takes a window of unit variance."""

    def __init__(self, rng: np.random.Generator, sigma_px: float, side: int = 640) -> None:
        rim = int(np.ceil(4 * sigma_px)) + 2  # blurred with its own opposite edge, so that it repeats without a seam
        noise = np.pad(rng.standard_normal((side, side), FLOAT), rim, mode="wrap")
        plate = cv2.GaussianBlur(noise, (0, 0), max(sigma_px, 0.4))[rim:-rim, rim:-rim]
        self.plate = plate / plate.std()

    def window(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """A random window (h, w) float32; wraps round where the cell is larger than the plate."""
        rows, columns = (np.arange(n) + rng.integers(self.plate.shape[0]) for n in shape)
        return self.plate.take(rows, axis=0, mode="wrap").take(columns, axis=1, mode="wrap")


def optical_path(rng: np.random.Generator, canvas: Canvas, cells: list[PlacedCell], labels: np.ndarray) -> tuple[np.ndarray, list[Nucleus]]:
    """Phase delay (Y, X) float32 in radians over the whole canvas, and the nucleus of every cell in order."""
    path = np.zeros(canvas.shape, FLOAT)
    spots = Spots(canvas)
    fine, coarse = Texture(rng, 0.7 / canvas.pixel_size_um), Texture(rng, 2.2 / canvas.pixel_size_um)
    nuclei = []
    for cell in cells:
        depth = _depth(cell, canvas.pixel_size_um)
        nucleus = _nucleus(rng, cell, depth, canvas.pixel_size_um)
        path[cell.box] += _body(rng, cell, depth, nucleus, fine, coarse, canvas.pixel_size_um)
        _granules(rng, spots, cell, nucleus, canvas.pixel_size_um)
        nuclei.append(nucleus)
    _debris(rng, spots, canvas)
    path += spots.drawn()
    path += FLOAT(rng.uniform(0.002, 0.006)) * coarse.window(rng, canvas.shape)  # medium and plastic are never quite clear
    _floating(rng, path, labels, canvas)
    return path, nuclei


class Spots:
    """Small round things of three sizes, collected as points and blurred once for the whole canvas."""

    SIGMAS_UM = (0.4, 0.75, 1.5)

    def __init__(self, canvas: Canvas) -> None:
        self.pixel_size_um = canvas.pixel_size_um
        self.layers = [np.zeros(canvas.shape, FLOAT) for _ in self.SIGMAS_UM]

    def add(self, layer: int, y: np.ndarray, x: np.ndarray, peak: np.ndarray) -> None:
        """Add spots of one size with the given ``peak`` phases at (y, x) px; those off the canvas are dropped."""
        rows, columns = np.rint(y).astype(int), np.rint(x).astype(int)
        height, width = self.layers[layer].shape
        on = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        np.add.at(self.layers[layer], (rows[on], columns[on]), peak[on].astype(FLOAT))

    def drawn(self) -> np.ndarray:
        """The sum of all spots, float32 (Y, X)."""
        total = np.zeros(self.layers[0].shape, FLOAT)
        for sigma_um, points in zip(self.SIGMAS_UM, self.layers, strict=True):
            sigma = sigma_um / self.pixel_size_um
            # a point blurred by a narrow kernel keeps its volume, so a spot below a pixel fades as it does in a camera
            total += cv2.GaussianBlur(points, (0, 0), max(sigma, 0.35)) * FLOAT(2 * np.pi * sigma**2)
        return total


def _depth(cell: PlacedCell, pixel_size_um: float) -> np.ndarray:
    """Distance to the cell's edge in µm, float32 over its box; the canvas border counts as inside."""
    padded = cv2.copyMakeBorder(cell.mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    return cv2.distanceTransform(padded, cv2.DIST_L2, 3)[1:-1, 1:-1] * FLOAT(pixel_size_um)


def _nucleus(rng: np.random.Generator, cell: PlacedCell, depth: np.ndarray, pixel_size_um: float) -> Nucleus:
    traits = cell.traits
    row, column = np.unravel_index(int(cv2.blur(depth, (9, 9)).argmax()), depth.shape)
    room = float(depth.max())
    ratio = rng.uniform(1.5, 2.1) - 0.6 * traits.spread
    short = min(np.sqrt(traits.nucleus_um2 / np.pi / ratio), 0.85 * room)
    long = min(traits.nucleus_um2 / np.pi / short, 2.4 * short)
    angle = traits.angle + rng.normal(0, 0.1 + 0.5 * traits.spread)
    wander = rng.normal(0, 0.12 * room / pixel_size_um, 2)
    y, x = cell.box[0].start + row + wander[0], cell.box[1].start + column + wander[1]
    return Nucleus(float(y), float(x), max(long / pixel_size_um, 1.0), max(short / pixel_size_um, 0.7), float(angle))


def _body(rng: np.random.Generator, cell: PlacedCell, depth: np.ndarray, nucleus: Nucleus, fine: Texture, coarse: Texture, pixel_size_um: float) -> np.ndarray:
    """Phase of the cell over its box: rounded where slim, a thin sheet with a hill where spread; texture, fibres, nucleus."""
    traits, shape = cell.traits, depth.shape
    radius = nucleus.radius(cell.box)
    room = FLOAT(max(float(depth.max()), 1.0))
    sheet = 1 - np.exp(-depth / FLOAT(0.55))
    hill = np.exp(-((radius / FLOAT(rng.uniform(2.2, 3.2))) ** 2))
    rounded = sheet * (depth / room) ** FLOAT(0.35)
    lamella = FLOAT(rng.uniform(0.25, 0.55))
    flat = sheet * (lamella + (1 - lamella) * hill)
    spread = FLOAT(traits.spread)
    body = FLOAT(traits.thickness) * ((1 - spread) * rounded + spread * flat)
    mottled = coarse.window(rng, shape) * FLOAT(rng.uniform(0.08, 0.2)) + fine.window(rng, shape) * FLOAT(rng.uniform(0.1, 0.24))
    body *= 1 + mottled * FLOAT(min(1.0, 0.35 / traits.thickness))  # a thick cell is smooth
    ruffle = np.exp(-(((depth - FLOAT(1.2)) / FLOAT(0.8)) ** 2)) * np.maximum(coarse.window(rng, shape) + FLOAT(0.3), 0)
    body += FLOAT(rng.uniform(0.02, 0.08)) * ruffle + _fibres(rng, cell, radius, coarse, pixel_size_um) * sheet
    inside = 1 / (1 + np.exp(np.clip((radius - 1) * FLOAT(14), -30, 30)))
    envelope = np.exp(-(((radius - 1) / FLOAT(0.1)) ** 2))
    body += (FLOAT(rng.uniform(0.0, 0.05)) - body * FLOAT(rng.uniform(0.15, 0.55))) * inside + FLOAT(rng.uniform(0.02, 0.06)) * envelope
    return np.where(cell.mask, body, 0).astype(FLOAT)


def _fibres(rng: np.random.Generator, cell: PlacedCell, radius: np.ndarray, coarse: Texture, pixel_size_um: float) -> np.ndarray | float:
    """Stress fibres: lines along the cell, a random profile read along the coordinate across it."""
    if cell.traits.fibres < 0.008:
        return 0.0
    angle = cell.traits.angle + rng.normal(0, 0.25)
    y, x = (np.arange(n, dtype=FLOAT) * FLOAT(pixel_size_um) for n in radius.shape)
    cos, sin = FLOAT(np.cos(angle)), FLOAT(np.sin(angle))
    along, across = sin * y[:, None] + cos * x[None, :], cos * y[:, None] - sin * x[None, :]
    across += FLOAT(rng.normal(0, 0.0015)) * (along - along.mean()) ** 2  # µm; gently curved
    profile = np.maximum(cv2.GaussianBlur(rng.standard_normal((1, 4000), FLOAT), (13, 1), 1.4), 0)
    lines = profile[0] / profile.std()
    return FLOAT(cell.traits.fibres * 0.6) * lines.take(np.floor(across / FLOAT(0.5)).astype(np.int32), mode="wrap") * (radius > 1.1)


def _granules(rng: np.random.Generator, spots: Spots, cell: PlacedCell, nucleus: Nucleus, pixel_size_um: float) -> None:
    """Dark granules and bright vacuoles round the nucleus, nucleoli in it."""
    traits = cell.traits
    y, x = _around(rng, cell, nucleus, rng.poisson(traits.granules), pixel_size_um)
    big = rng.random(len(y)) < 0.3
    peak = rng.uniform(0.06, 0.36, len(y)) * np.where(big, 0.6, 1.0)
    spots.add(0, y[~big], x[~big], peak[~big])
    spots.add(1, y[big], x[big], peak[big])
    y, x = _around(rng, cell, nucleus, rng.poisson(traits.vacuoles), pixel_size_um)
    spots.add(1, y, x, -rng.uniform(0.08, 0.28, len(y)))
    count = int(rng.integers(1, 5))
    turn, out = rng.uniform(0, 2 * np.pi, count), np.sqrt(rng.random(count)) * 0.6
    along, across = np.cos(turn) * out * nucleus.long, np.sin(turn) * out * nucleus.short
    cos, sin = np.cos(nucleus.angle), np.sin(nucleus.angle)
    spots.add(1, nucleus.y + sin * along + cos * across, nucleus.x + cos * along - sin * across, rng.uniform(0.15, 0.4, count))


def _around(rng: np.random.Generator, cell: PlacedCell, nucleus: Nucleus, count: int, pixel_size_um: float) -> tuple[np.ndarray, np.ndarray]:
    """Points (y, x) of the cell near its nucleus: density falls off with distance, along the cell's axis more slowly."""
    turn = rng.uniform(0, 2 * np.pi, count)
    out = (nucleus.short + rng.gamma(1.6, 5.5 + 4.0 * cell.traits.spread, count) / pixel_size_um) * 1.05
    stretch = 2.2 - 1.2 * cell.traits.spread
    along, across = np.cos(turn) * out * stretch, np.sin(turn) * out
    cos, sin = np.cos(cell.traits.angle), np.sin(cell.traits.angle)
    y, x = nucleus.y + sin * along + cos * across, nucleus.x + cos * along - sin * across
    rows, columns = np.rint(y).astype(int) - cell.box[0].start, np.rint(x).astype(int) - cell.box[1].start
    height, width = cell.mask.shape
    on = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    on[on] = cell.mask[rows[on], columns[on]]
    return y[on], x[on]


def _debris(rng: np.random.Generator, spots: Spots, canvas: Canvas) -> None:
    """Specks and small clumps anywhere on the dish; never labelled."""
    room = canvas.shape[0] * canvas.shape[1] * canvas.pixel_size_um**2
    clumps = rng.poisson(rng.uniform(30, 220) * room / 4.4e5)
    for y, x in rng.uniform(0, canvas.shape[0], (clumps, 2)):
        count = int(rng.geometric(0.22))
        dy, dx = rng.normal(0, rng.uniform(0.8, 2.8) / canvas.pixel_size_um, (2, count))
        spots.add(int(rng.choice(3, p=[0.55, 0.42, 0.03])), y + dy, x + dx, rng.uniform(-0.05, 0.22, count))


def _floating(rng: np.random.Generator, path: np.ndarray, labels: np.ndarray, canvas: Canvas) -> None:
    """Round, bright, loosely attached cells, above free dish for the most part; never labelled. Changes ``path``."""
    room = canvas.shape[0] * canvas.shape[1] * canvas.pixel_size_um**2
    for _ in range(rng.poisson(rng.choice([0.5, 3.0, 8.0]) * room / 4.4e5)):
        radius = rng.uniform(5.5, 10.0) / canvas.pixel_size_um
        reach = int(np.ceil(radius * 1.3)) + 1
        if canvas.shape[0] <= 2 * reach + 2:
            continue
        y, x = rng.integers(reach, canvas.shape[0] - reach, 2)
        box = (slice(y - reach, y + reach + 1), slice(x - reach, x + reach + 1))
        if labels[box].any() and rng.random() < 0.95:
            continue
        ball = Nucleus(float(y), float(x), radius * rng.uniform(1.0, 1.25), radius, rng.uniform(0, np.pi)).radius(box)
        height = np.sqrt(np.maximum(1 - ball**2, 0)) * FLOAT(rng.uniform(1.6, 3.2))
        path[box] += cv2.GaussianBlur(height, (0, 0), max(0.5 / canvas.pixel_size_um, 0.4))
