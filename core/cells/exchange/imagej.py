"""ImageJ and Fiji ROIs: a ``.zip`` as the ROI manager saves it, or a single ``.roi``.

A cell of one part without holes becomes a traced ROI, as ImageJ's wand makes it; any other cell a composite ROI. The name of a
ROI is the number of the cell ("0007"). Coordinates are those of pixel corners, so ImageJ shows and measures the very mask.
"""

import struct
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from core.cells.exchange.calls import COLOURS, called
from core.cells.exchange.outlines import Polygon, cell_polygons
from core.cells.exchange.painting import Outlines, Shape, checked_ring, paint
from core.cells.labels import checked_labels
from core.errors import InputError

WANTED: Final = "ImageJ ROIs (a .zip of the ROI manager, or one .roi)"
LARGEST_ROI: Final = 256 << 20  # bytes, unpacked
MOST_ROIS: Final = 200_000
FARTHEST: Final = 60_535  # px; the format's integers end here
_OPEN_KINDS: Final = {"LINE": "a line", "FREELINE": "a line", "POLYLINE": "a line", "ANGLE": "an angle", "POINT": "points", "NOROI": "empty"}


def write_rois(path: Path, labels: np.ndarray, calls: Mapping[int, bool | None] | None = None) -> None:
    """Write ``labels`` (integer (Y, X)) as a ROI zip. ``calls``: senescent or not, by label; it gives the outlines their colour.

    Raises InputError for an image that is too large for the format.
    """
    path, labels = Path(path), checked_labels(labels)
    if max(labels.shape) > FARTHEST:
        raise InputError(f"{path}: ImageJ ROIs reach to {FARTHEST} px, the image is {labels.shape[1]} × {labels.shape[0]} px; export another format.")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for label, polygons in cell_polygons(labels):
            archive.writestr(f"{label:04d}.roi", _roi(label, polygons, calls))


def _roi(label: int, polygons: list[Polygon], calls: Mapping[int, bool | None] | None) -> bytes:
    from roifile import ROI_TYPE, ImagejRoi

    rings = [ring for polygon in polygons for ring in polygon]
    corners = np.concatenate(rings)
    if len(rings) == 1:
        roi = ImagejRoi.frompoints(rings[0].astype(np.int32), name=f"{label:04d}")
        roi.roitype = ROI_TYPE.TRACED
    else:
        roi = ImagejRoi(roitype=ROI_TYPE.RECT, name=f"{label:04d}")
        roi.multi_coordinates = np.concatenate([_path(ring) for ring in rings]).astype(np.float32)
        roi.shape_roi_size = len(roi.multi_coordinates)
    (roi.left, roi.top), (roi.right, roi.bottom) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
    if calls is not None:
        roi.stroke_color = bytes([255, *COLOURS[called(calls, label)]])
    return bytes(roi.tobytes())


def _path(ring: np.ndarray) -> np.ndarray:
    """Move to the first corner (0), lines to the others (1), close (4)."""
    steps = np.column_stack([np.r_[0.0, np.ones(len(ring) - 1)], ring])
    return np.r_[steps.ravel(), 4.0]


def read_rois(path: Path, size: tuple[int, int]) -> Outlines:
    """Cells of a ROI zip, or of one ``.roi``, for an image of ``size`` (Y, X).

    Polygons, freehand and traced outlines, rectangles, ovals and composites are cells. A name that is a number is the id. What
    encloses no area (points, lines, texts) is listed in the notes.

    Raises
    ------
    InputError
        No such file, no zip, no ROI with an area in it, or ROIs of an image of another size.
    """
    path = Path(path)
    shapes, notes = list[Shape](), list[str]()
    for name, content in _entries(path, notes):
        try:
            shapes.append(_shape(name, content))
        except InputError as problem:
            notes.append(f"{problem}, left out.")
    if not shapes:
        raise InputError(
            f"{path.name}: wanted {WANTED}; found none that encloses an area (a ZIP of other files is to be unpacked first). {' '.join(notes[:3])}".strip()
        )
    return paint(shapes, size, path.name, notes)


def _entries(path: Path, notes: list[str]) -> Iterator[tuple[str, bytes]]:
    if path.suffix.lower() == ".roi":
        yield path.stem, path.read_bytes()
        return
    try:
        with zipfile.ZipFile(path) as archive:
            inside = [one for one in archive.infolist() if not one.is_dir() and not one.filename.startswith("__MACOSX/")]
            if len(inside) > MOST_ROIS:
                raise InputError(f"{path.name}: wanted at most {MOST_ROIS} ROIs, found {len(inside)}.")
            for one in inside:
                if not one.filename.lower().endswith(".roi"):
                    notes.append(f"{one.filename} is no ROI, left out.")
                elif one.file_size > LARGEST_ROI:
                    notes.append(f"{one.filename} is larger than a ROI can be, left out.")
                else:
                    yield Path(one.filename).stem, archive.read(one)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        raise InputError(f"{path.name}: wanted {WANTED}; it cannot be opened as one ({error or type(error).__name__}).") from error


def _shape(name: str, content: bytes) -> Shape:
    from roifile import ImagejRoi

    try:
        roi = ImagejRoi.frombytes(content)
        polygons = _polygons(roi, f"ROI {name}")
    except (ValueError, TypeError, IndexError, KeyError, struct.error, RuntimeError, NotImplementedError, UnicodeDecodeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"ROI {name} is damaged ({error})") from error
    shown = roi.name or name
    return Shape(f"ROI {shown}", int(shown) if shown.isascii() and shown.isdigit() else 0, polygons)


def _polygons(roi: Any, where: str) -> list[Polygon]:
    from roifile import ROI_SUBTYPE, ROI_TYPE

    kind = roi.roitype.name if isinstance(roi.roitype, ROI_TYPE) else "UNKNOWN"
    if kind in _OPEN_KINDS:
        raise InputError(f"{where} is {_OPEN_KINDS[kind]} and encloses no area")
    if roi.subtype in (ROI_SUBTYPE.TEXT, ROI_SUBTYPE.ARROW, ROI_SUBTYPE.IMAGE):
        raise InputError(f"{where} is a drawing ({roi.subtype.name.lower()}), not an outline")
    if kind not in ("POLYGON", "FREEHAND", "TRACED", "RECT", "OVAL"):
        raise InputError(f"{where} is of a kind that is not known")
    if kind == "OVAL":
        return [[_oval(roi)]]
    return [[checked_ring(ring, where) for ring in roi.coordinates(multi=True)]]  # ImageJ fills composites by the even-odd rule


def _oval(roi: Any) -> np.ndarray:
    """The ellipse in the box of the ROI, as a polygon of 360 corners."""
    left, top, width, height = (
        (roi.xd, roi.yd, roi.widthd, roi.heightd) if roi.subpixelrect else (roi.left, roi.top, roi.right - roi.left, roi.bottom - roi.top)
    )
    turn = np.deg2rad(np.arange(360) + 0.5)
    return np.column_stack([left + width / 2 * (1 + np.cos(turn)), top + height / 2 * (1 + np.sin(turn))])
