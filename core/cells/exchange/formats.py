"""Which formats there are, what opens them, and reading any of them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from core.cells.exchange.coco import WANTED as COCO
from core.cells.exchange.coco import CocoFile
from core.cells.exchange.imagej import read_rois
from core.cells.exchange.json_files import kind_of_json, load_json, what_it_is
from core.cells.exchange.painting import Outlines
from core.cells.exchange.qupath import WANTED as GEOJSON
from core.cells.exchange.qupath import outlines_of
from core.cells.exchange.seg_npy import read_seg_npy
from core.errors import InputError


@dataclass(frozen=True)
class Format:
    """A format to export to. ``ending`` follows the name of the image; ``one_file`` is the name of the file that holds all fields."""

    name: str
    title: str
    opens: str  # one sentence: which program opens it, and how
    ending: str = ""
    one_file: str = ""


FORMATS: Final = {
    one.name: one
    for one in (
        Format(
            "tiff",
            "Label images (TIFF)",
            "Fiji, napari and most other programs open them as images of 16 or 32 bit, in which the value of a pixel is the number of its cell.",
            "_labels.tif",
        ),
        Format(
            "seg-npy",
            "Cellpose (_seg.npy)",
            "Put each file beside its phase image and open the image in the Cellpose 3 window: the outlines appear and can be corrected there.",
            "_seg.npy",
        ),
        Format(
            "imagej",
            "ImageJ and Fiji (ROI zip)",
            "Open the phase image in Fiji, then drop the zip of the same name on it: the ROI manager lists the cells by their numbers.",
            "_rois.zip",
        ),
        Format(
            "qupath",
            "QuPath (GeoJSON)",
            "Open the phase image in QuPath, then drop the file of the same name on it, or use File, Import objects from file.",
            ".geojson",
        ),
        Format(
            "coco",
            "COCO (JSON)",
            "One file for all fields, for training other networks (Detectron2, MMDetection, CVAT): they find the images by their file names.",
            one_file="outlines_coco.json",
        ),
    )
}

OUTLINE_SUFFIXES: Final = (".npy", ".zip", ".roi", ".geojson", ".json")  # besides label images


def find_format(name: str) -> Format:
    """InputError names the formats there are."""
    if name not in FORMATS:
        raise InputError(f"Wanted a format ({', '.join(FORMATS)}), found {name!r}.")
    return FORMATS[name]


def several_images(path: Path) -> CocoFile | None:
    """The file if it is one that holds the outlines of several images, else None. InputError where it cannot be read."""
    if path.suffix.lower() != ".json":
        return None
    content = load_json(path, f"{COCO} or {GEOJSON}")
    return CocoFile.of(content, path) if kind_of_json(content) == "coco" else None


def read_outlines(path: Path, size: tuple[int, int]) -> Outlines:
    """Cells of a file of any format for one image of ``size`` (Y, X).

    Raises
    ------
    InputError
        Not such a file, damaged, or for an image of another size.
    """
    path = Path(path)
    kind = path.suffix.lower()
    if not path.is_file():
        raise InputError(f"{path}: there is no such file.")
    if path.stat().st_size == 0:
        raise InputError(f"{path.name}: wanted outlines of cells, found an empty file.")
    if kind == ".npy":
        labels = read_seg_npy(path)
        if labels.shape != size:
            raise InputError(f"{path.name}: its masks are {labels.shape} px, the image {size}; they must have the same size.")
        return Outlines(labels)
    if kind in (".zip", ".roi"):
        return read_rois(path, size)
    if kind in (".json", ".geojson"):
        return _of_json(path, size)
    raise InputError(f"{path.name}: wanted outlines as {', '.join(OUTLINE_SUFFIXES)}, found {kind or 'no suffix'}.")


def _of_json(path: Path, size: tuple[int, int]) -> Outlines:
    content = load_json(path, f"{GEOJSON} or {COCO}")
    kind = kind_of_json(content)
    if kind == "geojson":
        return outlines_of(content, path, size)
    if kind != "coco":
        raise InputError(f"{path.name}: wanted {GEOJSON} or {COCO}, found {what_it_is(content)}.")
    file = CocoFile.of(content, path)
    if len(file.images) != 1:
        raise InputError(f"{path.name}: wanted the outlines of one image, found those of {len(file.images)}.")
    return file.outlines(file.images[0], size)
