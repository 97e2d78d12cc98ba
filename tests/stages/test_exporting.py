"""Outlines of a segmentation or assessment in the files of other programs, and back into a segmentation."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.cells.exchange import FORMATS, CocoFile, read_outlines, write_coco
from core.errors import InputError
from core.images import read_labels, write_image, write_labels
from core.report import read_csv, write_csv
from core.stages.adding import Addition, add
from core.stages.exporting import READ_ME, export, exported
from core.stages.importing import import_labels, notes_of
from core.tables import ASSESSED_CELLS, FAILURES, typed
from core.workspace import Experiment, publish

SIZE = (40, 50)


@pytest.fixture
def labels() -> np.ndarray:
    """Gapped ids, a hole, two parts, one pixel, touching cells."""
    made = np.zeros(SIZE, np.int32)
    made[2:12, 2:12], made[5:8, 5:8] = 7, 0
    made[2:12, 12:20] = 8
    made[20:25, 0:5] = made[20:25, 8:11] = 300
    made[39, 49] = 70_000
    return made


@pytest.fixture
def segmented(tmp_path: Path, labels: np.ndarray) -> Experiment:
    """Two fields; the second has the first's cells upside down."""
    photos = tmp_path / "photos"
    photos.mkdir()
    for name, content in (("MSC1_P4_f01_phase", labels), ("MSC1_P4_f02_phase", labels[::-1])):
        write_image(photos / f"{name}.tif", np.full(SIZE, 500, np.uint16), 0.5)
        write_labels(photos / f"{name}_labels.tif", content)
    add(tmp_path / "exp", Addition(phase=sorted(map(str, photos.glob("*phase.tif"))), labels=sorted(map(str, photos.glob("*_labels.tif")))))
    return Experiment(tmp_path / "exp")


@pytest.fixture
def assessment(segmented: Experiment) -> str:
    first = segmented.fields()["fov_id"][0]
    cells = pd.DataFrame({"fov_id": first, "label": [7, 8, 300, 70_000], "senescent": [1, 0, None, None]})
    upstream = {"segmentation": segmented.products("segmentations")[0].id}
    with publish(segmented, "assessments", "made", {}, upstream=upstream) as partial:
        write_csv(partial.path / "cells.csv", typed(cells, ASSESSED_CELLS))
    return "made"


@pytest.mark.parametrize("format", FORMATS)
def test_what_is_exported_can_be_added_again_and_is_the_same(segmented: Experiment, labels: np.ndarray, format: str, tmp_path: Path) -> None:
    made = export(segmented.path, format)
    assert made.parent == segmented.path / "exports"
    files = [str(p) for p in made.iterdir() if p.name not in ("settings.json", READ_ME)]
    assert len(files) == (1 if FORMATS[format].one_file else 2)
    phase = sorted(map(str, (segmented.path / "images").glob("*phase.tif")))
    add(tmp_path / "second", Addition(phase=phase, labels=files))
    [product] = Experiment(tmp_path / "second").products("segmentations")
    for fov_id, wanted in zip(segmented.fields()["fov_id"], (labels, labels[::-1]), strict=True):
        assert np.array_equal(read_labels(product.path / "labels" / f"{fov_id}.tif"), wanted)
    assert (product.path / "notes.txt").is_file() is False


def test_the_same_export_is_not_made_twice(segmented: Experiment) -> None:
    [segmentation] = segmented.products("segmentations")
    assert exported(segmented, segmentation, "imagej") is None
    made = export(segmented.path, "imagej")
    found = exported(segmented, segmentation, "imagej")
    assert found is not None
    assert found.path == made
    assert found.settings["upstream"] == {"segmentation": segmentation.id}
    before = (made / READ_ME).stat().st_mtime_ns
    assert export(segmented.path, "imagej", segmentation.id) == made
    assert (made / READ_ME).stat().st_mtime_ns == before


def test_a_folder_is_never_overwritten_without_saying(segmented: Experiment, tmp_path: Path) -> None:
    out = tmp_path / "for Fiji"
    assert export(segmented.path, "tiff", out=out) == out
    file = out / "MSC1_P4_f01_phase_labels.tif"
    file.write_bytes(b"mine")
    with pytest.raises(InputError, match="--overwrite"):
        export(segmented.path, "tiff", out=out)
    assert file.read_bytes() == b"mine"
    export(segmented.path, "tiff", out=out, overwrite=True)
    assert read_labels(file).max() == 70_000
    assert not [p for p in out.iterdir() if p.name.startswith(".")]


def test_calls_of_an_assessment_are_carried(segmented: Experiment, assessment: str) -> None:
    made = export(segmented.path, "qupath", assessment=assessment)
    objects = json.loads((made / "MSC1_P4_f01_phase.geojson").read_text(encoding="utf-8"))["features"]
    classes = {o["properties"]["name"]: o["properties"]["classification"]["name"] for o in objects}
    assert classes == {"7": "senescent", "8": "not senescent", "300": "not scored", "70000": "not scored"}
    content = json.loads((export(segmented.path, "coco", assessment=assessment) / "outlines_coco.json").read_text(encoding="utf-8"))
    names = {one["id"]: one["name"] for one in content["categories"]}
    found = {one["label"]: names[one["category_id"]] for one in content["annotations"] if one["image_id"] == 1}
    assert found == {7: "senescent", 8: "not senescent", 300: "not scored", 70_000: "not scored"}
    assert "no place" in (export(segmented.path, "tiff", assessment=assessment) / READ_ME).read_text(encoding="utf-8")


def test_coco_knows_images_by_their_file_names(segmented: Experiment) -> None:
    made = export(segmented.path, "coco")
    assert CocoFile(made / "outlines_coco.json").images == ["MSC1_P4_f01_phase.tif", "MSC1_P4_f02_phase.tif"]


def test_fields_of_one_file_are_told_apart(tmp_path: Path, segmented: Experiment, labels: np.ndarray) -> None:
    table = segmented.fields()
    table["phase"] = [f"{table['phase'][0]}#C=0", f"{table['phase'][0]}#C=1"]
    segmented.save_fields(table)
    names = {p.name for p in export(segmented.path, "seg-npy").iterdir()}
    assert {f"{fov_id}_seg.npy" for fov_id in table["fov_id"]} <= names


def test_one_damaged_field_does_not_stop_the_others(segmented: Experiment) -> None:
    [product] = segmented.products("segmentations")
    first, second = segmented.fields()["fov_id"]
    (product.path / "labels" / f"{first}.tif").write_bytes(b"")
    made = export(segmented.path, "qupath")
    assert "empty" in (made / "failures.csv").read_text(encoding="utf-8-sig")
    assert read_outlines(made / "MSC1_P4_f02_phase.geojson", SIZE).labels.any()
    (product.path / "labels" / f"{second}.tif").unlink()
    with pytest.raises(InputError, match="none of the 2 fields"):
        export(segmented.path, "imagej")


def test_wrong_wishes(segmented: Experiment, assessment: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Wanted a format"):
        export(segmented.path, "svg")
    with pytest.raises(InputError, match="no segmentation"):
        export(segmented.path, "coco", "none-such")
    with pytest.raises(InputError, match="both"):
        export(segmented.path, "coco", "a", "b")
    add(tmp_path / "bare", Addition(phase=[str(p) for p in (segmented.path / "images").glob("*f01_phase.tif")]))
    with pytest.raises(InputError, match="no outlines to export"):
        export(tmp_path / "bare", "coco")


def test_outlines_of_another_program_with_something_left_out(segmented: Experiment, labels: np.ndarray, tmp_path: Path) -> None:
    """What was left out of a file stands in the notes; a file of no field and one for another size are listed."""
    fov_id = segmented.fields()["fov_id"][0]
    made = export(segmented.path, "qupath", out=tmp_path / "out")
    file = made / "MSC1_P4_f01_phase.geojson"
    content = json.loads(file.read_text(encoding="utf-8"))
    content["features"].append({"type": "Feature", "geometry": {"type": "Point", "coordinates": [1, 2]}, "properties": {"name": "landmark"}})
    file.write_text(json.dumps(content), encoding="utf-8")
    write_labels(made / "MSC1_P4_f02_phase_labels.tif", labels[:30])
    (made / "stranger.zip").write_bytes(b"")
    chosen = [file, made / "MSC1_P4_f02_phase_labels.tif", made / "stranger.zip", made / "missing.zip", made / "MSC1_P4_f01_phase_seg.npy"]
    chosen[-1].write_bytes(b"later")
    added_to = import_labels(segmented, [str(one) for one in chosen])
    assert np.array_equal(read_labels(added_to / "labels" / f"{fov_id}.tif"), labels)
    assert notes_of(added_to) == [f"{fov_id}, {file.name}: Object landmark is Point and encloses no area, left out."]
    failures = read_csv(added_to / "failures.csv", FAILURES)
    words = dict(zip(failures["file"].map(lambda name: Path(name).name), failures["error"], strict=True))
    assert "no phase image of that name" in words["stranger.zip"]
    assert "no such file" in words["missing.zip"]
    assert "already has outlines" in words["MSC1_P4_f01_phase_seg.npy"]
    assert "same size" in words["MSC1_P4_f02_phase_labels.tif"]
    again = [str(one) for one in chosen]
    assert import_labels(segmented, again) == added_to  # the same files are the same segmentation


def test_a_coco_file_for_more_images_than_there_are(segmented: Experiment, labels: np.ndarray, tmp_path: Path) -> None:
    with write_coco(tmp_path / "all.json") as out:
        out.add("train/MSC1_P4_f01_phase.jpg", labels)
        out.add("train/unknown.jpg", labels)
    made = import_labels(segmented, [str(tmp_path / "all.json")])
    assert np.array_equal(read_labels(made / "labels" / f"{segmented.fields()['fov_id'][0]}.tif"), labels)
    assert "unknown.jpg (in all.json)" in read_csv(made / "failures.csv", FAILURES)["error"][0]
