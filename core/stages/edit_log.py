"""The log of corrections of one field: JSON lines that are only ever added to, beside the segmentation that stays as it is.

``EXP/edits/<segmentation>/<fov_id>.jsonl``. A line counts once it ends in a line feed and lies on the disk; what a power
cut left of a last line is cut off before the next one is written.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.cells.edits import History, history
from core.errors import InputError
from core.workspace import Experiment, checked_name, file_errors, hold

FOLDER, SUFFIX = "edits", ".jsonl"
WAIT_S = 20.0


@dataclass(frozen=True)
class EditLog:
    """The log of the field ``fov_id`` of a segmentation; the file need not exist yet."""

    experiment: Experiment
    segmentation: str
    fov_id: str

    @property
    def path(self) -> Path:
        return self.folder / f"{checked_name(self.fov_id, 'field')}{SUFFIX}"

    @property
    def folder(self) -> Path:
        return self.experiment.path / FOLDER / checked_name(self.segmentation, "segmentation")

    def rows(self) -> list[dict[str, Any]]:
        """All complete lines, oldest first. InputError names a line that is damaged."""
        lines = self._bytes().split(b"\n")[:-1]  # what follows the last line feed was not written to its end
        return [self._row(number, line) for number, line in enumerate(lines, start=1) if line.strip()]

    def history(self) -> History:
        """What the log comes to."""
        with self._named():
            return history(self.rows())

    def append(self, row: Mapping[str, Any]) -> None:
        """Write one line; it is on the disk when this returns. To be called while the log is ``held``."""
        line = json.dumps(row, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode() + b"\n"
        with file_errors(self.path, "save the correction"):
            self.folder.mkdir(parents=True, exist_ok=True)
            torn = len(self._bytes().rpartition(b"\n")[2])
            with self.path.open("ab") as file:
                if torn:
                    file.truncate(file.tell() - torn)
                file.write(line)
                file.flush()
                os.fsync(file.fileno())

    @contextmanager
    def held(self) -> Iterator[None]:
        """Nobody else writes inside the block. InputError where somebody does so for long."""
        with hold(self.experiment.path / ".locks" / f"edits-{self.segmentation}-{self.fov_id}.lock", WAIT_S) as mine:
            if not mine:
                raise InputError(f"{self.path}: another program is correcting this field for a long time. Try again.")
            yield

    def _bytes(self) -> bytes:
        with file_errors(self.path, "read the corrections"):
            return self.path.read_bytes() if self.path.is_file() else b""

    def _row(self, number: int, line: bytes) -> dict[str, Any]:
        try:
            row = json.loads(line.decode("utf-8"))
        except ValueError:
            row = None
        if not isinstance(row, dict):
            raise InputError(f"{self.path}: line {number} is damaged: wanted a JSON object. Restore the file from a copy, or remove that line.")
        return row

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except InputError as error:
            raise InputError(str(error) if str(self.path) in str(error) else f"{self.path}: {error}") from error


def logs(experiment: Experiment, segmentation: str) -> list[EditLog]:
    """The logs of a segmentation that exist, by name of the field."""
    folder = EditLog(experiment, segmentation, "any").folder
    with file_errors(folder, "list"):
        names = sorted(p.name.removesuffix(SUFFIX) for p in folder.glob(f"*{SUFFIX}")) if folder.is_dir() else []
    return [EditLog(experiment, segmentation, name) for name in names]
