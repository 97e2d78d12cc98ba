"""Building a dataset of single cells against one epoch of the original per-cell loop over the same cells.

    python benchmarks/dataset.py                          # 3,000 cells in 12 fields of 2048 px
    python benchmarks/dataset.py --sample 200             # the original loop on 200 of the cells, spread over all fields, scaled up

Both read the same 16-bit TIFF phase images. The original loop is ``CustomImageDataset.__getitem__`` of
github.com/voynovaes/Senescence, written out: for every cell it opens the image, normalises all of it, loads the mask file of
the field (.npy), compares all of it with the cell's number, takes the bounding box, cuts and places it. Ours is the whole
stage: annotation and label images read, every cell cut once, split, statistics, leakage report, all of it written. Beside it
stand reading every crop once (what an epoch costs afterwards) and the crops' equality, pixel for pixel, with the original
definition; the only difference is that the original loses the last row and column of every cell's bounding box.

Prints JSON lines. Seconds depend on the machine, ratios less.
"""

import argparse
import json
import multiprocessing
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

# This folder's coverage.py would hide the package of that name, so the folder gives way to the repository.
sys.path = [str(Path(__file__).resolve().parents[1]), *sys.path[1:]]

from core.fields import table_of  # noqa: E402
from core.images import read, write_image  # noqa: E402
from core.report import write_csv  # noqa: E402
from core.settings import DatasetSettings  # noqa: E402
from core.stages.adding import import_labels  # noqa: E402
from core.stages.collecting import collect  # noqa: E402
from core.stages.datasets import OpenDataset, open_dataset  # noqa: E402
from core.stages.splitting import Wanted  # noqa: E402
from core.tables import ANNOTATED_CELLS, typed  # noqa: E402
from core.workspace import Experiment, create_experiment, publish  # noqa: E402

WHITE = 65535  # what the original divides by


def make_up(folder: Path, fields: int, size: int, cells: int) -> None:
    """``folder``/cells: an experiment with ``cells`` elliptic cells in ``fields`` fields, noise for pixels, labels and an annotation."""
    experiment = create_experiment(folder / "cells")
    names, tables = [], []
    for number in range(fields):
        rng = np.random.default_rng(number)
        labels = field_of_cells(rng, size, cells // fields + (number < cells % fields))
        pixels = np.clip(rng.normal(20_000, 4000, labels.shape) + 3000 * (labels % 7), 0, WHITE).astype(np.uint16)
        pixels[0, 0] = WHITE  # says that the camera has 16 bits
        name = f"MSC{number}_P4_f01"
        write_image(experiment.images / f"{name}_phase.tif", pixels, 0.65)
        np.save(folder / f"{name}_seg.npy", labels)
        names.append(name)
        ids = np.unique(labels)[1:]
        tables.append(pd.DataFrame({"fov_id": name, "label": ids, "class": ids % 2, "automatic_class": ids % 2}))
    experiment.save_fields(table_of([f"images/{name}_phase.tif" for name in names]).table)
    segmentation = import_labels(experiment, [str(folder / f"{name}_seg.npy") for name in names])
    with publish(experiment, "annotations", "made-up", {}, upstream={"segmentation": segmentation.name}) as partial:
        write_csv(partial.path / "cells.csv", typed(pd.concat(tables), ANNOTATED_CELLS))


def field_of_cells(rng: np.random.Generator, size: int, n: int) -> np.ndarray:
    """Ellipses of 40 to 110 px on a jittered grid, some at the border, some cut by neighbours."""
    labels = np.zeros((size, size), np.int32)
    side = int(np.ceil(np.sqrt(n)))
    step = size / side
    for i in range(n):
        y, x = (np.array(divmod(i, side)) + 0.5 + rng.uniform(-0.3, 0.3, 2)) * step
        a, b = rng.uniform(20, 55, 2)
        top, left = max(0, int(y - a)), max(0, int(x - b))
        window = labels[top : int(y + a) + 1, left : int(x + b) + 1]
        yy, xx = np.mgrid[top : top + window.shape[0], left : left + window.shape[1]]
        window[((yy - y) / a) ** 2 + ((xx - x) / b) ** 2 < 1] = i + 1
    return labels


def original_item(image_file: Path, mask_file: Path, number: int, mean: float, std: float, size: int, whole: bool = False) -> np.ndarray:
    """One item of the original dataset: (size, size) float32; ``whole`` with the row and column that the original loses."""
    from PIL import Image

    image = np.array(Image.open(image_file)) / WHITE
    image = (image - mean) / std
    mask = np.ma.masked_values(np.load(mask_file), number).mask
    rows, columns = np.nonzero(mask)
    top, bottom, left, right = rows.min(), rows.max(), columns.min(), columns.max()
    box = (image * mask)[top : bottom + whole, left : right + whole]
    height, width = bottom - top, right - left
    if width > size:
        box = box[:, width // 2 - size // 2 : width // 2 + (size - size // 2)]
    if height > size:
        box = box[height // 2 - size // 2 : height // 2 + (size - size // 2)]
    height, width = box.shape
    final = np.zeros((size, size), np.float32)
    y, x = size // 2 - (height - whole) // 2, size // 2 - (width - whole) // 2
    final[y : y + height, x : x + width] = box
    return final


def compare(folder: Path, data: OpenDataset, experiment: Experiment, chosen: np.ndarray) -> tuple[float, int, float]:
    """Seconds of the original loop over the rows ``chosen``, how many crops equal ours, and the largest difference of a pixel.

    What the original loses, the last row and column of the bounding box, is taken off ours before they are compared.
    """
    seconds, equal, largest = 0.0, 0, 0.0
    for i in chosen:
        row = data.manifest.iloc[i]
        image, _ = experiment.resolve(row["image"])
        mask = folder / f"{row['fov_id']}_seg.npy"
        started = time.perf_counter()
        theirs = original_item(image, mask, int(row["label"]), data.crops.mean, data.crops.std, data.crops.crop_px)
        seconds += time.perf_counter() - started
        difference = float(np.abs(without_last(data.crops.crop(i), data.crops.mask(i)) - theirs).max())
        equal += difference < 1e-5  # the original computes in double precision
        largest = max(largest, difference)
    return seconds, equal, largest


def without_last(crop: np.ndarray, mask: np.ndarray) -> np.ndarray:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    out = crop.copy()
    out[rows[-1]], out[:, columns[-1]] = 0, 0
    return out


def say(**values: object) -> None:
    print(json.dumps({k: round(v, 3) if isinstance(v, float) else v for k, v in values.items()}), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("fields", 12), ("size", 2048), ("cells", 3000), ("crop-size", 380), ("sample", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        making = multiprocessing.get_context("spawn").Process(target=make_up, args=(folder, given.fields, given.size, given.cells))
        making.start()  # a process of its own: its memory does not count
        making.join()
        experiment = Experiment(folder / "cells")
        read(experiment.images / "MSC0_P4_f01_phase.tif")  # libraries are loaded outside the time of both
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        started = time.perf_counter()
        made = collect(Wanted([experiment.path], experiment.path), DatasetSettings(crop_px=given.crop_size))
        building = time.perf_counter() - started
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        data = open_dataset(made)
        started = time.perf_counter()
        for i in range(0, len(data.crops), 8):
            data.crops.batch(range(i, min(i + 8, len(data.crops))))
        reading = time.perf_counter() - started
        disk = sum(p.stat().st_size for p in made.rglob("*") if p.is_file())
        say(ours="build", cells=len(data.crops), seconds=building, grew_mib=(after - before) / 1024, on_disk_mib=disk / 2**20)
        say(ours="read every crop once", seconds=reading, squares_would_be_mib=len(data.crops) * given.crop_size**2 * 4 / 2**20)
        chosen = np.arange(len(data.crops))
        if given.sample:
            chosen = np.linspace(0, len(data.crops) - 1, given.sample).astype(int)
        seconds, equal, largest = compare(folder, data, experiment, chosen)
        epoch = seconds / len(chosen) * len(data.crops)
        say(original="one epoch", measured_cells=len(chosen), seconds=epoch, equal=f"{equal} of {len(chosen)}", largest_difference=largest)
        say(build_is_faster=epoch / building, epoch_is_faster=epoch / reading)


if __name__ == "__main__":
    main()
