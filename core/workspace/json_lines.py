"""A file of JSON lines to which lines are only ever added. A line counts once it ends in a line feed and lies on the disk;
what a power cut left of a last line is cut off before the next one is written."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import InputError
from core.workspace.files import file_errors
from core.workspace.locks import hold

WAIT_S = 20.0


@dataclass(frozen=True)
class JsonLines:
    """The file ``path``, which need not exist yet; whoever writes holds ``lock``. ``what`` names one line in messages."""

    path: Path
    lock: Path
    what: str

    def rows(self) -> list[dict[str, Any]]:
        """All complete lines, oldest first. InputError names a line that is damaged."""
        return [self._row(number, line) for number, line in enumerate(self.lines(), start=1) if line.strip()]

    def lines(self) -> list[bytes]:
        """All complete lines as they lie on the disk, without their line feed."""
        return self._bytes().split(b"\n")[:-1]  # what follows the last line feed was not written to its end

    def append(self, row: Mapping[str, Any]) -> None:
        """Write one line; it is on the disk when this returns. To be called while the file is ``held``."""
        line = json.dumps(row, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode() + b"\n"
        with file_errors(self.path, f"save the {self.what}"):
            self.path.parent.mkdir(parents=True, exist_ok=True)
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
        with hold(self.lock, WAIT_S) as mine:
            if not mine:
                raise InputError(f"{self.path}: another program is writing a {self.what} for a long time. Try again.")
            yield

    def _bytes(self) -> bytes:
        with file_errors(self.path, "read"):
            return self.path.read_bytes() if self.path.is_file() else b""

    def _row(self, number: int, line: bytes) -> dict[str, Any]:
        try:
            row = json.loads(line.decode("utf-8"))
        except ValueError:
            row = None
        if not isinstance(row, dict):
            raise InputError(f"{self.path}: line {number} is damaged: wanted a JSON object. Restore the file from a copy, or remove that line.")
        return row
