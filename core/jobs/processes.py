"""Processes by identity (a pid alone is used again), started detached and ended as a tree: Linux, macOS, Windows."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    def identity(pid: int) -> str | None:
        """Start time of the process as text; None where it is gone."""
        kernel = ctypes.WinDLL("kernel32", use_last_error=True)
        kernel.OpenProcess.restype = wintypes.HANDLE
        handle = wintypes.HANDLE(kernel.OpenProcess(0x1000, False, pid))  # PROCESS_QUERY_LIMITED_INFORMATION
        if not handle:
            return None
        try:
            code, times = wintypes.DWORD(), [wintypes.FILETIME() for _ in range(4)]
            kernel.GetExitCodeProcess(handle, ctypes.byref(code))
            if code.value != 259 or not kernel.GetProcessTimes(handle, *map(ctypes.byref, times)):  # STILL_ACTIVE
                return None
            return f"{times[0].dwHighDateTime}:{times[0].dwLowDateTime}"
        finally:
            kernel.CloseHandle(handle)

    def kill_tree(pid: int) -> None:
        """End the process and all that it started, at once."""
        subprocess.run(["taskkill", "/PID", str(pid), "/T", "/F"], capture_output=True, check=False)

    _DETACHED = {"creationflags": subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP}
else:

    def identity(pid: int) -> str | None:
        """Start time of the process as text; None where it is gone or only waits to be reaped."""
        return _of_proc(pid) if Path("/proc/self/stat").exists() else _of_ps(pid)

    def kill_tree(pid: int) -> None:
        """End the process and its process group, at once. Our workers lead a group of their own."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)

    _DETACHED = {"start_new_session": True}


def _of_proc(pid: int) -> str | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    words = stat.rsplit(")", 1)[1].split()  # the name before it may hold spaces and brackets
    return None if words[0] in "ZX" else f"{_boot()}:{words[19]}"


@cache
def _boot() -> str:
    """Start times on Linux count from the boot: name the boot too."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _of_ps(pid: int) -> str | None:
    fixed = {**os.environ, "LC_ALL": "C", "TZ": "UTC"}
    found = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, env=fixed, check=False)
    state, _, start = found.stdout.strip().partition(" ")
    return None if not start or state.startswith("Z") else " ".join(start.split())


def alive(pid: int | None, known: str | None) -> bool:
    """True where the process that once had this identity still runs."""
    return pid is not None and known is not None and identity(pid) == known


def launch(command: Sequence[str], folder: Path, log: Path, environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    """Start a process that outlives this one; its output is appended to ``log``."""
    with log.open("ab") as output:
        return subprocess.Popen(
            list(command),
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            **_DETACHED,  # type: ignore[call-overload]
        )


def last_words(code: int) -> str:
    """Say what an exit code means."""
    if code == -9:
        return f"The worker stopped with exit code {code}: probably out of memory"
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"The worker stopped with exit code {code} ({signal.Signals(-code).name})"
    return f"The worker stopped with exit code {code}"
