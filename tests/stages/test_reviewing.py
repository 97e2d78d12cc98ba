"""Correcting and publishing: the log on disk, what stands of it, the new segmentation."""

import json
import threading
from collections import OrderedDict
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import pandas as pd
import pytest

from core.__main__ import main
from core.errors import InputError
from core.images import read_labels, write_image, write_labels
from core.report import read_csv, write_csv
from core.stages import RUN, standing
from core.stages.adding import Addition, add
from core.stages.correcting import correct, keep, look, overview
from core.stages.edit_log import EditLog
from core.stages.reviewing import review
from core.tables import CELLS, FAILURES, SEGMENTED_FIELDS
from core.workspace import Experiment, Product, product_id

SIDE = 120
FIRST, SECOND = "f1", "f2"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two fields with ready outlines: a bar 3 of 10 x 40 px, two squares 7 and 8 that touch; do not change it."""
    files, path = tmp_path_factory.mktemp("files"), tmp_path_factory.mktemp("source") / "culture"
    labels = np.zeros((SIDE, SIDE), np.int32)
    labels[10:20, 10:50] = 3
    labels[60:80, 20:40] = 7
    labels[60:80, 40:60] = 8
    for name in (FIRST, SECOND):
        write_image(files / f"{name}.tif", np.random.default_rng(0).integers(0, 4000, (SIDE, SIDE)).astype(np.uint16), 0.65)
        write_labels(files / f"{name}_labels.tif", labels)
    names = [str(files / f"{name}.tif") for name in (FIRST, SECOND)]
    add(path, Addition(phase=names, labels=[n.replace(".tif", "_labels.tif") for n in names]))
    return path


@pytest.fixture
def labelled(source: Path, tmp_path: Path) -> tuple[Experiment, Product]:
    """A copy of ``source`` that a test may change, and its segmentation."""
    experiment = Experiment(Path(copytree(source, tmp_path / "culture")))
    assert list(experiment.fields()["fov_id"]) == [FIRST, SECOND]
    return experiment, experiment.products("segmentations")[0]


REMOVE = {"action": "remove", "labels": [3]}
MERGE = {"action": "merge", "labels": [7, 8]}
SPLIT = {"action": "split", "labels": [3], "points": [[25.5, 5], [25.5, 25]]}
DRAW = {"action": "draw", "points": [[80, 10], [110, 10], [110, 40], [80, 40]]}


def ids(labelled: tuple[Experiment, Product], fov_id: str = FIRST) -> list[int]:
    return [int(one) for one in np.unique(read_labels(look(*labelled, fov_id).labels)) if one]


def snapshot(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_corrections_leave_the_segmentation_as_it_is(labelled: tuple[Experiment, Product]) -> None:
    before = snapshot(labelled[1].path)
    for row in (SPLIT, MERGE, DRAW):
        correct(*labelled, FIRST, row, "Ada")
    assert ids(labelled) == [3, 7, 9, 10]
    assert ids(labelled, SECOND) == [3, 7, 8]
    assert snapshot(labelled[1].path) == before


def test_a_line_says_what_who_and_when(labelled: tuple[Experiment, Product]) -> None:
    correct(*labelled, FIRST, {**SPLIT, "id": "tab-1", "made": [4]}, " Ada æøå ")
    [line] = EditLog(labelled[0], labelled[1].id, FIRST).path.read_text(encoding="utf-8").splitlines()
    row = json.loads(line)
    assert (row["action"], row["rater"], row["id"]) == ("split", "Ada æøå", "tab-1")
    assert row["made"] == [9], "the ids are given here, whatever the message says"
    assert row["time"].endswith("+00:00")
    assert (labelled[0].path / "edits" / labelled[1].id / "f1.jsonl").is_file()


def test_undo_redo_and_ids_that_are_never_given_twice(labelled: tuple[Experiment, Product]) -> None:
    correct(*labelled, FIRST, DRAW)
    correct(*labelled, FIRST, {"action": "undo"})
    assert ids(labelled) == [3, 7, 8]
    correct(*labelled, FIRST, {"action": "redo"})
    assert ids(labelled) == [3, 7, 8, 9]
    correct(*labelled, FIRST, {"action": "undo"})
    correct(*labelled, FIRST, SPLIT)
    assert ids(labelled) == [3, 7, 8, 10]
    with pytest.raises(InputError, match="nothing to redo"):
        correct(*labelled, FIRST, {"action": "redo"})
    assert len(EditLog(labelled[0], labelled[1].id, FIRST).rows()) == 5


def test_the_id_of_a_removed_cell_is_not_given_again(labelled: tuple[Experiment, Product]) -> None:
    correct(*labelled, FIRST, {"action": "remove", "labels": [8]})
    correct(*labelled, FIRST, DRAW)
    assert ids(labelled) == [3, 7, 9]


def test_a_message_that_comes_twice_counts_once(labelled: tuple[Experiment, Product]) -> None:
    for _ in range(2):
        correct(*labelled, FIRST, {**DRAW, "id": "a"})
        correct(*labelled, FIRST, {"action": "undo", "id": "b"})
    assert len(EditLog(labelled[0], labelled[1].id, FIRST).rows()) == 2


@pytest.mark.parametrize("row", [{"action": "remove", "labels": [99]}, {"action": "undo"}, {"action": "jump"}, {**SPLIT, "points": [[90, 90], [99, 99]]}])
def test_what_cannot_be_made_is_not_saved(labelled: tuple[Experiment, Product], row: dict[str, Any]) -> None:
    correct(*labelled, SECOND, MERGE)
    with pytest.raises(InputError):
        correct(*labelled, FIRST, row)
    assert not EditLog(labelled[0], labelled[1].id, FIRST).path.exists()
    assert ids(labelled) == [3, 7, 8]


def test_a_torn_last_line_is_ignored_and_mended(labelled: tuple[Experiment, Product]) -> None:
    log = EditLog(labelled[0], labelled[1].id, FIRST)
    correct(*labelled, FIRST, REMOVE)
    whole = log.path.read_bytes()
    log.path.write_bytes(whole + b'{"action":"merge","lab')
    assert ids(labelled) == [7, 8]
    correct(*labelled, FIRST, MERGE)
    assert ids(labelled) == [7]
    assert log.path.read_bytes().startswith(whole)
    assert len(log.path.read_bytes().splitlines()) == 2


def test_a_damaged_line_is_named(labelled: tuple[Experiment, Product]) -> None:
    log = EditLog(labelled[0], labelled[1].id, FIRST)
    correct(*labelled, FIRST, REMOVE)
    log.path.write_bytes(b"nonsense\n" + log.path.read_bytes())
    with pytest.raises(InputError, match=r"f1\.jsonl: line 1 is damaged"):
        look(*labelled, FIRST)
    assert "line 1" in overview(*labelled).set_index("fov_id").loc[FIRST, "problem"]


def test_a_restart_changes_nothing(labelled: tuple[Experiment, Product], monkeypatch: pytest.MonkeyPatch) -> None:
    for row in (SPLIT, MERGE, DRAW, {"action": "undo"}, REMOVE):
        correct(*labelled, FIRST, row)
    now = look(*labelled, FIRST)
    labels = read_labels(now.labels)
    monkeypatch.setattr(standing, "_standing", OrderedDict())
    again = look(*labelled, FIRST)
    assert again.labels == now.labels
    assert (read_labels(again.labels) == labels).all()
    pd.testing.assert_frame_equal(again.cells, now.cells)


def test_every_step_back_is_what_it_was(labelled: tuple[Experiment, Product]) -> None:
    steps = [look(*labelled, FIRST)]
    for row in (SPLIT, MERGE, DRAW, REMOVE):
        correct(*labelled, FIRST, row)
        steps.append(look(*labelled, FIRST))
    pixels = [read_labels(step.labels) for step in steps]
    for step in reversed(range(4)):
        correct(*labelled, FIRST, {"action": "undo"})
        now = look(*labelled, FIRST)
        assert (read_labels(now.labels) == pixels[step]).all()
        pd.testing.assert_frame_equal(now.cells, steps[step].cells)
    for step in range(1, 5):
        correct(*labelled, FIRST, {"action": "redo"})
        assert (read_labels(look(*labelled, FIRST).labels) == pixels[step]).all()


def test_a_change_makes_every_earlier_version_the_present_one(labelled: tuple[Experiment, Product]) -> None:
    seen = {look(*labelled, FIRST).history.version: read_labels(look(*labelled, FIRST).labels)}
    assert look(*labelled, FIRST).change is None
    for row in (SPLIT, MERGE, {"action": "undo"}, DRAW, {"action": "undo"}, {"action": "redo"}, REMOVE):
        correct(*labelled, FIRST, row)
        now = look(*labelled, FIRST)
        wanted = read_labels(now.labels)
        assert now.change is not None
        assert set(now.change.since) == set(seen)
        for before in seen.values():
            made = before.copy()
            made[now.change.box] = now.change.pixels
            assert (made == wanted).all()
        seen[now.history.version] = wanted


def test_a_large_change_goes_back_one_step_and_a_huge_one_is_none(labelled: tuple[Experiment, Product], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing, "SMALL", 1000)
    for row in (SPLIT, MERGE, DRAW):
        correct(*labelled, FIRST, row)
    change = look(*labelled, FIRST).change
    assert change is not None
    assert len(change.since) == 1
    monkeypatch.setattr(standing, "LARGEST", 800)
    assert look(*labelled, FIRST).change is None


def test_the_label_image_may_be_written_later(labelled: tuple[Experiment, Product]) -> None:
    correct(*labelled, FIRST, REMOVE)
    now = look(*labelled, FIRST, later=True)
    assert not now.labels.exists()
    keep(*labelled, FIRST)
    assert 3 not in read_labels(now.labels)


def test_another_tab_may_have_gone_back_and_on(labelled: tuple[Experiment, Product], monkeypatch: pytest.MonkeyPatch) -> None:
    """The memory of this process is behind the log by an undo and another edit."""
    for row in (SPLIT, MERGE):
        correct(*labelled, FIRST, row)
    mine = OrderedDict(standing._standing)
    monkeypatch.setattr(standing, "_standing", OrderedDict())
    for row in ({"action": "undo"}, DRAW):
        correct(*labelled, FIRST, row)
    wanted = read_labels(look(*labelled, FIRST).labels)
    monkeypatch.setattr(standing, "_standing", mine)
    correct(*labelled, FIRST, {"action": "remove", "labels": [8]})
    assert (read_labels(look(*labelled, FIRST).labels) == np.where(wanted == 8, 0, wanted)).all()


def test_the_list_follows_the_corrections(labelled: tuple[Experiment, Product]) -> None:
    gap = {"action": "outline", "labels": [3], "points": [[1, 1], [60, 1], [60, 20], [1, 20]]}
    correct(*labelled, FIRST, gap)
    correct(*labelled, FIRST, {**DRAW, "points": [[70, 0], [119, 0], [119, 30], [70, 30]]})
    cells = look(*labelled, FIRST).cells
    assert cells["label"][0] == 9
    assert cells["reason"][0] == "cut by the border"
    correct(*labelled, FIRST, {"action": "undo"})
    assert 9 not in set(look(*labelled, FIRST).cells["label"])


def test_the_flow_error_is_that_of_unchanged_cells(labelled: tuple[Experiment, Product]) -> None:
    """Among the reasons while it lasts, gone with an edit, back with its undo, carried to the next segmentation."""
    experiment, product = labelled
    file = product.path / "cells.csv"
    cells = read_csv(file, CELLS)
    assert cells["flow_error"].isna().all()  # these outlines were imported
    write_csv(file, cells.assign(flow_error=[0.35, 0.1, 0.39] * 2))

    def unsure() -> dict[int, str]:
        found = look(*labelled, FIRST).cells
        return {label: reason for label, reason in zip(found["label"], found["reason"], strict=True) if "flow error" in reason}

    assert set(unsure()) == {3, 8}
    assert "flow error 0.39" in unsure()[8]
    correct(*labelled, FIRST, MERGE)
    correct(*labelled, FIRST, SPLIT)
    assert unsure() == {}
    correct(*labelled, FIRST, {"action": "undo"})
    assert set(unsure()) == {3}
    made = read_csv(review(experiment.path, product.id) / "cells.csv", CELLS).set_index(["fov_id", "label"])["flow_error"]
    assert made.dropna().to_dict() == {(FIRST, 3): 0.35, (SECOND, 3): 0.35, (SECOND, 7): 0.1, (SECOND, 8): 0.39}
    assert (FIRST, 7) in made.index


def test_only_the_last_pictures_are_kept(labelled: tuple[Experiment, Product]) -> None:
    for x in range(8):
        correct(*labelled, FIRST, {**DRAW, "points": [[70 + 5 * x, 90], [74 + 5 * x, 90], [74 + 5 * x, 110]]})
        look(*labelled, FIRST)
    files = list((labelled[0].path / "edits" / labelled[1].id / ".preview").glob("*.tif"))
    assert look(*labelled, FIRST).labels in files
    assert len(files) <= 4


def test_many_tabs_at_once_lose_nothing(labelled: tuple[Experiment, Product]) -> None:
    def draw(x: int) -> None:
        correct(*labelled, FIRST, {**DRAW, "points": [[70 + 5 * x, 90], [74 + 5 * x, 90], [74 + 5 * x, 110]]})

    threads = [threading.Thread(target=draw, args=(x,)) for x in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert ids(labelled) == [3, 7, 8, *range(9, 15)]


def test_overview_counts_by_field(labelled: tuple[Experiment, Product]) -> None:
    correct(*labelled, SECOND, MERGE)
    correct(*labelled, SECOND, {"action": "looked_at", "value": True})
    table = overview(*labelled).set_index("fov_id")
    assert table.loc[FIRST, ["n_cells", "edits", "looked_at"]].tolist() == [3, 0, False]
    assert table.loc[SECOND, ["n_cells", "edits", "looked_at"]].tolist() == [3, 1, True]


def test_review_publishes_a_new_segmentation(labelled: tuple[Experiment, Product]) -> None:
    experiment, product = labelled
    for row in (SPLIT, MERGE, DRAW, {"action": "undo"}):
        correct(experiment, product, FIRST, row, "Ada")
    made = review(experiment.path, product.id)
    labels = read_labels(made / "labels" / "f1.tif")
    assert [int(one) for one in np.unique(labels)] == [0, 3, 7, 9]
    assert (made / "labels" / "f2.tif").read_bytes() == (product.path / "labels" / "f2.tif").read_bytes()
    cells, before = (read_csv(folder / "cells.csv", CELLS) for folder in (made, product.path))
    second = [table[table["fov_id"] == SECOND].reset_index(drop=True) for table in (cells, before)]
    pd.testing.assert_frame_equal(*second)
    assert cells.loc[cells["fov_id"] == FIRST, "label"].tolist() == [3, 7, 9]
    fields = read_csv(made / "fields.csv", SEGMENTED_FIELDS)
    assert fields["n_cells"].tolist() == [3, 3]
    assert fields["confluence"][0] == pytest.approx((labels > 0).mean())
    assert len(read_csv(made / "failures.csv", FAILURES)) == 0
    record = experiment.product("segmentations", made.name).settings
    assert record["upstream"] == {"segmentation": product.id}
    assert record["settings"]["corrections"] == {"split": 1, "merge": 1}
    assert record["settings"]["corrections_by_field"] == {FIRST: {"merge": 1, "split": 1}}
    assert record["settings"]["raters"] == ["Ada"]
    assert record["inputs"] == product.settings["inputs"]
    assert f"review {experiment.path} --segmentation {product.id}" in record["command"]


def test_the_same_corrections_are_the_same_product(labelled: tuple[Experiment, Product]) -> None:
    experiment, product = labelled
    correct(experiment, product, FIRST, REMOVE)
    first = review(experiment.path, product.id)
    assert review(experiment.path, product.id) == first
    correct(experiment, product, FIRST, MERGE)
    assert review(experiment.path, product.id) != first
    correct(experiment, product, FIRST, {"action": "undo"})
    assert review(experiment.path, product.id) == first


def test_a_review_of_a_review_gives_no_id_again(labelled: tuple[Experiment, Product]) -> None:
    experiment, product = labelled
    correct(experiment, product, FIRST, DRAW)
    correct(experiment, product, FIRST, {"action": "remove", "labels": [9]})
    correct(experiment, product, SECOND, {"action": "looked_at"})
    made = experiment.product("segmentations", review(experiment.path, product.id).name)
    assert made.id.startswith("reviewed-imported-")
    correct(experiment, made, FIRST, DRAW)
    assert ids((experiment, made)) == [3, 7, 8, 10]
    again = review(experiment.path, made.id)
    assert again.name.startswith("reviewed-imported-")
    assert again != made.path


def test_a_bad_log_leaves_out_its_field_only(labelled: tuple[Experiment, Product]) -> None:
    experiment, product = labelled
    correct(experiment, product, FIRST, REMOVE)
    correct(experiment, product, SECOND, MERGE)
    EditLog(experiment, product.id, FIRST).path.write_bytes(b"[1]\n")
    made = review(experiment.path, product.id)
    failed = read_csv(made / "failures.csv", FAILURES)
    assert failed["fov_id"].tolist() == [FIRST]
    assert "line 1 is damaged" in failed["error"][0]
    assert read_csv(made / "fields.csv", SEGMENTED_FIELDS)["fov_id"].tolist() == [SECOND]


def test_nothing_to_publish(labelled: tuple[Experiment, Product]) -> None:
    experiment, product = labelled
    with pytest.raises(InputError, match="nothing to publish"):
        review(experiment.path, product.id)
    correct(experiment, product, FIRST, REMOVE)
    correct(experiment, product, FIRST, {"action": "undo"})
    with pytest.raises(InputError, match="nothing to publish"):
        review(experiment.path, product.id)


def test_from_the_command_line_and_as_a_job(labelled: tuple[Experiment, Product], capsys: pytest.CaptureFixture[str]) -> None:
    experiment, product = labelled
    assert main(["review", str(experiment.path), "--segmentation", "nowhere"]) == 2
    assert "no segmentation 'nowhere'" in capsys.readouterr().err
    correct(experiment, product, FIRST, REMOVE)
    assert main(["review", str(experiment.path), "--segmentation", product.id]) == 0
    made = capsys.readouterr().out.splitlines()[-1]
    assert Path(made).is_dir()
    assert RUN["review"]({"experiment": str(experiment.path), "segmentation": product.id}, lambda *_: None) == made
    assert product_id("reviewed-imported", {})[:-8] == Path(made).name[:-8]
