"""The interactive picture: fields of view with cell outlines on a canvas in the browser.

Pictures and label images go to the browser once, by address (media.py). New colours, a new ruler or another selected
cell are short messages: the browser repaints without loading anything.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from pages.parts import media

if TYPE_CHECKING:
    from core.images import Plane

ASSETS = Path(__file__).parent / "assets"
SCRIPTS = (  # one module, in this order
    "viewer_outlines.js",
    "viewer_frame.js",
    "viewer_pixels.js",
    "viewer_painting.js",
    "viewer_field.js",
    "viewer_toolbar.js",
    "viewer_foreseen.js",
    "viewer_editing_panel.js",
    "viewer_editing.js",
    "viewer_threshold_data.js",
    "viewer_threshold_mask.js",
    "viewer_threshold_charts.js",
    "viewer_threshold_panel.js",
    "viewer_threshold.js",
    "viewer.js",
)

NOT_SENESCENT, SENESCENT, UNCERTAIN, NOT_SCORED = 0, 1, 2, 3
Legend = tuple[tuple[str, str], ...]
CALLS: Legend = (("Not senescent", "#56B4E9"), ("Senescent", "#FF7F2A"), ("Uncertain, called either way", "#F0E442"), ("Not scored", "#B4B4B4"))
"""Names and colours of the classes: told apart by colour-blind eyes, on the dark and the bright parts of a picture."""
PLAIN: Legend = (("Cells", "#FFD54F"),)
SUSPICIOUS: Legend = (("Suspicious", "#FF7F2A"), ("Other cells", "#56B4E9"))


@dataclass(frozen=True)
class Tile:
    """One field of view in the viewer. Coordinates are pixels of the original image, x to the right, y down.

    ``colours`` maps a label to the index of its class in the legend, ``texts`` to what the tooltip says of it;
    labels that are in neither are outlined in the last class of the legend.
    """

    fov_id: str
    width: int
    height: int
    image_url: str
    labels_url: str | None = None
    title: str = ""
    colours: Mapping[int, int] = field(default_factory=dict)
    texts: Mapping[int, str] = field(default_factory=dict)
    pixel_size_um: float | None = None
    identity: str = ""
    """Stays the same as long as the same pixels are meant, whatever token the addresses carry; default: the addresses."""
    layers: Mapping[str, str] = field(default_factory=dict)
    """Addresses of other pictures of the same field: "stain", "colour". Only for ``tuning``, as the next one."""
    signal_url: str | None = None
    """The stain signal of its pixels."""
    signal_key: str = ""
    labels_version: str = ""
    """Another text: another label image under the same picture, which the viewer then replaces in its place."""
    labels_change: Mapping[str, Any] = field(default_factory=dict)
    """From earlier versions to this one (label_change.py): what the viewer has seen is then not loaded again."""


@dataclass(frozen=True)
class Editing:
    """Makes the viewer a tool to correct the outlines of one field.

    ``suspects``: (label, why, whether that is a clear sign), the most suspicious cell first. ``undo``, ``redo``: how many
    corrections can be taken back and brought back. ``heard``: the ``at`` of the last message that was dealt with;
    ``problem``: what went wrong with it. ``first``, ``last``: whether there is a field before and after this one.
    """

    suspects: Sequence[tuple[int, str, bool]] = ()
    undo: int = 0
    redo: int = 0
    heard: int = 0
    problem: str = ""
    first: bool = True
    last: bool = True


@dataclass(frozen=True)
class Mark:
    """A ring with a word in it, at a pixel of a field."""

    fov_id: str
    x: int
    y: int
    words: str
    colour: str


@dataclass(frozen=True)
class Click:
    """A click on a field: the label under it (0: background) and the pixel."""

    fov_id: str
    label: int
    x: int
    y: int


def field_tile(
    fov_id: str,
    image: Path,
    plane: "Plane | None" = None,
    *,
    labels: Path | None = None,
    cells: pd.DataFrame | None = None,
    title: str | None = None,
    pixel_size_um: float | None = None,
) -> Tile:
    """A tile for an image file, its label image and the rows of its cells (``tables.ASSESSED_CELLS``: coloured by call).

    ``title``: shown above the picture; None: the ``fov_id``.
    Raises InputError where the image cannot be read.
    """
    version = media.version(image)
    height, width = _size(image, plane, version)
    base = st.get_option("server.baseUrlPath") or ""
    return Tile(
        fov_id,
        width,
        height,
        media.picture_url(image, plane, base),
        media.labels_url(labels, base) if labels is not None else None,
        fov_id if title is None else title,
        {} if cells is None else call_colours(cells),
        {} if cells is None else call_texts(cells),
        pixel_size_um,
        f"{fov_id}|{image}|{plane}|{version}|{labels}|{media.version(labels) if labels else ''}",
    )


def call_colours(cells: pd.DataFrame) -> dict[int, int]:
    """Label -> class of ``CALLS``, from ``label``, ``senescent`` (unknown where the cell was not scored) and, where it is known, ``uncertain``."""
    calls = cells["senescent"].fillna(NOT_SCORED).astype(int).mask(_uncertain(cells), UNCERTAIN)
    return dict(zip(cells["label"].astype(int), calls, strict=True))


def call_texts(cells: pd.DataFrame) -> dict[int, str]:
    """Label -> "probability 0.87", with the call where the colour does not say it, or why the cell was not scored."""
    called = cells["senescent"].map({1: ", called senescent", 0: ", called not senescent"}).where(_uncertain(cells), "")
    rows = zip(cells["label"].astype(int), cells["senescence_probability"], cells["exclusion_reason"], called, strict=True)
    return {label: str(reason) if pd.isna(p) else f"probability {p:.2f}{call}" for label, p, reason, call in rows}


def _uncertain(cells: pd.DataFrame) -> "pd.Series[bool]":
    """Scored cells near the threshold; none in assessments that do not say."""
    marked = cells["uncertain"] if "uncertain" in cells else pd.Series(0, index=cells.index)
    return marked.fillna(0).astype(int).eq(1) & cells["senescent"].notna()


def cell_viewer(
    tiles: Sequence[Tile],
    *,
    key: str,
    columns: int = 1,
    height: int | None = None,
    legend: Legend | None = None,
    selected: tuple[str, int] | None = None,
    ruler_px: float | None = None,
    preload: Sequence[Tile] = (),
    editing: Editing | None = None,
    tuning: Mapping[str, Any] | None = None,
    marks: Sequence[Mark] | None = None,
) -> Click | None:
    """Show fields and return the click that caused this run of the page, or None.

    ``height``: of each picture in CSS pixels; None: as the picture is, at most three quarters of the window.
    ``legend``: class names and colours; None: ``CALLS`` where a tile has colours, else one colour for all cells.
    ``selected``: (fov_id, label) of the cell drawn thick; None: the one clicked last. A click selects at once, before the
    page runs, and counts more than ``selected`` in the run that it causes, which the page cannot know of yet.
    ``ruler_px``: diameter of a circle that the user can lay over cells. ``preload``: tiles fetched in the background
    (the next field), so that they are there when the user turns to them. ``editing``: corrections instead of clicks; they
    are read with ``corrections`` before the viewer is placed. ``tuning``: controls of the stain threshold beside the
    pictures (threshold_tuning.py); what they tell is read with ``told``. ``marks``: drawn on the fields, where a click is meant for
    a place and not for a cell; None: it is meant for a cell.
    """
    last = _last_click(key)
    data = {
        "tiles": [_message(tile) for tile in tiles],
        "preload": [_source(tile) for tile in preload],
        "columns": columns,
        "height": height,
        "legend": legend or (CALLS if any(tile.colours for tile in tiles) else PLAIN),
        "selected": [last["fov_id"], last["label"]] if last and (last["now"] or selected is None) else selected,
        "heard": last["at"] if last else 0,
        "ruler": ruler_px or 0,
        "editing": asdict(editing) if editing else None,
        "tuning": tuning,
        "marks": None if marks is None else [asdict(mark) for mark in marks],
    }
    hear = {f"on_{name}_change": lambda: None for name in ("clicked", "edited", "tuned", "saved")}
    click = _component()(data=data, key=key, **hear).clicked
    return Click(str(click["fov_id"]), int(click["label"]), int(click["x"]), int(click["y"])) if click else None


def corrections(key: str) -> list[dict[str, Any]]:
    """The messages of the viewer ``key`` that caused this run, oldest first; one may come again.

    Each has ``at`` (rising), ``id``, ``fov_id``, ``action`` (that of a ``core.cells.edits.Edit``, undo, redo, or turn: to
    the field ``points[0][0]`` away), ``labels``, ``points``.
    """
    told = st.session_state.get(key, {}).get("edited")
    return [dict(message) for message in told["messages"]] if told else []


def told(key: str, what: str) -> dict[str, Any] | None:
    """What the controls of the threshold of the viewer ``key`` told in this run ("tuned" or "saved"), or None."""
    return (st.session_state.get(key) or {}).get(what)


def _last_click(key: str) -> dict[str, Any] | None:
    """What the browser told last, and whether it told it just ``now``: known before the viewer is placed in the page."""
    memory = f"{key}-last-click"
    click = st.session_state.get(key, {}).get("clicked")
    st.session_state[memory] = dict(click, now=True) if click else dict(st.session_state.get(memory) or {}, now=False)
    return st.session_state[memory] if "fov_id" in st.session_state[memory] else None


def _message(tile: Tile) -> dict[str, Any]:
    labels = sorted(tile.colours.keys() | tile.texts.keys())
    return _source(tile) | {
        "title": tile.title,
        "um": tile.pixel_size_um or 0,
        "labels": labels,
        "classes": [tile.colours.get(label, -1) for label in labels],
        "texts": [tile.texts.get(label, "") for label in labels],
    }


def _source(tile: Tile) -> dict[str, Any]:
    """What the browser needs to load a field."""
    return {
        "id": tile.fov_id,
        "key": hashlib.sha256((tile.identity or f"{tile.fov_id}|{tile.image_url}|{tile.labels_url}").encode()).hexdigest()[:16],
        "width": tile.width,
        "height": tile.height,
        "reduction": media.reduction(tile.height, tile.width),
        "image": tile.image_url,
        "labelImage": tile.labels_url,
        "labelVersion": tile.labels_version,
        "labelChange": dict(tile.labels_change),
        "layers": dict(tile.layers),
        "signal": tile.signal_url,
        "signalKey": tile.signal_key,
    }


@lru_cache(maxsize=4096)
def _size(image: Path, plane: "Plane | None", version: str) -> tuple[int, int]:
    return media.size(image, plane)


@cache
def _component() -> Any:
    script = "\n".join((ASSETS / name).read_text(encoding="utf-8") for name in SCRIPTS)
    css = "\n".join((ASSETS / name).read_text(encoding="utf-8") for name in ("viewer.css", "viewer_threshold.css"))
    return st.components.v2.component("senescope_viewer", css=css, js=script)
