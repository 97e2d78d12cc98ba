"""Curation: borderline cells first, every decision saved once and kept, undone only by whoever made it."""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from shutil import copytree

import numpy as np
import pandas as pd
import pytest

from core.errors import InputError
from core.report import read_csv
from core.settings import AnnotateSettings
from core.stages import RUN
from core.stages.annotating import annotate
from core.stages.annotation_decisions import add_decisions, curation, curation_file
from core.stages.correcting import correct
from core.stages.curating import Curation, closeness, in_order, open_curation, publish_params, record
from core.stages.curating_pictures import OUTLINE, FieldViews, cell_strip, field_views, view_names
from core.stages.reviewing import review
from core.stain.curation import decision
from core.tables import ANNOTATED_CELLS, CURATION, LOST_DECISIONS, UNDO
from core.workspace import Experiment, Product

AT = AnnotateSettings(register="none", threshold="0.1")
FIVE = (("f1", 2, "negative"), ("f1", 9, "positive"), ("f1", 40, "exclude"), ("f1", 41, "cannot tell"), ("f2", 5, "negative"))


@pytest.fixture(scope="module")
def annotated(dishes_once: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An experiment with one annotation; do not change it."""
    made = dishes_once({"f1": {"stained": {2: 12, 40: 30}}, "f2": {"stained": {5: 20}, "sample": "B"}}, "dishes", 0.5)
    path = Path(copytree(made, tmp_path_factory.mktemp("annotated") / "dishes"))
    annotate(path, AT)
    return path


@pytest.fixture
def experiment(annotated: Path, tmp_path: Path) -> Experiment:
    """A copy that a test may change."""
    return Experiment(Path(copytree(annotated, tmp_path / "dishes")))


@pytest.fixture
def now(experiment: Experiment) -> Curation:
    [annotation] = experiment.products("annotations")
    return open_curation(experiment, annotation)


def opened(experiment: Experiment, folder: Path) -> Curation:
    return open_curation(experiment, experiment.product("annotations", folder.name))


def again(now: Curation) -> Curation:
    return open_curation(now.experiment, now.annotation)


def order(fov_id: str, label: int, what: str, was: str = "") -> dict[str, object]:
    return {"fov_id": fov_id, "label": label, "decision": what, "was": was}


def classes(folder: Path) -> dict[tuple[str, int], object]:
    cells = read_csv(folder / "cells.csv", ANNOTATED_CELLS)
    return {(f, n): None if pd.isna(c) else int(c) for f, n, c in cells[["fov_id", "label", "class"]].itertuples(index=False)}


def table(critical: list[float | None], **columns: list[object]) -> pd.DataFrame:
    n = len(critical)
    given = {"fov_id": ["f"] * n, "label": range(1, n + 1), "automatic_class": [0] * n, "fragile": [False] * n} | columns
    return pd.DataFrame(given | {"critical_threshold": pd.array(critical, "Float64")}).astype({"automatic_class": "Int64", "fragile": "boolean"})


def test_fragile_and_near_cells_come_first() -> None:
    cells = table([0.3, 0.11, None, 0.09, 0.5, 0.1], fragile=[True, False, False, False, True, False], automatic_class=[1, 1, 0, 0, 1, None])
    cells["distance"] = closeness(cells, np.full(6, 0.1))
    assert in_order(cells.assign(distance=cells["distance"].round(9)))["label"].tolist() == [1, 5, 2, 4, 3, 6]
    assert np.isinf(cells["distance"].iloc[2])


def test_the_order_does_not_hang_on_the_unit_of_the_stain() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(0.2, 0.1, 50)
    one, other = (closeness(table(list(values * unit)), np.full(50, 0.15 * unit)) for unit in (1.0, 4000.0))
    np.testing.assert_allclose(one, other)


def test_every_line_is_measured_by_its_own_threshold() -> None:
    cells = table([0.1, 0.2, 0.3, 10.0, 20.0, 30.0])
    found = closeness(cells, np.array([0.2] * 3 + [20.0] * 3))
    np.testing.assert_allclose(found[:3], found[3:])
    np.testing.assert_allclose(closeness(table([0.5, 0.5]), np.array([0.4, 0.4])), 0.25)  # no spread: in parts of the threshold


def test_five_decisions_outlive_a_new_threshold_and_new_outlines(experiment: Experiment, now: Curation) -> None:
    record(now, [order(*one) for one in FIVE], "Åse")
    wanted = {("f1", 2): 0, ("f1", 9): 1, ("f1", 40): None, ("f1", 41): None, ("f2", 5): 0}
    for threshold in ("0.1", "0.4", "0.02"):
        made = annotate(experiment.path, replace(AT, threshold=threshold))
        assert {cell: classes(made)[cell] for cell in wanted} == wanted
        curated = read_csv(made / "cells.csv", ANNOTATED_CELLS).set_index(["fov_id", "label"])["curated_class"].dropna().to_dict()
        assert curated == {("f1", 2): 0, ("f1", 9): 1, ("f2", 5): 0}

    outlines = experiment.products("segmentations")[0]
    correct(experiment, outlines, "f1", {"id": "a", "action": "remove", "labels": [9], "points": []}, "Bo")
    correct(experiment, outlines, "f2", {"id": "b", "action": "remove", "labels": [300], "points": []}, "Bo")
    reviewed = review(experiment.path, outlines.id)
    made = annotate(experiment.path, AT, segmentation_id=reviewed.name)
    found = classes(made)
    assert {cell: found[cell] for cell in wanted if cell != ("f1", 9)} == {cell: c for cell, c in wanted.items() if cell != ("f1", 9)}
    lost = read_csv(made / "lost_decisions.csv", LOST_DECISIONS)
    assert lost[["fov_id", "label", "decision", "rater", "reason"]].to_numpy().tolist() == [["f1", 9, "positive", "Åse", "no cell lies there any more"]]
    there = opened(experiment, made)
    assert there.decisions.n_carried == 4
    assert there.decisions.lost["label"].tolist() == [9]
    assert len(curation(experiment)) == 5


def test_publishing_makes_another_annotation_of_the_same_settings(now: Curation) -> None:
    assert now.published
    record(now, [order("f1", 2, "negative")], "A")
    later = again(now)
    assert not later.published
    made = Path(RUN["annotate"](publish_params(later), lambda *_: None))
    assert made != now.annotation.path
    product = Product("annotations", made.name, made)
    assert product.settings["settings"]["threshold_used"] == now.annotation.settings["settings"]["threshold_used"]
    assert classes(made)[("f1", 2)] == 0
    assert opened(now.experiment, made).published
    assert classes(now.annotation.path)[("f1", 2)] == 1  # the first one stays as it is


def test_an_order_that_comes_twice_counts_once(now: Curation) -> None:
    record(now, [order("f1", 2, "negative"), order("f1", 2, "negative")], "A")
    record(now, [order("f1", 2, "negative")], "A")
    assert len(curation(now.experiment)) == 1
    record(now, [order("f1", 2, "exclude"), order("f1", 2, UNDO, "exclude"), order("f1", 2, UNDO, "exclude")], "A")
    assert curation(now.experiment)["decision"].tolist() == ["negative", "exclude", UNDO]
    assert again(now).of("A")["decision"].tolist() == ["negative"]
    record(now, [order("f1", 9, UNDO, "positive")], "A")
    assert len(curation(now.experiment)) == 3


def test_raters_do_not_undo_each_other(now: Curation) -> None:
    record(now, [order("f1", 2, "negative")], "A")
    record(now, [order("f1", 2, UNDO, "negative"), order("f1", 2, "positive"), order("f1", 9, "positive")], "  B   C ")
    later = again(now)
    assert later.raters == ["A", "B C"]
    assert later.disputed.to_numpy().tolist() == [["f1", 2]]
    assert later.undoable("B C")["label"].tolist() == [2, 9]
    assert later.undoable("nobody").empty


def test_counts_of_every_line(now: Curation) -> None:
    record(now, [order(*one) for one in FIVE], "A")
    lines = again(now).lines().set_index("sample")
    names = ["cells", "decided", "left", "positive_before", "negative_before", "positive", "negative", "changed"]
    assert lines.loc["A", names].tolist() == [6, 4, 2, 2, 4, 1, 3, 4]
    assert lines.loc["B", names].tolist() == [6, 1, 5, 1, 5, 0, 6, 1]


@pytest.mark.parametrize(
    ("wrong", "rater", "words"),
    [
        (order("f1", 3, "positive"), "A", "there is no cell 3 in f1"),
        (order("f9", 2, "positive"), "A", "there is no cell 2 in f9"),
        (order("f1", 2, "maybe"), "A", "wanted one of positive"),
        (order("f1", 2, "positive"), " ", "name of the rater"),
    ],
)
def test_what_cannot_be_saved_is_said_and_nothing_is_saved(now: Curation, wrong: dict, rater: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        record(now, [order("f1", 9, "positive"), wrong], rater)
    assert curation(now.experiment).empty


def test_an_imported_annotation_can_be_curated_but_is_imported_again(now: Curation) -> None:
    from core.stages.annotation_import import annotate_from_csv

    folder = annotate_from_csv(now.experiment.path, now.annotation.path / "annotation.csv")
    imported = opened(now.experiment, folder)
    assert np.isinf(imported.cells["distance"]).all()
    assert view_names(now.experiment, imported.annotation) == ["Phase"]
    with pytest.raises(InputError, match=r"imported from annotation\.csv"):
        publish_params(imported)


# ---- the file


def test_a_torn_row_is_cut_off_and_those_before_it_stay(experiment: Experiment) -> None:
    add_decisions(experiment, one_row(1))
    file = curation_file(experiment)
    whole = file.read_bytes()
    for cut in (1, 20, len(whole.splitlines(keepends=True)[1]) - 5):
        file.write_bytes(whole + whole.splitlines(keepends=True)[1][:cut])
        assert curation(experiment)["label"].tolist() == [1]
        assert file.read_bytes() == whole
    file.write_bytes(whole + "s,f1,2,positive,Å".encode()[:-1])  # half a letter
    add_decisions(experiment, one_row(3))
    assert curation(experiment)["label"].tolist() == [1, 3]


def test_many_writers_lose_nothing(experiment: Experiment) -> None:
    def write(start: int) -> None:
        for label in range(start, start + 8):
            add_decisions(experiment, one_row(label))

    threads = [threading.Thread(target=write, args=(100 * k,)) for k in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(curation(experiment)["label"]) == sorted(100 * k + n for k in range(3) for n in range(8))


def test_a_file_saved_by_a_european_excel_is_continued_as_it_is(experiment: Experiment) -> None:
    from core.report import write_csv

    add_decisions(experiment, one_row(1))
    write_csv(curation_file(experiment), curation(experiment), decimal_comma=True)
    add_decisions(experiment, one_row(2))
    rows = curation(experiment)
    assert rows["y_px"].tolist() == [1.5, 1.5]
    assert rows["label"].tolist() == [1, 2]
    curation_file(experiment).write_text("fov_id,label\nf1,2\n", encoding="utf-8")
    with pytest.raises(InputError, match="wanted the columns segmentation"):
        add_decisions(experiment, one_row(3))


def one_row(label: int) -> pd.DataFrame:
    return decision("s", {"fov_id": "f1", "label": label, "y_px": 1.5, "x_px": 2.5, "area_px": 9}, "positive", "Smith, J")[list(CURATION)]


# ---- pictures


def test_a_cell_is_shown_with_its_outline(now: Curation) -> None:
    assert view_names(now.experiment, now.annotation) == ["Phase", "Stain", "Colour"]
    views = field_views(str(now.experiment.path), now.annotation.id, "f1")
    strip = cell_strip(views, 2, 128)
    assert strip.shape == (128, 384, 3)
    yellow = (strip == OUTLINE).all(axis=2)
    assert all(yellow[:, start : start + 128].any() for start in (0, 128, 256))
    assert not (cell_strip(views, 2, 128, outline=False) == OUTLINE).all(axis=2).any()
    close, wide = (np.ptp(np.nonzero((cell_strip(views, 2, 128, w) == OUTLINE).all(axis=2)[:, :128])[0]) for w in (False, True))
    assert wide < close
    with pytest.raises(InputError, match="no cell 3"):
        cell_strip(views, 3, 128)
    with pytest.raises(InputError, match="no field named f9"):
        field_views(str(now.experiment.path), now.annotation.id, "f9")


@pytest.mark.parametrize("place", [(0, 0), (0, 17), (17, 17)])
def test_pictures_at_the_border_stay_within_the_field(place: tuple[int, int]) -> None:
    labels = np.zeros((60, 60), np.uint16)
    y, x = (3 * one for one in place)
    labels[y : y + 9, x : x + 9] = 7
    strip = cell_strip(FieldViews({"Phase": np.full((60, 60), 200, np.uint8)}, labels), 7, 80, outline=False)
    assert (strip == 200).all()
    small = cell_strip(FieldViews({"Phase": np.full((20, 20), 200, np.uint8)}, np.full((20, 20), 7, np.uint16)), 7, 80, outline=False)
    assert (small[40, 40] == 200).all()
    assert (small[0, 0] == 0).all()


def test_a_field_that_many_ask_for_at_once_is_read_once(now: Curation, monkeypatch: pytest.MonkeyPatch) -> None:
    from core.stages import curating_pictures

    read, real = [], curating_pictures.read_labels
    monkeypatch.setattr(curating_pictures, "read_labels", lambda file: read.append(file) or real(file))
    asked = [threading.Thread(target=field_views, args=(str(now.experiment.path), now.annotation.id, "f2")) for _ in range(4)]
    for thread in asked:
        thread.start()
    for thread in asked:
        thread.join()
    assert len(read) == 1
