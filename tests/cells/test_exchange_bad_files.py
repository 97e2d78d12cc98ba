"""Files of other programs that are damaged, of another kind, for another image, or hold more than outlines."""

import json
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from roifile import ROI_OPTIONS, ROI_SUBTYPE, ROI_TYPE, ImagejRoi

from core.cells.exchange import CocoFile, read_geojson, read_outlines, read_rois, several_images, write_coco, write_geojson, write_rois, write_seg_npy
from core.errors import InputError

SIZE = (20, 30)
SQUARE = [[2, 3], [8, 3], [8, 9], [2, 9]]


def feature(ring: list, name: object = None, kind: str = "Polygon") -> dict[str, Any]:
    return {"type": "Feature", "geometry": {"type": kind, "coordinates": [ring]}, "properties": {"objectType": "annotation", "name": name}}


def moved(ring: list, x: float, y: float) -> list:
    return [[a + x, b + y] for a, b in ring]


def geojson(path: Path, *features: object) -> Path:
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")
    return path


def rois(path: Path, *made: ImagejRoi) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for number, roi in enumerate(made):
            archive.writestr(f"{number}.roi", roi.tobytes())
    return path


def coco(path: Path, *annotations: dict, size: tuple[int, int] = SIZE, **changes: object) -> Path:
    images = [{"id": 1, "file_name": "a.tif", "height": size[0], "width": size[1]}]
    content = {"images": images, "annotations": list(annotations), "categories": []} | changes
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["a.zip", "a.roi", "a.geojson", "a.json", "a_seg.npy"])
def test_empty_missing_and_random_files(name: str, tmp_path: Path) -> None:
    file = tmp_path / name
    with pytest.raises(InputError, match="no such file"):
        read_outlines(file, SIZE)
    file.write_bytes(b"")
    with pytest.raises(InputError, match="empty file"):
        read_outlines(file, SIZE)
    file.write_bytes(np.random.default_rng(0).bytes(4000))
    with pytest.raises(InputError, match=name):
        read_outlines(file, SIZE)
    with pytest.raises(InputError, match="wanted outlines"):
        read_outlines(_renamed(file, "a.svg"), SIZE)


def _renamed(file: Path, name: str) -> Path:
    return file.rename(file.with_name(name))


@pytest.mark.parametrize("write", [write_rois, write_geojson, write_seg_npy])
def test_truncated_files(write: Any, tmp_path: Path, discs: np.ndarray) -> None:
    file = tmp_path / {"write_rois": "a.zip", "write_geojson": "a.geojson", "write_seg_npy": "a_seg.npy"}[write.__name__]
    write(file, discs)
    whole = file.read_bytes()
    for share in (0.3, 0.9):
        file.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(InputError, match=file.name):
            read_outlines(file, discs.shape)


@pytest.mark.parametrize("text", ["{", "[1, 2", '{"type": "FeatureCollection", "features": [', "\x00", "[" * 100_000])
def test_no_json(text: str, tmp_path: Path) -> None:
    for name in ("a.geojson", "a.json"):
        (tmp_path / name).write_text(text, encoding="utf-8")
        with pytest.raises(InputError, match="cannot be read as JSON"):
            read_outlines(tmp_path / name, SIZE)


@pytest.mark.parametrize(
    ("text", "found"), [("{}", "nothing in it"), ('{"name": 1, "age": 2}', "name, age"), ("[1, 2]", "list of 2"), ('"a"', "str"), ("3", "int")]
)
def test_json_of_another_kind(text: str, found: str, tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text(text, encoding="utf-8")
    assert several_images(file) is None
    with pytest.raises(InputError, match=found):
        read_outlines(file, SIZE)
    with pytest.raises(InputError, match="wanted COCO"):
        CocoFile(file)


def test_coco_is_no_geojson_and_the_other_way_round(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="wanted GeoJSON"):
        read_geojson(coco(tmp_path / "a.json"), SIZE)
    with pytest.raises(InputError, match="wanted COCO"):
        CocoFile(geojson(tmp_path / "b.json", feature(SQUARE)))


def test_objects_without_an_area_are_listed(tmp_path: Path) -> None:
    line = {"type": "Feature", "geometry": {"type": "LineString", "coordinates": SQUARE}, "properties": {"name": "scale bar"}}
    point = {"type": "Feature", "geometry": {"type": "Point", "coordinates": [1, 2]}}
    bare = {"type": "Feature", "geometry": None, "properties": None}
    short = feature([[1, 2], [3, 4]], "short")
    words = feature([["a", "b"], [1, 2], [3, 4]], "words")
    found = read_geojson(geojson(tmp_path / "a.geojson", feature(SQUARE, "7"), line, point, bare, short, words, 5), SIZE)
    assert np.unique(found.labels).tolist() == [0, 7]
    assert len(found.notes) == 6
    assert "scale bar is LineString" in found.notes[0]
    with pytest.raises(InputError, match="scale bar"):
        read_geojson(geojson(tmp_path / "b.geojson", line), SIZE)


def test_a_list_of_features_and_a_single_one(tmp_path: Path) -> None:
    """QuPath writes a bare list where "FeatureCollection" is not ticked."""
    for content in ([feature(SQUARE, "4")], feature(SQUARE, "4")):
        (tmp_path / "a.geojson").write_text(json.dumps(content), encoding="utf-8")
        assert read_geojson(tmp_path / "a.geojson", SIZE).labels.max() == 4


def test_overlap_stays_with_the_earlier_cell_and_is_counted(tmp_path: Path) -> None:
    inside = [[3, 4], [5, 4], [5, 6], [3, 6]]
    file = geojson(tmp_path / "a.geojson", feature(SQUARE, "3"), feature(moved(SQUARE, 4, 0), "1"), feature(inside, "2"))
    found = read_geojson(file, SIZE)
    areas = np.bincount(found.labels.ravel(), minlength=4)[1:].tolist()
    assert areas == [24, 0, 36]
    assert any("2 outlines overlap earlier ones in 16 px" in note for note in found.notes)
    assert any("wholly under earlier outlines" in note and "object 2" in note for note in found.notes)


def test_outside_the_image_is_cut_off_or_left_out_and_counted(tmp_path: Path) -> None:
    file = geojson(tmp_path / "a.geojson", feature(SQUARE), feature(moved(SQUARE, -5, 0)), feature(moved(SQUARE, 500, 0), "far"))
    found = read_geojson(file, SIZE)
    assert np.bincount(found.labels.ravel())[1:].tolist() == [36, 12]  # the second loses x < 0 and what the first has
    assert any("outside the image" in note and "object far" in note for note in found.notes)
    assert any(note.startswith("1 outline crosses the edge") for note in found.notes)


def test_outlines_of_a_larger_image(tmp_path: Path, discs: np.ndarray) -> None:
    write_rois(tmp_path / "a.zip", discs)
    write_geojson(tmp_path / "a.geojson", discs)
    write_seg_npy(tmp_path / "a_seg.npy", discs)
    with write_coco(tmp_path / "a.json") as out:
        out.add("a.tif", discs)
    for name in ("a.zip", "a.geojson", "a_seg.npy", "a.json"):
        with pytest.raises(InputError, match="size"):
            read_outlines(tmp_path / name, (60, 75))


def test_numbers_that_are_double_or_missing(tmp_path: Path) -> None:
    far = moved(SQUARE, 10, 8)
    for names in (("5", "5"), ("5", None)):
        found = read_geojson(geojson(tmp_path / "a.geojson", feature(SQUARE, names[0]), feature(far, names[1])), SIZE)
        assert np.unique(found.labels).tolist() == [0, 1, 2]
        assert "numbered anew" in found.notes[0]
    found = read_geojson(geojson(tmp_path / "a.geojson", feature(SQUARE, "Tumor"), feature(far)), SIZE)
    assert (np.unique(found.labels).tolist(), found.notes) == ([0, 1, 2], [])


def _roi(kind: ROI_TYPE, name: str, points: list | None = None, **more: Any) -> ImagejRoi:
    roi = ImagejRoi.frompoints(np.array(SQUARE if points is None else points), name=name)
    roi.roitype = kind
    for key, value in more.items():
        setattr(roi, key, value)
    return roi


def test_rois_without_an_area_are_listed(tmp_path: Path) -> None:
    kinds = (ROI_TYPE.POINT, ROI_TYPE.POLYLINE, ROI_TYPE.FREELINE, ROI_TYPE.ANGLE)
    text = ImagejRoi(roitype=ROI_TYPE.RECT, subtype=ROI_SUBTYPE.TEXT, top=1, left=1, bottom=5, right=5, name="caption")
    line = ImagejRoi(roitype=ROI_TYPE.LINE, x1=1, y1=1, x2=9, y2=9, name="line")
    file = rois(tmp_path / "a.zip", _roi(ROI_TYPE.FREEHAND, "0009"), *(_roi(kind, kind.name) for kind in kinds), line, text)
    found = read_rois(file, SIZE)
    assert np.unique(found.labels).tolist() == [0, 9]
    assert len(found.notes) == 6
    assert "points" in found.notes[0]
    with pytest.raises(InputError, match="found none that encloses an area"):
        read_rois(rois(tmp_path / "b.zip", line), SIZE)


def test_every_kind_of_area_is_drawn(tmp_path: Path) -> None:
    y, x = np.indices(SIZE) + 0.5
    rectangle = ImagejRoi(roitype=ROI_TYPE.RECT, top=3, left=2, bottom=9, right=8, name="1")
    found = read_rois(rois(tmp_path / "a.zip", rectangle, _roi(ROI_TYPE.POLYGON, "2", moved(SQUARE, 10, 0))), SIZE).labels
    assert np.array_equal(found == 1, (x > 2) & (x < 8) & (y > 3) & (y < 9))
    assert np.array_equal(found == 2, np.roll(found == 1, 10, axis=1))
    oval = ImagejRoi(roitype=ROI_TYPE.OVAL, top=2, left=4, bottom=18, right=26, name="1")
    ellipse = ((x - 15) / 11) ** 2 + ((y - 10) / 8) ** 2 < 1
    drawn = read_rois(rois(tmp_path / "b.zip", oval), SIZE).labels == 1
    assert (drawn & ellipse).sum() / (drawn | ellipse).sum() > 0.98
    fine = ImagejRoi.frompoints(np.array([[2.6, 3.6], [8.4, 3.6], [8.4, 9.4], [2.6, 9.4]], np.float32), name="1")
    assert fine.options & ROI_OPTIONS.SUB_PIXEL_RESOLUTION
    assert read_rois(rois(tmp_path / "c.zip", fine), SIZE).labels.sum() == 25  # centres 3.5 to 7.5 and 4.5 to 8.5


def test_a_zip_of_other_things(tmp_path: Path) -> None:
    file = tmp_path / "a.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("notes.txt", "hello")
        archive.writestr("bad.roi", b"Iout" + struct.pack(">hB", 229, 0))
        archive.writestr("other.roi", b"x" * 300)
    with pytest.raises(InputError, match="unpacked first") as caught:
        read_rois(file, SIZE)
    assert "notes.txt is no ROI" in str(caught.value)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("0004.roi", _roi(ROI_TYPE.POLYGON, "0004").tobytes())
    found = read_rois(file, SIZE)
    assert found.labels.max() == 4
    assert len(found.notes) == 3
    (tmp_path / "text.zip").write_text("no zip at all", encoding="utf-8")
    with pytest.raises(InputError, match="cannot be opened"):
        read_rois(tmp_path / "text.zip", SIZE)


def test_a_single_roi_file(tmp_path: Path) -> None:
    (tmp_path / "0003.roi").write_bytes(_roi(ROI_TYPE.POLYGON, "0003").tobytes())
    assert read_outlines(tmp_path / "0003.roi", SIZE).labels.max() == 3


def test_an_image_too_large_for_rois(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="60535"):
        write_rois(tmp_path / "a.zip", np.zeros((1, 60_536), np.uint8))


def annotation(**changes: Any) -> dict[str, Any]:
    return {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[2, 3, 8, 3, 8, 9, 2, 9]], "iscrowd": 0} | changes


@pytest.mark.parametrize(
    ("bad", "word"),
    [
        (annotation(segmentation=[]), "no outline"),
        (annotation(segmentation=None), "no outline"),
        (annotation(segmentation=[[1, 2, 3]]), "three corners"),
        (annotation(segmentation=[["a"] * 6]), "three corners"),
        (annotation(iscrowd=1), "crowd"),
        (annotation(segmentation={"size": [5, 5], "counts": [25]}), "is \\[5, 5\\] px"),
        (annotation(segmentation={"size": [20, 30], "counts": [3]}), "do not fill"),
        (annotation(segmentation={"size": [20, 30], "counts": [-1, 601]}), "do not fill"),
        (annotation(segmentation={"size": [20, 30], "counts": "\x01"}), "damaged"),
        (annotation(segmentation={"size": [20, 30], "counts": None}), "do not fill"),
    ],
)
def test_annotations_that_are_no_cells_are_listed(bad: dict, word: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=word):
        CocoFile(coco(tmp_path / "a.json", bad)).outlines("a.tif", SIZE)
    found = CocoFile(coco(tmp_path / "a.json", bad, annotation(id=2))).outlines("a.tif", SIZE)
    assert found.labels.sum() == 36
    assert len(found.notes) == 1


def test_images_of_a_coco_file(tmp_path: Path) -> None:
    found = CocoFile(coco(tmp_path / "a.json", annotation(), annotation(image_id=9), {"id": 3})).outlines("a.tif", SIZE)
    assert "2 annotations belong to no image" in found.notes[0]
    twice = [{"id": 1, "file_name": "a.tif"}, {"id": 2, "file_name": "a.tif"}]
    with pytest.raises(InputError, match="twice"):
        CocoFile(coco(tmp_path / "b.json", images=twice))
    with pytest.raises(InputError, match="file_name"):
        CocoFile(coco(tmp_path / "b.json", images=[{"id": 1}]))
    with pytest.raises(InputError, match="found an object"):
        CocoFile(coco(tmp_path / "b.json", images={}))
