"""Writing files so that a kill, a full disk or an open Excel leaves either the old file or the new one."""

import contextlib
import errno
import json
import os
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from core.errors import InputError

CHUNK = 8 * 1024 * 1024
_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}


def explain(error: OSError, path: Path, doing: str) -> InputError:
    """Say in one line what went wrong with which file and what to do about it."""
    where = Path(error.filename) if isinstance(error.filename, str) and error.filename else path
    if error.errno in _FULL:
        return InputError(f"{where}: cannot {doing}: the disk is full. Free some space and run again; finished work is kept.")
    if error.errno in _DENIED:
        return InputError(f"{where}: cannot {doing}: permission denied. Check the rights of the folder, and that no other program has it open.")
    return InputError(f"{where}: cannot {doing}: {error.strerror or error}.")


@contextlib.contextmanager
def file_errors(path: Path, doing: str) -> Iterator[None]:
    """Turn any ``OSError`` inside into an InputError that names the file."""
    try:
        yield
    except OSError as error:
        raise explain(error, path, doing) from error


def environment_error(error: OSError) -> bool:
    """True for a full disk or a missing right: the user's machine, not a defect of ours."""
    return error.errno in _FULL | _DENIED


def scratch_beside(path: Path) -> Path:
    """A hidden name in the same folder, so that the final rename stays on one file system."""
    return path.parent / f".{secrets.token_hex(6)}.part"


def write_atomic(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path`` whole or not at all; makes the folder. Raises InputError where that is not possible."""
    with file_errors(path, "write"):
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = scratch_beside(path)
        try:
            with scratch.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            patiently(lambda: scratch.replace(path))
        finally:
            scratch.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    write_atomic(path, (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode("utf-8"))


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file; InputError where there is none or it is damaged."""
    with file_errors(path, "read"):
        data = path.read_bytes()
    try:
        value = json.loads(data.decode("utf-8-sig"))
    except ValueError as error:
        raise InputError(f"{path}: wanted JSON, but the file is damaged ({error}).") from error
    if not isinstance(value, dict):
        raise InputError(f"{path}: wanted a JSON object, found {type(value).__name__}.")
    return value


def patiently(rename: Callable[[], object], tries: int = 8) -> None:
    """Windows refuses a rename while a virus scanner or the search indexer looks at the file: try for about two seconds."""
    for attempt in range(tries):
        try:
            rename()
            return
        except PermissionError:
            if os.name != "nt" or attempt == tries - 1:
                raise
            time.sleep(0.02 * 2**attempt)


def same_bytes(first: Path, second: Path) -> bool:
    """Compare two files in chunks."""
    if first.stat().st_size != second.stat().st_size:
        return False
    with first.open("rb") as a, second.open("rb") as b:
        while chunk := a.read(CHUNK):
            if chunk != b.read(CHUNK):
                return False
    return True
