"""Dataset: nothing annotated, planning, a job, a finished dataset."""

from collections.abc import Callable
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import pandas as pd
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from core.dataset.folders import png
from core.fields import table_of
from core.images import write_image, write_labels
from core.jobs import JobStore
from core.report import write_csv
from core.settings import DatasetSettings
from core.stages.collecting import collect
from core.stages.crop_archives import UPLOADS
from core.stages.crop_folders import import_folder
from core.stages.splitting import Wanted
from core.tables import ANNOTATED_CELLS, CELLS, FAILURES, SEGMENTED_FIELDS, typed
from core.workspace import Experiment, create_experiment, publish

Open = Callable[..., AppTest]
Words = Callable[[AppTest], str]
Click = Callable[[AppTest, str], AppTest]


@pytest.fixture
def annotated(workspace: Path) -> Experiment:
    """Four cultures of one field with 9 cells each, every third senescent, one not to be told."""
    made = create_experiment("stained")
    rng, names = np.random.default_rng(0), [f"MSC{i}_P4_f01" for i in range(1, 5)]
    y, x = np.mgrid[:96, :96]
    labels = np.where((y % 32 > 8) & (x % 32 > 6), 1 + y // 32 * 3 + x // 32, 0).astype(np.int32)
    for name in names:
        write_image(made.images / f"{name}_phase.tif", rng.integers(0, 4000, labels.shape).astype(np.uint16), 0.65)
    made.save_fields(table_of([f"images/{name}_phase.tif" for name in names]).table.assign(pixel_size_um=0.65))
    fov_ids = made.fields()["fov_id"].to_list()
    with publish(made, "segmentations", "seg", {}, inputs=[{"fov_id": f} for f in fov_ids]) as partial:
        (partial.path / "labels").mkdir()
        for fov_id in fov_ids:
            write_labels(partial.path / "labels" / f"{fov_id}.tif", labels)
        for name, columns in (("fields", SEGMENTED_FIELDS), ("cells", CELLS), ("failures", FAILURES)):
            write_csv(partial.path / f"{name}.csv", typed(pd.DataFrame(), columns))
    cells = pd.DataFrame({"fov_id": np.repeat(fov_ids, 9), "label": list(range(1, 10)) * 4, "area_px": 400})
    cells["class"] = cells["automatic_class"] = (cells["label"] % 3 == 0).astype(int)
    cells.loc[0, ["class", "decision"]] = [np.nan, "cannot tell"]
    with publish(made, "annotations", "truth", {}, upstream={"segmentation": "seg"}) as partial:
        write_csv(partial.path / "cells.csv", typed(cells, ANNOTATED_CELLS)[list(ANNOTATED_CELLS)])
    return made


@pytest.fixture
def dataset(annotated: Experiment) -> str:
    return collect(Wanted([annotated.path], annotated.path), DatasetSettings(crop_px=48)).name


def test_without_an_experiment_it_says_where_to_begin(open_page: Open, words: Words) -> None:
    assert "There is no experiment yet" in words(open_page("dataset"))


def test_without_an_annotation_it_says_what_is_needed_first(open_page: Open, experiment: Experiment, words: Words) -> None:
    app = open_page("dataset", experiment=experiment.name)
    assert "no experiment of this workspace has an annotation yet" in words(app)
    assert not [b for b in app.button if b.label.startswith("Build")]


def test_the_plan_shows_counts_split_and_warnings(open_page: Open, annotated: Experiment, words: Words) -> None:
    app = open_page("dataset", experiment=annotated.name)
    said = words(app)
    assert "1 cell left out: decided by a person: cannot tell." in said
    assert "numbers that rest on so few are rough" in said
    assert any(b.label == "Build the dataset of 35 cells" for b in app.button)
    assert [m.label for m in app.metric] == ["Training", "Validation", "Test"]
    assert sum(int(m.value.split("\u00a0")[0].split(" ")[0]) for m in app.metric) == 35
    assert "python -m core dataset" in app.code[0].value


def test_build_is_a_job_with_what_was_chosen(open_page: Open, annotated: Experiment, store: JobStore, click: Click) -> None:
    app = open_page("dataset", experiment=annotated.name)
    next(n for n in app.number_input if n.label == "Crop size (px)").set_value(64).run()
    click(app, "Build the dataset")
    [job] = store.active()
    assert job.stage == "dataset"
    assert job.params["settings"]["crop_px"] == 64
    assert job.params["experiments"] == [str(annotated.path)]
    assert job.params["assignment"] == {}


def test_crops_of_one_culture_can_be_looked_at(open_page: Open, annotated: Experiment, dataset: str) -> None:
    from pages.parts.dataset_plan import EVERY

    for app in (open_page("dataset", experiment=annotated.name, dataset="new"), open_page("dataset", experiment=annotated.name, dataset=dataset)):
        box = next(s for s in app.selectbox if s.label == "Cells of")
        assert box.options[0] == EVERY
        assert all(one.startswith("MSC") and ", passage " in one for one in box.options[1:]), box.options
        assert not box.set_value(box.options[1]).run().exception


def test_the_job_of_the_page_builds_the_dataset(open_page: Open, annotated: Experiment, store: JobStore, click: Click) -> None:
    from core.progress import silent
    from core.stages import RUN

    click(open_page("dataset", experiment=annotated.name), "Build the dataset")
    [job] = store.active()
    made = RUN[job.stage](job.params, silent)
    assert [p.path for p in annotated.products("datasets")] == [Path(made)]


@pytest.fixture
def edit(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, str]]:
    """``edit(app, MSC3="test")`` changes sets in the table as a user does and says which sets it shows then; AppTest cannot type there."""

    def change(app: AppTest, **sets: str) -> dict[str, str]:
        pending, shown = [sets] if sets else [], {}

        def editor(table: pd.DataFrame, *, key: str, on_change: Callable[..., None], args: tuple[Any, ...], **_: object) -> None:
            if pending:
                rows = {name: row for row, name in enumerate(table["group"])}
                st.session_state[key] = {"edited_rows": {rows[name]: {"set": new} for name, new in pending.pop().items()}}
                on_change(*args)
            shown.update(zip(table["group"], table["set"], strict=True))

        with monkeypatch.context() as patch:
            patch.setattr("streamlit.data_editor", editor)
            app.run()
            assert not app.run().exception
        return shown

    return change


def test_sets_placed_by_hand_stay_when_an_experiment_is_added(open_page: Open, annotated: Experiment, store: JobStore, click: Click, edit: Any) -> None:
    second = Experiment(Path(copytree(annotated.path, annotated.path.parent / "second")))
    collect(Wanted([second.path], second.path, assignment=dict.fromkeys(("MSC2", "MSC3", "MSC4"), "train") | {"MSC1": "validation"}), DatasetSettings())
    app = open_page("dataset", experiment=annotated.name)
    before = edit(app)
    after = edit(app, MSC3="left out")
    assert after == before | {"MSC3": "left out"}  # what was not touched has not moved
    next(m for m in app.multiselect if m.label == "Annotated experiments").set_value([annotated.name, "second"])
    assert edit(app) == after
    click(app, "Build the dataset")
    [job] = store.active()
    assert job.params["assignment"] == after


def test_fields_placed_by_hand_are_known_by_their_experiment(open_page: Open, annotated: Experiment, edit: Any) -> None:
    copytree(annotated.path, annotated.path.parent / "second")
    app = open_page("dataset", experiment=annotated.name)
    next(s for s in app.selectbox if s.label == "Split by").set_value("fov_id")
    field = annotated.fields()["fov_id"].iloc[0]
    before = edit(app, **{field: "left out"})
    next(m for m in app.multiselect if m.label == "Annotated experiments").set_value([annotated.name, "second"])
    after = edit(app)
    assert len(after) == 8
    assert {f"stained/{name}": split for name, split in before.items()}.items() <= after.items()
    assert after[f"second/{field}"] != "left out"


def test_what_was_decided_is_there_after_a_look_at_another_page(open_page: Open, annotated: Experiment, click: Click, edit: Any) -> None:
    app = open_page("dataset", experiment=annotated.name)
    before = edit(app)
    next(n for n in app.number_input if n.label == "Crop size (px)").set_value(320)
    next(s for s in app.selectbox if s.label == "Around the cell").set_value("kept")
    edit(app, MSC3="left out")
    for page in ("threshold", "dataset"):
        app.switch_page(f"../{page}.py").run()
    assert edit(app) == before | {"MSC3": "left out"}
    assert next(n for n in app.number_input if n.label == "Crop size (px)").value == 320
    assert next(s for s in app.selectbox if s.label == "Around the cell").value == "kept"
    click(app, "Back to the proposed sets")
    assert edit(app) == before


def test_negative_controls_are_left_out_with_one_tick(open_page: Open, annotated: Experiment, store: JobStore, click: Click, words: Words) -> None:
    assert not [c for c in open_page("dataset", experiment=annotated.name).checkbox if "controls" in c.label]  # there are none
    table = annotated.fields()
    annotated.save_fields(table.assign(role=["sample"] * 3 + ["negative control"]))
    app = open_page("dataset", experiment=annotated.name)
    assert "9 cells come from negative controls" in words(app)
    next(c for c in app.checkbox if c.label == "Leave out negative controls").check().run()
    assert "9 cells left out: negative control. To use them, take the tick off" in words(app)
    assert "--no-controls" in app.code[0].value
    click(app, "Build the dataset of 26 cells")
    assert store.active()[0].params["settings"]["controls"] is False


def test_wrong_shares_are_said_in_words(open_page: Open, annotated: Experiment, words: Words) -> None:
    app = open_page("dataset", experiment=annotated.name)
    for label in ("Share for validation", "Share for test"):
        next(n for n in app.number_input if n.label == label).set_value(0.6)
    assert "leave cells to train on" in words(app.run())


def test_a_dataset_shows_what_is_in_it(open_page: Open, annotated: Experiment, dataset: str, words: Words) -> None:
    app = open_page("dataset", experiment=annotated.name)
    assert app.query_params["dataset"] == [dataset] or app.query_params["dataset"] == dataset
    said = words(app)
    assert "1 cell: decided by a person: cannot tell" in said
    assert "fields on both sides" in said
    assert "Senescent" in said
    assert [t.label for t in app.tabs][:2] == ["Crops", "Cultures"]


def test_a_new_dataset_starts_from_the_settings_of_an_earlier_one(open_page: Open, annotated: Experiment, dataset: str, click: Click) -> None:
    app = click(open_page("dataset", experiment=annotated.name), "Begin a new one with these settings")
    assert next(n for n in app.number_input if n.label == "Crop size (px)").value == 48


def test_pictures_can_be_downloaded(annotated: Experiment, dataset: str) -> None:
    from zipfile import ZipFile

    from pages.parts.dataset_result import pictures

    with ZipFile(pictures(annotated.path / "datasets" / dataset)) as archive:
        assert sum(name.endswith(".png") for name in archive.namelist()) == 35


def test_pictures_that_could_not_be_taken_are_shown_with_their_folder(open_page: Open, annotated: Experiment, tmp_path: Path, words: Words) -> None:
    rng, folder = np.random.default_rng(0), tmp_path / "crops"
    for name in [f"{split}/{c}/{i}.tif" for split in ("train", "val", "test") for c in "01" for i in range(3)]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_image(folder / name, rng.integers(1, 255, (24, 24)).astype(np.uint8))
    (folder / "val" / "1" / "0.tif").write_text("junk", encoding="utf-8")
    made = import_folder(folder, annotated.path, DatasetSettings(crop_px=0))
    app = open_page("dataset", experiment=annotated.name, dataset=made.name)
    assert app.table[-1].value["File"].tolist() == ["val/1/0.tif"]
    assert "1 cell left out: the picture could not be used." in words(app)


def test_what_is_kept_together_is_named(open_page: Open, annotated: Experiment, words: Words) -> None:
    app = open_page("dataset", experiment=annotated.name)
    box = next(s for s in app.selectbox if s.label == "Split by")
    assert (box.options[0], box.options[-1]) == ("culture", "field")
    box.set_value("fov_id").run()
    said = words(app)
    assert "2 · Split by field" in said
    assert "A field is never split." in said
    made = collect(Wanted([annotated.path], annotated.path), DatasetSettings(crop_px=48, group="fov_id"))
    app = open_page("dataset", experiment=annotated.name, dataset=made.name)
    assert app.tabs[1].label == "Fields"
    assert "“field” knows the fraction of every field" in words(app)


def test_the_look_at_the_crops_says_how_many_more_there_are(open_page: Open, annotated: Experiment, dataset: str, words: Words) -> None:
    said = words(open_page("dataset", experiment=annotated.name, dataset="new"))
    assert "; 15 more not shown." in said  # two of each class from each of four fields, of 23 cells that are not senescent
    said = words(open_page("dataset", experiment=annotated.name, dataset=dataset))
    assert "not shown" not in said
    assert "All " in said


def test_a_wrong_pattern_is_said_in_the_words_of_the_page(
    open_page: Open, annotated: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: JobStore, click: Click, words: Words
) -> None:
    monkeypatch.setenv("SENESCOPE_ROOTS", str(tmp_path))
    app = open_page("dataset", experiment=annotated.name)
    app.text_input("elsewhere-folder").set_value(str(tmp_path))
    app.text_input("elsewhere-only").set_value("(").run()
    assert "Only files whose path matches: '(' is not a regular expression" in words(click(app, "Take over"))
    assert not store.active()
    app.selectbox("elsewhere-intensity").set_value("field")
    app.text_input("elsewhere-only").set_value("human").run()
    click(app, "Take over")
    [job] = store.active()
    assert (job.params["only"], job.params["settings"]["intensity"]) == ("human", "field")


def test_a_split_made_elsewhere_is_checked(open_page: Open, annotated: Experiment, words: Words) -> None:
    app = open_page("dataset", experiment=annotated.name)
    table = b"File,Mask,Cell,Class\na.tif,a_seg.npy,1,0\na.tif,a_seg.npy,2,1\n"
    for uploader in app.file_uploader:
        uploader.upload("set.csv", table, "text/csv")
    assert "1 of 1 test fields are also in training" in words(app.run())


def put_zip(experiment: Experiment, name: str, *files: str) -> Path:
    """A ZIP as the drop zone leaves it."""
    import zipfile

    path = experiment.path / UPLOADS / name
    path.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for number, file in enumerate(files):
            archive.writestr(file, png(np.random.default_rng(number).integers(1, 255, (16, 16)).astype(np.uint8)))
    return path


def elsewhere(app: AppTest) -> Any:
    return next(e for e in app.expander if e.label == "Take over crops that were cut elsewhere")


def test_without_a_zip_there_is_only_the_drop_zone(open_page: Open, experiment: Experiment, words: Words) -> None:
    app = open_page("dataset", experiment=experiment.name)
    assert not elsewhere(app).proto.expanded
    assert "Crops as PNG folders (ZIP)" in words(app)
    assert not app.text_input
    assert not app.code
    assert not any(b.label == "Take over" for b in app.button)


def test_a_folder_of_the_server_is_the_second_choice(
    open_page: Open, experiment: Experiment, workspace: Path, store: JobStore, click: Click, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENESCOPE_ROOTS", str(workspace))
    app = open_page("dataset", experiment=experiment.name)
    app.text_input(key="elsewhere-folder").set_value("/elsewhere").run()
    assert "allowed folders" in click(app, "Take over").error[0].value
    app.text_input(key="elsewhere-folder").set_value(str(experiment.path)).run()
    click(app, "Take over")
    [job] = store.active()
    assert (job.stage, job.params["folder"]) == ("import_crops", str(experiment.path))


def test_an_uploaded_zip_is_shown_and_taken_over(open_page: Open, experiment: Experiment, store: JobStore, click: Click, words: Words) -> None:
    from core.progress import silent
    from core.stages import RUN

    path = put_zip(experiment, "Übung.zip", *(f"x/{s}/{c}/{i}.png" for s in ("train", "val", "test") for c in ("senescent", "young") for i in range(3)))
    app = open_page("dataset", experiment=experiment.name)
    assert elsewhere(app).proto.expanded
    assert "**Übung.zip** · 18 pictures · classes: senescent, young · sets: training, validation, test" in words(app)
    click(app, "Take over")
    [job] = store.active()
    assert job.params["positive"] == ""  # what is known by its name need not be said, on the command line neither
    made = RUN[job.stage](job.params, silent)
    assert not path.exists()
    assert [p.path for p in experiment.products("datasets")] == [Path(made)]


def test_the_senescent_class_must_be_known(open_page: Open, experiment: Experiment, store: JobStore, click: Click, words: Words) -> None:
    put_zip(experiment, "a.zip", "old/1.png", "young/1.png")
    app = open_page("dataset", experiment=experiment.name)
    assert next(b for b in app.button if b.label == "Take over").disabled
    assert "Choose first which of the folders" in words(app)
    assert "sets: none, they are drawn" in words(app)
    next(s for s in app.selectbox if s.label == "Folder of the senescent class").set_value("old").run()
    app.text_input(key="zip-only").set_value("(").run()
    assert "not a regular expression" in click(app, "Take over").error[0].value
    app.text_input(key="zip-only").set_value("").run()
    click(app, "Take over")
    assert store.active()[0].params["positive"] == "old"


def test_one_of_several_zips_is_chosen_or_removed(open_page: Open, experiment: Experiment, click: Click, words: Words) -> None:
    import os

    for age, name in enumerate(("new.zip", "old.zip")):
        os.utime(put_zip(experiment, name, "senescent/1.png", "young/1.png"), (1e9 - age, 1e9 - age))
    app = open_page("dataset", experiment=experiment.name)
    box = next(s for s in app.selectbox if s.label == "ZIP")
    assert box.options == ["new.zip", "old.zip"]
    box.set_value(box.options[1]).run()
    assert "**old.zip** · 2 pictures" in words(app)
    click(app, "Remove this ZIP")
    assert "**new.zip** · 2 pictures" in words(app)
    click(app, "Remove this ZIP")
    assert not (experiment.path / UPLOADS).exists()
    assert not any(b.label == "Take over" for b in app.button)


def test_a_zip_that_went_bad_can_be_removed(open_page: Open, experiment: Experiment, click: Click) -> None:
    put_zip(experiment, "a.zip", "senescent/1.png").write_bytes(b"junk")
    app = open_page("dataset", experiment=experiment.name)
    assert app.error[0].value.startswith("a.zip: wanted a whole ZIP archive")
    assert not click(app, "Remove this ZIP").error


def test_a_bad_upload_is_told_and_removed(open_page: Open, experiment: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    from pages.parts.upload import Uploaded

    put_zip(experiment, "bad.zip", "1.txt")
    put_zip(experiment, "good.zip", "senescent/1.png", "young/1.png")
    drops = [Uploaded((("bad.zip", "uploads/bad.zip"), ("good.zip", "uploads/good.zip")), ())]
    monkeypatch.setattr("pages.parts.dataset_zip.uploader", lambda *given, **named: drops.pop() if drops else None)
    app = open_page("dataset", experiment=experiment.name)
    for _ in range(2):  # it stays to be read
        assert [e.value.split(":")[0] for e in app.error] == ["bad.zip"]
        assert sorted(p.name for p in (experiment.path / UPLOADS).iterdir()) == ["good.zip"]
        app.run()
