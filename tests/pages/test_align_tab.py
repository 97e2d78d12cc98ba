"""The alignment tab: nothing to align, start, pairs with their verdicts, moving by hand, decisions."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from core.images import write_image
from core.jobs import JobStore
from core.registration import Registration, unregistered
from core.report import write_csv
from core.stages.aligned import SIZED, decisions
from core.tables import FAILURES, REGISTRATIONS, typed
from core.workspace import Experiment, publish

Words = Callable[[AppTest], str]
Click = Callable[[AppTest, str], AppTest]


def tab(name: str) -> None:
    from core.workspace import open_experiment
    from pages.parts.align_tab import align_tab

    align_tab(open_experiment(name))


@pytest.fixture
def opened(store: JobStore, experiment: Experiment) -> Callable[[], AppTest]:
    def run() -> AppTest:
        app = AppTest.from_function(tab, args=(experiment.name,), default_timeout=30).run()
        assert not app.exception, app.exception
        return app

    return run


@pytest.fixture
def aligned(experiment: Experiment) -> Experiment:
    """A good pair, and one of another field without anything to see."""
    table = experiment.fields()
    picture = np.random.default_rng(1).integers(0, 4000, (96, 96)).astype(np.uint16)
    write_image(experiment.images / "second_stain.tif", picture)
    table.loc[1, "stain"] = "images/second_stain.tif"
    experiment.save_fields(table)
    good = Registration(np.array([[1, 0, 2.0], [0, 1, 3.0]]), "similarity", 40.0, 0.1, "pass", "The parts of the field agree.")
    rows = [{"image": "stain", "sample": "x", "height": 96, "width": 96, **one.row()} for one in (good, unregistered("All black."))]
    own = typed(pd.DataFrame(rows).assign(fov_id=table["fov_id"]), SIZED)
    with publish(experiment, "registrations", "similarity-test", {"method": "similarity"}) as partial:
        write_csv(partial.path / "own.csv", own)
        write_csv(partial.path / "registration.csv", own[list(REGISTRATIONS)])
        write_csv(partial.path / "failures.csv", typed(pd.DataFrame(), FAILURES))
    return experiment


def button(app: AppTest, label: str) -> object:
    return next(b for b in app.button if b.label == label)


def named(app: AppTest, rater: str = "Åse") -> AppTest:
    return app.text_input(key="rater").input(rater).run()


def test_without_stain_images_it_says_so(opened: Callable[[], AppTest], experiment: Experiment, words: Words, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pages.parts.address.link", lambda *given, **named: None)  # the tab stands alone here, without the other pages
    table = experiment.fields()
    table["stain"] = ""
    experiment.save_fields(table)
    assert "no stain or colour images" in words(opened())


def test_aligning_is_a_job(opened: Callable[[], AppTest], store: JobStore, click: Click) -> None:
    click(opened(), "Align all pairs")
    [job] = store.active()
    assert job.stage == "register"
    assert job.params["settings"]["method"] == "similarity"


def test_the_worst_pair_comes_first(opened: Callable[[], AppTest], aligned: Experiment, words: Words) -> None:
    app = opened()
    shown = app.dataframe[0].value
    assert shown["Verdict"].tolist() == ["✕ fail", "✓ pass"]
    assert shown["Why"].tolist()[0] == "All black."
    assert app.subheader[0].value == "MSC2_P9_f01, stain image"
    assert "1 lie on each other, 0 to be looked at, 1 not usable" in words(app)
    assert "a consensus needs 3" in words(app)
    assert ":red-badge[✕ fail] All black." in words(app)  # the table may cut it off


@pytest.mark.parametrize("view", ["Checkerboard", "Blink", "Two colours", "Stain"])
def test_every_view_draws(opened: Callable[[], AppTest], aligned: Experiment, view: str) -> None:
    app = opened()
    app.segmented_control(key="align-view").set_value(view).run()
    app.selectbox(key="align-place").set_value("Upper left").run()
    assert not app.exception, app.exception


def test_a_move_by_hand_is_saved_under_a_name(opened: Callable[[], AppTest], aligned: Experiment, click: Click, words: Words) -> None:
    app = opened()
    assert button(app, "Accept").disabled  # type: ignore[attr-defined]
    app = click(click(named(app), "→"), "↓")
    assert "Moved by +1 px right, +1 px down" in words(app)
    app = click(app, "Save this position")
    [row] = decisions(aligned).to_dict("records")
    assert (row["fov_id"], row["decision"], row["rater"], row["tx"], row["ty"]) == ("MSC2_P9_f01", "nudged", "Åse", -1, -1)
    assert "not saved yet" not in words(app)
    assert "2 lie on each other" in words(app)


def test_excluding_can_be_taken_back(opened: Callable[[], AppTest], aligned: Experiment, click: Click, words: Words) -> None:
    app = click(named(opened()), "Exclude this pair")
    assert app.dataframe[0].value["Decision"].tolist()[0] == "excluded by Åse"
    app = click(app, "Take the decision back")
    assert decisions(aligned)["decision"].tolist() == ["excluded", "undo"]
    assert "All black." in app.dataframe[0].value["Why"].tolist()


def test_a_missing_image_is_named(opened: Callable[[], AppTest], aligned: Experiment, words: Words) -> None:
    (aligned.images / "second_stain.tif").unlink()
    assert "second_stain.tif" in words(opened())
