"""The first page: empty, with an experiment, with a job in every state, with a result."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from core.jobs import JobStore
from core.settings import SegmentSettings
from core.workspace import Experiment, create_experiment, experiment_path, read_json, write_json

Open = Callable[..., AppTest]
Words = Callable[[AppTest], str]
Click = Callable[[AppTest, str], AppTest]


def test_an_empty_workspace_offers_two_ways_to_begin(open_page: Open) -> None:
    app = open_page()
    assert app.title[0].value == "What fraction of your cells is senescent?"
    assert {"Assess my images", "Open the demo experiment"} <= {b.label for b in app.button}


def test_a_new_experiment_gets_a_name_and_goes_into_the_address(open_page: Open, words: Words, click: Click) -> None:
    app = open_page()
    app.text_input[0].set_value("donor 7").run()
    click(app, "Assess my images")
    assert app.query_params["experiment"] == "donor 7"
    assert experiment_path("donor 7").is_dir()
    assert "1 · Images" in words(app)


def test_the_default_name_is_free(open_page: Open) -> None:
    first = open_page().text_input[0].value
    create_experiment(first)
    assert open_page().text_input[0].value == f"{first}_2"


@pytest.mark.parametrize("outside", [False, True])
def test_a_name_that_is_a_path_is_refused(open_page: Open, click: Click, tmp_path: Path, outside: bool) -> None:
    app = open_page()
    app.text_input[0].set_value(str(tmp_path / "elsewhere") if outside else "a/../b").run()
    click(app, "Assess my images")
    assert "contains a path" in app.error[0].value
    assert not (tmp_path / "elsewhere").exists()


def test_a_model_that_is_gone_is_not_replaced(open_page: Open, experiment: Experiment, assessment: str, words: Words) -> None:
    file = experiment.path / "assessments" / assessment / "settings.json"
    file.write_text(file.read_text(encoding="utf-8").replace('"seed": 5', '"seed": 5, "classifier": "gone"', 1), encoding="utf-8")
    app = open_page(experiment=experiment.name, assessment="new", like=assessment)
    assert "The model gone is not in the library" in words(app)
    assert next(b for b in app.button if b.label.startswith("Assess 2")).disabled


def test_the_demo_starts_a_job_and_shows_it(open_page: Open, store: JobStore, words: Words, click: Click) -> None:
    app = open_page()
    click(app, "Open the demo experiment")
    [job] = store.active()
    assert job.stage == "demo"
    assert app.query_params["job"] == job.id
    assert "Cancel" in [b.label for b in app.button], words(app)


def test_an_experiment_that_does_not_exist_is_said_so(open_page: Open, words: Words, click: Click) -> None:
    app = open_page(experiment="gone")
    assert "There is no experiment “gone”" in words(app)
    click(app, "New experiment")
    assert "Assess my images" in [b.label for b in app.button]


def test_settings_and_run(open_page: Open, experiment: Experiment, store: JobStore, words: Words, click: Click) -> None:
    app = open_page(experiment=experiment.name)
    assert "2 · Settings" in words(app)
    flow = next(n for n in app.number_input if n.label == "Flow error allowed")
    flow.set_value(0.6).run()
    assert any("--flow-threshold 0.6" in code.value for code in app.code)
    click(app, "Assess 2 fields")
    [job] = store.active()
    assert job.stage == "assess"
    assert job.params["segment"]["flow_threshold"] == 0.6
    assert job.params["experiment"] == str(experiment.path)


def test_ready_outlines_can_be_used(open_page: Open, experiment: Experiment, segmentation: str, store: JobStore, click: Click) -> None:
    app = open_page(experiment=experiment.name, segmentation=segmentation)
    assert not [n for n in app.number_input if n.label == "Flow error allowed"]
    click(app, "Assess 2 fields")
    assert store.active()[0].params["segmentation"] == segmentation


@pytest.mark.parametrize("known", [True, False])
def test_earlier_outlines_can_be_used_after_images_were_added(
    open_page: Open, experiment: Experiment, segmentation: str, store: JobStore, click: Click, known: bool
) -> None:
    """Where a model made them: the added fields are outlined in the same way."""
    file = experiment.path / "segmentations" / segmentation / "settings.json"
    if known:
        write_json(file, read_json(file) | {"settings": vars(SegmentSettings())})
    table = experiment.fields()
    experiment.save_fields(pd.concat([table, table.tail(1).assign(fov_id="added")], ignore_index=True))
    app = open_page(experiment=experiment.name, segmentation=segmentation)
    offered = [box for box in app.selectbox if box.label == "Outlines of the cells"]
    assert bool(offered) == known
    click(app, "Assess 3 fields")
    assert store.active()[0].params.get("segmentation") == (segmentation if known else None)
    if known:
        assert [option.endswith("and 1 new field") for option in offered[0].options] == [False, True]


def test_a_result_shows_fraction_interval_cautions_and_what_was_left_out(open_page: Open, experiment: Experiment, assessment: str, words: Words) -> None:
    app = open_page(experiment=experiment.name)
    assert app.query_params["assessment"] == assessment
    assert {m.label for m in app.metric} == {"MSC1 P4", "MSC2 P9"}
    assert all(m.value.startswith("50") for m in app.metric)
    shown = words(app)
    assert "95 % interval" in shown
    assert "simulated cells" in shown
    assert "A note of the stage." in shown
    assert any("python -m core assess" in code.value for code in app.code)
    assert any("the file is empty" in str(table.value.to_dict()) for table in app.table)


def test_the_cell_diameter_is_said(open_page: Open, experiment: Experiment, assessment: str, segmentation: str, words: Words) -> None:
    assert "**Cell diameter**: 30.0 px" in words(open_page(experiment=experiment.name, assessment=assessment))
    sample = [{"fov_id": name} for name in ("a", "b")]
    write_json(experiment.path / "segmentations" / segmentation / "diameter_from.json", {"fields": [sample]})
    assert "**Cell diameter**: 30.0 px, estimated on a, b" in words(open_page(experiment=experiment.name, assessment=assessment))


def test_another_assessment_can_be_begun_beside_an_old_one(open_page: Open, experiment: Experiment, assessment: str, words: Words) -> None:
    app = open_page(experiment=experiment.name, assessment="new")
    assert "3 · Run" in words(app)


def test_a_running_job_shows_progress_and_time_left(open_page: Open, experiment: Experiment, store: JobStore, words: Words, click: Click) -> None:
    id = store.submit("assess", {"experiment": str(experiment.path)}, str(experiment.path))
    store.begin(id)
    store.report(id, 0.25, 1.0, "outlining cells in f01", rate=0.01, advanced=__import__("time").time())
    app = open_page(experiment=experiment.name)  # without the job in the address: it is found all the same
    shown = words(app)
    assert "outlining cells in f01" in shown
    assert "1 · Images" not in shown
    click(app, "Cancel")
    assert store.get(id).cancelling


@pytest.mark.parametrize(("state", "said"), [("failed", "No model"), ("interrupted", "was interrupted"), ("cancelled", "was cancelled")])
def test_a_job_that_did_not_end_well_says_why_and_can_be_run_again(
    open_page: Open, experiment: Experiment, store: JobStore, state: str, said: str, words: Words, click: Click
) -> None:
    params = {"experiment": str(experiment.path), "settings": {}}
    id = store.submit("assess", params, str(experiment.path))
    store.begin(id)
    store.finish(id, state, error="No model of that name.")
    app = open_page(experiment=experiment.name, job=id)
    assert said in words(app)
    assert "2 · Settings" in words(app)
    click(app, "Try again" if state == "failed" else "Resume")
    [job] = store.active()
    assert job.params == params
    assert app.query_params["job"] == job.id


def test_a_finished_job_leads_to_its_result(open_page: Open, experiment: Experiment, assessment: str, store: JobStore) -> None:
    id = store.submit("assess", {}, str(experiment.path))
    store.begin(id)
    store.finish(id, "done", result=str(experiment.path / "assessments" / assessment))
    app = open_page(experiment=experiment.name, job=id, assessment="new")
    assert app.query_params["assessment"] == assessment
    assert "job" not in app.query_params
    assert app.metric


def test_fields_without_a_scored_cell_are_said_so(open_page: Open, experiment: Experiment, assessment: str, words: Words) -> None:
    file = experiment.path / "assessments" / assessment / "samples.csv"
    file.write_text(file.read_text(encoding="utf-8-sig").split("\n")[0] + "\n", encoding="utf-8")
    assert "No cell could be scored" in words(open_page(experiment=experiment.name))


def test_fields_without_any_cell_lead_to_the_segment_page(open_page: Open, experiment: Experiment, assessment: str, words: Words) -> None:
    for name in ("samples", "cells"):
        file = experiment.path / "assessments" / assessment / f"{name}.csv"
        file.write_text(file.read_text(encoding="utf-8-sig").split("\n")[0] + "\n", encoding="utf-8")
    assert "No cell was found" in words(open_page(experiment=experiment.name))


def test_the_settings_of_an_earlier_assessment_begin_a_new_one(open_page: Open, experiment: Experiment, assessment: str, click: Click) -> None:
    app = open_page(experiment=experiment.name)
    click(app, "Begin a new one with these settings")
    assert not app.exception
    assert app.query_params["like"] == assessment
    assert next(n for n in app.number_input if n.label == "Seed").value == 5


def doubtful(experiment: Experiment, assessment: str) -> None:
    """The assessment as one of a classifier that says what it learned from; its first field is blurred, one cell is uncertain."""
    import json

    from core.report import read_csv, write_csv
    from core.tables import ASSESSED_CELLS, ASSESSED_FIELDS, ASSESSED_SAMPLES

    folder = experiment.path / "assessments" / assessment
    about = json.loads((folder / "settings.json").read_text(encoding="utf-8"))
    learned = {"beyond": 0.01, "cells": 900, "held_out": 300, "fields": 24, "ranges": {"focus": [0.31, 0.72]}}
    about["models"]["classifier"] |= {"learned": learned, "pixel_size_um": 1.0, "intensity": "field"}
    about["engines"] = ["engine fp32"]
    (folder / "settings.json").write_text(json.dumps(about), encoding="utf-8")
    fields = read_csv(folder / "fields.csv", ASSESSED_FIELDS)
    changed = {"focus": [0.1, 0.5], "flags": ["blurred", ""], "n_uncertain": 1, "fraction_uncertain_low": 0.0, "fraction_uncertain_high": 0.5, "n_unlike": 0}
    write_csv(folder / "fields.csv", fields.assign(**changed))
    cultures = {"n_flagged": [1, 0], "n_uncertain": 1, "fraction_uncertain_low": 0.0, "fraction_uncertain_high": 0.5}
    write_csv(folder / "samples.csv", read_csv(folder / "samples.csv", ASSESSED_SAMPLES).assign(**cultures))
    cells = read_csv(folder / "cells.csv", ASSESSED_CELLS)
    write_csv(folder / "cells.csv", cells.assign(uncertain=[1, 0] * (len(cells) // 2), training_distance=0.5))


def test_doubtful_fields_and_uncertain_cells_are_seen(open_page: Open, experiment: Experiment, assessment: str, words: Words) -> None:
    doubtful(experiment, assessment)
    app = open_page(experiment=experiment.name)
    shown = words(app)
    assert "Less fine detail than in the training images: 1 of 2 fields (MSC1_P4_f01), fine detail 0.10; usual is 0.31 to 0.72." in shown
    assert "1 uncertain: 0–50" in shown
    assert "engine fp32" in shown
    assert "Read off 24 fields of training and validation" in shown
    [pick] = [box for box in app.selectbox if box.label == "Field"]
    assert pick.options == ["MSC1_P4_f01 · blurred", "MSC2_P9_f01"]
    assert any("blurred" in text.value and "flag" in text.value for text in app.markdown)  # the badge beside the picture
    tables = [table.value for table in app.dataframe]
    assert any("flags" in table and list(table["flags"]) == ["blurred", ""] for table in tables)


def test_an_older_assessment_shows_no_flags(open_page: Open, experiment: Experiment, assessment: str, words: Words) -> None:
    shown = words(open_page(experiment=experiment.name))
    assert "if all were one or the other" not in shown
    assert "training images looked like" not in shown


def test_a_model_that_does_not_say_what_it_learned_is_said_so(open_page: Open, experiment: Experiment, assessment: str, words: Words) -> None:
    file = experiment.path / "assessments" / assessment / "settings.json"
    file.write_text(file.read_text(encoding="utf-8").replace('"simulated": true', '"simulated": true, "learned": null', 1), encoding="utf-8")
    assert "does not say what its training images looked like" in words(open_page(experiment=experiment.name))


def test_scoring_can_be_made_fast_on_the_page(open_page: Open, experiment: Experiment, click: Click, store: JobStore) -> None:
    app = open_page(experiment=experiment.name)
    next(box for box in app.selectbox if box.label == "Scoring precision").set_value("fast").run()
    next(n for n in app.number_input if n.label == "Uncertain within").set_value(0.2).run()
    assert any("--precision fast" in code.value and "--uncertain 0.2" in code.value for code in app.code)
    click(app, "Assess 2 fields")
    assert store.active()[0].params["settings"]["precision"] == "fast"
