"""Segment: empty, settings with a preview, a finished segmentation."""

from collections.abc import Callable

from streamlit.testing.v1 import AppTest

from core.jobs import JobStore
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
