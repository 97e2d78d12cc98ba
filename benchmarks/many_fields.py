"""Hundreds of fields in one job: resident memory over the fields, seconds, and what became of files that are damaged.

    python benchmarks/many_fields.py                        # 500 fields of 256 to 384 px, every 50th damaged
    python benchmarks/many_fields.py --sides 112 160        # smaller fields: the same bookkeeping in less time
    python benchmarks/many_fields.py --keep FOLDER          # keep the workspace, to look at it in the app
    python benchmarks/many_fields.py --plain 1000           # the segmenter alone over many fields, without files

The fields are pieces of simulated ones. They are added and segmented by the stages that the page and the command line call,
in this process, under the allocator's settings of a job (core/memory.py; Linux with glibc). Memory is read after each field
(Linux; elsewhere the peak so far).
"""

import argparse
import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # in place of this folder, whose file names may hide packages

from core.images import write_image  # noqa: E402
from core.memory import keep_freed_memory  # noqa: E402
from core.report import read_csv  # noqa: E402
from core.settings import SegmentSettings  # noqa: E402
from core.simulate import simulate_field  # noqa: E402
from core.stages.adding import Addition, add  # noqa: E402
from core.stages.segmenting import segment  # noqa: E402
from core.tables import CELLS, FAILURES, SEGMENTED_FIELDS  # noqa: E402
from core.workspace import Experiment  # noqa: E402

WEIGHTS = ROOT / "core" / "embedded" / "senescope-phase" / "weights.pt"
PIXEL_UM = 1.1
SIDES = (256, 384)  # px, least and most
SOURCE = 1024  # px; side of the simulated fields that the pieces are cut from
SEEN_AT = (1, 50, 100, 250, 400, 500, 1000, 2000)
DAMAGED_EVERY = 50


def say(**found: Any) -> None:
    print(json.dumps(found), flush=True)


def resident_mib() -> float:
    if sys.platform.startswith("linux"):
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        return pages * resource.getpagesize() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def pieces(n: int, sides: tuple[int, int], seed: int = 0) -> Any:
    """``n`` random pieces of simulated fields, uint16 (Y, X), turned and mirrored."""
    random = np.random.default_rng(seed)
    sources = [simulate_field(k, SOURCE, pixel_size_um=PIXEL_UM, n_cells=200, size_factor=0.85, stain=False).phase for k in range(3)]
    for _ in range(n):
        source = sources[random.integers(len(sources))]
        height, width = random.integers(*sides, 2, endpoint=True)
        y, x = random.integers(0, SOURCE - height), random.integers(0, SOURCE - width)
        yield np.rot90(source[y : y + height, x : x + width], random.integers(4))


def prepared(path: Path, n: int, sides: tuple[int, int], cultures: int = 10) -> tuple[Experiment, dict[str, str]]:
    """An experiment of ``n`` fields; the damage of some files by name of the field."""
    (path / "images").mkdir(parents=True)
    names = []
    for k, piece in enumerate(pieces(n, sides)):
        names.append(str(path / "images" / f"MSC{k % cultures + 1}_P4_f{k // cultures + 1:03d}_phase.tif"))
        write_image(Path(names[-1]), piece, PIXEL_UM)
    add(path, Addition(phase=names))
    experiment = Experiment(path)
    damaged: dict[str, str] = {}
    fields = experiment.fields()
    for k, row in enumerate(fields.iloc[DAMAGED_EVERY - 1 :: DAMAGED_EVERY].to_dict("records")):
        file = experiment.resolve(row["phase"])[0]
        damaged[row["fov_id"]] = damage(file, k)
    return experiment, damaged


def damage(file: Path, k: int) -> str:
    """What happens to files after they were added; returns it in words."""
    kind = ("cut short", "empty", "another file", "gone", "without contrast")[k % 5]
    if kind == "cut short":
        file.write_bytes(file.read_bytes()[:3000])
    elif kind == "gone":
        file.unlink()
    elif kind == "without contrast":
        write_image(file, np.full((300, 300), 700, np.uint16), PIXEL_UM)
    else:
        file.write_bytes(b"" if kind == "empty" else b"<!DOCTYPE html><title>404</title>")
    return kind


def one_job(path: Path, n: int, sides: tuple[int, int]) -> None:
    started = time.perf_counter()
    experiment, damaged = prepared(path, n, sides)
    say(fields=n, sides=sides, damaged=len(damaged), prepared_s=round(time.perf_counter() - started, 1), resident_mib=round(resident_mib(), 1))
    memory: dict[int, float] = {}

    def watch(done: float, total: float, item: str) -> None:
        memory[int(done)] = resident_mib()  # the last word about a field is what is left of it

    started = time.perf_counter()
    made = segment(path, SegmentSettings(), progress=watch)
    seconds = time.perf_counter() - started
    failures, fields, cells = (
        read_csv(made / name, columns) for name, columns in (("failures.csv", FAILURES), ("fields.csv", SEGMENTED_FIELDS), ("cells.csv", CELLS))
    )
    say(seconds=round(seconds, 1), seconds_a_field=round(seconds / n, 3), segmented=len(fields), cells=len(cells), failed=len(failures))
    say(resident_mib={k: round(memory[k], 1) for k in SEEN_AT if k in memory} | {"most": round(max(memory.values()), 1)}, **slope(memory))
    for row in failures.to_dict("records"):
        say(fov_id=row["fov_id"], damage=damaged.get(row["fov_id"], "none"), error=row["error"])
    listed = {fov_id for fov_id, kind in damaged.items() if kind != "without contrast"}
    assert set(failures["fov_id"]) == listed, "another set of fields failed than was damaged"
    assert len(fields) == n - len(listed)
    assert set(experiment.fields()["fov_id"]) >= set(fields["fov_id"])


def slope(memory: dict[int, float]) -> dict[str, float]:
    """Of the resident memory after the first fifth of the fields."""
    later = {k: v for k, v in memory.items() if k >= max(memory) / 5}
    return {"mib_per_100_fields_after_the_first_fifth": round(100 * float(np.polyfit(list(later), list(later.values()), 1)[0]), 2)}


def segmenter_alone(n: int, sides: tuple[int, int]) -> None:
    from core.cells.segmentation import load_segmenter

    segmenter = load_segmenter(WEIGHTS, "cpu")
    memory: dict[int, float] = {}
    for k, piece in enumerate(pieces(n, sides), start=1):
        segmenter.segment(piece.astype(np.float32), 60.0)
        memory[k] = resident_mib()
    say(fields=n, resident_mib={k: round(memory[k], 1) for k in SEEN_AT if k in memory}, **slope(memory))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fields", type=int, default=500)
    parser.add_argument("--sides", type=int, nargs=2, default=SIDES, metavar=("LEAST", "MOST"), help="of the fields, px")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="workspace to make the experiment 'many' in")
    parser.add_argument("--plain", type=int, default=0, metavar="FIELDS")
    given = parser.parse_args()
    keep_freed_memory()
    if given.plain:
        return segmenter_alone(given.plain, tuple(given.sides))
    if given.keep:
        return one_job(given.keep / "many", given.fields, tuple(given.sides))
    with tempfile.TemporaryDirectory() as folder:
        one_job(Path(folder) / "many", given.fields, tuple(given.sides))
    return None


if __name__ == "__main__":
    main()
