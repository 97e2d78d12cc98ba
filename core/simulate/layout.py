"""Where the cells lie: draws them one after another on a canvas and keeps a label image true to what is seen.

The canvas is larger than the field on every side, so that blurs and a shifted stain image find cells beyond the border.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from core.simulate.shapes import Outline, Traits, draw_outline, draw_traits

MIN_VISIBLE_PX = 150  # a smaller piece of a cell is never left in a field
MAX_OVERLAP = 0.07  # of the smaller of two cells
TRIES = 30


@dataclass(frozen=True)
class Canvas:
    """The field (``size`` px squared) with a margin of ``pad`` px on every side."""

    size: int
    pad: int
    pixel_size_um: float

    @property
    def shape(self) -> tuple[int, int]:
        side = self.size + 2 * self.pad
        return side, side

    @property
    def field(self) -> tuple[slice, slice]:
        inner = slice(self.pad, self.pad + self.size)
        return inner, inner


@dataclass(frozen=True)
class PlacedCell:
    """A cell on the canvas: its box (slices y, x, cut at the canvas), its whole mask in that box, its label there."""

    label: int
    traits: Traits
    box: tuple[slice, slice]
    mask: np.ndarray


def place_cells(
    rng: np.random.Generator,
    canvas: Canvas,
    *,
    prevalence: float,
    n_cells: int | None,
    confluence: float,
    size_factor: float,
) -> tuple[list[PlacedCell], np.ndarray]:
    """Place cells, upper ones last; return them and the canvas labels int32 (``PlacedCell.label``, 0 background).

    With ``n_cells`` every anchor lies in the field, else cells fill the whole canvas up to about ``confluence``.
    Large cells come first and lie lowest. A cell that finds no free place in ``TRIES`` tries is left out.
    """
    labels = np.zeros(canvas.shape, np.int32)
    placed: dict[int, PlacedCell] = {}
    inside = n_cells is not None
    for traits in _population(rng, canvas, prevalence, n_cells, confluence, size_factor):
        for _ in range(TRIES):
            outline = draw_outline(rng, traits, canvas.pixel_size_um)
            cell = _anchored(rng, canvas, outline, traits, len(placed) + 1, inside)
            if cell is not None and _fits(cell, labels, placed, canvas, crowded=confluence > 0.6):
                labels[cell.box][cell.mask] = cell.label
                placed[cell.label] = cell
                break
    return list(placed.values()), labels


def field_labels(canvas: Canvas, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cut the field out of canvas ``labels``; return int32 (size, size) numbered 1..N and the canvas label of each number."""
    cut = labels[canvas.field]
    kept = np.unique(cut)
    kept = kept[kept > 0]
    table = np.zeros(int(labels.max(initial=0)) + 1, np.int32)
    table[kept] = np.arange(1, len(kept) + 1)
    return table[cut], kept


def _population(rng: np.random.Generator, canvas: Canvas, prevalence: float, n_cells: int | None, confluence: float, size_factor: float) -> list[Traits]:
    if n_cells is None:
        mean_area = (prevalence * 5600 + (1 - prevalence) * 2000) * size_factor  # µm², means of draw_traits
        room = canvas.shape[0] * canvas.shape[1] * canvas.pixel_size_um**2
        n_cells = max(1, int(rng.poisson(confluence * room / mean_area)))
    senescent = rng.random(n_cells) < prevalence
    direction = rng.uniform(0, np.pi)  # cells of a dense culture lie along each other
    cells = [draw_traits(rng, bool(s), size_factor, direction + rng.normal(0, 1.4 - confluence)) for s in senescent]
    return sorted(cells, key=lambda t: -t.area_um2)


def _anchored(rng: np.random.Generator, canvas: Canvas, outline: Outline, traits: Traits, label: int, inside: bool) -> PlacedCell | None:
    low, high = (canvas.pad, canvas.pad + canvas.size) if inside else (0, canvas.shape[0])
    anchor = rng.integers(low, high, 2)
    starts = anchor + np.array(outline.origin)
    begin = np.maximum(starts, 0)
    stop = np.minimum(starts + outline.mask.shape, canvas.shape)
    if (stop <= begin).any():
        return None
    y, x = (slice(int(a), int(b)) for a, b in zip(begin, stop, strict=True))
    inner = tuple(slice(int(a - s), int(b - s)) for a, b, s in zip(begin, stop, starts, strict=True))
    return PlacedCell(label, traits, (y, x), outline.mask[inner])


def _fits(cell: PlacedCell, labels: np.ndarray, placed: dict[int, PlacedCell], canvas: Canvas, crowded: bool) -> bool:
    """Whether ``cell`` may lie here: little overlap, and in the field neither it nor a cell below falls into pieces."""
    area = int(cell.mask.sum())
    if area < MIN_VISIBLE_PX or not _whole(cell, cell.mask, canvas):
        return False
    below = np.bincount(labels[cell.box][cell.mask], minlength=1)
    allowed = MAX_OVERLAP * (2 if crowded else 1)
    for label in np.flatnonzero(below[1:]) + 1:
        other = placed[int(label)]
        if below[label] > allowed * min(area, int(other.mask.sum())) or not _stays_whole(other, cell, labels, canvas):
            return False
    return True


def _stays_whole(other: PlacedCell, cell: PlacedCell, labels: np.ndarray, canvas: Canvas) -> bool:
    seen = labels[other.box] == other.label
    y, x = (slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(other.box, cell.box, strict=True))
    mine = seen[y.start - other.box[0].start : y.stop - other.box[0].start, x.start - other.box[1].start : x.stop - other.box[1].start]
    mine &= ~cell.mask[y.start - cell.box[0].start : y.stop - cell.box[0].start, x.start - cell.box[1].start : x.stop - cell.box[1].start]
    return _whole(other, seen, canvas)


def _whole(cell: PlacedCell, mask: np.ndarray, canvas: Canvas) -> bool:
    """Whether what the field shows of ``mask`` (in the cell's box) is nothing, or one piece that is large enough."""
    inner = (slice(max(f.start - b.start, 0), max(min(f.stop, b.stop) - b.start, 0)) for f, b in zip(canvas.field, cell.box, strict=True))
    seen = mask[tuple(inner)]
    count = int(seen.sum()) if seen.size else 0
    if count == 0:
        return True
    if count < MIN_VISIBLE_PX:
        return False
    return cv2.connectedComponents(np.ascontiguousarray(seen, np.uint8), connectivity=4)[0] == 2
