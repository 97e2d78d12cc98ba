"""The stain's colour clicked in a browser: rings on the picture, a spot removed, the colour measured and used for the measurement."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.images import write_image, write_labels
from core.stages.importing import import_labels
from core.tables import FIELDS, typed
from core.workspace import Experiment

pytestmark = pytest.mark.browser
READY_MS = 60_000
SIDE, FIELD = 200, "dish"
DYE = np.array([1.0, 0.45, 0.2])
ORANGE, BLUE = (255, 127, 42), (86, 180, 233)


@pytest.fixture(scope="module")
def experiment(workspace: Path) -> Experiment:
    """A field with one stained cell in the middle; the colour image shows it, and grey dust in a corner."""
    made = Experiment(workspace / "clicked colour")
    labels, density, rng = np.zeros((SIDE, SIDE), np.int32), np.zeros((SIDE, SIDE, 3)), np.random.default_rng(3)
    labels[60:140, 60:140] = 1
    density[60:140, 60:140], density[10:40, 160:190] = 0.5 * DYE, 0.4
    colour = 220 * 10**-density + rng.standard_normal(density.shape)
    write_image(made.images / f"{FIELD}_phase.tif", rng.integers(20_000, 40_000, labels.shape).astype(np.uint16))
    write_image(made.images / f"{FIELD}_colour.tif", np.clip(colour, 0, 255).astype(np.uint8))
    (made.path / "labels").mkdir()
    write_labels(made.path / "labels" / f"{FIELD}.tif", labels)
    row = {"fov_id": FIELD, "phase": f"images/{FIELD}_phase.tif", "colour": f"images/{FIELD}_colour.tif", "sample": "MSC1", "role": "sample"}
    made.save_fields(typed(pd.DataFrame([row]), FIELDS))
    import_labels(made, [str(made.path / "labels" / f"{FIELD}.tif")])
    return made


def at(page, x: float, y: float) -> tuple[float, float]:  # type: ignore[no-untyped-def]
    """Where a pixel of the image lies in the window."""
    box = page.locator(".stage").bounding_box()
    scale = min(box["width"], box["height"]) / SIDE
    return box["x"] + (box["width"] - SIDE * scale) / 2 + (x + 0.5) * scale, box["y"] + (box["height"] - SIDE * scale) / 2 + (y + 0.5) * scale


def rings(page, colour: tuple[int, ...]) -> int:  # type: ignore[no-untyped-def]
    """Pixels of this colour on the picture."""
    return int(
        page.locator(".stage canvas.over").evaluate(
            """(canvas, [r, g, b]) => {
                const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
                let n = 0;
                for (let k = 0; k < data.length; k += 4) {
                    n += data[k + 3] > 200 && Math.abs(data[k] - r) + Math.abs(data[k + 1] - g) + Math.abs(data[k + 2] - b) < 30;
                }
                return n;
            }""",
            list(colour),
        )
    )


def click_spots(page, settle: Callable, *places: tuple[int, int]) -> None:  # type: ignore[no-untyped-def]
    for x, y in places:
        page.locator(".stage").scroll_into_view_if_needed()
        page.mouse.click(*at(page, x, y))
        page.get_by_text(f"{FIELD}, x {x}, y {y}").wait_for()
        settle(page)
        page.wait_for_timeout(400)  # two quick clicks would be a double click


def test_a_colour_is_clicked_and_used(open_page: Callable, server: str, experiment: Experiment, settle: Callable) -> None:  # type: ignore[no-untyped-def]
    page = open_page(f"{server}/threshold?experiment=clicked+colour")
    page.get_by_text("Measure it by clicking in an image").click(timeout=READY_MS)
    page.locator(".stage[data-state=ready]").wait_for(timeout=READY_MS)
    page.get_by_text("wanted at least 3 stained and 3 unstained spots, found 0 and 0").wait_for()
    assert rings(page, ORANGE) == 0

    click_spots(page, settle, (80, 80), (120, 80), (100, 120), (175, 25))
    assert rings(page, ORANGE) > 100
    page.get_by_role("radio", name="Not stained").or_(page.get_by_role("button", name="Not stained", exact=True)).first.click()
    settle(page)
    click_spots(page, settle, (20, 20), (20, 180), (180, 180))
    assert rings(page, BLUE) > 100

    page.get_by_text("contradict each other: spot 4 has another colour").wait_for()
    page.get_by_role("button", name="Remove 4").click()
    page.get_by_text("Measured from 3 stained spots").wait_for()
    settle(page)
    page.get_by_role("button", name="Use this colour").click()
    page.get_by_text("This colour is used.").wait_for()
    settle(page)
    value = page.get_by_role("textbox", name="Stain colour").input_value()
    np.testing.assert_allclose(np.array(value.split(), float), DYE, atol=0.05)

    page.get_by_text("More settings").click()
    alignment = page.get_by_role("combobox", name=re.compile("Alignment of stain to phase"))
    none = page.get_by_role("option", name="none", exact=True)  # one square cell shows too little to align
    while not none.is_visible():  # a list that opens while the page still moves is closed again
        alignment.click()
        page.wait_for_timeout(1000)
    none.click()
    settle(page)
    page.get_by_role("button", name=re.compile("Measure the stain$")).click()
    page.locator(".viewer[data-stain=ready]").wait_for(timeout=2 * READY_MS)
    [made] = experiment.products("stains")
    assert made.settings["settings"]["stain_vector"] == value
