"""``add``: images, ready outlines and metadata."""

import argparse
import sys
from pathlib import Path
from typing import Any

from core.commands.common import Bar, command, experiment, tell_failures

KINDS = {
    "phase": "phase-contrast images or folders",
    "stain": "stain images",
    "colour": "colour images",
    "labels": "ready outlines: label images, _seg.npy, ImageJ ROI zip, GeoJSON or COCO JSON",
}


def register(commands: Any) -> None:
    one = command(commands, "add", run, "add images, ready outlines or metadata to an experiment")
    for kind, words in KINDS.items():
        one.add_argument(f"--{kind}", nargs="+", default=[], metavar="FILE_OR_FOLDER", help=words)
    one.add_argument("--table", help="CSV with metadata: fov_id or phase, and any column of fields.csv")
    one.add_argument("--pixel-size", type=float, dest="pixel_size_um", metavar="UM", help="micrometres a pixel, where the files do not say")
    one.add_argument("--pattern", help="regular expression with named groups (sample, passage, ...) that reads the file names")
    one.add_argument("--link", action="store_true", help="refer to the files where they are instead of copying them")


def run(given: argparse.Namespace) -> Path:
    from core.fields import DEFAULT_PATTERN
    from core.stages.adding import LEFT_OUT, Addition, added

    wanted = {k: getattr(given, k) for k in (*KINDS, "table", "pixel_size_um", "link")}
    made = added(experiment(given), Addition(**wanted, pattern=given.pattern or DEFAULT_PATTERN), Bar())
    tell_failures(made.fields_csv.parent / LEFT_OUT)
    if made.segmentation:
        _tell_outlines(made.segmentation)
    return made.fields_csv


def _tell_outlines(segmentation: Path) -> None:
    from core.stages.importing import notes_of

    print(f"outlines: {segmentation}", file=sys.stderr)
    tell_failures(segmentation / "failures.csv")
    for note in notes_of(segmentation):
        print(f"note: {note}", file=sys.stderr)
