"""Locks between processes, by the operating system: a lock of a dead process is free at once, so none goes stale.

``flock`` on Linux and macOS, ``msvcrt.locking`` on Windows. The file also says who holds it, for messages.
"""

import contextlib
import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from typing import Any

from core.workspace.files import file_errors

if sys.platform == "win32":
    import msvcrt

    _BYTE = 1 << 30  # locked bytes cannot be read by others on Windows: lock one far behind the text

    def _try_lock(descriptor: int) -> bool:
        os.lseek(descriptor, _BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        finally:
            os.lseek(descriptor, 0, os.SEEK_SET)
        return True
else:
    import fcntl

    def _try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


class FileLock:
    """An exclusive lock on a file of its own; the file is removed on release."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: FileIO | None = None

    def acquire(self) -> bool:
        """Take the lock if it is free. Raises InputError where the file cannot be made."""
        with file_errors(self.path, "lock"):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            file = FileIO(os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666), "r+")
            if not (_try_lock(file.fileno()) and self._still_there(file)):
                file.close()
                return False
            self._file = file
            file.truncate(0)
            file.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": time.time()}).encode())
        return True

    def release(self) -> None:
        if self._file is None:
            return
        file, self._file = self._file, None
        if os.name == "nt":  # Windows cannot remove an open file, and refuses when the next holder has opened it
            file.close()
            with contextlib.suppress(OSError):
                self.path.unlink()
        else:  # removed while held: whoever waited on the old file sees that it is gone and opens a new one
            with contextlib.suppress(OSError):
                self.path.unlink()
            file.close()

    def holder(self) -> dict[str, Any]:
        """Who holds the lock: pid, host, since (seconds); empty where that is not known."""
        try:
            return dict(json.loads(self.path.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return {}

    def _still_there(self, file: FileIO) -> bool:
        if os.name == "nt":
            return True
        try:
            return os.path.samestat(os.fstat(file.fileno()), self.path.stat())
        except FileNotFoundError:
            return False


@contextlib.contextmanager
def hold(path: Path, wait_s: float = 0.0) -> Iterator[bool]:
    """Hold the lock at ``path`` inside the block; yields False where it stayed taken for ``wait_s`` seconds."""
    lock, deadline = FileLock(path), time.monotonic() + wait_s
    while not (taken := lock.acquire()) and time.monotonic() < deadline:
        time.sleep(0.05)
    try:
        yield taken
    finally:
        lock.release()
