"""The allocator's setting: only where it exists, and harmless there."""

import subprocess
import sys
from pathlib import Path

import pytest

from core import memory


def test_in_a_process_of_its_own() -> None:
    """The setting stays for the life of a process, so not in this one."""
    code = "from core.memory import keep_freed_memory as k; import numpy as np; r = k(); np.zeros(10**7).sum(); print(r)"
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(memory.__file__).parents[1], capture_output=True, text=True, check=True)
    assert done.stdout.strip() in ("True", "False")


@pytest.mark.parametrize(("system", "library"), [("win32", ""), ("darwin", ""), ("linux", "musl")])
def test_elsewhere_nothing_happens(monkeypatch: pytest.MonkeyPatch, system: str, library: str) -> None:
    monkeypatch.setattr(memory.sys, "platform", system)
    monkeypatch.setattr(memory.platform, "libc_ver", lambda: (library, ""))
    monkeypatch.setattr(memory.ctypes, "CDLL", None)
    assert memory.keep_freed_memory() is False
