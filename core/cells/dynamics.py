"""From the flows of a Cellpose network to labels: the same labels as Cellpose on a CPU, several times faster.

Three things make the difference. Following the flows is deterministic, so the path of a pixel ends in a cycle; once it is
found (in turns, after Brent 1980, doi 10.1007/BF01933190), the position after any number of steps is known. The diffusion that rebuilds the
flows of an outline runs over the rows of the cell in its bounding box. The histogram of end points is a plain array. The
order and the mix of float32 and float64 are Cellpose's (cellpose 3.1, ``dynamics.py``; Stringer et al. 2021,
doi 10.1038/s41592-020-01018-x), because a last bit can move a pixel. Of two equally strong seeds the later in raster order
wins here; in Cellpose the winner depends on the sorting of torch, which differs between processors.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, NamedTuple

import fastremap
import fill_voids
import numpy as np
from numba import njit
from scipy.ndimage import find_objects, maximum_filter

from core.inference import cores

PIECE: Final = 1 << 16  # pixels that one thread follows at a time
BESIDE: Final = 32  # of them side by side
TURN: Final = 16  # steps after which a pixel is first compared with where it was
SEED_COUNT: Final = 10  # a seed gathers more end points than this
SPREAD_COUNT: Final = 2  # and grows over positions with more than this
SPREAD: Final = 5  # by so many pixels
f4, f8 = np.float32, np.float64


class Outlined(NamedTuple):
    """The cells of one field: ``labels`` int32 (Y, X), 1..N with holes filled, 0 is background; ``flow_error`` float64 (N,)
    of labels 1..N before holes were filled, as `flow_errors` gives it."""

    labels: np.ndarray
    flow_error: np.ndarray


def outlines(
    flows: np.ndarray, probability: np.ndarray, steps: int, cell_probability: float, flow_threshold: float, min_area_px: int, largest_share: float
) -> Outlined:
    """Label the cells of one field.

    Parameters
    ----------
    flows : float32 (2, Y, X)
        Network output along y and x, five times the unit flow.
    probability : float32 (Y, X)
        Logit of being inside a cell; pixels above ``cell_probability`` take part.
    steps : int
        Steps of following the flow, 200 times the ratio of the cell diameter to that of the training.
    flow_threshold : float
        Cells whose own flows differ more (mean square) from the network's are dropped; 0 keeps all.
    min_area_px : int
        Smaller cells are dropped, px².
    largest_share : float
        Larger cells, as a share of the field, are dropped.

    Returns
    -------
    Outlined
        Labels, and the flow error of each, which is measured also where it drops no cell.
    """
    inside = probability > cell_probability
    if not inside.any():
        return Outlined(np.zeros(inside.shape, np.int32), np.zeros(0))
    labels = gather(inside, follow(flows, inside, steps))
    labels = without_large(labels, largest_share)
    errors = flow_errors(labels, flows)
    if flow_threshold > 0:
        labels[np.append(False, errors > flow_threshold)[labels]] = 0
    # Cellpose leaves gaps here, and its removal of small cells, which counts on 1..N, then drops the wrong ones
    filled = without_holes_and_small(_renumbered(labels), max(min_area_px, 1))
    return Outlined(filled, errors[labels.ravel()[_first_pixels(filled)] - 1])


def follow(flows: np.ndarray, inside: np.ndarray, steps: int) -> np.ndarray:
    """End points of the pixels of ``inside`` (bool (Y, X)) in raster order, whole px, int32 (2, N)."""
    field = np.empty((*inside.shape, 2), f4)
    _in_threads(lambda rows: _unit_flows(flows[:, rows], inside[rows], field[rows]), _pieces(inside.shape[0], 64))
    ends = np.empty((2, np.count_nonzero(inside)), np.int32)
    _places(inside, ends)
    _in_threads(lambda part: _follow(field, ends[0, part], ends[1, part], steps), _pieces(ends.shape[1]))
    return ends


def gather(inside: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Label the pixels of ``inside`` by the peak of the histogram of end points that they arrive at; int32 (Y, X), 1..N."""
    margin = SPREAD  # a seed at the border then has its whole window
    shape = tuple(n + 2 * margin for n in inside.shape)
    at = (ends[0] + margin).astype(np.int64) * shape[1] + ends[1] + margin
    counts = np.bincount(at, minlength=shape[0] * shape[1]).astype(np.int32).reshape(shape)
    seeds = np.flatnonzero((counts > SEED_COUNT) & (counts == maximum_filter(counts, 5, mode="constant")))
    seeds = seeds[np.argsort(counts.ravel()[seeds], kind="stable")]  # the stronger one writes last
    basins = np.zeros(shape, np.int32)
    _spread(counts, basins, seeds)
    labels = np.zeros(inside.shape, np.int32)
    labels[inside] = basins.ravel()[at]
    return _renumbered(labels)


def without_large(labels: np.ndarray, share: float) -> np.ndarray:
    """Drop labels that cover more than ``share`` of the field; the others are renumbered 1..N."""
    large = np.bincount(labels.ravel()) > share * labels.size
    large[0] = False
    if large.any():
        labels = np.where(large[labels], 0, labels)
    return _renumbered(labels)


def without_holes_and_small(labels: np.ndarray, min_area_px: int) -> np.ndarray:
    """Drop cells of fewer than ``min_area_px`` (at least 1), fill the holes of the others, and drop again what a filled one left small.

    ``labels`` int32 (Y, X), 1..N. The same as ``cellpose.utils.fill_holes_and_remove_small_masks``, whose import compiles functions
    for seconds in every process.
    """
    labels = _without_small(labels, min_area_px)
    for label, box in enumerate(find_objects(labels), start=1):
        labels[box][fill_voids.fill(labels[box] == label)] = label
    return _without_small(labels, min_area_px)


def _without_small(labels: np.ndarray, min_area_px: int) -> np.ndarray:
    areas = fastremap.unique(labels, return_counts=True)[1][1:]
    return _renumbered(fastremap.mask(labels, np.flatnonzero(areas < min_area_px) + 1))


def flow_errors(labels: np.ndarray, flows: np.ndarray) -> np.ndarray:
    """Mean squared difference between the flows of each outline and the network's, float64 (N,) for labels 1..N; inf where absent."""
    boxes = find_objects(labels)
    errors = np.full(len(boxes), np.inf)

    def measure(part: slice) -> None:
        for k in range(*part.indices(len(boxes))):
            if boxes[k] is not None:
                here = np.ascontiguousarray(labels[boxes[k]] == k + 1)
                errors[k] = _flow_error(here, np.ascontiguousarray(flows[(slice(None), *boxes[k])]))

    _in_threads(measure, _pieces(len(boxes), 16))
    return errors


def _renumbered(labels: np.ndarray) -> np.ndarray:
    """The same cells as 1..N in the order of their first pixels."""
    return fastremap.renumber(labels, preserve_zero=True)[0].astype(np.int32)


def _pieces(n: int, size: int = PIECE) -> list[slice]:
    return [slice(start, min(n, start + size)) for start in range(0, n, size)]


def _in_threads(work: Callable[[slice], Any], pieces: Sequence[slice]) -> None:
    """Numba's kernels let go of the interpreter lock, so plain threads are enough (its own thread pool may abort the app)."""
    workers = min(len(pieces), cores())
    if workers <= 1:
        for piece in pieces:
            work(piece)
        return
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(work, pieces))


@njit(nogil=True, cache=True)
def _first_pixels(labels: np.ndarray) -> np.ndarray:
    """Place in raster order of the first pixel of labels 1..N, which was the cell's own before its holes were filled."""
    flat = labels.ravel()
    first = np.full(labels.max(), -1, np.int64)
    for k in range(flat.shape[0]):
        if flat[k] > 0 and first[flat[k] - 1] < 0:
            first[flat[k] - 1] = k
    return first


@njit(nogil=True, cache=True)
def _unit_flows(flows: np.ndarray, inside: np.ndarray, field: np.ndarray) -> None:
    """Fill ``field`` (float32 (Y, X, 2)) with ``flows`` (float32 (2, Y, X)) / 5, 0 outside of the cells."""
    for i in range(inside.shape[0]):
        for j in range(inside.shape[1]):
            field[i, j, 0] = flows[0, i, j] / f4(5) if inside[i, j] else f4(0)
            field[i, j, 1] = flows[1, i, j] / f4(5) if inside[i, j] else f4(0)


@njit(nogil=True, cache=True)
def _places(inside: np.ndarray, places: np.ndarray) -> None:
    n = 0
    for i in range(inside.shape[0]):
        for j in range(inside.shape[1]):
            if inside[i, j]:
                places[0, n], places[1, n] = i, j
                n += 1


@njit(nogil=True, cache=True)
def _follow(field: np.ndarray, ys: np.ndarray, xs: np.ndarray, steps: int) -> None:
    """Replace pixels (ys, xs) by where the flow takes them; ``field`` is float32 (Y, X, 2), bilinear in between.

    Some pixels move side by side, because the steps of one wait for each other. In turns, each a quarter as long as all before,
    a pixel that comes back to where the turn began is in a cycle, whose whole rounds are skipped; most end in one point.
    """
    flat = field.reshape(-1)
    height, width = field.shape[0], field.shape[1]
    y, x, start_y, start_x = np.empty(BESIDE, f4), np.empty(BESIDE, f4), np.empty(BESIDE, f4), np.empty(BESIDE, f4)
    who, cycle = np.empty(BESIDE, np.int64), np.empty(BESIDE, np.int64)
    for first in range(0, ys.shape[0], BESIDE):
        n = min(BESIDE, ys.shape[0] - first)
        for i in range(n):
            who[i], y[i], x[i] = first + i, f4(ys[first + i]), f4(xs[first + i])
        t = 0
        while n > 0:
            for i in range(n):
                start_y[i], start_x[i], cycle[i] = y[i], x[i], 0
            turn, open_ends = min(max(TURN, t // 4), steps - t), n
            done = 0
            while done < turn and open_ends > 0:
                done += 1
                for i in range(n):
                    y[i], x[i] = _step(flat, height, width, y[i], x[i])
                    if cycle[i] == 0 and y[i] == start_y[i] and x[i] == start_x[i]:
                        cycle[i] = done
                        open_ends -= 1
            t += done
            kept = 0
            for i in range(n):
                if t < steps and cycle[i] == 0:
                    who[kept], y[kept], x[kept] = who[i], y[i], x[i]
                    kept += 1
                    continue
                if t < steps:
                    for _ in range((steps - t) % cycle[i]):
                        y[i], x[i] = _step(flat, height, width, y[i], x[i])
                ys[who[i]], xs[who[i]] = int(y[i]), int(x[i])
            n = kept


@njit(nogil=True, cache=True, inline="always")
def _step(flat: np.ndarray, height: int, width: int, y: Any, x: Any) -> tuple[Any, Any]:
    """One step in float32 with Cellpose's float64 parts; ``flat`` is the field in one row."""
    y0, x0 = np.int64(y), np.int64(x)
    right = 2 if x0 < width - 1 else 0
    below = 2 * width if y0 < height - 1 else 0
    a, b = f4(y - f4(y0)), f4(x - f4(x0))
    a1, b1 = f8(1) - f8(a), f8(1) - f8(b)
    at = np.uint64(2 * (y0 * width + x0))  # unsigned: numba then does not look for negative indices
    beside, under, across = np.uint64(at + right), np.uint64(at + below), np.uint64(at + below + right)
    one = np.uint64(1)
    dy = f4(f8(flat[at]) * a1 * b1 + f8(flat[beside]) * a1 * f8(b) + f8(f4(flat[under] * a)) * b1 + f8(f4(f4(flat[across] * a) * b)))
    at, beside, under, across = at + one, beside + one, under + one, across + one
    dx = f4(f8(flat[at]) * a1 * b1 + f8(flat[beside]) * a1 * f8(b) + f8(f4(flat[under] * a)) * b1 + f8(f4(f4(flat[across] * a) * b)))
    return min(f4(height - 1), max(f4(0), f4(y + dy))), min(f4(width - 1), max(f4(0), f4(x + dx)))


@njit(nogil=True, cache=True)
def _spread(counts: np.ndarray, basins: np.ndarray, seeds: np.ndarray) -> None:
    """Write label k + 1 around seed k, as far as steps to the eight neighbours over crowded positions reach."""
    width = counts.shape[1]
    side = 2 * SPREAD + 1
    for k in range(seeds.shape[0]):
        top, left = seeds[k] // width - SPREAD, seeds[k] % width - SPREAD
        reached = np.zeros((side, side), np.bool_)
        reached[SPREAD, SPREAD] = True
        for step in range(1, SPREAD + 1):
            before = reached.copy()
            for i in range(SPREAD - step, SPREAD + step + 1):
                for j in range(SPREAD - step, SPREAD + step + 1):
                    if counts[top + i, left + j] > SPREAD_COUNT and not before[i, j]:
                        reached[i, j] = before[max(0, i - 1) : i + 2, max(0, j - 1) : j + 2].any()
        for i in range(side):
            for j in range(side):
                if reached[i, j]:
                    basins[top + i, left + j] = k + 1


@njit(nogil=True, cache=True)
def _flow_error(inside: np.ndarray, flows: np.ndarray) -> float:
    """Mean over a cell (bool (h, w)) of the squared difference of its own unit flows and ``flows`` / 5 (float32 (2, h, w))."""
    heat = _heat(inside)
    sum_y, sum_x, n = 0.0, 0.0, 0
    for i in range(inside.shape[0]):
        for j in range(inside.shape[1]):
            if inside[i, j]:
                dy = heat[i + 2, j + 1] - heat[i, j + 1]
                dx = heat[i + 1, j + 2] - heat[i + 1, j]
                norm = 1e-60 + (dy**2 + dx**2) ** 0.5
                sum_y += (dy / norm - f8(flows[0, i, j] / f4(5))) ** 2
                sum_x += (dx / norm - f8(flows[1, i, j] / f4(5))) ** 2
                n += 1
    return sum_y / n + sum_x / n


@njit(nogil=True, cache=True)
def _heat(inside: np.ndarray) -> np.ndarray:
    """Heat after diffusion from the pixel of the cell nearest to its centroid, float64 (h + 2, w + 2), 0 outside."""
    height, width = inside.shape
    y, x = _centre(inside)
    starts, rows = _runs(inside)
    heat, after = np.zeros((height + 2, width + 2)), np.zeros((height + 2, width + 2))
    for _ in range(2 * (height + width + 4)):
        heat[y + 1, x + 1] += 1
        for k in range(rows.shape[0]):
            i = rows[k] + 1
            above, here, below, out = heat[i - 1], heat[i], heat[i + 1], after[i]
            for j in range(starts[k, 0] + 1, starts[k, 1] + 1):
                out[j] = (1 / 9.0) * (here[j] + above[j] + below[j] + here[j - 1] + here[j + 1] + above[j - 1] + above[j + 1] + below[j - 1] + below[j + 1])
        heat, after = after, heat
    return heat


@njit(nogil=True, cache=True)
def _centre(inside: np.ndarray) -> tuple[int, int]:
    ys, xs = np.nonzero(inside)
    nearest = ((xs - xs.mean()) ** 2 + (ys - ys.mean()) ** 2).argmin()
    return ys[nearest], xs[nearest]


@njit(nogil=True, cache=True)
def _runs(inside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Stretches of a row inside the cell: first and last + 1 column int64 (R, 2), row int64 (R,)."""
    height, width = inside.shape
    columns, rows, n = np.empty((height * (width // 2 + 1), 2), np.int64), np.empty(height * (width // 2 + 1), np.int64), 0
    for i in range(height):
        for j in range(width):
            if inside[i, j] and (j == 0 or not inside[i, j - 1]):
                columns[n, 0], rows[n] = j, i
            if inside[i, j] and (j == width - 1 or not inside[i, j + 1]):
                columns[n, 1] = j + 1
                n += 1
    return columns[:n], rows[:n]
