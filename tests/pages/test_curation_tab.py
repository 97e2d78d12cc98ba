"""The curation tab: asks for a name, shows borderline cells first, saves what the gallery tells, filters, agreement, publishing."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from starlette.requests import Request
from starlette.responses import Response
from streamlit.testing.v1 import AppTest

from core.jobs import JobStore
from core.report import write_csv
from core.stages.annotation_decisions import add_decisions, curation
from core.stain.curation import decision
from core.tables import ANNOTATED_CELLS, typed
from core.workspace import Experiment, Product, publish
from pages.parts import media
from pages.parts.curation_crops import crops_url, respond
from pages.parts.curation_gallery import Pages

Words = Callable[[AppTest], str]
Click = Callable[[AppTest, str], AppTest]
FIRST, SECOND = "MSC1_P4_f01", "MSC2_P9_f01"


def tab(name: str, annotation: str) -> None:
    from core.workspace import open_experiment
    from pages.parts.curation_tab import curation_tab

    experiment = open_experiment(name)
    curation_tab(experiment, experiment.product("annotations", annotation))


@pytest.fixture
def annotation(experiment: Experiment, segmentation: str) -> Product:
    """Two cells in each of two fields; cell 2 of the second field is nearest to the threshold, cell 1 of the first is fragile."""
    names = experiment.fields().set_index("fov_id")["sample"]
    rows = pd.DataFrame(
        {
            "fov_id": [FIRST, FIRST, SECOND, SECOND],
            "label": [1, 2, 1, 2],
            "sample": [names[f] for f in (FIRST, FIRST, SECOND, SECOND)],
            "area_px": [400, 1500, 400, 1500],
            "critical_threshold": [0.9, 0.02, 0.4, 0.11],
            "automatic_class": [1, 0, 1, 1],
            "class": [1, 0, 1, 1],
            "fragile": [True, False, False, False],
            "covered_fraction": 1.0,
        }
    )
    with publish(experiment, "stains", "test-stain", {"marker": "x"}, upstream={"segmentation": segmentation}) as partial:
        (partial.path / "pictures" / "stain").mkdir(parents=True)
        Image.fromarray(np.full((96, 96), 180, np.uint8)).save(partial.path / "pictures" / "stain" / f"{FIRST}.jpg")
        write_csv(partial.path / "fields.csv", pd.DataFrame({"fov_id": [FIRST, SECOND]}))
    settings = {"marker": "x", "threshold": "0.1", "threshold_used": 0.1, "threshold_from": "given"}
    upstream = {"segmentation": segmentation, "stain": "test-stain"}
    with publish(experiment, "annotations", "x-test", settings, upstream=upstream, command="python -m core annotate c") as partial:
        write_csv(partial.path / "cells.csv", typed(rows, ANNOTATED_CELLS))
    return experiment.product("annotations", "x-test")


class Browser:
    """Stands in for the gallery: what it was given last, and what it tells next."""

    def __init__(self) -> None:
        self.shown: list[Pages] = []
        self.told: list[dict[str, Any]] = []
        self.at = 0

    def press(self, field: str, label: int, what: str, was: str = "") -> None:
        self.at += 1
        self.told = [*self.told, {"at": self.at, "field": field, "label": label, "decision": what, "was": was}]

    @property
    def cells(self) -> list[tuple[str, int]]:
        return [(card.field, card.label) for card in self.shown[-1].cards]


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> Browser:
    made = Browser()
    monkeypatch.setattr("pages.parts.curation_tab.gallery", lambda pages, key: made.shown.append(pages))
    monkeypatch.setattr("pages.parts.curation_tab.messages", lambda key: made.told)
    return made


@pytest.fixture
def app(store: JobStore, experiment: Experiment, annotation: Product, browser: Browser) -> AppTest:
    made = AppTest.from_function(tab, args=(experiment.name, annotation.id), default_timeout=60).run()
    assert not made.exception, made.exception
    return made


def named(app: AppTest, rater: str) -> AppTest:
    app = app.text_input(key="curation-rater").input(rater).run()
    assert not app.exception, app.exception
    return app


def pick(app: AppTest, box: str, value: str) -> AppTest:
    app = app.selectbox(key=f"gallery-x-test-{box}").set_value(value).run()
    assert not app.exception, app.exception
    return app


def test_it_asks_for_a_name_and_shows_borderline_cells_first(app: AppTest, browser: Browser, words: Words) -> None:
    assert "Enter your name" in words(app)
    shown = browser.shown[-1]
    assert browser.cells == [(FIRST, 1), (SECOND, 2), (FIRST, 2), (SECOND, 1)]
    assert shown.cards[0].fragile
    assert shown.cards[1].words == "changes at +10 % threshold"
    assert (shown.cards[1].automatic, shown.cards[2].automatic) == ("positive", "negative")
    assert list(shown.views) == ["Phase", "Stain"]
    assert (shown.decided, shown.total, shown.rater) == (0, 4, "")
    assert "Enter your name" not in words(named(app, "Åse"))


def test_what_is_pressed_is_saved_once_and_keeps_its_place(app: AppTest, experiment: Experiment, browser: Browser) -> None:
    named(app, "Åse")
    browser.press(FIRST, 1, "negative")
    browser.press(SECOND, 2, "positive")
    browser.press(SECOND, 2, "undo", "positive")
    app.run()
    app.run()  # the same messages once more
    rows = curation(experiment)
    assert rows[["fov_id", "label", "decision", "rater"]].to_numpy().tolist() == [
        [FIRST, 1, "negative", "Åse"],
        [SECOND, 2, "positive", "Åse"],
        [SECOND, 2, "undo", "Åse"],
    ]
    shown = browser.shown[-1]
    assert browser.cells[0] == (FIRST, 1)  # decided on, but still where it was
    assert [tuple(one) for one in shown.log] == [(FIRST, 1, "negative")]
    assert (shown.decided, shown.heard, shown.problem) == (1, 3, "")
    pick(app, "which", "Every cell")
    pick(app, "which", "Undecided")
    assert (FIRST, 1) not in browser.cells
    table = app.dataframe[0].value.set_index("Line")
    assert table["Decided"].sum() == 1
    assert (table["Positive before"].sum(), table["Positive now"].sum()) == (3, 2)


def test_what_cannot_be_saved_is_said(app: AppTest, experiment: Experiment, browser: Browser) -> None:
    named(app, "Åse")
    browser.press("gone", 1, "negative")
    app.run()
    assert "there is no cell 1 in gone" in browser.shown[-1].problem
    assert curation(experiment).empty


@pytest.mark.parametrize(
    ("box", "value", "cells"),
    [
        ("field", FIRST, [(FIRST, 1), (FIRST, 2)]),
        ("class", "Automatic: negative", [(FIRST, 2)]),
        ("class", "Now: positive", [(FIRST, 1), (SECOND, 2), (SECOND, 1)]),
        ("class", "Now: no class", []),
    ],
)
def test_filters(app: AppTest, browser: Browser, words: Words, box: str, value: str, cells: list[tuple[str, int]]) -> None:
    app = pick(app, box, value)
    assert browser.cells == cells
    assert ("No cell is like that" in words(app)) == (not cells)


def test_only_fragile_cells(app: AppTest, browser: Browser) -> None:
    app.checkbox(key="gallery-x-test-fragile").check().run()
    assert browser.cells == [(FIRST, 1)]


def test_two_raters_and_their_agreement(app: AppTest, experiment: Experiment, segmentation: str, browser: Browser, words: Words) -> None:
    for fov_id, label, what, rater in (
        (FIRST, 1, "positive", "A"),
        (FIRST, 2, "negative", "A"),
        (SECOND, 1, "positive", "A"),
        (FIRST, 1, "positive", "B"),
        (FIRST, 2, "positive", "B"),
    ):
        add_decisions(experiment, decision(segmentation, {"fov_id": fov_id, "label": label}, what, rater))
    app = pick(named(app, "B"), "which", "Not decided by me")
    assert browser.cells == [(SECOND, 2), (SECOND, 1)]
    assert browser.shown[-1].cards[1].others == [("A", "positive")]
    text = words(app)
    assert "Both decided on **2 cells**, alike on 50 %. Cohen's kappa: **0.00**" in text
    pick(app, "which", "Raters disagree")
    assert browser.cells == [(FIRST, 2)]
    assert browser.shown[-1].cards[0].others == [("A", "negative")]
    pick(app, "which", "Decided by me")
    assert browser.cells == [(FIRST, 1), (FIRST, 2)]


def test_lost_decisions_are_listed(app: AppTest, experiment: Experiment, browser: Browser, words: Words) -> None:
    add_decisions(experiment, decision("older", {"fov_id": FIRST, "label": 5}, "positive", "A"))
    app.run()
    assert "1 decision on other outlines could not be carried over" in words(app)
    assert "not there any more" in app.dataframe[-1].value["Why"].iloc[0]


def test_publishing_is_a_job(app: AppTest, store: JobStore, browser: Browser, click: Click, words: Words) -> None:
    assert next(b for b in app.button if b.label == "Publish with my decisions").disabled
    app = named(app, "Åse")
    browser.press(FIRST, 1, "negative")
    app.run()
    click(app, "Publish with my decisions")
    [job] = store.active()
    assert job.stage == "annotate"
    assert (job.params["stain"], job.params["settings"]["threshold"]) == ("test-stain", "0.1")
    assert "threshold_used" not in job.params["settings"]


def test_pictures_by_address(experiment: Experiment, annotation: Product) -> None:
    address = crops_url(experiment, annotation, "/base/")
    assert address.startswith("/base/api/crop/")
    assert any(route.path == "/api/crop/{token}" for route in media.routes())
    token = address.rsplit("/", 1)[1]

    def ask(query: str, token: str = token) -> Response:
        return respond(Request({"type": "http", "path_params": {"token": token}, "query_string": query.encode(), "headers": []}))

    answer = ask(f"field={FIRST}&cell=1&side=128")
    assert (answer.status_code, answer.media_type) == (200, "image/jpeg")
    assert Image.open(io.BytesIO(bytes(answer.body))).size == (256, 128)
    assert ask(f"field={FIRST}&cell=1&side=128&bare=1").body != answer.body
    assert ask(f"field={FIRST}&cell=77").status_code == 422
    assert ask(f"field={FIRST}&cell=x").status_code == 400
    assert ask(f"field={FIRST}&cell=1", token[:-4]).status_code == 403
