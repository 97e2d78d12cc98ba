"""One pair of images laid on each other: checkerboard, blinking, two colours; moved by hand; accepted or excluded."""

import io
from typing import Any, Literal

import numpy as np
import streamlit as st
from PIL import Image

from core.errors import InputError
from core.registration import Registration, blink, checkerboard, false_colour, from_row, nudged, warp
from core.stages.aligned import PairPictures, decide, pair_pictures, session_consensus
from core.workspace import Experiment, Product

VIEWS = ("Checkerboard", "Blink", "Two colours", "Stain")
PLACES = {"Whole field": None, "Middle": (0.5, 0.5), "Upper left": (0.0, 0.0), "Upper right": (0.0, 1.0), "Lower left": (1.0, 0.0), "Lower right": (1.0, 1.0)}
COLOURS = {"fail": ":red-badge[✕ fail]", "check": ":orange-badge[? check]", "pass": ":green-badge[✓ pass]"}
DETAIL_PX, WIDEST_PX, BLINK_MS = 480, 1100, 700


def align_pair(experiment: Experiment, product: Product, row: dict[str, Any]) -> None:
    """Show the pair of a row of ``current_registrations`` with the controls beside it."""
    title = f"{row['fov_id']}, {row['image']} image"
    st.subheader(title, anchor=False)
    st.markdown(f"{COLOURS[row['verdict']]} {row['reason']}")  # whole: the table cuts long ones off
    try:
        pictures = _pictures(experiment, row["fov_id"], row["image"], _changed(experiment, row))
    except (InputError, OSError) as problem:
        st.error(str(problem), icon=":material/error:")
        return
    picture, beside = st.columns([3, 1], gap="medium")
    key = f"{product.id}-{row['fov_id']}-{row['image']}"
    with beside:
        moved = _by_hand(from_row(row), key, pictures.phase.shape)
        _decide(experiment, product, row, moved, key)
    with picture:
        with st.container(horizontal=True):
            view = st.segmented_control("View", VIEWS, default=VIEWS[0], required=True, key="align-view", label_visibility="collapsed")
            place = st.selectbox("Look at", list(PLACES), key="align-place", label_visibility="collapsed", width=180)
        first, second = (_part(one, PLACES[place]) for one in _laid(pictures, moved, view))
        with st.container(key="align-picture"):
            st.image(_drawn(view, first, second), width="stretch", alt=f"{view} of {title}")
        st.caption(HINTS[view])


HINTS = {
    "Checkerboard": "Squares show phase and stain in turns, with even light. Outlines must run on across the seams.",
    "Blink": "Phase and stain in turns. Nothing must jump.",
    "Two colours": "Phase is green, stain magenta. Cells must have no coloured fringes on one side.",
    "Stain": "The stain image as it lies on the phase image. White is outside of it.",
}


def _changed(experiment: Experiment, row: dict[str, Any]) -> int:
    reference = experiment.fields().set_index("fov_id").loc[row["fov_id"], row["image"]]
    return experiment.resolve(reference)[0].stat().st_mtime_ns


@st.cache_data(max_entries=8, show_spinner="Reading the images …")
def _pictures(_experiment: Experiment, fov_id: str, image: str, changed: int) -> PairPictures:
    return pair_pictures(_experiment, fov_id, image)


def _laid(pictures: PairPictures, moved: Registration, view: str) -> tuple[np.ndarray, np.ndarray]:
    """Phase and stain on one grid: the stain as it is, or both with even light, so that pale cells can be compared."""
    shape = pictures.phase.shape
    if view == "Stain":
        return pictures.phase, warp(pictures.stain, moved, shape, cval=255, pad=True)
    return pictures.flat_phase, warp(pictures.flat_stain, moved, shape, cval=128, pad=True)


def _part(picture: np.ndarray, place: tuple[float, float] | None) -> np.ndarray:
    """A detail at full size, or the whole made small enough for the screen."""
    if place is None:
        small = Image.fromarray(picture)
        small.thumbnail((WIDEST_PX, WIDEST_PX))
        return np.asarray(small)
    top, left = (round(share * max(0, n - DETAIL_PX)) for share, n in zip(place, picture.shape, strict=False))
    return picture[top : top + DETAIL_PX, left : left + DETAIL_PX]


def _drawn(view: str, phase: np.ndarray, stain: np.ndarray) -> np.ndarray | bytes:
    if view == "Checkerboard":
        return checkerboard(phase, stain, max(8, max(phase.shape) // 8))
    if view == "Two colours":
        return false_colour(phase, stain)
    if view == "Stain":
        return stain
    frames, out = [Image.fromarray(one) for one in blink(phase, stain)], io.BytesIO()
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:], duration=BLINK_MS, loop=0)
    return out.getvalue()


def _by_hand(found: Registration, key: str, shape: tuple[int, ...]) -> Registration:
    """Arrows and rotation; the registration with what was moved so far."""
    names = ("down", "right", "turn")
    down, right, turn = (float(st.session_state.setdefault(f"nudge-{name}-{key}", 0.0)) for name in names)
    step = st.segmented_control("Step (px)", (0.25, 1.0, 5.0, 25.0), default=1.0, required=True, key="nudge-step", format_func="{:g}".format)

    def move(name: str, by: float) -> None:
        st.session_state[f"nudge-{name}-{key}"] += by

    def reset() -> None:
        for name in names:
            st.session_state[f"nudge-{name}-{key}"] = 0.0

    buttons = (
        ("←", "right", -step, "Move the stain left"),
        ("↑", "down", -step, "Move the stain up"),
        ("↓", "down", step, "Move the stain down"),
        ("→", "right", step, "Move the stain right"),
    )
    for (label, name, by, words), column in zip(buttons, st.columns(4, gap="small"), strict=True):
        column.button(label, key=f"nudge-{label}", help=words, on_click=move, args=(name, by), width="stretch")
    for (label, by, words), column in zip((("↺", -0.1, "Turn left by 0.1 degrees"), ("↻", 0.1, "Turn right by 0.1 degrees")), st.columns(2), strict=True):
        column.button(label, key=f"nudge-{label}", help=words, on_click=move, args=("turn", by), width="stretch")
    if not (down or right or turn):
        return found
    st.caption(f"Moved by {right:+g} px right, {down:+g} px down, {turn:+.1f}°; not saved yet.")
    st.button("Back to where it was", key="nudge-reset", on_click=reset, width="stretch")
    return nudged(found, down, right, turn, shape=shape)


def _decide(experiment: Experiment, product: Product, row: dict[str, Any], moved: Registration, key: str) -> None:
    rater = st.text_input("Your name", key="rater", persist_state="page", placeholder="Who decides")
    by_hand = moved.source == "manual" and any(st.session_state[f"nudge-{name}-{key}"] for name in ("down", "right", "turn"))

    def save(decision: str, registration: Registration) -> None:
        try:
            decide(experiment, row["fov_id"], row["image"], registration, decision, st.session_state["rater"])
        except InputError as problem:
            st.session_state["align-problem"] = str(problem)
            return
        for name in ("down", "right", "turn"):
            st.session_state[f"nudge-{name}-{key}"] = 0.0

    def button(label: str, decision: str, registration: Registration, kind: Literal["primary", "secondary"] = "secondary", off: bool = False) -> None:
        unnamed = not rater.strip()
        words = "Type your name first: it is kept with the decision." if unnamed else None
        st.button(
            label, key=f"decide-{decision}", type=kind, help=words, width="stretch", disabled=off or unnamed, on_click=save, args=(decision, registration)
        )

    button("Save this position" if by_hand else "Accept", "nudged" if by_hand else "accepted", moved, "primary")
    button("Exclude this pair", "excluded", from_row(row))
    shared = session_consensus(product, row["fov_id"], row["image"])
    if shared.registration is not None and row["source"] != "consensus":
        button("Use the consensus of the session", "consensus", shared.registration)
        st.caption(shared.reason)
    elif shared.registration is None and row["verdict"] != "pass":
        st.caption(shared.reason)
    if row["decision"]:
        button("Take the decision back", "undo", from_row(row))
    if problem := st.session_state.pop("align-problem", ""):
        st.error(problem, icon=":material/error:")
