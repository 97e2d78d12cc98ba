"""The stain's colour on the threshold page: spots are listed, measured, removed and used; what they lack is said."""

from collections.abc import Callable

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from core.images import write_image
from core.jobs import JobStore
from core.workspace import Experiment
from pages.parts.stain_colour import Clicked

Open = Callable[..., AppTest]
Words = Callable[[AppTest], str]
Click = Callable[[AppTest, str], AppTest]

DYE = np.array([1.0, 0.45, 0.2])
STAINED, BARE, DUST = [(60, 60), (70, 65), (80, 75)], [(10, 10), (20, 80), (90, 12)], (30, 50)


@pytest.fixture
def coloured(experiment: Experiment, segmentation: str) -> Experiment:
    """The first field has a colour image: a square of dye below the middle, grey dust above it."""
    density = np.zeros((96, 96, 3))
    density[50:90, 50:90], density[25:35, 45:55] = 0.5 * DYE, 0.4
    noise = np.random.default_rng(2).standard_normal(density.shape)
    write_image(experiment.images / "MSC1_P4_f01_colour.tif", np.clip(220 * 10**-density + noise, 0, 255).astype(np.uint8))
    experiment.save_fields(experiment.fields().assign(colour=["images/MSC1_P4_f01_colour.tif", ""]))
    return experiment


@pytest.fixture
def asked(open_page: Open, coloured: Experiment) -> AppTest:
    """The page asking for the colour, with the picture open."""
    app = open_page("threshold", experiment=coloured.name)
    app.selectbox(key="stain-kind").set_value("colour").run()
    app.toggle[0].set_value(True).run()
    assert not app.exception, app.exception
    return app


def clicked(app: AppTest, *spots: tuple[tuple[int, int], bool]) -> AppTest:
    """As if these places (x, y) had been clicked."""
    app.session_state["dye-culture test--spots"] = [Clicked("MSC1_P4_f01", x, y, stained) for (x, y), stained in spots]
    app.run()
    assert not app.exception, app.exception
    return app


def good() -> list[tuple[tuple[int, int], bool]]:
    return [*((one, True) for one in STAINED), *((one, False) for one in BARE)]


def html(app: AppTest) -> str:
    return "\n".join(str(one.proto.body) for one in app.get("html"))


def test_only_fields_in_colour_are_offered(asked: AppTest, words: Words) -> None:
    box = next(one for one in asked.selectbox if one.label == "Colour image of")
    assert box.options == ["MSC1_P4_f01"]
    assert "wanted at least 3 stained and 3 unstained spots, found 0 and 0" in words(asked)
    assert "X-gal" in html(asked)


def test_the_measured_colour_is_used(asked: AppTest, words: Words, store: JobStore, click: Click) -> None:
    app = clicked(asked, *good())
    assert "Measured from 3 stained spots" in html(app)
    app = click(app, "Use this colour")
    assert "This colour is used." in words(app)
    click(app, "Measure the stain")
    vector = np.array(store.recent(1)[0].params["settings"]["stain_vector"].split(), float)
    np.testing.assert_allclose(vector, DYE, atol=0.05)


def test_a_contradictory_spot_is_named_and_can_be_removed(asked: AppTest, words: Words, click: Click) -> None:
    app = clicked(asked, *good(), ((DUST[1], DUST[0]), True))
    assert "contradict each other: spot 7 has another colour" in words(app)
    assert html(app).count("look at it") == 1
    app = click(app, "Remove 7")
    assert "Measured from 3 stained spots" in html(app)
    assert "contradict" not in words(app)


def test_all_spots_can_be_removed(asked: AppTest, words: Words, click: Click) -> None:
    app = click(clicked(asked, *good()), "Remove all spots")
    assert "found 0 and 0" in words(app)


def test_numbers_that_are_no_colour_are_told_at_once(asked: AppTest, words: Words) -> None:
    box = next(one for one in asked.text_input if one.label == "Stain colour")
    assert "is grey" in words(box.set_value("1 1 1").run())


def test_a_missing_colour_image_is_named(asked: AppTest, coloured: Experiment, words: Words) -> None:
    (coloured.images / "MSC1_P4_f01_colour.tif").unlink()
    assert "MSC1_P4_f01_colour.tif" in words(clicked(asked, *good()))
