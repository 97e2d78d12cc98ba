"""What can be wrong with stain images, settings and annotation files: one clear line, and the rest goes on."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.__main__ import main
from core.errors import InputError
from core.images import read, write_image, write_labels
from core.report import read_csv
from core.settings import AnnotateSettings
from core.stages.annotating import annotate
from core.stages.annotation_import import annotate_from_csv
from core.stages.annotation_threshold import proposed_thresholds
from core.stages.importing import import_labels
from core.stages.stained import open_stain
from core.stages.staining import measure_stain
from core.tables import ANNOTATED_CELLS, ANNOTATED_FIELDS, FAILURES
from core.workspace import Experiment, read_json

PLAIN = AnnotateSettings(register="none", threshold="0.1")
TWO = {"f1": {"stained": {2: 12, 40: 30}}, "f2": {"stained": {5: 20}, "sample": "B"}}


@pytest.fixture
def path(dishes: Callable[..., Path]) -> Path:
    return dishes(TWO)


def left_out(made: Path) -> str:
    failures = read_csv(made / "failures.csv", FAILURES)
    assert failures["fov_id"].tolist() == ["f2"]
    cells = read_csv(made / "cells.csv", ANNOTATED_CELLS)
    assert cells.loc[cells["fov_id"] == "f1", "class"].tolist() == [1, 0, 0, 1, 0, 0]
    assert cells.loc[cells["fov_id"] == "f2", "class"].isna().all()
    return str(failures.loc[0, "error"])


def stain_of(path: Path, fov_id: str = "f2") -> Path:
    return path / "images" / f"{fov_id}_stain.tif"


def test_a_stain_image_of_another_size_is_explained(path: Path) -> None:
    pixels = read(stain_of(path)).pixels
    write_image(stain_of(path), np.pad(pixels, ((4, 6), (0, 20)), mode="edge"))
    error = left_out(annotate(path, PLAIN))
    assert "160 x 110" in error
    assert "180 x 120" in error
    assert "padding" in error
    write_image(stain_of(path), np.pad(pixels, ((5, 5), (10, 10)), mode="edge"))
    cells = read_csv(annotate(path, replace(PLAIN, pad_stain=True)) / "cells.csv", ANNOTATED_CELLS)
    assert cells.loc[cells["class"] == 1, "label"].tolist() == [2, 40, 5]
    write_image(stain_of(path), pixels[:, 40:-40])  # a smaller one covers the middle only
    cells = read_csv(annotate(path, replace(PLAIN, pad_stain=True)) / "cells.csv", ANNOTATED_CELLS).set_index(["fov_id", "label"])
    assert cells.loc["f2", "class"].notna().tolist() == [False, True, False, False, True, False]


def test_a_missing_stain_image(path: Path) -> None:
    experiment = Experiment(path)
    table = experiment.fields()
    table.loc[1, "stain"] = ""
    experiment.save_fields(table)
    assert "has no stain image" in left_out(annotate(path, PLAIN))
    table["stain"] = ""
    experiment.save_fields(table)
    with pytest.raises(InputError, match=r"no field can be measured\. f1: The field has no stain image"):
        annotate(path, PLAIN)
    table["stain"], table["colour"] = "images/gone.tif", ""
    experiment.save_fields(table)
    with pytest.raises(InputError, match="none of the 2 fields could be measured"):
        annotate(path, PLAIN)
    with pytest.raises(InputError, match="has no colour image"):
        annotate(path, replace(PLAIN, signal="gated"))


@pytest.mark.parametrize(("value", "word"), [(65535, "The stain image is empty: every pixel is 65535"), (0, "The stain image is empty: every pixel is 0")])
def test_an_empty_stain_image(path: Path, value: int, word: str) -> None:
    write_image(stain_of(path), np.full((110, 160), value, np.uint16))
    assert word in left_out(annotate(path, PLAIN))


@pytest.mark.parametrize(("value", "word"), [(65535, "white"), (0, "black")])
def test_a_saturated_stain_image(path: Path, value: int, word: str) -> None:
    pixels = read(stain_of(path)).pixels
    pixels[:105] = value
    write_image(stain_of(path), pixels)
    assert f"95 % of the stain image is saturated ({word})" in left_out(annotate(path, PLAIN))
    pixels = read(stain_of(path, "f1")).pixels
    pixels[:5] = value
    write_image(stain_of(path), pixels)
    made = annotate(path, PLAIN)
    assert read_csv(made / "failures.csv", FAILURES).empty
    assert "f2: 5 % of the stain image is saturated" in (made / "notes.txt").read_text(encoding="utf-8")


def test_no_negative_control(path: Path) -> None:
    made = annotate(path, replace(PLAIN, threshold="auto"))
    words = (made / "notes.txt").read_text(encoding="utf-8")
    assert "There is no negative control" in words
    assert 0.01 < read_json(made / "settings.json")["settings"]["threshold_used"] < 0.3
    with pytest.raises(InputError, match="There is no negative control: mark unstained or young cultures"):
        annotate(path, replace(PLAIN, threshold="auto", proposal="negative control"))


def test_controls_above_what_is_allowed_are_told(dishes: Callable[..., Path]) -> None:
    path = dishes({**TWO, "c": {"stained": {2: 30}, "role": "negative control", "sample": "N"}})
    words = (annotate(path, PLAIN) / "notes.txt").read_text(encoding="utf-8")
    assert "1 of 6 negative-control cells are positive (16.7 %). That is more than the 5 % allowed." in words


def test_one_field_with_all_cells_positive(dishes: Callable[..., Path]) -> None:
    path = dishes({"f1": {"stained": dict.fromkeys((2, 5, 9, 40, 41, 300), 30)}})
    made = annotate(path, PLAIN)
    lines = read_csv(made / "lines.csv", {"sample": "str", "n_positive": "Int64", "ci_low": "Float64", "ci_high": "Float64"})
    assert lines["ci_low"].iloc[0] < 1
    words = (made / "notes.txt").read_text(encoding="utf-8")
    assert "All 6 cells are positive: either all are stained, or the threshold lies below" in words
    assert "One field only: fraction and interval speak of the cells of this field" in words
    with pytest.raises(InputError, match=r"no negative control.* no plateau.* Enter a threshold"):  # they are alike: stained, or all not
        annotate(path, replace(PLAIN, threshold="auto"))
    [refused] = proposed_thresholds(open_stain(Experiment(path)).cells(PLAIN.min_fraction), PLAIN)[:1]
    assert refused.threshold is None
    write_image(stain_of(path, "f1"), (read(stain_of(path, "f1")).pixels < 60_000).astype(np.uint8))  # a layer
    write_image(path / "images" / "f1_colour.tif", np.zeros((110, 160, 3), np.uint8))
    made = annotate(path, replace(PLAIN, signal="binary", threshold="auto"))
    assert (read_csv(made / "cells.csv", ANNOTATED_CELLS)["class"] == 1).all()
    layer = proposed_thresholds(open_stain(Experiment(path)).cells(0.05), replace(PLAIN, signal="binary"))
    assert {one.threshold for one in layer} == {0.5}  # for the page, whatever the cells
    assert "The stain layer is stained everywhere" in (made / "notes.txt").read_text(encoding="utf-8")


def test_no_cell_positive_and_several_fields(path: Path) -> None:
    words = (annotate(path, replace(PLAIN, threshold="3")) / "notes.txt").read_text(encoding="utf-8")
    assert "Not one of 12 cells is positive" in words
    assert "One field only" not in words


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"signal": "magic"}, "Kind of stain image: wanted one of brightfield"),
        ({"threshold": "high"}, "Stain threshold: wanted a number or 'auto', found 'high'"),
        ({"threshold": "nan"}, "Stain threshold"),
        ({"threshold": "A=0.1"}, "--per-line"),
        ({"threshold": "Z=0.1", "per_line": True}, "found 'Z=0.1'; the lines are A, B"),
        ({"threshold": "0.1", "per_line": True}, "found one number for all"),
        ({"threshold": "auto", "proposal": "magic"}, "Proposed threshold: wanted one of best"),
        ({"register": "rigid"}, "Alignment: wanted one of similarity"),
        ({"connectivity": 6}, "wanted 8 or 4, found 6"),
        ({"blank": "nowhere.tif"}, "Blank image: nowhere.tif: there is no such file"),
        ({"stain_vector": "1 1 1", "signal": "colour"}, "is grey"),
    ],
)
def test_wrong_settings(path: Path, changes: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        annotate(path, replace(PLAIN, **changes))


def test_a_wrong_threshold_is_told_before_anything_is_measured(path: Path) -> None:
    with pytest.raises(InputError, match="found 'banana'"):
        annotate(path, replace(PLAIN, threshold="banana"))
    assert not Experiment(path).products("stains")


def test_a_spot_in_um_needs_the_pixel_size(path: Path) -> None:
    experiment = Experiment(path)
    table = experiment.fields()
    table.loc[1, "pixel_size_um"] = None
    experiment.save_fields(table)
    assert "the pixel size is unknown" in left_out(annotate(path, replace(PLAIN, min_spot_um2=5.0)))


def test_a_blank_image_of_another_size(path: Path) -> None:
    write_image(path / "blank.tif", np.full((50, 60), 40_000, np.uint16))
    with pytest.raises(InputError, match="Blank image: wanted the size of the stain image"):
        measure_stain(path, replace(PLAIN, blank="blank.tif"))


def test_no_outlines_and_unknown_names(path: Path, tmp_path: Path) -> None:
    for words, settings in (("no segmentation 'x'", {"segmentation_id": "x"}), ("no stain 'x'", {"stain_id": "x"})):
        with pytest.raises(InputError, match=words):
            annotate(path, PLAIN, **settings)
    with pytest.raises(InputError, match="no registration 'x'"):
        annotate(path, replace(PLAIN, register="similarity"), registration_id="x")
    bare = Experiment(tmp_path / "bare")
    bare.path.mkdir()
    bare.save_fields(Experiment(path).fields())
    with pytest.raises(InputError, match="no cells are outlined yet"):
        annotate(bare.path, PLAIN)


def test_a_field_without_outlines_is_listed(path: Path) -> None:
    experiment = Experiment(path)
    segmentation = experiment.products("segmentations")[0].path
    (segmentation / "labels" / "f2.tif").unlink()
    cells = (segmentation / "cells.csv").read_text(encoding="utf-8-sig").splitlines()
    (segmentation / "cells.csv").write_text("\n".join(line for line in cells if not line.startswith("f2")) + "\n", encoding="utf-8")
    made = annotate(path, PLAIN)
    failures = read_csv(made / "failures.csv", FAILURES)
    assert failures["fov_id"].tolist() == ["f2"]
    assert "not part of the segmentation" in failures.loc[0, "error"]
    assert read_csv(made / "cells.csv", ANNOTATED_CELLS)["fov_id"].unique().tolist() == ["f1"]


def test_fields_without_cells(path: Path) -> None:
    write_labels(path / "labels" / "f2.tif", np.zeros((110, 160), np.int32))
    experiment = Experiment(path)
    import_labels(experiment, [str(p) for p in sorted((path / "labels").iterdir())])
    made = annotate(path, replace(PLAIN, threshold="auto"))
    assert read_csv(made / "cells.csv", ANNOTATED_CELLS)["class"].tolist() == [1, 0, 0, 1, 0, 0]
    fields = read_csv(made / "fields.csv", ANNOTATED_FIELDS)
    assert fields["n_cells"].tolist() == [6, 0]
    assert fields["positive_fraction"].isna().tolist() == [False, True]
    write_labels(path / "labels" / "f1.tif", np.zeros((110, 160), np.int32))
    import_labels(experiment, [str(p) for p in sorted((path / "labels").iterdir())])
    with pytest.raises(InputError, match="there is no cell that a stain image covers"):
        annotate(path, replace(PLAIN, threshold="auto"))
    assert read_csv(annotate(path, PLAIN) / "cells.csv", ANNOTATED_CELLS).empty


def csv(path: Path, lines: str, header: str = "file name,mask name,mask number,class") -> Path:
    file = path / "given.csv"
    file.write_text(f"{header}\n{lines}", encoding="utf-8")
    return file


def test_classes_from_an_original_file(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = ("a\\f1_phase.tif,f1_seg.npy,2,1", "f1_phase.png,m,5,0", "elsewhere.tif,m,1,1", "f2_phase.tif,m,999,0", "f2_phase.tif,m,9,0.5")
    file = csv(path, "\n".join([*rows, *2 * ["f2_phase.tif,m,40,1"]]))
    assert main(["annotate", str(path), "--from-csv", str(file), "--marker", "p21"]) == 0
    out, err = capsys.readouterr()
    made = Path(out.strip().splitlines()[-1])
    cells = read_csv(made / "cells.csv", ANNOTATED_CELLS).set_index(["fov_id", "label"])
    assert len(cells) == 12
    assert cells["class"].dropna().to_dict() == {("f1", 2): 1, ("f1", 5): 0, ("f2", 40): 1}
    assert cells["marker"].unique().tolist() == ["p21"]
    failures = read_csv(made / "failures.csv", FAILURES)
    assert failures["file"].tolist() == [f"given.csv, row {k}" for k in (4, 5, 6, 8)]
    for word in ("'elsewhere.tif' is not in this experiment", "field f2 has no cell number 999", "wanted class 0 or 1, found '0.5'", "same cell as in row 7"):
        assert word in err
    assert read_json(made / "settings.json")["upstream"] == {"segmentation": Experiment(path).products("segmentations")[0].id}
    assert annotate_from_csv(path, file, None, "p21") == made
    assert main(read_json(made / "settings.json")["command"].split()[3:]) == 0
    assert capsys.readouterr().out.strip() == str(made)


@pytest.mark.parametrize(
    ("lines", "header", "words"),
    [
        ("f1.tif,1\n", "image,cell", "wanted the columns file name"),
        ("x.tif,m,1,1\n", "file name,mask name,mask number,class", "none of its images is in this experiment"),
        ("f1_phase.tif,m,1,maybe\n", "file name,mask name,mask number,class", "at least one usable row"),
        ("f1_phase.tif,m,1,1\n", "file name,mask name,mask number,class", "not one of its cells is in the segmentation"),
    ],
)
def test_original_files_that_fit_nothing(path: Path, lines: str, header: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        annotate_from_csv(path, csv(path, lines, header))
    assert Experiment(path).products("annotations") == []
