"""The way in: a wrong Python is told in one line, nothing heavy is loaded, every page opens in the shell."""

import http.server
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pages.parts import opening

ROOT = Path(__file__).resolve().parents[2]


def python(code: str, workspace: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "SENESCOPE_WORKSPACE": str(workspace), "PYTHONUTF8": "1"}
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, encoding="utf-8", timeout=120, check=False)


@pytest.mark.parametrize("version", [(3, 9, 18), (3, 13, 0), (3, 14, 2)])
def test_wrong_python_is_told_in_one_line(tmp_path: Path, version: tuple[int, int, int]) -> None:
    text = ".".join(map(str, version))
    code = f"import sys, runpy; sys.version_info = {version}; sys.version = '{text} (main)'; sys.modules['streamlit'] = None; runpy.run_path('app.py')"
    ended = python(code, tmp_path)
    assert ended.returncode == 1
    assert ended.stderr.splitlines() == [f"Senescope needs Python 3.10, 3.11 or 3.12 (because of Cellpose 3); this is {text}. README.md shows how to get one."]


def test_nothing_heavy_on_the_start_path(tmp_path: Path) -> None:
    code = "import sys, app; print([m for m in ('torch', 'cellpose', 'numba', 'skimage', 'cv2', 'scipy') if m in sys.modules])"
    ended = python(code, tmp_path)
    assert ended.stdout.strip() == "[]", ended.stderr


def test_first_page_loads_no_torch(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from streamlit.testing.v1 import AppTest\n"
        "app = AppTest.from_file('pages/parts/main.py', default_timeout=60).run()\n"
        "assert not app.exception, app.exception\n"
        "print([m for m in ('torch', 'cellpose') if m in sys.modules])"
    )
    ended = python(code, tmp_path)
    assert ended.stdout.strip() == "[]", ended.stderr


@pytest.mark.parametrize("name", ["assess", "segment", "experiments", "models"])
def test_every_page_opens_in_the_shell(open_page: Callable, name: str) -> None:
    assert open_page(name).title


def test_settings_of_the_server() -> None:
    lines = (ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8").splitlines()
    assert "gatherUsageStats = false" in lines
    assert "showEmailPrompt = false" in lines
    assert not any(line.startswith("headless") for line in lines)  # the browser opens by itself


def test_browser_opens_once_the_app_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    waiting = threading.Thread(target=opening.open_when_ready, args=(f"http://127.0.0.1:{port}/", opened.append, 30))
    waiting.start()
    time.sleep(0.4)
    assert opened == []
    with http.server.HTTPServer(("127.0.0.1", port), Healthy) as server:
        server.handle_request()
    waiting.join(10)
    assert opened == [f"http://127.0.0.1:{port}/"]


class Healthy(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/_stcore/health" else 404)
        self.end_headers()

    def log_message(self, *parts: object) -> None:
        pass


@pytest.mark.parametrize(
    ("bound", "host"), [("localhost", "localhost"), ("0.0.0.0", "localhost"), (None, "localhost"), ("10.0.0.7", "10.0.0.7"), ("fe80::1", "[fe80::1]")]
)
def test_address_of_the_app(monkeypatch: pytest.MonkeyPatch, bound: str | None, host: str) -> None:
    options = {"server.address": bound, "server.port": 8501, "server.baseUrlPath": "/lab/", "server.sslCertFile": None}
    monkeypatch.setattr("pages.parts.opening.st.get_option", options.__getitem__)
    assert opening.address() == f"http://{host}:8501/lab"
