"""Without the optional readers the message says what to install."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from core.errors import InputError
from core.images import inspect, read

STARTS = {"a.nd2": (b"\xda\xce\xbe\x0a", "nd2"), "a.czi": (b"ZISRAWFILE", "pylibCZIrw.czi"), "a.lif": (b"\x70\0\0\0", "liffile")}


@pytest.mark.parametrize("call", [inspect, read])
@pytest.mark.parametrize("name", STARTS)
def test_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Callable, name: str) -> None:
    start, module = STARTS[name]
    (tmp_path / name).write_bytes(start + bytes(500))
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError, match=rf"{name}: .*pip install -r requirements-formats\.txt") as error:
        call(tmp_path / name)
    assert f"need the reader {module.split('.')[0]}, which is not installed" in str(error.value)
    assert "No module named" not in str(error.value)
    assert "import of" not in str(error.value)


@pytest.mark.parametrize("call", [inspect, read])
@pytest.mark.parametrize("name", STARTS)
def test_only_a_beginning(tmp_path: Path, call: Callable, name: str) -> None:
    (tmp_path / name).write_bytes(STARTS[name][0] + bytes(500))
    with pytest.raises(InputError, match=name):
        call(tmp_path / name)
