"""Check and correct: a segmentation with known faults is put right with mouse and keys, survives a reload, and is published."""

import json
import math
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.images import read_labels
from core.workspace import Experiment

pytestmark = pytest.mark.browser
SIDE = 560
WAIT_MS = 60_000
FALSE = 900  # the id of a cell that is none
FIRST, SECOND = "Donor1_P3_f01", "Donor2_P3_f01"


class Case:
    """A simulated field whose true outlines were spoilt: one cell cut in two, one missing, one that is none."""

    def __init__(self, experiment: Experiment, truth: np.ndarray, spoilt: np.ndarray, cut: int, missing: int, whole: int) -> None:
        self.experiment, self.truth, self.spoilt = experiment, truth, spoilt
        self.cut, self.missing, self.whole = cut, missing, whole


@pytest.fixture(scope="module")
def case(workspace: Path, tmp_path_factory: pytest.TempPathFactory) -> Case:
    from core.images import write_image, write_labels
    from core.simulate import simulate_field
    from core.stages.adding import Addition, add

    files, field = tmp_path_factory.mktemp("files"), simulate_field(6, SIDE)
    truth = field.labels.astype(np.int32)
    spoilt, (cut, missing, whole) = truth.copy(), inner_cells(truth)
    rows = np.flatnonzero((truth == cut).any(axis=1))
    spoilt[(truth == cut) & (np.indices(truth.shape)[0] > rows.mean())] = FALSE - 1
    spoilt[truth == missing] = 0
    spoilt[empty_square(truth, 26)] = FALSE
    for name in (FIRST, SECOND):
        write_image(files / f"{name}_phase.tif", field.phase, 0.65)
        write_labels(files / f"{name}_phase_labels.tif", spoilt)
    names = [str(files / f"{name}_phase.tif") for name in (FIRST, SECOND)]
    add(workspace / "to correct", Addition(phase=names, labels=[name.replace(".tif", "_labels.tif") for name in names]))
    return Case(Experiment(workspace / "to correct"), truth, spoilt, cut, missing, whole)


def inner_cells(truth: np.ndarray) -> list[int]:
    """The three largest cells that the border does not cut."""
    border = set(np.concatenate([truth[0], truth[-1], truth[:, 0], truth[:, -1]]).tolist())
    areas = {int(one): int((truth == one).sum()) for one in np.unique(truth) if one not in border}
    assert len(areas) >= 3
    return sorted(areas, key=lambda one: -areas[one])[:3]


def empty_square(truth: np.ndarray, side: int) -> tuple[slice, slice]:
    for y in range(0, SIDE - side, 8):
        for x in range(0, SIDE - side, 8):
            if y > 10 and x > 10 and not truth[y - 4 : y + side + 4, x - 4 : x + side + 4].any():
                return slice(y, y + side), slice(x, x + side)
    raise AssertionError("the simulated field is full")


def inside(mask: np.ndarray) -> tuple[float, float]:
    """The pixel of a cell farthest from its edge, as x, y."""
    from scipy import ndimage

    y, x = np.unravel_index(ndimage.distance_transform_edt(np.pad(mask, 1)[1:-1, 1:-1]).argmax(), mask.shape)
    return float(x) + 0.5, float(y) + 0.5


def place(page, x: float, y: float) -> tuple[float, float]:  # type: ignore[no-untyped-def]
    """Where the image pixel lies in the window, as long as the whole field is shown."""
    box = page.locator(".stage").bounding_box()
    scale = min(box["width"], box["height"]) / SIDE
    return box["x"] + (box["width"] - SIDE * scale) / 2 + x * scale, box["y"] + (box["height"] - SIDE * scale) / 2 + y * scale


def pull(page, points: list[tuple[float, float]]) -> None:  # type: ignore[no-untyped-def]
    """Draw a line with the mouse."""
    page.mouse.move(*place(page, *points[0]))
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*place(page, *point), steps=3)
    page.mouse.up()


def around(mask: np.ndarray) -> list[tuple[float, float]]:
    """A drawn line around a cell: its outline as a hand follows it."""
    from skimage.measure import approximate_polygon, find_contours

    contour = max(find_contours(np.pad(mask, 1).astype(float), 0.5), key=len)
    return [(x - 0.5, y - 0.5) for y, x in approximate_polygon(contour, 1.0)]


def rows(case: Case, fov_id: str = FIRST) -> list[dict]:
    [product] = [p for p in case.experiment.products("segmentations") if p.id.startswith("imported")]
    log = case.experiment.path / "edits" / product.id / f"{fov_id}.jsonl"
    return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()] if log.is_file() else []


@pytest.fixture
def tab(open_page: Callable, server: str, case: Case):  # type: ignore[no-untyped-def]
    page = open_page(f"{server}/segment?experiment=to+correct&segmentation={case.experiment.products('segmentations')[-1].id}&tab=Check+and+correct")
    ready(page)
    return page


def ready(page, field: str = FIRST) -> None:  # type: ignore[no-untyped-def]
    page.locator(f'.stage[data-field="{field}"][data-state=ready]').wait_for(timeout=WAIT_MS)
    page.locator(".stage").scroll_into_view_if_needed()
    page.wait_for_timeout(300)


def corrected(page, n: int, settle: Callable) -> None:  # type: ignore[no-untyped-def]
    """Wait until the app has heard and shown ``n`` corrections of the field."""
    page.get_by_text(re.compile(rf"^{n} corrections? in ")).wait_for(timeout=WAIT_MS)
    settle(page)


def said(page, words: str) -> None:  # type: ignore[no-untyped-def]
    """Wait until the chooser of fields says so of the field on screen."""
    from playwright.sync_api import expect

    expect(page.get_by_role("combobox", name=re.compile("Field"))).to_have_value(words, timeout=WAIT_MS)


def test_faults_are_put_right_and_published(tab, case: Case, settle: Callable, open_page: Callable) -> None:  # type: ignore[no-untyped-def]
    tab.keyboard.press("x")
    tab.mouse.click(*place(tab, *inside(case.spoilt == FALSE)))
    corrected(tab, 1, settle)

    tab.keyboard.press("m")
    tab.mouse.click(*place(tab, *inside(case.spoilt == case.cut)))
    tab.mouse.click(*place(tab, *inside(case.spoilt == FALSE - 1)))
    corrected(tab, 2, settle)

    tab.keyboard.press("d")
    pull(tab, around(case.truth == case.missing))
    corrected(tab, 3, settle)

    tab.get_by_role("button", name="Split (S)").click()
    x, y = inside(case.spoilt == case.whole)
    pull(tab, [(x - 5, y - 5), (x, y), (x + 5, y + 5)])  # prolonged to both sides
    corrected(tab, 4, settle)
    tab.get_by_role("button", name="Undo (Z)").click()
    corrected(tab, 3, settle)
    tab.keyboard.press("Control+y")
    corrected(tab, 4, settle)
    tab.keyboard.press("z")
    corrected(tab, 3, settle)
    assert [row["action"] for row in rows(case)] == ["remove", "merge", "draw", "split", "undo", "redo", "undo"]

    url = tab.url
    tab.reload()
    ready(tab)
    corrected(tab, 3, settle)
    second = open_page(url)
    ready(second)
    corrected(second, 3, settle)

    tab.get_by_role("button", name="Publish corrected outlines").click()
    tab.wait_for_url(re.compile("segmentation=reviewed-imported-"), timeout=3 * WAIT_MS)
    wanted = len(np.unique(case.truth)) - 1 + len(np.unique(case.spoilt)) - 1
    tab.get_by_text(f"{wanted} cells in 2 fields").wait_for(timeout=WAIT_MS)
    product = case.experiment.products("segmentations")[0]
    labels = read_labels(product.path / "labels" / f"{FIRST}.tif")
    drawn = labels == FALSE + 1
    true = case.truth == case.missing
    assert (drawn & true).sum() / (drawn | true).sum() > 0.85
    same = ~(drawn | true)
    assert (labels[same] == case.truth[same]).all()
    assert (read_labels(product.path / "labels" / f"{SECOND}.tif") == case.spoilt).all()


def test_suspicious_cells_are_stepped_through_and_fields_turned(tab, case: Case, settle: Callable) -> None:  # type: ignore[no-untyped-def]
    listed = tab.locator(".suspect")
    n = listed.count()
    assert n > 1
    tab.keyboard.press("n")
    assert listed.nth(0).get_attribute("aria-current") == "true"
    tab.keyboard.press("n")
    assert listed.nth(1).get_attribute("aria-current") == "true"
    tab.keyboard.press("p")
    assert listed.nth(0).get_attribute("aria-current") == "true"
    listed.nth(n - 1).click()
    tab.keyboard.press("n")
    tab.get_by_text("That was the last suspicious cell of this field.").wait_for()
    tab.keyboard.press("Escape")
    assert tab.locator(".suspect[aria-current=true]").count() == 0
    tab.keyboard.press("ArrowRight")
    ready(tab, SECOND)
    settle(tab)
    tab.wait_for_url(re.compile(f"field={SECOND}"))
    tab.keyboard.press("ArrowRight")
    tab.get_by_text("This is the last field.").wait_for()
    tab.keyboard.press("ArrowLeft")
    ready(tab, FIRST)


def test_what_cannot_be_done_is_said_and_nothing_is_saved(tab, case: Case, settle: Callable) -> None:  # type: ignore[no-untyped-def]
    before = rows(case)
    tab.keyboard.press("d")
    mask = case.truth == case.whole
    x, y = inside(mask)
    pull(tab, [(x - 3, y - 3), (x + 3, y - 3), (x + 3, y + 3), (x - 3, y + 3)])
    tab.get_by_text("covers only cells that are there already").wait_for(timeout=WAIT_MS)
    tab.keyboard.press("s")
    top = empty_square(case.truth, 12)
    pull(tab, [(top[1].start, top[0].start), (top[1].stop, top[0].stop)])
    tab.get_by_text("The line crosses no cell.").wait_for()
    assert rows(case) == before


def test_many_quick_corrections_are_all_kept(tab, case: Case, settle: Callable) -> None:  # type: ignore[no-untyped-def]
    tab.keyboard.press("ArrowRight")
    ready(tab, SECOND)
    tab.expected.append("404.*/api/labels/")  # of corrections that overtake each other only the last label images are kept
    tab.keyboard.press("x")
    cells = [int(one) for one in np.unique(case.spoilt) if one][:6]
    for label in cells:
        tab.mouse.click(*place(tab, *inside(case.spoilt == label)))
    said(tab, f"{SECOND} · 6 corrections")
    settle(tab)
    assert sorted(row["labels"][0] for row in rows(case, SECOND)) == cells
    tab.get_by_text("I have looked through this field").click()
    said(tab, f"{SECOND} · 6 corrections · looked at")
    assert rows(case, SECOND)[-1]["action"] == "looked_at"
    assert tab.get_by_text("is not in its place any more").count() == 0  # the one of now is shown


def test_a_correction_loads_no_label_image_and_looks_as_after_a_reload(tab, case: Case, settle: Callable) -> None:  # type: ignore[no-untyped-def]
    tab.keyboard.press("ArrowRight")
    ready(tab, SECOND)
    settle(tab)
    asked: list[str] = []
    tab.on("request", lambda request: asked.append(request.url) if "/api/labels/" in request.url else None)
    before = len(rows(case, SECOND))
    tab.keyboard.press("s")
    x, y = inside(case.spoilt == case.whole)
    pull(tab, [(x - 5, y - 5), (x, y), (x + 5, y + 5)])
    tab.keyboard.press("d")
    pull(tab, around(case.truth == case.missing))
    tab.keyboard.press("z")
    tab.keyboard.press("y")
    for _ in range(WAIT_MS // 200):
        if len(rows(case, SECOND)) == before + 4:
            break
        tab.wait_for_timeout(200)
    assert [row["action"] for row in rows(case, SECOND)[before:]] == ["split", "draw", "undo", "redo"]
    settle(tab)
    tab.wait_for_timeout(1000)
    assert asked == []
    told = tab.locator(".stage").get_attribute("aria-label")
    tab.reload()
    ready(tab, SECOND)
    assert tab.locator(".stage").get_attribute("aria-label") == told  # as many cells are outlined


def test_name_is_kept_with_the_correction(tab, case: Case, settle: Callable) -> None:  # type: ignore[no-untyped-def]
    name = tab.get_by_role("textbox", name="Your name")
    name.fill("Ada")
    name.press("Enter")
    settle(tab)
    tab.locator(".stage").focus()
    tab.keyboard.press("n")
    tab.keyboard.press("x")
    tab.get_by_role("button", name="Undo (Z)").and_(tab.locator(":enabled")).wait_for()
    tab.wait_for_timeout(1000)
    settle(tab)
    assert rows(case)[-1]["rater"] == "Ada"
    tab.wait_for_url(re.compile("rater=Ada"))


def test_fits_a_small_screen(open_page: Callable, server: str, case: Case) -> None:
    page = open_page(f"{server}/segment?experiment=to+correct&tab=Check+and+correct", viewport={"width": 420, "height": 800}, has_touch=True)
    ready(page)
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    assert page.locator(".stage").bounding_box()["width"] > 300
    assert math.isclose(page.locator(".suspects").bounding_box()["x"], page.locator(".stage").bounding_box()["x"], abs_tol=2)
