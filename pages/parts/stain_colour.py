"""The colour of the stain: X-gal, three numbers, or measured by clicking stained and unstained spots in a colour image."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from core.errors import InputError
from core.report.words import count
from core.settings import AnnotateSettings
from core.stages.stain_colour import ColourImage, colour_images, measured_spot
from core.workspace import Experiment
from pages.parts.viewer import Mark, cell_viewer, field_tile, told

if TYPE_CHECKING:
    from core.stain.clicking import Spot, StainColour

STAINED, UNSTAINED = "Stained", "Not stained"
RINGS = {True: "#FF7F2A", False: "#56B4E9"}
SHOWN_DENSITY = 0.5  # of the swatch of a stain
HELP = AnnotateSettings.__dataclass_fields__["stain_vector"].metadata["help"]


@dataclass(frozen=True)
class Clicked:
    """A spot as it was clicked: pixel of the colour image, and what was meant."""

    fov_id: str
    x: int
    y: int
    stained: bool


def choose_stain_colour(experiment: Experiment, signal: str, start: str) -> str:
    """Ask for the setting ``stain_vector``; "" is X-gal. ``start``: what it is at first."""
    from core.stain.unmixing import parse_vector

    key = f"dye-{experiment.name}-{start}"
    if key not in st.session_state:
        st.session_state[key] = start
    text, swatch, clicking = st.columns([3, 2, 3], vertical_alignment="bottom")
    chosen = text.text_input("Stain colour", key=key, help=HELP, placeholder="X-gal", persist_state="page")
    try:
        vector = parse_vector(chosen)
    except InputError as problem:
        st.error(str(problem), icon=":material/error:")
    else:
        swatch.html(_swatch_words(vector, "X-gal" if not chosen.strip() else "Your stain"))
    if clicking.toggle("Measure it by clicking in an image", key=f"{key}-clicking", persist_state="page"):
        with st.container(border=True):
            _measure(experiment, colour_images(experiment, signal), key)
    return str(chosen)


def _measure(experiment: Experiment, images: dict[str, ColourImage], key: str) -> None:
    """The picture to click in, the spots so far, and what they come to."""
    spots: list[Clicked] = st.session_state.setdefault(f"{key}-spots", [])
    left, right = st.columns([3, 2], gap="medium")
    with left:
        with st.container(horizontal=True, vertical_alignment="bottom"):
            shown = st.selectbox("Colour image of", list(images), key=f"{key}-field", persist_state="page", width=260)
            kind = st.segmented_control("The next click is", (STAINED, UNSTAINED), default=STAINED, required=True, key=f"{key}-kind", persist_state="page")
        viewer = f"{key}-viewer"
        _hear(spots, viewer, kind == STAINED)
        try:
            image, plane = experiment.resolve(images[shown].reference)
            marks = [Mark(one.fov_id, one.x, one.y, str(number), RINGS[one.stained]) for number, one in enumerate(spots, 1)]
            cell_viewer([field_tile(shown, image, plane, title="")], key=viewer, marks=marks)
        except InputError as problem:
            st.error(str(problem), icon=":material/error:")
    with right:
        _spots(experiment, images, spots, key)


def _hear(spots: list[Clicked], viewer: str, stained: bool) -> None:
    """Take up the click that caused this run, before the picture is drawn with its marks."""
    click, memory = told(viewer, "clicked"), f"{viewer}-at"
    if click and click["at"] > st.session_state.get(memory, 0):
        st.session_state[memory] = click["at"]
        spots.append(Clicked(str(click["fov_id"]), int(click["x"]), int(click["y"]), stained))


def _spots(experiment: Experiment, images: dict[str, ColourImage], spots: list[Clicked], key: str) -> None:
    """The list of the spots, and the colour they give or why they give none."""
    from core.stain.clicking import MIN_SPOTS, SpotError, stain_colour

    st.markdown(f"Click at least {MIN_SPOTS} clearly stained spots, then {MIN_SPOTS} unstained ones beside them. Scroll to zoom, drag to move.")
    try:
        measured = [_seen(experiment.path, images[one.fov_id], one, _changed(experiment, images[one.fov_id])) for one in spots]
    except (InputError, KeyError) as problem:
        st.error(str(problem), icon=":material/error:")
        _clear(spots, key)
        return
    found: StainColour | None = None
    wrong: tuple[int, ...] = ()
    try:
        found = stain_colour(measured)
    except InputError as refused:
        wrong, why = refused.spots if isinstance(refused, SpotError) else (), str(refused)
    for number, (one, seen) in enumerate(zip(spots, measured, strict=True)):
        _one_spot(number, one, seen, number in wrong, spots, key)
    if found is not None:
        _result(found, key)
    elif wrong or len(spots) >= 2 * MIN_SPOTS:
        st.error(why, icon=":material/error:")
    else:
        st.info(why, icon=":material/ads_click:")
    if spots:
        _clear(spots, key)


def _one_spot(number: int, one: Clicked, seen: "Spot", wrong: bool, spots: list[Clicked], key: str) -> None:
    ring = f"display:inline-block;width:1.5rem;text-align:center;border-radius:50%;border:2px solid {RINGS[one.stained]}"
    mark = " <b style='color:#c62828'>look at it</b>" if wrong else ""
    words = f"{'stained' if one.stained else 'not stained'} <small>{escape(one.fov_id)}, x {one.x}, y {one.y}</small>{mark}"
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.html(f"<span style='{ring}'>{number + 1}</span> {_box(seen.light, '1.2rem')} {words}")
        st.button(f"Remove {number + 1}", key=f"{key}-remove-{number}", icon=":material/close:", type="tertiary", on_click=_remove, args=(spots, number))


def _remove(spots: list[Clicked], number: int) -> None:
    del spots[number]


def _result(found: "StainColour", key: str) -> None:
    text = " ".join(f"{value:.3g}" for value in found.vector)
    st.html(_swatch_words(found.vector, f"Measured from {count(len(found.angles_deg), 'stained spot')}"))
    st.caption(f"The stained spots lie within {max(found.angles_deg):.0f}° of it.")
    if st.session_state[key] == text:
        st.success("This colour is used.", icon=":material/check:")
    else:
        st.button("Use this colour", type="primary", key=f"{key}-use", on_click=st.session_state.update, args=({key: text},))


def _clear(spots: list[Clicked], key: str) -> None:
    st.button("Remove all spots", key=f"{key}-clear", on_click=spots.clear)


def _changed(experiment: Experiment, where: ColourImage) -> int:
    file = experiment.resolve(where.reference)[0]
    return file.stat().st_mtime_ns if file.is_file() else 0


@st.cache_data(max_entries=256, show_spinner=False)
def _seen(path: Path, _where: ColourImage, spot: Clicked, changed: int) -> "Spot":
    return measured_spot(Experiment(path), _where, spot.y, spot.x, spot.stained)


def _swatch_words(vector: Sequence[float], words: str) -> str:
    """A stain of this colour in white light, and its numbers."""
    numbers = " ".join(f"{value:.2f}" for value in vector)
    box = _box([10 ** (-SHOWN_DENSITY * value) for value in vector], "2.2rem")
    return f"{box} <b>{words}</b><br><small>optical density {numbers} (red, green, blue)</small>"


def _box(light: Sequence[float], side: str) -> str:
    red, green, blue = (round(255 * min(1, max(0, value))) for value in light)
    return (
        f"<span role='img' aria-label='colour' style='display:inline-block;width:{side};height:{side};vertical-align:middle;border-radius:.3rem;"
        f"border:1px solid rgb(0 0 0 / 30%);background:rgb({red},{green},{blue})'></span>"
    )
