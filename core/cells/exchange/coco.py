"""COCO JSON: the outlines of many images in one file, images known by their file names.

A cell without holes is a list of polygons, one a part; a cell with holes is run-length encoded, because COCO's polygons cannot
say holes. Coordinates are those of pixel corners, as in COCO. ``bbox`` is [x, y, width, height] and ``area`` counts pixels.
``id`` numbers the annotations of the whole file, so the number of a cell in its field stands in a further key ``label``.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TextIO

import numpy as np

from core.cells.exchange.calls import NOT_SCORED, NOT_SENESCENT, SENESCENT, called
from core.cells.exchange.json_files import kind_of_json, load_json, what_it_is
from core.cells.exchange.outlines import cell_masks, mask_polygons
from core.cells.exchange.painting import Outlines, Shape, checked_ring, paint
from core.cells.exchange.run_lengths import counts_of, mask_of
from core.cells.labels import checked_labels
from core.errors import InputError

WANTED: Final = "COCO JSON (with images and annotations)"
CELL: Final = "cell"
CALLED: Final = (NOT_SENESCENT, SENESCENT, NOT_SCORED)


class CocoWriter:
    """Writes field after field and holds none of them; made by `write_coco`."""

    def __init__(self, file: TextIO, names: Sequence[str]) -> None:
        self._file, self._names = file, names
        self._images: list[dict[str, Any]] = []
        self._count = 0
        file.write('{"info": {"description": "Outlines of cells by Senescope"}, "licenses": [],\n"annotations": [')

    def add(self, image_file: str, labels: np.ndarray, calls: Mapping[int, bool | None] | None = None) -> None:
        """Add the cells of one image; ``labels`` integer (Y, X)."""
        labels = checked_labels(labels)
        image = {"id": len(self._images) + 1, "file_name": image_file, "width": labels.shape[1], "height": labels.shape[0]}
        self._images.append(image)
        for label, box, mask in cell_masks(labels):
            name = CELL if CELL in self._names else called(calls or {}, label)
            self._file.write(",\n" if self._count else "\n")
            self._count += 1
            about = {"id": self._count, "image_id": image["id"], "category_id": self._names.index(name) + 1, "label": label, "iscrowd": 0}
            json.dump(about | _described(box, mask, labels.shape), self._file)

    def finish(self) -> None:
        categories = [{"id": n, "name": name, "supercategory": CELL} for n, name in enumerate(self._names, start=1)]
        self._file.write(f'\n],\n"images": {json.dumps(self._images)},\n"categories": {json.dumps(categories)}}}\n')


@contextmanager
def write_coco(path: Path, with_calls: bool = False) -> Iterator[CocoWriter]:
    """``with write_coco(path) as out: out.add("field1.tif", labels)``, once for every image.

    ``with_calls``: the categories are the classes of cells (senescent, not, not scored); else there is one, "cell".
    """
    with Path(path).open("w", encoding="utf-8", newline="\n") as file:
        out = CocoWriter(file, CALLED if with_calls else (CELL,))
        yield out
        out.finish()


def _described(box: tuple[slice, slice], mask: np.ndarray, shape: tuple[int, ...]) -> dict[str, Any]:
    y, x = box[0].start, box[1].start
    polygons = mask_polygons(mask)
    segmentation: Any = [np.add(polygon[0], (x, y)).ravel().tolist() for polygon in polygons]
    if any(len(polygon) > 1 for polygon in polygons):
        segmentation = {"size": list(shape), "counts": counts_of(mask, box, (shape[0], shape[1]))}
    return {"area": int(mask.sum()), "bbox": [x, y, mask.shape[1], mask.shape[0]], "segmentation": segmentation}


class CocoFile:
    """A COCO file that was read: which images it describes, and the cells of one of them.

    Raises
    ------
    InputError
        No such file, no JSON, or JSON of another kind.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._use(load_json(self.path, WANTED))

    @classmethod
    def of(cls, content: Any, path: Path) -> "CocoFile":
        """From the content of the file."""
        made = cls.__new__(cls)
        made.path = Path(path)
        made._use(content)
        return made

    def _use(self, content: Any) -> None:
        if kind_of_json(content) != "coco" or not all(isinstance(content[key], list) for key in ("images", "annotations")):
            raise InputError(f"{self.path.name}: wanted {WANTED}, found {what_it_is(content)}.")
        self._images: dict[str, dict[str, Any]] = {}
        for image in content["images"]:
            if not isinstance(image, dict) or not isinstance(image.get("file_name"), str) or "id" not in image:
                raise InputError(f"{self.path.name}: wanted images with id and file_name, found {str(image)[:60]}.")
            if image["file_name"] in self._images:
                raise InputError(f"{self.path.name}: the image {image['file_name']} occurs twice; give each image once.")
            self._images[image["file_name"]] = image
        self._annotations: dict[str, list[dict[str, Any]]] = {str(image["id"]): [] for image in self._images.values()}
        self.notes: list[str] = []
        lost = 0
        for one in content["annotations"]:
            of = self._annotations.get(str(one.get("image_id"))) if isinstance(one, dict) else None
            if of is None:
                lost += 1
            else:
                of.append(one)
        if lost:
            self.notes.append(f"{lost} annotations belong to no image of the file, left out.")

    @property
    def images(self) -> list[str]:
        """File names, as the file gives them."""
        return list(self._images)

    def outlines(self, image_file: str, size: tuple[int, int]) -> Outlines:
        """The cells of one image of ``size`` (Y, X). InputError where the file says another size or nothing can be used."""
        image = self._images[image_file]
        stated = (image.get("height"), image.get("width"))
        if None not in stated and stated != size:
            raise InputError(
                f"{self.path.name}: {image_file} is {stated[1]} × {stated[0]} px there, the image {size[1]} × {size[0]} px; they must have the same size."
            )
        shapes, notes = [], list(self.notes)
        given = self._annotations[str(image["id"])]
        for one in given:
            try:
                shapes.append(_shape(one, size))
            except InputError as problem:
                notes.append(f"{problem}, left out.")
        if given and not shapes:
            raise InputError(f"{self.path.name}: wanted outlines of cells in {image_file}; {' '.join(notes[:3])}")
        return paint(shapes, size, self.path.name, notes)


def _shape(annotation: dict[str, Any], size: tuple[int, int]) -> Shape:
    name = f"Annotation {annotation.get('id')}"
    segmentation, label = annotation.get("segmentation"), annotation.get("label")
    if annotation.get("iscrowd"):
        raise InputError(f"{name} is a crowd, several cells in one region")
    if isinstance(segmentation, dict):
        polygons = mask_polygons(mask_of(segmentation, size, name))
    elif isinstance(segmentation, list) and segmentation:
        polygons = [[checked_ring(_pairs(part, name), name)] for part in segmentation]
    else:
        polygons = []
    if not polygons:
        raise InputError(f"{name} has no outline")
    return Shape(name.replace("A", "a", 1), label if isinstance(label, int) and not isinstance(label, bool) else 0, polygons)


def _pairs(part: Any, name: str) -> list[Any]:
    if not isinstance(part, list) or len(part) < 6 or len(part) % 2:
        raise InputError(f"{name}: wanted x, y, x, y, ... of at least three corners, found {str(part)[:60]}")
    return list(zip(part[::2], part[1::2], strict=True))
