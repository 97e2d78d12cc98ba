"""The log of corrections of one field: JSON lines that are only ever added to, beside the segmentation that stays as it is.

``EXP/edits/<segmentation>/<fov_id>.jsonl`` (``core.workspace.JsonLines``).
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.cells.edits import History, history
from core.errors import InputError
from core.workspace import Experiment, JsonLines, checked_name, file_errors

FOLDER, SUFFIX = "edits", ".jsonl"


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

    @property
    def file(self) -> JsonLines:
        lock = self.experiment.path / ".locks" / f"edits-{self.segmentation}-{self.fov_id}.lock"
        return JsonLines(self.path, lock, "correction")

    def rows(self) -> list[dict[str, Any]]:
        """All complete lines, oldest first. InputError names a line that is damaged."""
        return self.file.rows()

    def history(self) -> History:
        """What the log comes to."""
        with self._named():
            return history(self.rows())

    def append(self, row: Mapping[str, Any]) -> None:
        """Write one line; it is on the disk when this returns. To be called while the log is ``held``."""
        self.file.append(row)

    def held(self) -> AbstractContextManager[None]:
        """Nobody else writes inside the block. InputError where somebody does so for long."""
        return self.file.held()

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
