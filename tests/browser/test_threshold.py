"""The threshold page in a browser: sliders call the cells the app would call, without the app; saving shows the result."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from core.settings import AnnotateSettings, SimulateSettings
from core.stages.adding import Addition, add
from core.stages.simulating import simulate
from core.stages.stained import Stain, open_stain
from core.stages.staining import measure_stain
from core.workspace import Experiment

pytestmark = pytest.mark.browser
READY_MS = 60_000


@pytest.fixture(scope="module")
def stain(workspace: Path) -> Stain:
    path = workspace / "threshold test"
    simulate(path, SimulateSettings(samples=3, fields=1, size=256))
    add(path, Addition(labels=[str(path / "truth" / "labels")]))
    measure_stain(path, AnnotateSettings(register="none"))
    return open_stain(Experiment(path))


@pytest.fixture
def tab(open_page: Callable, server: str, stain: Stain):  # type: ignore[no-untyped-def]
    page = open_page(f"{server}/threshold?experiment=threshold+test")
    page.locator(".viewer[data-stain=ready]").wait_for(timeout=READY_MS)
    return page


def drawn(page) -> None:  # type: ignore[no-untyped-def]
    """Until what was done is on the page: a change is called in the next frame, and the numbers are written in one after that."""
    for _ in range(4):
        page.evaluate("() => new Promise(requestAnimationFrame)")


def stained_cells(page) -> int:  # type: ignore[no-untyped-def]
    drawn(page)
    words = page.locator(".lines tbody tr:not(.controls) td:last-child").all_inner_texts()
    return sum(int(one.split("/")[0]) for one in words)


def expected(stain: Stain, threshold: float, part: int) -> int:
    cells = stain.cells(part / 100)
    return int(((cells["critical_threshold"] > threshold) & (cells["covered_fraction"] >= AnnotateSettings.min_covered)).sum())


def set_number(page, name: str, value: float) -> None:  # type: ignore[no-untyped-def]
    box = page.get_by_role("spinbutton", name=name)
    box.fill(str(value))
    box.press("Tab")


def test_the_browser_calls_the_cells_that_the_app_would(tab, stain: Stain, settle: Callable) -> None:  # type: ignore[no-untyped-def]
    found = []
    for threshold, part in ((0.003, 5), (0.02, 5), (0.1, 0), (0.1, 40), (5, 0)):
        set_number(tab, "Stain threshold, exact value", threshold)
        set_number(tab, "Smallest stained part of a cell in per cent, exact value", part)
        settle(tab)
        found.append(stained_cells(tab))
        assert found[-1] == expected(stain, threshold, part)
    assert len(set(found)) > 2
    tab.wait_for_url(re.compile(r"threshold=5(\.0)?&"))  # the app keeps what the sliders say a moment later


def pixels(page, red: int, green: int, blue: int, opacity: tuple[int, int] = (201, 255)) -> int:  # type: ignore[no-untyped-def]
    """Pixels of this colour on the outlines of all fields, once what a slider did is drawn."""
    drawn(page)
    count = """(canvases, [colour, [least, most]]) => {
        let n = 0;
        for (const canvas of canvases) {
            const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
            for (let k = 0; k < data.length; k += 4) {
                n += data[k + 3] >= least && data[k + 3] <= most && colour.every((part, c) => Math.abs(data[k + c] - part) < 30);
            }
        }
        return n;
    }"""
    return int(page.locator(".stage canvas.over").evaluate_all(count, [[red, green, blue], opacity]))


def test_outlines_take_the_colour_of_the_class(tab, stain: Stain, settle: Callable) -> None:  # type: ignore[no-untyped-def]
    blue, orange = (86, 180, 233), (255, 127, 42)
    set_number(tab, "Stain threshold, exact value", 5)
    settle(tab)
    unstained = pixels(tab, *blue)
    assert unstained > 300
    assert pixels(tab, *orange) == 0
    set_number(tab, "Stain threshold, exact value", 0.02)
    settle(tab)
    assert pixels(tab, *orange) > 100
    assert pixels(tab, *blue) < unstained
    set_number(tab, "Stain threshold, exact value", 5)
    settle(tab)
    assert (pixels(tab, *blue), pixels(tab, *orange)) == (unstained, 0)  # nothing of the other colour is left
    tab.get_by_role("button", name=re.compile("^Not stained")).click()  # the legend hides a class
    assert pixels(tab, *blue) == 0


def test_cells_that_flip_are_counted(tab, stain: Stain, settle: Callable) -> None:  # type: ignore[no-untyped-def]
    set_number(tab, "Stain threshold, exact value", 0.003)
    settle(tab)
    tab.get_by_role("button", name="Remember this setting").click()
    before = stained_cells(tab)
    set_number(tab, "Stain threshold, exact value", 0.1)
    settle(tab)
    lost = before - stained_cells(tab)
    assert lost > 0
    tab.get_by_text(f"0 cells become stained, {lost} no longer {'is' if lost == 1 else 'are'}.").wait_for()
    blue, white, pale = (86, 180, 233), (255, 255, 255), (65, 77)
    assert pixels(tab, *blue, pale) > 100  # filled in the colour of what they are now
    assert pixels(tab, *white) > 100
    tab.get_by_role("button", name="Forget", exact=True).click()
    assert (pixels(tab, *blue, pale), pixels(tab, *white)) == (0, 0)


def test_saving_shows_the_summary(tab, stain: Stain, settle: Callable) -> None:  # type: ignore[no-untyped-def]
    set_number(tab, "Stain threshold, exact value", 0.05)
    settle(tab)
    tab.get_by_role("button", name="Save", exact=True).click()
    tab.get_by_text("Smallest stain spot").last.wait_for(timeout=READY_MS)
    tab.get_by_role("button", name="annotation.csv").wait_for(timeout=READY_MS)
    [made] = stain.experiment.products("annotations")
    assert made.settings["settings"]["threshold_used"] == 0.05
