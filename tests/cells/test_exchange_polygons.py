"""ImageJ ROIs, QuPath GeoJSON and COCO: the way there and back keeps every mask and id."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage.draw import polygon as draw_polygon

from core.cells.exchange import CocoFile, Outlines, read_geojson, read_outlines, read_rois, write_coco, write_geojson, write_rois
from core.cells.exchange.outlines import cell_polygons, mask_polygons, polygon_mask
from core.cells.exchange.run_lengths import counts_of, mask_of


def one_file(path: Path, labels: np.ndarray) -> None:
    with write_coco(path) as out:
        out.add("other.png", np.ones((3, 4), int))
        out.add("field æ.tif", labels)


FORMATS: dict[str, tuple[str, Callable[..., None], Callable[..., Outlines]]] = {
    "imagej": ("a_rois.zip", write_rois, read_rois),
    "qupath": ("a.geojson", write_geojson, read_geojson),
    "coco": ("a.json", one_file, lambda path, size: CocoFile(path).outlines("field æ.tif", size)),
}


def named(name: str) -> np.ndarray:
    """Label images that are hard for outlines."""
    labels = np.zeros((12, 14), np.int32)
    if name == "one pixel":
        labels[5, 7] = 1
    elif name == "pixels in all corners of the field":
        labels[0, 0], labels[0, 13], labels[11, 0], labels[11, 13] = 1, 2, 3, 4
    elif name == "one pixel wide":
        labels[3, 2:12], labels[5:11, 4], labels[5, 6] = 1, 2, 3
    elif name == "touching, full field":
        labels[:, :7], labels[:, 7:] = 1, 2
    elif name == "gapped ids":
        labels[1:4, 1:4], labels[6:9, 6:9] = 70_000, 12
    elif name == "a hole":
        labels[2:10, 2:10], labels[4:7, 4:6] = 5, 0
    elif name == "a cell in the hole of another":
        labels[1:11, 1:11], labels[4:8, 4:8] = 3, 1
    elif name == "two parts, one with a hole":
        labels[1:6, 1:6], labels[3, 3], labels[8:10, 9:13] = 9, 0, 9
    elif name == "pixels that touch at corners":
        labels[2:10, 2:10] = np.eye(8, dtype=int) * 4
    elif name == "a chequered cell":
        labels[2:10, 2:10] = np.indices((8, 8)).sum(axis=0) % 2 * 6
    elif name == "a ring closed at a corner":
        labels[2:7, 2:7], labels[3:6, 3:6], labels[2, 2] = 8, 0, 0
    elif name == "two cells touch at a corner":
        labels[1:4, 1:4], labels[4:7, 4:7] = 1, 2
    return labels


NAMES = (
    "one pixel",
    "pixels in all corners of the field",
    "one pixel wide",
    "touching, full field",
    "gapped ids",
    "a hole",
    "a cell in the hole of another",
    "two parts, one with a hole",
    "pixels that touch at corners",
    "a chequered cell",
    "a ring closed at a corner",
    "two cells touch at a corner",
)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("name", NAMES)
def test_there_and_back(name: str, format: str, tmp_path: Path) -> None:
    file, write, read = FORMATS[format]
    labels = named(name)
    assert labels.any()
    write(tmp_path / file, labels)
    found = read(tmp_path / file, labels.shape)
    assert found.labels.dtype == np.int32
    assert np.array_equal(found.labels, labels)
    assert found.notes == []


@pytest.mark.parametrize("format", FORMATS)
def test_any_label_image_there_and_back(format: str, tmp_path: Path) -> None:
    file, write, read = FORMATS[format]
    random = np.random.default_rng(1)
    for _ in range(25):
        shape = tuple(random.integers(1, 13, 2))
        labels = (random.integers(1, 5, shape) * random.integers(0, 2, shape)).astype(np.uint16)
        labels[0, 0] = 1
        write(tmp_path / file, labels)
        assert np.array_equal(read(tmp_path / file, shape).labels, labels)


@pytest.mark.parametrize("format", FORMATS)
def test_a_field_without_cells(format: str, tmp_path: Path) -> None:
    file, write, read = FORMATS[format]
    write(tmp_path / file, np.zeros((4, 5), int))
    if format == "imagej":
        assert zipfile.ZipFile(tmp_path / file).namelist() == []
    else:
        assert read(tmp_path / file, (4, 5)).labels.shape == (4, 5)


def test_outlines_are_simple_rings_with_corners_only(discs: np.ndarray) -> None:
    for labels in (discs, named("a ring closed at a corner"), named("a chequered cell")):
        for _, polygons in cell_polygons(labels):
            for ring in (ring for polygon in polygons for ring in polygon):
                assert len(np.unique(ring, axis=0)) == len(ring)  # no corner twice: valid for GEOS and JTS
                along = np.sign(np.roll(ring, -1, axis=0) - ring)
                assert (np.abs(along).sum(axis=1) == 1).all()  # along the pixels
                assert (along != np.roll(along, 1, axis=0)).any(axis=1).all()  # every corner turns


def test_other_programs_fill_the_outline_to_the_same_mask(discs: np.ndarray) -> None:
    """Pixel centres are inside or outside, never on the line, so every rule of filling agrees."""
    for label, polygons in cell_polygons(discs):
        [[ring]] = polygons
        y, x = draw_polygon(ring[:, 1] - 0.5, ring[:, 0] - 0.5, discs.shape)
        drawn = np.zeros(discs.shape, bool)
        drawn[y, x] = True
        assert np.array_equal(drawn, discs == label)
        assert cv2.contourArea(ring.astype(np.float32)) == (discs == label).sum()  # QuPath and ImageJ measure this area


def test_pixels_belong_to_a_polygon_by_their_centre() -> None:
    triangle = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0]])
    box, mask = polygon_mask([[triangle]], (10, 10))
    assert box == (slice(0, 4), slice(0, 4))
    y, x = np.indices((4, 4)) + 0.5
    assert np.array_equal(mask, x + y < 4)
    two = [[triangle], [triangle + 0.0]]
    assert np.array_equal(polygon_mask(two, (10, 10))[1], mask)  # polygons of a cell add up, they do not cancel


def test_a_hole_is_the_inner_ring_and_turns_the_other_way() -> None:
    [[outer, hole]] = mask_polygons(named("a hole") > 0)

    def area(ring: np.ndarray) -> float:
        x, y = ring.T
        return float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2)

    assert (area(outer), area(hole)) == (64, -6)


def test_rois_are_named_by_the_cell_and_are_what_imagej_makes(tmp_path: Path) -> None:
    from roifile import ROI_TYPE, roiread

    write_rois(tmp_path / "a.zip", named("gapped ids"), {12: True, 70_000: False})
    first, second = roiread(tmp_path / "a.zip")
    assert (first.name, second.name) == ("0012", "70000")
    assert first.roitype == ROI_TYPE.TRACED
    assert (first.left, first.top, first.right, first.bottom) == (6, 6, 9, 9)
    assert first.hexcolor(first.stroke_color) == "#d55e00"
    write_rois(tmp_path / "b.zip", named("a hole"))
    [roi] = roiread(tmp_path / "b.zip")
    assert roi.composite
    assert [len(ring) for ring in roi.coordinates(multi=True)] == [5, 5]


def test_qupath_reads_a_collection_of_detections(tmp_path: Path) -> None:
    write_geojson(tmp_path / "a.geojson", named("two parts, one with a hole"), "a.tif", {9: None})
    content = json.loads((tmp_path / "a.geojson").read_text(encoding="utf-8"))
    assert content["type"] == "FeatureCollection"
    [one] = content["features"]
    assert one["geometry"]["type"] == "MultiPolygon"
    assert [len(part) for part in one["geometry"]["coordinates"]] == [2, 1]
    assert one["geometry"]["coordinates"][1] == [[[9, 8], [13, 8], [13, 10], [9, 10], [9, 8]]]
    assert one["properties"] == {"objectType": "detection", "name": "9", "classification": {"name": "not scored", "color": [154, 154, 154]}}
    assert len(one["id"]) == 36


def test_coco_has_what_its_readers_need(tmp_path: Path) -> None:
    with write_coco(tmp_path / "a.json", with_calls=True) as out:
        out.add("a.tif", named("gapped ids"), {12: True, 70_000: False})
        out.add("b.tif", named("a hole"), {})
    content = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert [(i["file_name"], i["width"], i["height"]) for i in content["images"]] == [("a.tif", 14, 12), ("b.tif", 14, 12)]
    assert [a["id"] for a in content["annotations"]] == [1, 2, 3]
    first, second, third = content["annotations"]
    assert (first["label"], first["area"], first["bbox"], first["iscrowd"]) == (12, 9, [6, 6, 3, 3], 0)
    assert first["segmentation"] == [[6, 6, 9, 6, 9, 9, 6, 9]]
    names = {c["id"]: c["name"] for c in content["categories"]}
    assert [names[a["category_id"]] for a in (first, second, third)] == ["senescent", "not senescent", "not scored"]
    assert third["segmentation"]["size"] == [12, 14]


@pytest.mark.parametrize("name", NAMES)
def test_run_lengths_are_those_of_the_whole_image(name: str) -> None:
    """Against the plain definition: columns one after the other, runs of 0 first."""
    mask = named(name) == named(name).max()
    ys, xs = np.nonzero(mask)
    box = slice(ys.min(), ys.max() + 1), slice(xs.min(), xs.max() + 1)
    flat = mask.ravel(order="F")
    runs, value = [0], False
    for pixel in flat:
        if pixel != value:
            runs.append(0)
            value = bool(pixel)
        runs[-1] += 1
    counts = counts_of(mask[box], box, mask.shape)
    assert counts == runs
    assert np.array_equal(mask_of({"size": [12, 14], "counts": counts}, (12, 14), "x"), mask)


def test_packed_run_lengths() -> None:
    """The example of a mask of 2 x 5 whose runs are 3, 4, 2, 1, packed by hand: 4th run as the difference to the 2nd (1 - 4)."""
    mask = mask_of({"size": [2, 5], "counts": "342M"}, (2, 5), "x")
    assert np.array_equal(mask.ravel(order="F"), np.array([0, 0, 0, 1, 1, 1, 1, 0, 0, 1], bool))


@pytest.mark.parametrize("name", ["a.zip", "a.geojson", "a.json"])
def test_read_outlines_finds_the_format(name: str, tmp_path: Path, discs: np.ndarray) -> None:
    if name == "a.json":
        with write_coco(tmp_path / name) as out:
            out.add("x.tif", discs)
    else:
        (write_rois if name == "a.zip" else write_geojson)(tmp_path / name, discs)
    assert np.array_equal(read_outlines(tmp_path / name, discs.shape).labels, discs)
