"""GeoJSON as QuPath exports and imports it: a FeatureCollection, one feature a cell.

The name of an object is the number of the cell, its classification says senescent or not where that is known. Coordinates are
those of pixel corners in px, as in QuPath. A cell in several parts is a MultiPolygon; holes are inner rings (RFC 7946).
"""

import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from core.cells.exchange.calls import COLOURS, called
from core.cells.exchange.json_files import kind_of_json, load_json, what_it_is
from core.cells.exchange.outlines import Polygon, cell_polygons
from core.cells.exchange.painting import Outlines, Shape, checked_ring, paint
from core.cells.labels import checked_labels
from core.errors import InputError

WANTED: Final = "GeoJSON of QuPath (a FeatureCollection)"


def write_geojson(path: Path, labels: np.ndarray, image_file: str = "", calls: Mapping[int, bool | None] | None = None) -> None:
    """Write ``labels`` (integer (Y, X)) as detections for QuPath; a feature a line, streamed.

    ``image_file`` only makes the objects' ids those of this image. ``calls``: senescent or not, by label.
    """
    with Path(path).open("w", encoding="utf-8", newline="\n") as file:
        file.write('{"type": "FeatureCollection", "features": [')
        for number, (label, polygons) in enumerate(cell_polygons(checked_labels(labels))):
            file.write(",\n" if number else "\n")
            json.dump(_feature(label, polygons, image_file, calls), file)
        file.write("\n]}\n")


def _feature(label: int, polygons: list[Polygon], image_file: str, calls: Mapping[int, bool | None] | None) -> dict[str, Any]:
    rings = [[[*ring.tolist(), ring[0].tolist()] for ring in polygon] for polygon in polygons]
    geometry = {"type": "Polygon", "coordinates": rings[0]} if len(rings) == 1 else {"type": "MultiPolygon", "coordinates": rings}
    properties: dict[str, Any] = {"objectType": "detection", "name": str(label)}
    if calls is not None:
        name = called(calls, label)
        properties["classification"] = {"name": name, "color": list(COLOURS[name])}
    id = uuid.uuid5(uuid.NAMESPACE_URL, f"senescope:{image_file}:{label}")  # the same cell has the same id in every export
    return {"type": "Feature", "id": str(id), "geometry": geometry, "properties": properties}


def read_geojson(path: Path, size: tuple[int, int]) -> Outlines:
    """Cells of a GeoJSON file for an image of ``size`` (Y, X); ids from whole numbers in ``name`` or ``label``.

    Raises
    ------
    InputError
        No such file, no JSON, JSON of another kind, no outline that encloses an area, or outlines of an image of another size.
    """
    path = Path(path)
    return outlines_of(load_json(path, WANTED), path, size)


def outlines_of(content: Any, path: Path, size: tuple[int, int]) -> Outlines:
    """The same for the content of the file."""
    if kind_of_json(content) != "geojson":
        raise InputError(f"{path.name}: wanted {WANTED}, found {what_it_is(content)}.")
    shapes, notes = list[Shape](), list[str]()
    features = _features(content)
    for number, feature in enumerate(features, start=1):
        try:
            shapes.append(_shape(feature, number))
        except InputError as problem:
            notes.append(f"{problem}, left out.")
    if features and not shapes:
        raise InputError(f"{path.name}: wanted {WANTED} with outlines of cells; {' '.join(notes[:3])}")
    return paint(shapes, size, path.name, notes)


def _features(content: Any) -> list[Any]:
    if isinstance(content, list):
        return [one for part in content for one in _features(part)]
    if content["type"] == "Feature":
        return [content]
    inside = content.get("features")
    return inside if isinstance(inside, list) else []


def _shape(feature: Any, number: int) -> Shape:
    properties = feature.get("properties") if isinstance(feature, dict) else None
    properties = properties if isinstance(properties, dict) else {}
    name = str(properties.get("name") or number)
    geometry = feature.get("geometry") if isinstance(feature, dict) else None
    kind = geometry.get("type") if isinstance(geometry, dict) else None
    if kind not in ("Polygon", "MultiPolygon") or not isinstance(geometry, dict):
        raise InputError(f"Object {name} is {kind or 'nothing'} and encloses no area")
    parts = geometry.get("coordinates")
    parts = [parts] if kind == "Polygon" else parts
    if not isinstance(parts, list) or not parts or not all(isinstance(part, list) and part for part in parts):
        raise InputError(f"Object {name} has no coordinates")
    polygons = [[checked_ring(ring, f"Object {name}") for ring in part] for part in parts]
    return Shape(f"object {name}", _number(properties.get("name"), properties.get("label")), polygons)


def _number(*given: object) -> int:
    """The first value that is a positive whole number, as text or number; else 0."""
    texts = (str(one) for one in given if isinstance(one, str | int) and not isinstance(one, bool))
    return next((int(one) for one in texts if one.isascii() and one.isdigit()), 0)
