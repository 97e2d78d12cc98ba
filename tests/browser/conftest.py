"""A real app in a real browser. Without Chromium these tests are skipped on a user's machine and fail in CI."""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
START_S = 60
FOREIGN = re.compile(r"(?!http://127\.0\.0\.1:)(https?|wss?):")  # the app works without a network
HARMLESS = re.compile(r"/_stcore/(health|host-config)$")  # Streamlit looks for itself below the address of a deep link


def in_ci() -> bool:
    return os.environ.get("CI", "").lower() in ("1", "true", "yes")


def missing(why: str) -> None:
    if in_ci():
        pytest.fail(why, pytrace=False)
    pytest.skip(why)


def chromium() -> str:
    named = os.environ.get("SENESCOPE_CHROMIUM", "")
    found = shutil.which(named) if named else next(filter(None, map(shutil.which, NAMES)), None)
    if not found:
        missing(f"no Chromium or Chrome found ({named or ', '.join(NAMES)}); set SENESCOPE_CHROMIUM to its path")
    return str(found)


@pytest.fixture(scope="session")
def browser() -> Iterator[object]:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("the package playwright is not installed (requirements-dev.txt)")
    executable = chromium()
    with sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield running
        running.close()


@contextlib.contextmanager
def streamlit_server(script: Path, workspace: Path, **environment: str) -> Iterator[str]:
    """``streamlit run script`` on a free port, as a user starts it; yields its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", str(script), "--server.port", str(port), "--server.address", "127.0.0.1", "--server.headless", "true"]
    variables = {**os.environ, "SENESCOPE_WORKSPACE": str(workspace), "PYTHONUTF8": "1", **environment}
    log = workspace / "server.log"
    workspace.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=variables)
        try:
            yield answering(f"http://127.0.0.1:{port}", process, log)
        finally:
            process.terminate()
            process.wait(20)


def answering(url: str, process: subprocess.Popen[bytes], log: Path) -> str:
    give_up = time.monotonic() + START_S
    while time.monotonic() < give_up:
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/_stcore/health", timeout=2) as answer:
            if answer.read() == b"ok":
                return url
        time.sleep(0.1)
    raise RuntimeError(f"the app does not start:\n{log.read_text(encoding='utf-8', errors='replace')}")


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The workspace of ``server``."""
    return tmp_path_factory.mktemp("workspace")


@pytest.fixture(scope="session")
def server(workspace: Path) -> Iterator[str]:
    """The address of the real app."""
    with streamlit_server(ROOT / "app.py", workspace) as url:
        yield url


@pytest.fixture
def open_page(browser, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable]:  # type: ignore[no-untyped-def]
    """``open_page(address)``: a fresh tab of a fresh user. Errors in the page or on its console and requests to other
    servers fail the test, except those that match a pattern in ``page.expected`` (a list the test may append to)."""
    opened = []

    def open_one(address: str, **context: object):  # type: ignore[no-untyped-def]
        options = {"viewport": {"width": 1400, "height": 1000}, "accept_downloads": True, "reduced_motion": "reduce", **context}
        page = browser.new_context(**options).new_page()
        page.expected, page.problems = [], []
        page.on("pageerror", lambda error: page.problems.append(f"error in the page: {error}"))
        page.on("console", lambda line: page.problems.append(f"on the console: {line.text} {line.location['url']}") if line.type == "error" else None)
        page.on("request", lambda asked: page.problems.append(f"asked another server: {asked.url}") if FOREIGN.match(asked.url) else None)
        opened.append(page)
        page.goto(address)
        return page

    yield open_one
    report = request.node.stash.get(FAILED, False)
    try:
        for number, page in enumerate(opened):
            if report:
                picture_of_failure(page, f"{request.node.name}-{number}")
            problems = [p for p in page.problems if not HARMLESS.search(p) and not any(re.search(e, p) for e in page.expected)]
            assert not problems, problems
    finally:
        for page in opened:
            page.context.close()


@pytest.fixture
def page(open_page: Callable, server: str):  # type: ignore[no-untyped-def]
    """The first page of the real app."""
    return open_page(server)


def picture_of_failure(page, name: str) -> None:  # type: ignore[no-untyped-def]
    folder = Path(os.environ.get("SENESCOPE_SCREENSHOTS", ROOT / ".pytest_cache" / "screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(Exception):
        page.screenshot(path=folder / f"{re.sub(r'[^A-Za-z0-9_.-]+', '_', name)}.png")


FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item):  # type: ignore[no-untyped-def]
    report = yield
    if report.failed:
        item.stash[FAILED] = True
    return report


@pytest.fixture
def settle() -> Callable:
    """``settle(page)``: wait until the run of the page is over and nothing on screen is stale."""
    from playwright.sync_api import expect

    def wait(page, timeout: float = 30_000) -> None:  # type: ignore[no-untyped-def]
        expect(page.locator("[data-testid=stApp]")).to_have_attribute("data-test-script-state", "notRunning", timeout=timeout)
        expect(page.locator("[data-testid=stElementContainer][data-stale=true]")).to_have_count(0, timeout=timeout)

    return wait


@pytest.fixture(scope="session")
def run_server() -> Callable:
    """``with run_server(script, workspace, NAME="value") as url``: for tests that need a page of their own."""
    return streamlit_server
