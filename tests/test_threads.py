"""The setting of threads that wait: ours where nobody has decided, and in time for PyTorch."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from core import threads

DECIDED = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")


@pytest.fixture(autouse=True)
def undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in DECIDED:
        monkeypatch.setenv(name, "")  # so that it is put back at the end
        monkeypatch.delenv(name)


def test_where_nobody_has_decided() -> None:
    threads.wait_without_a_core()
    assert os.environ["GOMP_SPINCOUNT"] == threads.SPINS


@pytest.mark.parametrize("name", DECIDED)
def test_a_decision_of_the_user_holds(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "active" if name == "OMP_WAIT_POLICY" else "77")
    before = {key: os.environ.get(key) for key in DECIDED}
    threads.wait_without_a_core()
    assert {key: os.environ.get(key) for key in DECIDED} == before


@pytest.mark.parametrize(("module", "given"), [("core", ["models", "list"]), ("core.jobs.worker", ["jobs.sqlite", "none"])])
def test_the_entry_points_decide_before_pytorch_is_imported(module: str, given: list[str]) -> None:
    """A stand-in for the setting says whether PyTorch was there already."""
    code = (
        "import runpy, sys, core.threads as t\n"
        "t.wait_without_a_core = lambda: print('decided', 'torch' in sys.modules) or sys.exit(0)\n"
        f"sys.argv = [{module!r}, *{given!r}]\n"
        f"runpy.run_module({module!r}, run_name='__main__')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(threads.__file__).parents[1], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["decided", "False"], done.stderr
