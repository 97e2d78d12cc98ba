"""How much memory is free, and how the allocator keeps what was freed (Linux with glibc)."""

import ctypes
import os
import platform
import sys
from contextlib import suppress
from pathlib import Path

_M_TRIM_THRESHOLD = -1
_M_MMAP_MAX = -4


def keep_freed_memory() -> bool:
    """Reuse large freed blocks instead of giving them back to the system; True where this took effect.

    Networks allocate and free temporaries of many megabytes a step; each time glibc maps fresh pages, and touching them
    costs up to half of the run time. To be called once, at the start of a process that does such work and before it
    allocates; the process then stays at its peak memory until it ends, so it is not for the process of the app.
    """
    if not sys.platform.startswith("linux") or platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(_M_MMAP_MAX, 0) and mallopt(_M_TRIM_THRESHOLD, 2**31 - 1))


def free_memory() -> int:
    """Bytes that this process may still take; a cautious constant where the system does not say."""
    if sys.platform == "win32":
        return _free_on_windows()
    with suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        free = int(next(line for line in lines if line.startswith("MemAvailable")).split()[1]) * 1024
        return min(free, _free_in_container(free))
    with suppress(OSError, ValueError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2  # macOS counts no free memory here
    return 4 * 2**30


def _free_in_container(otherwise: int) -> int:
    """What a control group (Docker, Slurm) leaves; its file caches count as used, so at least a quarter of the limit."""
    with suppress(OSError, ValueError):
        group = Path("/sys/fs/cgroup")
        limit = int((group / "memory.max").read_text(encoding="ascii"))
        return max(limit - int((group / "memory.current").read_text(encoding="ascii")), limit // 4)
    return otherwise


def _free_on_windows() -> int:
    class Status(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ulong), ("load", ctypes.c_ulong)] + [(name, ctypes.c_ulonglong) for name in "abcdefg"]

    status = Status(length=ctypes.sizeof(Status))
    if ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):  # type: ignore[attr-defined,unused-ignore]
        return int(status.b)  # total physical, available physical, ...
    return 4 * 2**30
