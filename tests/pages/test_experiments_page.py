"""Experiments: list, create, open, describe, products."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.proto.WidgetStates_pb2 import WidgetStates
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import ElementTree

from core.images import write_image
from core.jobs import JobStore
from core.workspace import Experiment, create_experiment, list_experiments
from pages.parts.upload import Uploaded

Open = Callable[..., AppTest]
Words = Callable[[AppTest], str]
Click = Callable[[AppTest, str], AppTest]


def test_an_empty_workspace_says_what_to_do(open_page: Open, words: Words) -> None:
    assert "There is no experiment yet" in words(open_page("experiments"))


def test_create(open_page: Open, click: Click) -> None:
    app = open_page("experiments")
    next(t for t in app.text_input if t.label == "Name").set_value("æøå 1")
    click(app, "Create")
    assert app.query_params["experiment"] == "æøå 1"
    assert [e.name for e in list_experiments()] == ["æøå 1"]


def test_a_name_that_is_taken_is_refused(open_page: Open, experiment: Experiment, words: Words, click: Click) -> None:
    app = open_page("experiments")
    next(t for t in app.text_input if t.label == "Name").set_value(experiment.name)
    click(app, "Create")
    assert "exists already" in words(app)


def test_the_list_counts(open_page: Open, experiment: Experiment, assessment: str, words: Words) -> None:
    shown = words(open_page("experiments"))
    assert all(head in shown for head in ("Fields", "Cultures", "Segmentations", "Assessments"))


def test_products_are_listed_with_their_settings(open_page: Open, experiment: Experiment, assessment: str) -> None:
    app = open_page("experiments", experiment=experiment.name)
    assert any(assessment in e.label for e in app.expander)
    assert any("test-model" in j.value for j in app.json)


def test_one_value_fills_a_column_where_it_is_empty(open_page: Open, experiment: Experiment, words: Words, click: Click) -> None:
    experiment.save_fields(experiment.fields().assign(pixel_size_um=[0.5, None]))
    app = open_page("experiments", experiment=experiment.name)
    assert "The pixel size of 1 field is unknown" in words(app)
    next(t for t in app.text_input if t.label == "Value").set_value("0,25").run()
    click(app, "Set for 1 field")
    assert experiment.fields()["pixel_size_um"].to_list() == [0.5, 0.25]


def test_donors_can_be_stated(open_page: Open, experiment: Experiment, click: Click, monkeypatch: pytest.MonkeyPatch) -> None:
    """By one value for all, by a CSV table, and in the table itself; a table in which nobody states one stays without the column."""
    app = open_page("experiments", experiment=experiment.name)
    next(s for s in app.selectbox if s.label == "Column").select("passage").run()
    next(t for t in app.text_input if t.label == "Value").input("7").run()
    assert "donor" not in experiment.fields()
    next(s for s in app.selectbox if s.label == "Column").select("donor").run()
    next(t for t in app.text_input if t.label == "Value").input("D1").run()
    click(app, "Set for 2 fields")
    assert experiment.fields()["donor"].tolist() == ["D1", "D1"]
    second = experiment.fields()["fov_id"][1]
    next(u for u in app.file_uploader if u.label == "Load a CSV table").upload("meta.csv", f"fov_id,donor\n{second},D2\n".encode()).run()
    click(app, "Write 1 row")
    assert experiment.fields()["donor"].tolist() == ["D1", "D2"]
    assert "donor" in open_page("assess", experiment=experiment.name).dataframe[0].value


def test_a_value_that_does_not_fit_is_refused(open_page: Open, experiment: Experiment, words: Words, click: Click) -> None:
    experiment.save_fields(experiment.fields().assign(pixel_size_um=None))
    app = open_page("experiments", experiment=experiment.name)
    next(t for t in app.text_input if t.label == "Value").set_value("small").run()
    click(app, "Set for 2 fields")
    assert "wanted a number" in words(app)


def test_names_are_read_by_a_pattern_after_a_preview(open_page: Open, experiment: Experiment, words: Words, click: Click) -> None:
    app = open_page("experiments", experiment=experiment.name)
    pattern = next(t for t in app.text_input if t.label == "How names are built")
    pattern.set_value("{nonsense}").run()
    assert "wanted columns in braces" in words(app)
    pattern.set_value("{condition}_{passage}_*").run()
    assert app.dataframe[-1].value["condition"].to_list() == ["MSC1", "MSC2"]
    click(app, "Write these values")
    assert experiment.fields()["condition"].to_list() == ["MSC1", "MSC2"]


def test_metadata_come_from_a_csv_table(open_page: Open, experiment: Experiment, click: Click) -> None:
    app = open_page("experiments", experiment=experiment.name)
    next(u for u in app.file_uploader if u.label == "Load a CSV table").upload("meta.csv", "fov_id;condition\nMSC1_P4_f01;doxo\n".encode("utf-8-sig")).run()
    click(app, "Write 1 row")
    assert experiment.fields()["condition"].to_list() == ["doxo", ""]


def type_into_the_first_row(app: AppTest, monkeypatch: pytest.MonkeyPatch, column: str, value: str) -> None:
    """What the browser sends when somebody types into the table of fields."""
    [editor] = [table.proto.id for table in app.dataframe if table.proto.editing_mode]
    states = ElementTree.get_widget_states

    def with_an_edit(self: ElementTree) -> WidgetStates:
        sent = states(self)
        edit = {"edited_rows": {"0": {column: value}}, "added_rows": [], "deleted_rows": []}
        sent.widgets.add(id=editor, string_value=json.dumps(edit))
        return sent

    with monkeypatch.context() as patch:
        patch.setattr(ElementTree, "get_widget_states", with_an_edit)
        app.run()
    assert not app.exception, app.exception


def test_what_two_tabs_change_is_kept(open_page: Open, experiment: Experiment, monkeypatch: pytest.MonkeyPatch, words: Words) -> None:
    app = open_page("experiments", experiment=experiment.name)
    experiment.save_fields(experiment.fields().assign(passage=["7", "8"]))
    type_into_the_first_row(app, monkeypatch, "condition", "doxo")
    assert experiment.fields()["passage"].to_list() == ["7", "8"]
    assert experiment.fields()["condition"].to_list() == ["doxo", ""]
    assert "changed elsewhere" not in words(app)
    app.run()
    assert experiment.fields()["condition"].to_list() == ["doxo", ""]


def test_a_cell_changed_in_two_tabs_is_said(open_page: Open, experiment: Experiment, monkeypatch: pytest.MonkeyPatch, words: Words) -> None:
    app = open_page("experiments", experiment=experiment.name)
    experiment.save_fields(experiment.fields().assign(condition=["H2O2", ""]))
    type_into_the_first_row(app, monkeypatch, "condition", "doxo")
    assert experiment.fields()["condition"].to_list() == ["H2O2", ""]
    assert "MSC1_P4_f01, Condition: 'doxo'; it is 'H2O2' now" in words(app)


@pytest.mark.parametrize("other", ["assess", "segment"])
def test_what_was_typed_stays_when_the_page_is_left(open_page: Open, experiment: Experiment, monkeypatch: pytest.MonkeyPatch, other: str) -> None:
    app = open_page("experiments", experiment=experiment.name)
    type_into_the_first_row(app, monkeypatch, "condition", "doxo")
    assert experiment.fields()["condition"].to_list() == ["doxo", ""]
    for page in (other, "experiments"):
        app.switch_page(f"../{page}.py")
        app.query_params["experiment"] = experiment.name
        app.run()
        assert not app.exception, app.exception
        assert experiment.fields()["condition"].to_list() == ["doxo", ""]


def test_a_csv_table_saved_by_a_german_excel_is_read(open_page: Open, experiment: Experiment, click: Click) -> None:
    app = open_page("experiments", experiment=experiment.name)
    csv = "fov_id;condition\nMSC1_P4_f01;Kälte für 2 h\n".encode("cp1252")
    next(u for u in app.file_uploader if u.label == "Load a CSV table").upload("meta.csv", csv).run()
    click(app, "Write 1 row")
    assert experiment.fields()["condition"].to_list() == ["Kälte für 2 h", ""]


def test_a_workbook_named_csv_is_refused_with_what_to_do(open_page: Open, experiment: Experiment, words: Words) -> None:
    app = open_page("experiments", experiment=experiment.name)
    next(u for u in app.file_uploader if u.label == "Load a CSV table").upload("meta.csv", b"PK\x03\x04\x00\x00\x81").run()
    assert "CSV UTF-8" in words(app)


def test_a_csv_table_with_an_unknown_field_is_refused(open_page: Open, experiment: Experiment, words: Words, click: Click) -> None:
    app = open_page("experiments", experiment=experiment.name)
    next(u for u in app.file_uploader if u.label == "Load a CSV table").upload("meta.csv", b"fov_id,condition\nnobody,x\n").run()
    click(app, "Write 1 row")
    assert "nobody" in words(app)


def test_what_came_of_the_files_is_said(open_page: Open, experiment: Experiment, monkeypatch: pytest.MonkeyPatch, words: Words) -> None:
    names = ("images/MSC3_P4_f01_phase.tif", "images/MSC3_P4_f01_stain.tif", "images/lonely_stain.tif")
    for name in names:
        write_image(experiment.path / name, __import__("numpy").ones((64, 64), "uint8"))
    drops = [Uploaded(tuple((name, name) for name in names), ())]
    monkeypatch.setattr("pages.parts.add_images.uploader", lambda *given, **named: drops.pop() if drops else None)
    app = open_page("experiments", experiment=experiment.name)
    assert "3 files: 1 new field. 1 file is not used, see below." in words(app)
    assert len(experiment.fields()) == 3


def test_the_same_image_twice_is_said_where_images_are_added_and_described(open_page: Open, experiment: Experiment, words: Words) -> None:
    said = "MSC1_P4_f01_phase.tif and MSC2_P9_f01_phase.tif hold the same image"
    shown = {page: words(open_page(page, experiment=experiment.name)).count(said) for page in ("experiments", "assess")}
    assert shown == {"experiments": 2, "assess": 1}
    write_image(experiment.resolve(experiment.fields()["phase"][1])[0], __import__("numpy").ones((96, 96), "uint16"))
    assert "hold the same image" not in words(open_page("experiments", experiment=experiment.name))


def test_files_that_are_no_field_are_listed_with_the_reason(open_page: Open, experiment: Experiment, words: Words) -> None:
    (experiment.images / "broken.tif").write_text("no image", encoding="utf-8")
    (experiment.images / "lonely_stain.tif").write_bytes((experiment.images / "MSC1_P4_f01_stain.tif").read_bytes())
    shown = words(open_page("experiments", experiment=experiment.name))
    assert "broken.tif" in shown
    assert "cannot be read" in shown
    assert "stain image without a phase image" in shown


def test_a_file_with_several_planes_is_asked_about(open_page: Open, experiment: Experiment, words: Words, click: Click) -> None:
    import numpy as np
    import tifffile

    stack = np.random.default_rng(1).integers(0, 255, (3, 2, 64, 64)).astype(np.uint8)
    tifffile.imwrite(experiment.images / "stack.ome.tif", stack, metadata={"axes": "TCYX", "Channel": {"Name": ["Phase", "X-gal"]}})
    app = open_page("experiments", experiment=experiment.name)
    assert "1 file with 3 times, 2 channels" in words(app)
    next(s for s in app.selectbox if s.label == "Stain channel").select("2: X-gal").run()
    click(app, "Add these fields")
    added = experiment.fields().iloc[2:]
    assert added["phase"].to_list() == [f"images/stack.ome.tif#C=0,T={t}" for t in range(3)]
    assert added["stain"].to_list() == [f"images/stack.ome.tif#C=1,T={t}" for t in range(3)]


def test_a_folder_on_the_server_only_under_allowed_roots(
    open_page: Open, experiment: Experiment, store: JobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: Words, click: Click
) -> None:
    assert "SENESCOPE_ROOTS" in words(open_page("experiments", experiment=experiment.name))
    root = tmp_path / "plates"
    root.mkdir()
    write_image(root / "a.tif", __import__("numpy").ones((64, 64), "uint8"))
    monkeypatch.setenv("SENESCOPE_ROOTS", str(root))
    app = open_page("experiments", experiment=experiment.name)
    folder = next(t for t in app.text_input if t.label == "Folder")
    folder.set_value(str(tmp_path)).run()
    assert "wanted a place under one of the allowed folders" in words(app)
    folder.set_value(str(root)).run()
    click(app, "Add 1 image")
    [job] = store.active()
    assert (job.stage, job.params["phase"], job.params["link"]) == ("add", [str(root / "a.tif")], True)


def test_an_experiment_without_images_says_so(open_page: Open, workspace: Path, words: Words) -> None:
    create_experiment("bare")
    assert "Add images first" in words(open_page("experiments", experiment="bare"))


def test_a_damaged_table_is_said_in_plain_words(open_page: Open, experiment: Experiment, words: Words) -> None:
    experiment.fields_csv.write_bytes(b"\x00\x01 no table")
    for page in ("assess", "segment", "experiments"):
        app = open_page(page, experiment=experiment.name)
        assert "The file is damaged" in words(app) or "found other bytes" in words(app)
