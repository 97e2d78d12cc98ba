"""One simulated field of view with its truth."""

from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import pandas as pd

from core.errors import InputError
from core.simulate.layout import Canvas, PlacedCell, field_labels, place_cells
from core.simulate.optics import camera, phase_contrast, uneven_light
from core.simulate.phase import Nucleus, optical_path
from core.simulate.shapes import SPEAKING
from core.simulate.stain import Registration, draw_registration, render_stain

NOTHING = np.zeros((0, 0), np.uint16)


@dataclass(frozen=True)
class SimulatedField:
    """Images (Y, X) and truth of one field.

    ``phase`` and ``stain`` uint16 with ``bits`` true bits, ``colour`` uint8 (Y, X, 3) RGB, both empty (0, 0) and (0, 0, 3)
    when drawn without stain. ``labels`` int32, 0 background, cells 1..N, each one connected piece. ``cells`` has one row a
    label: label, senescent (0/1), area_px, y_px, x_px (centroid), stained (1: X-gal was put into the cell), stain_density
    (peak optical density), touches_border, the nucleus' centre, half axes and direction (radians from x towards y), and of
    the traits granules, spread and evidence (the logarithm of the likelihood ratio, senescent against not, of all its traits, and of each
    of them). ``registration`` says where the stain and colour image lie:
    see ``core.simulate.stain.Registration``.
    """

    phase: np.ndarray
    stain: np.ndarray
    colour: np.ndarray
    labels: np.ndarray
    cells: pd.DataFrame
    registration: dict[str, Any]
    pixel_size_um: float
    bits: int = field(default=16)


def simulate_field(
    seed: int | np.random.SeedSequence,
    size: int = 1024,
    *,
    prevalence: float = 0.3,
    stain_strength: float = 1.0,
    unstained: bool = False,
    pixel_size_um: float = 0.65,
    n_cells: int | None = None,
    confluence: float | None = None,
    size_factor: float = 1.0,
    bits: int = 16,
    defocus_um: float | None = None,
    misaligned: bool = True,
    stain: bool = True,
) -> SimulatedField:
    """Simulate one field of MSC-like cells, ``size`` px squared. The same arguments give the same bytes.

    Parameters
    ----------
    seed
        A whole number >= 0, or a SeedSequence.
    prevalence
        Probability of a cell to be senescent, 0..1.
    stain_strength
        Multiplies the optical density of X-gal; 1 is a clear stain, 0.3 a faint one.
    unstained
        A negative control: the dish was never stained, the stain image shows cells only.
    n_cells
        Cells to place with their anchor in the field; fewer fit where it is full. None: as many as ``confluence`` asks.
    confluence
        Share of the field that cells are to cover, 0..1; None: drawn between 0.12 and 0.45. In a full dish cells stay out
        that find no place, so that more than about 0.6 is not reached.
    size_factor
        Multiplies the cells' areas (a line's mean cell size).
    defocus_um
        Extra blur of the phase image (standard deviation); None: drawn, mostly small.
    misaligned
        False: the stain image lies exactly on the phase image.
    stain
        False: stain and colour stay empty, which saves half the time; phase, labels and cells are the same.

    Raises
    ------
    InputError
        A value outside its range: size 64..16384 px, prevalence and confluence 0..1, pixel size 0.1..2 µm (coarser, young
        cells would be too few pixels to label), bits 8..16, strength, size factor or cell number negative.
    """
    _check(size, prevalence, stain_strength, pixel_size_um, n_cells, confluence, size_factor, bits)
    parent = seed if isinstance(seed, np.random.SeedSequence) else np.random.SeedSequence(seed)
    # children by key, not by spawn(): the same SeedSequence object then gives the same field twice
    layout, matter, light, chemistry, shift = (
        np.random.default_rng(np.random.SeedSequence(parent.entropy, spawn_key=(*parent.spawn_key, k))) for k in range(5)
    )
    registration = draw_registration(shift, size)
    canvas = Canvas(size, registration.margin_px(size) + 4, pixel_size_um)  # one margin, aligned or not: the same cells
    if not misaligned:
        registration = Registration(0.0, 0.0, 0.0, 1.0, size)
    wanted = layout.uniform(0.12, 0.45)
    cells, labels = place_cells(
        layout,
        canvas,
        prevalence=prevalence,
        n_cells=n_cells,
        confluence=wanted if confluence is None else confluence,
        size_factor=size_factor,
    )
    path, nuclei = optical_path(matter, canvas, cells, labels)
    phase = _phase_image(light, path, canvas, bits, defocus_um)
    numbered, kept = field_labels(canvas, labels)
    densities = np.zeros(len(cells))
    mono, colour = NOTHING, np.zeros((0, 0, 3), np.uint8)
    if stain:
        strength = 0.0 if unstained else stain_strength
        mono, colour, densities = render_stain(chemistry, canvas, cells, nuclei, labels, path, registration, strength, bits)
    table = _cell_table(numbered, [cells[k - 1] for k in kept], [nuclei[k - 1] for k in kept], densities[kept - 1], canvas)
    return SimulatedField(phase, mono, colour, numbered, table, registration.row(), pixel_size_um, bits)


def _check(
    size: int,
    prevalence: float,
    stain_strength: float,
    pixel_size_um: float,
    n_cells: int | None,
    confluence: float | None,
    size_factor: float,
    bits: int,
) -> None:
    for name, value, low, high in (
        ("field size (px)", size, 64, 16384),
        ("prevalence", prevalence, 0, 1),
        ("stain strength", stain_strength, 0, 10),
        ("pixel size (µm)", pixel_size_um, 0.1, 2),
        ("number of cells", n_cells or 0, 0, 1_000_000),
        ("confluence", confluence or 0, 0, 1),
        ("size factor", size_factor, 0.3, 3),
        ("bits", bits, 8, 16),
    ):
        if not low <= value <= high:
            raise InputError(f"Simulated field: wanted a {name} from {low} to {high}, found {value}.")


def _phase_image(rng: np.random.Generator, path: np.ndarray, canvas: Canvas, bits: int, defocus_um: float | None) -> np.ndarray:
    drawn = min(abs(rng.normal(0.0, 0.45)), 1.6)
    blur = np.hypot(0.35, drawn if defocus_um is None else defocus_um) / canvas.pixel_size_um  # 0.35 µm: a 0.3 NA objective
    light = phase_contrast(path, canvas.pixel_size_um)
    light = cv2.GaussianBlur(light, (0, 0), max(blur, 0.25))[canvas.field]
    light = light * uneven_light(rng, light.shape, rng.uniform(0.03, 0.25))
    level = rng.uniform(0.25, 0.5)
    return camera(rng, light, bits, level=level, electrons=rng.uniform(2500, 9000), read_noise=rng.uniform(2, 8))


def _cell_table(labels: np.ndarray, cells: list[PlacedCell], nuclei: list[Nucleus], density: np.ndarray, canvas: Canvas) -> pd.DataFrame:
    count = len(cells)
    flat = labels.ravel()
    area = np.bincount(flat, minlength=count + 1)[1:]
    axes = (np.broadcast_to(a, labels.shape) for a in (np.arange(labels.shape[0])[:, None], np.arange(labels.shape[1])))
    rows, columns = (np.bincount(flat, weights=a.ravel(), minlength=count + 1)[1:] for a in axes)
    rim = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    numbers = np.arange(1, count + 1)
    return pd.DataFrame(
        {
            "label": numbers,
            "senescent": np.array([int(c.traits.senescent) for c in cells], dtype=np.int64),
            "area_px": area.astype(np.int64),
            "y_px": rows / np.maximum(area, 1),
            "x_px": columns / np.maximum(area, 1),
            "touches_border": np.isin(numbers, rim),
            "stained": (density > 0).astype(np.int64),
            "stain_density": density.astype(np.float64),
            "nucleus_y_px": np.array([n.y - canvas.pad for n in nuclei], dtype=np.float64),
            "nucleus_x_px": np.array([n.x - canvas.pad for n in nuclei], dtype=np.float64),
            "granules": np.array([c.traits.granules for c in cells], dtype=np.float64),
            "spread": np.array([c.traits.spread for c in cells], dtype=np.float64),
            "evidence": np.array([sum(c.traits.evidence) for c in cells], dtype=np.float64),
            **{f"evidence_{name}": np.array([c.traits.evidence[k] for c in cells], dtype=np.float64) for k, name in enumerate(SPEAKING)},
            "nucleus_long_px": np.array([n.long for n in nuclei], dtype=np.float64),
            "nucleus_short_px": np.array([n.short for n in nuclei], dtype=np.float64),
            "nucleus_angle": np.array([n.angle for n in nuclei], dtype=np.float64),
        }
    )
