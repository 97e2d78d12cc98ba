"""Cellpose's own evaluation and Senescope's segmentation side by side: the same weights, settings and images, one process, in turn.

    python benchmarks/segmentation.py                              # simulated 2048² fields with cells of 60 and of 30 px
    python benchmarks/segmentation.py --real FOLDER --fields 3     # with a folder of phase images
    python benchmarks/segmentation.py --large                      # also a simulated 4096² field
    python benchmarks/segmentation.py --memory 8192                # peak memory of one field of that size, ours only

Each round runs every way once, one after the other; seconds are the least of the rounds, and ratios are those of Cellpose's
seconds to ours (wall time, and processor time, which other programs on the machine disturb less). Cellpose runs with its
default batch of 8 tiles and with the fastest of some batches on this machine, under the allocator's defaults, as its users
run it; ours as in a job, which tells the allocator to keep freed memory (see core/memory.py; Linux with glibc). Both are
repeated with the other one's allocator under ``--allocators``. Agreement is that of our labels with Cellpose's: pixels that
differ after renumbering, and AP at IoU 0.5 and 0.9. "repaired" compares with Cellpose after its own removal of small cells
has been told to expect gaps between the numbers (see core/cells/dynamics.py).
"""

import argparse
import ctypes
import json
import platform
import resource
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # in place of this folder, whose file names may hide packages

from core.cells.segmentation import load_segmenter  # noqa: E402
from core.images import grey, read  # noqa: E402
from core.simulate import simulate_field  # noqa: E402

WEIGHTS = ROOT / "core" / "embedded" / "senescope-phase" / "weights.pt"
BATCHES = (1, 2, 4, 16)
SIMULATED = {  # name: size, µm a px, cells, factor of the area, diameter in px
    "60 px": (2048, 1.1, 1000, 0.85, 60.0),
    "30 px": (2048, 2.0, 1000, 0.9, 30.0),
    "30 px, crowded": (2048, 2.0, 2400, 0.9, 30.0),
}
LARGE = {"4096, 60 px": (4096, 1.1, 1000, 0.85, 60.0)}


def say(**found: Any) -> None:
    print(json.dumps(found), flush=True)


def peak_gib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 2**30


def keep_freed_memory(keep: bool) -> None:
    """Switch between the worker's allocator and the default one (glibc only)."""
    if sys.platform.startswith("linux") and platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(-4, 0 if keep else 65536)
        libc.mallopt(-1, 2**31 - 1 if keep else 128 * 1024)
        libc.malloc_trim(0)


def cellpose_way(model: Any, batch: int) -> Callable[[np.ndarray, float], np.ndarray]:
    def run(image: np.ndarray, diameter: float) -> np.ndarray:
        labels: np.ndarray = model.eval(image, channels=[0, 0], diameter=diameter, batch_size=batch)[0]
        return labels

    return run


def cellpose_model() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from cellpose import models
    return models.CellposeModel(gpu=False, pretrained_model=str(WEIGHTS))


def fastest_batch(model: Any) -> int:
    """The batch size whose second run over a 1024² image at the working scale is the quickest."""
    image = np.random.default_rng(0).random((1024, 1024)).astype(np.float32)
    seconds = {}
    for batch in BATCHES:
        model.eval(image[:400, :400], channels=[0, 0], diameter=30.0, batch_size=batch, compute_masks=False)
        started = time.process_time()
        model.eval(image, channels=[0, 0], diameter=30.0, batch_size=batch, compute_masks=False)
        seconds[batch] = time.process_time() - started
    return min(seconds, key=lambda b: seconds[b])


def compared(theirs: np.ndarray, ours: np.ndarray) -> dict[str, Any]:
    """How far two label images of one field agree; numbers do not matter."""
    import fastremap
    from cellpose.metrics import average_precision

    theirs, ours = (fastremap.renumber(np.ascontiguousarray(x), preserve_zero=True)[0].astype(np.int32) for x in (theirs, ours))
    precision = average_precision([theirs], [ours], threshold=[0.5, 0.9])[0][0]
    pixels = int(np.count_nonzero(_pairwise(theirs, ours) != ours))
    return {"identical": pixels == 0, "pixels": pixels, "cells": [int(theirs.max()), int(ours.max())], "ap50_ap90": [round(float(p), 4) for p in precision]}


def _pairwise(theirs: np.ndarray, ours: np.ndarray) -> np.ndarray:
    """``theirs`` with the number of the cell of ``ours`` that shares most pixels."""
    both = theirs.astype(np.int64).ravel() * (int(ours.max()) + 1) + ours.ravel()
    pairs, counts = np.unique(both, return_counts=True)
    a, b = np.divmod(pairs, int(ours.max()) + 1)
    best = np.full(int(theirs.max()) + 1, -1, np.int32)
    order = np.argsort(counts, kind="stable")
    best[a[order]] = b[order]
    best[0] = 0
    return best[theirs]


def repaired(model: Any, image: np.ndarray, diameter: float) -> np.ndarray:
    """Cellpose's labels where numbers are made dense before small cells are removed."""
    import fastremap
    from cellpose import utils

    original = utils.fill_holes_and_remove_small_masks
    utils.fill_holes_and_remove_small_masks = lambda masks, min_size=15: original(fastremap.renumber(masks)[0], min_size)
    try:
        return cellpose_way(model, 8)(image, diameter)
    finally:
        utils.fill_holes_and_remove_small_masks = original


def race(name: str, image: np.ndarray, diameter: float, ways: dict[str, tuple[bool, Callable]], rounds: int, model: Any) -> None:
    """Time every way in turn; print seconds, ratios to Cellpose's and the agreement."""
    wall: dict[str, list[float]] = {way: [] for way in ways}
    processor: dict[str, list[float]] = {way: [] for way in ways}
    labels: dict[str, np.ndarray] = {}
    for _ in range(rounds):
        for way, (keep, run) in ways.items():
            keep_freed_memory(keep)
            started, used = time.perf_counter(), time.process_time()
            labels[way] = run(image, diameter)
            wall[way].append(time.perf_counter() - started)
            processor[way].append(time.process_time() - used)
    areas = np.bincount(labels["cellpose"].ravel())[1:]
    median = float(np.median(2 * np.sqrt(areas / np.pi))) if len(areas) else 0.0
    say(image=name, shape=image.shape, diameter_px=diameter, cells=int(labels["cellpose"].max()), median_diameter_px=round(median, 1))
    whole = repaired(model, image, diameter)
    for way in ways:
        found: dict[str, Any] = {"way": way, "seconds": round(min(wall[way]), 2), "processor_s": round(min(processor[way]), 2)}
        for reference in (r for r in ways if r.startswith("cellpose") and r != way):
            found[f"times faster than {reference}"] = [
                round(min(wall[reference]) / min(wall[way]), 2),
                round(min(processor[reference]) / min(processor[way]), 2),
            ]
        if way != "cellpose":
            found |= {"against cellpose": compared(labels["cellpose"], labels[way]), "against repaired": compared(whole, labels[way])}
        say(**found)
    say(peak_gib_so_far=round(peak_gib(), 2))


def images(given: argparse.Namespace) -> Iterator[tuple[str, np.ndarray, float]]:
    for name, (size, pixel_size, n_cells, factor, diameter) in (SIMULATED | (LARGE if given.large else {})).items():
        if given.only and given.only not in name:
            continue
        field = simulate_field(1, size, pixel_size_um=pixel_size, n_cells=n_cells, size_factor=factor, stain=False)
        yield name, grey_of(field.phase), diameter
    for folder in given.real:
        for file in sorted(p for p in Path(folder).iterdir() if p.suffix.lower() in (".tif", ".tiff", ".png", ".jpg"))[: given.fields]:
            yield file.name, grey(read(file)), given.diameter


def grey_of(pixels: np.ndarray) -> np.ndarray:
    return pixels.astype(np.float32)


def memory_of_one(size: int) -> None:
    """Peak memory of one field whose cells are 60 px wide, made of mirrored copies of a simulated one."""
    piece = simulate_field(1, 1024, pixel_size_um=1.1, n_cells=200, size_factor=0.85, stain=False).phase
    times = -(-size // (2 * len(piece)))
    image = np.tile(np.block([[piece, piece[:, ::-1]], [piece[::-1], piece[::-1, ::-1]]]), (times, times))[:size, :size].astype(np.float32)
    segmenter = load_segmenter(WEIGHTS, "cpu")
    before, started = peak_gib(), time.perf_counter()
    labels = segmenter.segment(image, 60.0)
    seconds = round(time.perf_counter() - started, 1)
    say(size=size, engine=segmenter.engine, cells=int(labels.max()), seconds=seconds, peak_gib_before=round(before, 2), peak_gib=round(peak_gib(), 2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", nargs="*", default=[], help="folders of phase images")
    parser.add_argument("--fields", type=int, default=2, help="images of each folder")
    parser.add_argument("--diameter", type=float, default=0.0, help="of the cells of the real images, px; 0: the model's own")
    parser.add_argument("--only", default="", help="simulated images whose name holds this; a word that none holds: none")
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--allocators", action="store_true", help="also Cellpose with the worker's allocator, and ours with the default one")
    parser.add_argument("--memory", type=int, default=0, metavar="PX")
    given = parser.parse_args()
    if given.memory:
        return memory_of_one(given.memory)
    model, exact, fast = cellpose_model(), load_segmenter(WEIGHTS, "cpu"), load_segmenter(WEIGHTS, "cpu", "fast")
    best = fastest_batch(model)
    ways = {"cellpose": (False, cellpose_way(model, 8)), f"cellpose, batch {best}": (False, cellpose_way(model, best))}
    ways |= {"exact": (True, exact.segment), "fast": (True, fast.segment)}
    if given.allocators:
        ways |= {"cellpose, kept memory": (True, cellpose_way(model, 8)), "exact, default memory": (False, exact.segment)}
    warm = grey_of(simulate_field(3, 256, stain=False).phase)
    for _, run in ways.values():
        run(warm, 60.0)
    say(exact=exact.engine, fast=fast.engine, cellpose_fastest_batch=best)
    for name, image, diameter in images(given):
        race(name, image, diameter or exact.diameter_px, ways, given.rounds, model)
    return None


if __name__ == "__main__":
    main()
