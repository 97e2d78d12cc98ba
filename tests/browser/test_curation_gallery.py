"""The curation gallery: cells decided with keys, undone, still there after a reload, published."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from core.report import read_csv
from core.stages.annotation_decisions import curation
from core.tables import ANNOTATED_CELLS
from core.workspace import Experiment

pytestmark = pytest.mark.browser
SCRIPT = Path(__file__).with_name("curation_app.py")
WAIT_MS = 60_000
N = 30  # cells: two pages


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    """One field of square cells that are stained more and more from left to right."""
    import pandas as pd

    from core.images import write_image, write_labels
    from core.settings import AnnotateSettings
    from core.stages.annotating import annotate
    from core.stages.importing import import_labels
    from core.tables import FIELDS, typed

    made = Experiment(tmp_path_factory.mktemp("curation") / "dish")
    labels, dye, rng = np.zeros((170, 330), np.int32), np.zeros((170, 330)), np.random.default_rng(1)
    for k in range(N):
        y, x = 8 + 52 * (k // 10), 8 + 32 * (k % 10)
        labels[y : y + 24, x : x + 24] = k + 1
        dye[y : y + 24, x : x + 24] = 0.012 * k
    pictures = {"phase": rng.integers(20_000, 40_000, labels.shape), "stain": 60_000 * 10**-dye * (1 + 0.002 * rng.standard_normal(labels.shape))}
    for kind, pixels in pictures.items():
        write_image(made.images / f"f1_{kind}.tif", pixels.astype(np.uint16))
    (made.path / "labels").mkdir()
    write_labels(made.path / "labels" / "f1.tif", labels)
    row = {"fov_id": "f1", "phase": "images/f1_phase.tif", "stain": "images/f1_stain.tif", "sample": "MSC1", "role": "sample"}
    made.save_fields(typed(pd.DataFrame([row]), FIELDS))
    import_labels(made, [str(made.path / "labels" / "f1.tif")])
    annotate(made.path, AnnotateSettings(register="none", threshold="0.15"))
    return made


@pytest.fixture(scope="module")
def address(case: Experiment, run_server: Callable) -> Iterator[str]:
    with run_server(SCRIPT, case.path.parent) as url:
        yield f"{url}/?experiment=dish"


def ready(page) -> None:  # type: ignore[no-untyped-def]
    page.locator(".card[aria-current=true]").wait_for(timeout=WAIT_MS)
    page.wait_for_function("() => true")


def rows(case: Experiment) -> list[tuple[int, str, str]]:
    return list(curation(case)[["label", "decision", "rater"]].itertuples(index=False, name=None))


def saved(page, case: Experiment, n: int) -> None:  # type: ignore[no-untyped-def]
    for _ in range(120):
        if len(rows(case)) >= n:
            break
        page.wait_for_timeout(250)
    assert len(rows(case)) == n


def test_decided_with_keys_undone_reloaded_published(open_page: Callable, address: str, case: Experiment, settle: Callable) -> None:
    from playwright.sync_api import expect

    page = open_page(address)
    ready(page)
    expect(page.locator(".bar .decide").first).to_be_disabled()
    name = page.get_by_role("textbox", name="Your name")
    name.fill("Ada")
    name.press("Enter")
    expect(page.locator(".bar .decide").first).to_be_enabled(timeout=WAIT_MS)
    settle(page)
    first = [int(one.get_attribute("data-cell").split(":")[1]) for one in page.locator(".card").all()[:3]]
    assert page.locator(".card").count() == 24

    page.keyboard.press("p")  # the keys go to the gallery once the name is known
    expect(page.locator(".card").nth(0)).to_have_attribute("data-decision", "positive", timeout=1000)
    page.keyboard.press("0")
    page.keyboard.press("c")
    expect(page.get_by_text("3 decided, 27 left")).to_be_visible(timeout=1000)
    page.keyboard.press("u")
    expect(page.locator(".card").nth(2)).to_have_attribute("data-decision", "")
    expect(page.locator(".card").nth(2)).to_have_attribute("aria-current", "true")
    page.keyboard.press("x")
    saved(page, case, 5)
    wanted = ["positive", "negative", "cannot tell", "undo", "exclude"]
    assert rows(case) == [(first[k], what, "Ada") for k, what in zip((0, 1, 2, 2, 2), wanted, strict=True)]

    page.reload()
    ready(page)
    expect(page.get_by_text("3 decided, 27 left")).to_be_visible(timeout=WAIT_MS)
    assert page.get_by_role("textbox", name="Your name").input_value() == "Ada"
    assert page.locator(f'[data-cell="f1:{first[0]}"]').count() == 0  # undecided ones are shown
    page.get_by_role("button", name="Publish with my decisions").click()
    page.wait_for_url(re.compile("annotation="), timeout=3 * WAIT_MS)
    page.get_by_text("This annotation holds every decision made so far.").wait_for(timeout=WAIT_MS)
    newest = case.products("annotations")[0]
    decided = read_csv(newest.path / "cells.csv", ANNOTATED_CELLS).set_index("label")["decision"]
    assert decided[decided != ""].to_dict() == dict(zip(first, ("positive", "negative", "exclude"), strict=True))


def test_moves_turns_and_shows_larger(open_page: Callable, address: str, settle: Callable) -> None:
    from playwright.sync_api import expect

    page = open_page(f"{address}&rater=Bo")
    ready(page)
    settle(page)
    page.keyboard.press("ArrowRight")
    expect(page.locator(".card").nth(1)).to_have_attribute("aria-current", "true")
    page.keyboard.press("Enter")
    expect(page.locator("dialog.zoom")).to_be_visible()
    page.wait_for_function("() => [...document.querySelectorAll('*')].some((n) => n.shadowRoot?.querySelector('dialog[open] img')?.naturalWidth > 1000)")
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".card").nth(0)).to_have_attribute("aria-current", "true")
    page.keyboard.press("Escape")
    expect(page.locator("dialog.zoom")).to_be_hidden()
    page.keyboard.press("PageDown")
    expect(page.get_by_text("Page 2 of 2")).to_be_visible(timeout=WAIT_MS)
    page.keyboard.press("End")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_text("That was the last cell.")).to_be_visible()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_text("Page 1 of 2")).to_be_visible(timeout=WAIT_MS)
    expect(page.locator(".card").last).to_have_attribute("aria-current", "true")


def test_many_quick_keys_are_all_saved(open_page: Callable, address: str, case: Experiment, settle: Callable) -> None:
    page = open_page(f"{address}&rater=Eve")
    ready(page)
    settle(page)
    before = len(rows(case))
    page.get_by_role("heading", name="Curate").click()  # beside the gallery
    for key in "pnpnpnpnpn":
        page.keyboard.press(key)
    saved(page, case, before + 10)
    assert [what for _, what, rater in rows(case) if rater == "Eve"] == ["positive", "negative"] * 5


def test_fits_a_small_screen(open_page: Callable, address: str, case: Experiment, settle: Callable) -> None:
    page = open_page(f"{address}&rater=Bo", viewport={"width": 420, "height": 800}, has_touch=True)
    ready(page)
    settle(page)
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    before = len(rows(case))
    page.locator(".bar").get_by_role("button", name="Negative").tap()
    saved(page, case, before + 1)
