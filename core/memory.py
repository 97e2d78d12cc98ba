"""Tell the allocator to keep freed memory (Linux with glibc)."""

import ctypes
import platform
import sys

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
