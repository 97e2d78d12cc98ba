"""Segment: empty, settings with a preview, a finished segmentation."""

from collections.abc import Callable

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from core.jobs import JobStore
from core.report import write_csv
from core.stages.correcting import correct
from core.stages.edit_log import EditLog
from core.stages.measuring import write_measurements
from core.stages.reviewing import review
from core.tables import FAILURES, typed
from core.workspace import Experiment, create_experiment

Open = Callable[..., AppTest]
Words = Callable[[AppTest], str]
Click = Callable[[AppTest, str], AppTest]


def test_without_an_experiment_it_says_where_to_begin(open_page: Open, words: Words) -> None:
    assert "There is no experiment yet" in words(open_page("segment"))


def test_without_a_chosen_experiment_it_asks_for_one(open_page: Open, experiment: Experiment, words: Words) -> None:
    assert "Choose an experiment above" in words(open_page("segment"))


def test_without_images_it_leads_to_where_they_are_added(open_page: Open, workspace: object, words: Words) -> None:
    create_experiment("bare")
    assert "no images yet" in words(open_page("segment", experiment="bare"))


def test_a_preview_is_a_job_on_one_field(open_page: Open, experiment: Experiment, store: JobStore, click: Click) -> None:
    second = experiment.fields()["fov_id"][1]
    app = open_page("segment", experiment=experiment.name, field=second)
    next(n for n in app.number_input if n.label == "Cell diameter (px)").set_value(42.0).run()
    click(app, "Preview this field")
    [job] = store.active()
    assert job.params["fields"] == [second]
    assert job.params["settings"]["diameter_px"] == 42.0


def test_all_fields_are_a_job_too(open_page: Open, experiment: Experiment, store: JobStore, click: Click) -> None:
    click(open_page("segment", experiment=experiment.name), "Segment all 2 fields")
    assert store.active()[0].params["fields"] is None


def test_a_job_says_what_it_waits_for(open_page: Open, experiment: Experiment, store: JobStore, words: Words) -> None:
    first = store.submit("train", {}, "/somewhere/donor 3")
    second = store.submit("segment", {}, str(experiment.path))
    app = open_page("segment", experiment=experiment.name)
    assert "Waiting for its turn: “Training” in the experiment “donor 3” is under way." in words(app)
    store.begin(first)
    store.finish(first, "done")
    said = words(app.run())
    assert "Waiting for its turn" not in said
    assert "Starting …" in said  # its worker loads
    assert store.get(second).state == "queued"


def test_a_finished_preview_stays_beside_the_settings(open_page: Open, experiment: Experiment, segmentation: str, store: JobStore, words: Words) -> None:
    id = store.submit("segment", {"fields": ["MSC1_P4_f01"]}, str(experiment.path))
    store.begin(id)
    store.finish(id, "done", result=str(experiment.path / "segmentations" / segmentation))
    app = open_page("segment", experiment=experiment.name, job=id, segmentation="new")
    assert app.query_params["preview"] == segmentation
    assert "Preview: 2 cells" in words(app)


def test_a_segmentation_shows_counts_and_can_be_assessed(open_page: Open, experiment: Experiment, segmentation: str, words: Words, click: Click) -> None:
    app = open_page("segment", experiment=experiment.name)
    assert app.query_params["segmentation"] == segmentation
    assert "**4 cells** in 2 fields" in words(app)
    click(app, "Assess with these outlines")
    assert app.query_params["segmentation"] == segmentation
    assert app.title[0].value == "Assess"


def test_next_and_previous_turn_the_fields(open_page: Open, experiment: Experiment, segmentation: str, click: Click) -> None:
    app = open_page("segment", experiment=experiment.name)
    first, second = experiment.fields()["fov_id"]
    click(app, "Next")
    assert app.query_params["field"] == second
    click(app, "Previous")
    assert app.query_params["field"] == first


def test_a_model_that_is_not_downloaded_leads_to_the_models_page(open_page: Open, experiment: Experiment, words: Words) -> None:
    app = open_page("segment", experiment=experiment.name)
    app.selectbox(key="segment--model").select("LC4").run()
    assert "not on this machine yet" in words(app)
    assert next(b for b in app.button if b.label.startswith("Segment all")).disabled


def test_the_model_of_the_address_is_chosen_at_first(open_page: Open, experiment: Experiment) -> None:
    app = open_page("segment", experiment=experiment.name, segmentation="new", model="LC2")
    assert app.selectbox(key="segment-LC2-model").value == "LC2"


def test_another_experiment_takes_nothing_of_the_old_one_along(open_page: Open, experiment: Experiment, segmentation: str) -> None:
    create_experiment("other")
    app = open_page("segment", experiment=experiment.name, segmentation=segmentation, like=segmentation, model="LC2", rater="Ada")
    next(one for one in app.selectbox if one.label == "Experiment").select("other").run()
    assert set(app.query_params) == {"experiment", "rater"}


def test_only_the_open_tab_is_computed(open_page: Open, experiment: Experiment, segmentation: str, words: Words) -> None:
    app = open_page("segment", experiment=experiment.name)
    assert [tab.label for tab in app.tabs] == [
        "Cells in the picture",
        "Check and correct",
        "Fine-tune",
        "Fields",
        "Measurements",
        "Export",
        "Left out",
        "How it was made",
    ]
    assert not [b for b in app.button if b.label.startswith("Publish")]
    assert "Every field was segmented" in words(open_page("segment", experiment=experiment.name, tab="Left out"))


def test_measurements_of_one_field_are_shown(open_page: Open, experiment: Experiment, segmentation: str, words: Words) -> None:
    assert "There are no measurements" in words(open_page("segment", experiment=experiment.name, tab="Measurements"))
    write_measurements(experiment.product("segmentations", segmentation).path, experiment)
    second = experiment.fields()["fov_id"][1]
    app = open_page("segment", experiment=experiment.name, tab="Measurements", field=second)
    shown = app.dataframe[0].value
    assert shown["area_px"].to_list() == [400, 1500]
    assert shown["area_um2"].to_list() == pytest.approx([169.0, 633.75])
    assert "fov_id" not in shown
    assert "All cells of all fields (CSV)" in [b.proto.label for b in app.get("download_button")]


def test_the_whole_reason_of_a_field_left_out_can_be_read(open_page: Open, experiment: Experiment, segmentation: str) -> None:
    reason = "f9.tif: the file is damaged or incomplete (its pixels should end at byte 464128, the file ends at byte 150000). Copy or export it again."
    rows = typed(pd.DataFrame([{"fov_id": "f9", "file": "images/f9.tif", "error": reason}]), FAILURES)
    write_csv(experiment.product("segmentations", segmentation).path / "failures.csv", rows)
    app = open_page("segment", experiment=experiment.name, tab="Left out")
    assert app.table[0].value.to_dict("records") == [{"Field": "f9", "File": "f9.tif", "What is wrong": reason}]


def test_without_a_correction_there_is_nothing_to_publish(open_page: Open, experiment: Experiment, segmentation: str, words: Words) -> None:
    app = open_page("segment", experiment=experiment.name, tab="Check and correct")
    assert "0 corrections in 0 of 2 fields, 0 looked through" in words(app)
    assert next(b for b in app.button if b.label.startswith("Publish")).disabled


def test_corrections_are_published_by_a_job(open_page: Open, experiment: Experiment, segmentation: str, store: JobStore, click: Click, words: Words) -> None:
    product, second = experiment.product("segmentations", segmentation), experiment.fields()["fov_id"][1]
    correct(experiment, product, second, {"action": "remove", "labels": [1]})
    app = open_page("segment", experiment=experiment.name, tab="Check and correct", field=second)
    assert "1 correction in 1 of 2 fields" in words(app)
    assert f"{second} · 1 correction" in [o for box in app.selectbox for o in box.options]
    click(app, "Publish corrected outlines")
    [job] = store.active()
    assert (job.stage, job.params["segmentation"]) == ("review", segmentation)
    store.begin(job.id)
    store.finish(job.id, "done", result=str(review(experiment.path, segmentation)))
    app.run()
    assert app.query_params["segmentation"].startswith("reviewed-test-seg-")
    assert "**3 cells** in 2 fields" in words(app)


def test_looked_at_and_a_name(open_page: Open, experiment: Experiment, segmentation: str) -> None:
    app = open_page("segment", experiment=experiment.name, tab="Check and correct")
    next(t for t in app.text_input if t.label == "Your name").input("Ada").run()
    next(c for c in app.checkbox if c.label.startswith("I have looked")).check().run()
    assert not app.exception
    [row] = EditLog(experiment, segmentation, experiment.fields()["fov_id"][0]).rows()
    assert (row["action"], row["value"], row["rater"]) == ("looked_at", True, "Ada")
    assert next(c for c in app.checkbox if c.label.startswith("I have looked")).value


def test_a_damaged_log_is_named(open_page: Open, experiment: Experiment, segmentation: str) -> None:
    log = EditLog(experiment, segmentation, experiment.fields()["fov_id"][0])
    log.path.parent.mkdir(parents=True)
    log.path.write_bytes(b"nonsense\n")
    app = open_page("segment", experiment=experiment.name, tab="Check and correct")
    assert all("line 1 is damaged" in e.value for e in app.error)
    assert app.error
