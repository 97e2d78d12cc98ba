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


def stained_cells(page) -> int:  # type: ignore[no-untyped-def]
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
    assert re.search(r"threshold=5(\.0)?&", tab.url)


def test_cells_that_flip_are_counted(tab, stain: Stain, settle: Callable) -> None:  # type: ignore[no-untyped-def]
    set_number(tab, "Stain threshold, exact value", 0.003)
    settle(tab)
    tab.get_by_role("button", name="Remember this setting").click()
    before = stained_cells(tab)
    set_number(tab, "Stain threshold, exact value", 0.1)
    settle(tab)
    lost = before - stained_cells(tab)
    assert lost > 0
    tab.get_by_text(f"0 cells become stained, {lost} no longer are").wait_for()


def test_saving_shows_the_summary(tab, stain: Stain, settle: Callable) -> None:  # type: ignore[no-untyped-def]
    set_number(tab, "Stain threshold, exact value", 0.05)
    settle(tab)
    tab.get_by_role("button", name="Save", exact=True).click()
    tab.get_by_text("Smallest stain spot").last.wait_for(timeout=READY_MS)
    tab.get_by_role("button", name="annotation.csv").wait_for(timeout=READY_MS)
    [made] = stain.experiment.products("annotations")
    assert made.settings["settings"]["threshold_used"] == 0.05
