"""How long the threshold page takes in a browser: the first pictures, and every move of the threshold until its frame is drawn.

    python benchmarks/threshold_page.py                                    # 12 and 24 simulated fields of 1024 px
    python benchmarks/threshold_page.py --fields 24 --size 2048 --cells 833   # 24 distinct fields, 20,000 cells

Needs the development tools (playwright) and Chromium or Chrome (SENESCOPE_CHROMIUM names another one); without them it says
so and ends with 0. The browser draws in software, as on a server without a screen; a graphics processor is faster.

"drag": the slider goes through its range in equal steps, as under a mouse; few cells change at each. "jump": it goes to random
places of its range, so that up to all cells change. A move lasts from the event of the slider to the begin of the frame after the
one that shows it (so it includes 16 ms of waiting for the screen). Prints one JSON line a measurement, times in ms.
"""

import argparse
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # in place of this folder, whose names could hide those of libraries

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run", "--enable-precise-memory-info"]
MOVE = """([places, rest]) => {
    const slider = SLIDER;
    const frame = () => new Promise((done) => requestAnimationFrame(done));
    const wait = (ms) => new Promise((done) => setTimeout(done, ms));
    return (async () => {
        const out = [];
        for (const place of places) {
            await wait(rest);
            const started = performance.now();
            slider.value = String(place);
            slider.dispatchEvent(new Event('input', { bubbles: true }));
            await frame();
            await frame();
            out.push(performance.now() - started);
        }
        return out;
    })();
}"""
FIND_SLIDER = (
    "[...document.querySelectorAll('*')].map((one) => one.shadowRoot || one)"
    """.map((one) => one.querySelector?.('input.dial[aria-label="Stain threshold"]')).find(Boolean)"""
)


def simulated(path: Path, fields: int, size: int) -> None:
    """Cultures of the simulator, with a control."""
    from core.settings import SimulateSettings
    from core.stages.adding import Addition, add
    from core.stages.simulating import simulate

    simulate(path, SimulateSettings(samples=4, fields=-(-fields // 4), size=size, seed=7))
    add(path, Addition(labels=[str(path / "truth" / "labels")]))


def drawn(path: Path, fields: int, size: int, cells: int) -> None:
    """Distinct fields of ``cells`` ellipses each on a smooth stain (benchmarks/annotation.py)."""
    import pandas as pd

    from benchmarks.annotation import simulated_field
    from core.images import write_image, write_labels
    from core.stages.importing import import_labels
    from core.stain.quantisation import DENSITY
    from core.tables import FIELDS, typed
    from core.workspace import Experiment

    made = Experiment(path)
    (path / "labels").mkdir(parents=True)
    rows = []
    for k in range(fields):
        name, (codes, labels) = f"f{k + 1:02d}", simulated_field(k, size, cells)
        rng = np.random.default_rng(k)
        write_image(
            made.images / f"{name}_phase.tif", (30_000 + 3_000 * rng.standard_normal(labels.shape) + 8_000 * (labels > 0)).clip(0, 65535).astype(np.uint16)
        )
        write_image(made.images / f"{name}_stain.tif", (60_000 * 10.0 ** -np.maximum(DENSITY.value(codes), 0)).astype(np.uint16))
        write_labels(path / "labels" / f"{name}.tif", labels)
        rows.append(
            {
                "fov_id": name,
                "phase": f"images/{name}_phase.tif",
                "stain": f"images/{name}_stain.tif",
                "sample": f"MSC{k % 4 + 1}",
                "role": "negative control" if k % 4 == 3 else "sample",
            }
        )
    made.save_fields(typed(pd.DataFrame(rows), FIELDS))
    import_labels(made, [str(one) for one in sorted((path / "labels").iterdir())])


def prepared(workspace: Path, fields: int, size: int, cells: int) -> str:
    """Name of a measured experiment in ``workspace``; one that is there is used again."""
    from core.settings import AnnotateSettings
    from core.stages.staining import measure_stain

    path = workspace / f"page {fields} {size} {cells}"
    if not (path / "fields.csv").is_file():
        drawn(path, fields, size, cells) if cells else simulated(path, fields, size)
    measure_stain(path, AnnotateSettings(register="none"))
    return path.name


@contextlib.contextmanager
def server(workspace: Path) -> Iterator[tuple[str, int]]:
    """The app on a free port: its address and process id."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "streamlit",
        "run",
        str(ROOT / "app.py"),
        "--server.port",
        str(port),
        "--server.address",
        "127.0.0.1",
        "--server.headless",
        "true",
    ]
    environment = {**os.environ, "SENESCOPE_WORKSPACE": str(workspace), "PYTHONUTF8": "1"}
    with (workspace / "server.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
        try:
            url, give_up = f"http://127.0.0.1:{port}", time.monotonic() + 120
            while time.monotonic() < give_up and process.poll() is None:
                with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/_stcore/health", timeout=2):
                    break
                time.sleep(0.2)
            yield url, process.pid
        finally:
            process.terminate()
            process.wait(20)


def resident_mb(process: int) -> float | None:
    """Resident memory of a process; None where the system does not tell (not Linux)."""
    with contextlib.suppress(OSError, StopIteration, ValueError):
        line = next(one for one in Path(f"/proc/{process}/status").read_text().splitlines() if one.startswith("VmRSS"))
        return int(line.split()[1]) / 1024
    return None


def opened(page: Any, url: str, name: str, fields: int) -> dict[str, Any]:
    """Open the page with all fields; how long until the first picture is drawn, and until all have their outlines (of more than 12
    fields: from when they are asked for)."""
    started = time.perf_counter()
    page.goto(f"{url}/threshold?experiment={name.replace(' ', '+')}")
    page.locator(".stage[data-painted]").first.wait_for(timeout=600_000)
    first = time.perf_counter() - started
    page.locator(".viewer[data-stain=ready]").wait_for(timeout=600_000)
    if fields > 12:  # the usual number: the others are asked for
        page.get_by_text("Fields shown", exact=False).first.click()
        page.get_by_role("slider", name="How many").focus()
        page.keyboard.press("End")
        page.keyboard.press("Escape")
        started = time.perf_counter()
    page.wait_for_function(
        f"(n) => {{ const slider = {FIND_SLIDER}; return slider && slider.getRootNode().querySelectorAll('.stage[data-state=ready]').length >= n; }}",
        arg=fields,
        timeout=600_000,
    )
    every = time.perf_counter() - started
    page.locator(".viewer[data-stain=ready]").wait_for(timeout=600_000)
    page.wait_for_timeout(2000)
    return {"first_picture_s": first, "all_outlines_s": every, "script_heap_mb": page.evaluate("performance.memory.usedJSHeapSize / 2**20")}


def moved(page: Any, places: list[int], rest: int) -> dict[str, Any]:
    """Times of moves; ``cpu_ms``: processor time of the page's main thread for one, which does not hang on what else the machine does."""
    cdp = page.context.new_cdp_session(page)
    cdp.send("Performance.enable", {"timeDomain": "threadTicks"})
    before = busy_s(cdp)
    times = np.array(page.evaluate(MOVE.replace("SLIDER", FIND_SLIDER), [places, rest]))
    cpu_ms = 1000 * (busy_s(cdp) - before) / len(times)
    cdp.detach()
    found = {"moves": len(times), "median_ms": float(np.median(times)), "p90_ms": float(np.percentile(times, 90)), "largest_ms": float(times.max())}
    return found | {"cpu_ms": cpu_ms}


def busy_s(cdp: Any) -> float:
    return next(float(one["value"]) for one in cdp.send("Performance.getMetrics")["metrics"] if one["name"] == "TaskDuration")


def say(what: str, **values: Any) -> None:
    print(json.dumps({"what": what} | {k: float(f"{v:.4g}") if isinstance(v, float) else v for k, v in values.items()}), flush=True)


def measure(browser: Any, url: str, process: int, name: str, fields: int, given: argparse.Namespace) -> None:
    page = browser.new_context(viewport={"width": 1400, "height": 1000}, reduced_motion="reduce").new_page()
    about = {"fields": fields, "size": given.size}
    say("opening the page", **about, **opened(page, url, name, fields), server_mb=resident_mb(process))
    rng = np.random.default_rng(0)
    steps = [round(place) for place in np.linspace(50, 950, given.moves)]
    moved(page, steps[:10], 30)  # the browser compiles
    say("drag", **about, **moved(page, steps, 30))
    say("jump", **about, **moved(page, [int(one) for one in rng.integers(50, 950, given.moves)], 30))
    if given.picture:
        page.screenshot(path=given.picture)
    page.context.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fields", type=int, nargs="+", default=[12, 24])
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--cells", type=int, default=0, help="ellipses drawn in every field; 0: cultures of the simulator")
    parser.add_argument("--moves", type=int, default=60)
    parser.add_argument("--keep", type=Path, help="folder for the experiments; used again if they are there")
    parser.add_argument("--picture", type=Path, help="write the screen after the last move here")
    given = parser.parse_args()
    chromium = shutil.which(os.environ.get("SENESCOPE_CHROMIUM", "")) or next(filter(None, map(shutil.which, NAMES)), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        print("Skipped: the package playwright is not installed (requirements-dev.txt).")
        return
    if not chromium:
        print(f"Skipped: no Chromium or Chrome found ({', '.join(NAMES)}); set SENESCOPE_CHROMIUM to its path.")
        return
    with tempfile.TemporaryDirectory() as scratch:
        workspace = given.keep or Path(scratch)
        workspace.mkdir(parents=True, exist_ok=True)
        names = {fields: prepared(workspace, fields, given.size, given.cells) for fields in given.fields}
        with server(workspace) as (url, process), sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=chromium, args=ARGUMENTS)
            for fields, name in names.items():
                measure(browser, url, process, name, fields, given)
            browser.close()


if __name__ == "__main__":
    main()
