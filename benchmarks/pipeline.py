"""From raw phase images to a CSV of calls: the original pipeline against Senescope, same weights, same cells, a process each.

    python benchmarks/pipeline.py                              # two simulated fields of 768 px
    python benchmarks/pipeline.py --phase FOLDER --fields 3    # with a folder of 16-bit phase images

The original: Cellpose's own ``CellposeModel.eval`` with its default batch, the mask of each field in a .npy file, then the loop
of github.com/voynovaes/Senescence: a ``Dataset`` whose item opens the image, normalises all of it, compares all of the mask
with the cell's number and cuts 380 px, batches of 8, ``efficientnet_pytorch`` in fp32 as it comes, a CSV row a cell. Ours:
``python -m core assess``, segmentation, calls, tables, overlays and the HTML report. Both get the same images, diameter, weights,
mean and standard deviation; cells that touch the border, which ours leaves out, are left out of the original too.

Wall time, processor time and peak memory are those of the whole process, imports included. The original cuts every cell
without the last row and column of its bounding box; "calls as it is" compares its probabilities with ours as they are, "whole
cells" those of some cells that are cut whole, where both compute the same.

Prints JSON lines. Linux and macOS.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # in place of this folder, whose file names may hide packages

from benchmarks.classifier import plain  # noqa: E402
from benchmarks.dataset import WHITE, original_item, say  # noqa: E402
from benchmarks.segmentation import WEIGHTS, cellpose_model, cellpose_way, compared  # noqa: E402
from core.cells.segmentation import load_segmenter  # noqa: E402
from core.classifier.checkpoint import Checkpoint, load_checkpoint, save_checkpoint  # noqa: E402
from core.fields import table_of  # noqa: E402
from core.images import grey, read, read_labels, write_image  # noqa: E402
from core.models import find_model  # noqa: E402
from core.report import read_csv, write_csv  # noqa: E402
from core.settings import EMBEDDED_CLASSIFIER  # noqa: E402
from core.simulate import simulate_field  # noqa: E402
from core.tables import ASSESSED_CELLS  # noqa: E402
from core.workspace import Experiment, create_experiment, read_json  # noqa: E402

BATCH = 8
CALLS = {"fov_id": "str", "theirs": "Int64", "probability": "Float64"}


def make_up(folder: Path, given: argparse.Namespace) -> Experiment:
    """An experiment of 16-bit phase images, and ``classifier.pt``, the embedded classifier told to normalise as the original does."""
    experiment = create_experiment(folder / "fields")
    names, seen = [], []
    for name, pixels in phases(given):
        pixels[0, 0] = WHITE  # says that the camera has 16 bits
        write_image(experiment.images / f"{name}.tif", pixels, 1.0)
        names.append(f"images/{name}.tif")
        seen.append(pixels / WHITE)
    experiment.save_fields(table_of(names).table)
    path = find_model(EMBEDDED_CLASSIFIER, "classifier").path
    assert path is not None
    every = np.concatenate([one.ravel() for one in seen])
    mean, std = float(every.mean()), float(every.std())
    save_checkpoint(folder / "classifier.pt", replace(load_checkpoint(path), mean=mean, std=std, intensity="range", pixel_size_um=None, temperature=1.0))
    return experiment


def phases(given: argparse.Namespace) -> Iterator[tuple[str, np.ndarray]]:
    """Names and 16-bit pixels."""
    if given.phase:
        for file in sorted(p for p in Path(given.phase).iterdir() if p.suffix.lower() in (".tif", ".tiff"))[-given.fields :]:
            yield file.stem, grey(read(file)).astype(np.uint16)
        return
    for seed in range(given.fields):
        field = simulate_field(100 + seed, given.size, pixel_size_um=1.0, stain=False)
        yield f"simulated{seed}", (field.phase.astype(np.float64) * (WHITE / (2**field.bits - 1))).astype(np.uint16)


def original(folder: Path, diameter: float) -> None:
    """The original pipeline over the experiment in ``folder``: ``original.csv``, and the masks as .npy."""
    import torch
    from torch.utils.data import DataLoader, Dataset

    experiment, checkpoint = Experiment(folder / "fields"), load_checkpoint(folder / "classifier.pt")
    outline, rows = cellpose_way(cellpose_model(), BATCH), []
    for row in experiment.fields().to_dict("records"):
        image = experiment.resolve(row["phase"])[0]
        labels = outline(grey(read(image)), diameter)
        np.save(mask_of(folder, row["fov_id"]), labels)
        edge = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
        rows += [(row["fov_id"], int(label), image) for label in np.setdiff1d(labels, edge)]

    class CustomImageDataset(Dataset):  # type: ignore[type-arg]
        def __len__(self) -> int:
            return len(rows)

        def __getitem__(self, k: int) -> torch.Tensor:
            fov_id, label, image = rows[k]
            return torch.from_numpy(item(folder, checkpoint, fov_id, label, image))

    predict = plain(checkpoint, BATCH)
    table = pd.DataFrame(rows, columns=[*list(CALLS)[:2], "image"]).drop(columns="image")
    write_csv(folder / "original.csv", table.assign(probability=np.concatenate([predict(batch.numpy()) for batch in DataLoader(CustomImageDataset(), BATCH)])))


def item(folder: Path, checkpoint: Checkpoint, fov_id: str, label: int, image: Path, whole: bool = False) -> np.ndarray:
    assert checkpoint.mean is not None
    assert checkpoint.std is not None
    return original_item(image, mask_of(folder, fov_id), label, checkpoint.mean, checkpoint.std, checkpoint.crop_px, whole)


def mask_of(folder: Path, fov_id: str) -> Path:
    return folder / f"{fov_id}_seg.npy"


def measured(*words: str) -> dict[str, float]:
    """Wall and processor seconds, and peak memory in GiB, of a process of its own."""
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, *words], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(words)} ended with exit code {process.returncode}")
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kibibytes here
    return {"seconds": time.perf_counter() - started, "processor_s": used.ru_utime + used.ru_stime, "peak_gib": used.ru_maxrss * unit / 2**30}


def agreement(folder: Path, experiment: Experiment, assessment: Path, cells: int) -> None:
    """Labels, probabilities and calls of both, cell by cell; ``cells`` of them once more, cut whole."""
    checkpoint = load_checkpoint(folder / "classifier.pt")
    segmentation = experiment.path / "segmentations" / read_json(assessment / "settings.json")["upstream"]["segmentation"]
    ours, theirs = read_csv(assessment / "cells.csv", ASSESSED_CELLS), read_csv(folder / "original.csv", CALLS)
    images = {row["fov_id"]: experiment.resolve(row["phase"])[0] for row in experiment.fields().to_dict("records")}
    pairs = []
    for fov_id in images:
        labels, masks = read_labels(segmentation / "labels" / f"{fov_id}.tif"), np.load(mask_of(folder, fov_id))
        say(what="labels", field=fov_id, **compared(masks, labels))
        pairs.append(same_cells(fov_id, labels, masks))
    both = pd.concat(pairs).merge(ours, on=["fov_id", "label"]).merge(theirs, on=["fov_id", "theirs"]).dropna(subset=["senescence_probability"])
    found, raw = both["senescence_probability"].to_numpy(dtype=float), both["probability"].to_numpy(dtype=float)
    tell("calls as it is", found, raw, checkpoint.threshold, of=[int(ours["senescence_probability"].notna().sum()), len(theirs)])
    some = np.linspace(0, len(both) - 1, min(cells, len(both))).astype(int)
    rows = both.iloc[some][["fov_id", "theirs"]].itertuples(index=False)
    whole = np.stack([item(folder, checkpoint, fov_id, int(label), images[fov_id], whole=True) for fov_id, label in rows])
    tell("whole cells", found[some], plain(checkpoint, BATCH)(whole), checkpoint.threshold)


def same_cells(fov_id: str, labels: np.ndarray, masks: np.ndarray) -> pd.DataFrame:
    """Cells that are the same pixels in both label images: ``fov_id``, ``label``, ``theirs``."""
    pairs, shared = np.unique(np.stack([labels.ravel(), masks.ravel()]), axis=1, return_counts=True)
    areas, others = np.bincount(labels.ravel()), np.bincount(masks.ravel())
    same = (pairs.min(axis=0) > 0) & (shared == areas[pairs[0]]) & (shared == others[pairs[1]])
    return pd.DataFrame({"fov_id": fov_id, "label": pairs[0, same], "theirs": pairs[1, same]})


def tell(what: str, ours: np.ndarray, theirs: np.ndarray, threshold: float, **more: object) -> None:
    calls = int(((ours >= threshold) == (theirs >= threshold)).sum())
    say(what=what, same_cells=len(ours), largest_difference=f"{np.abs(ours - theirs).max():.1e}", equal_calls=f"{calls} of {len(ours)}", **more)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--phase", default="", help="a folder of 16-bit phase images (TIFF); the last ones are used")
    parser.add_argument("--fields", type=int, default=2)
    parser.add_argument("--size", type=int, default=768, help="of the simulated fields, px")
    parser.add_argument("--diameter", type=float, default=0.0, help="of the cells, px; 0: the model's own")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--whole", type=int, default=16, help="cells that are compared once more, cut whole")
    parser.add_argument("--original", default="", help=argparse.SUPPRESS)
    given = parser.parse_args()
    diameter = given.diameter or load_segmenter(WEIGHTS, "cpu").diameter_px
    if given.original:
        original(Path(given.original), diameter)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        experiment = make_up(folder, given)
        rounds: dict[str, list[dict[str, float]]] = {"original": [], "ours": []}
        for _ in range(given.rounds):
            rounds["original"].append(measured("benchmarks/pipeline.py", "--original", str(folder), "--diameter", str(diameter)))
            for done in [*experiment.products("assessments"), *experiment.products("segmentations")]:
                shutil.rmtree(done.path)
            words = ["--classifier", str(folder / "classifier.pt"), "--diameter", str(diameter)]
            rounds["ours"].append(measured("-m", "core", "assess", str(experiment.path), *words))
        best = {way: {key: min(one[key] for one in found) for key in found[0]} for way, found in rounds.items()}
        for way, found in best.items():
            say(what=way, fields=len(experiment.fields()), **found)
        say(what="original / ours", **{key: best["original"][key] / best["ours"][key] for key in best["ours"]})
        agreement(folder, experiment, experiment.products("assessments")[0].path, given.whole)


if __name__ == "__main__":
    main()
