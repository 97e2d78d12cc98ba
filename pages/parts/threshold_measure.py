"""Before a threshold can be tuned: what is missing, which images, "Measure the stain"."""

from dataclasses import MISSING, asdict, field, fields, make_dataclass
from typing import Any

import streamlit as st

from core.report.words import count
from core.settings import AnnotateSettings
from core.workspace import Experiment
from pages.parts import address
from pages.parts.choose import choose, segmentations_of_all_fields, settings_like
from pages.parts.job_panel import submit
from pages.parts.settings_form import settings_form
from pages.parts.stain_colour import choose_stain_colour
from pages.parts.words import product_words

KINDS = {
    "brightfield": ("Dark stain in a monochrome or brightfield image", "stain"),
    "colour": ("Colour image: the stain is separated by its colour", "colour"),
    "gated": ("Monochrome image, kept only where the colour image shows stain", "both"),
    "fluorescence": ("Fluorescence: bright is stain", "stain"),
    "binary": ("A ready layer: 0 is unstained", "stain"),
    "raw": ("Raw values, without correction", "stain"),
}
ALWAYS = ("register", "consensus", "pad_stain", "background_px", "min_spot_px", "min_spot_um2", "connectivity")
OF_KIND = {
    "brightfield": ("blank",),
    "fluorescence": ("blank",),
    "colour": ("colour_blank",),
    "gated": ("blank", "colour_blank", "gate"),
    "raw": ("raw_stain",),
    "binary": (),
}
BY_COLOUR = ("colour", "gated")  # stain_colour.py asks for the colour itself


def prepare(experiment: Experiment, busy: bool) -> None:
    """Say what is missing, or let the user choose what is measured, and start it."""
    if not _complete(experiment):
        return
    st.markdown("Measure once how much stain every cell has. Then every threshold can be tried at once, in all fields side by side.")
    like = settings_like(experiment, "stains")
    left, right = st.columns(2, vertical_alignment="bottom")
    with left:
        kinds = _kinds(experiment)
        now = str(like.get("signal", ""))
        kind = st.selectbox(
            "Kind of stain image", kinds, index=kinds.index(now) if now in kinds else 0, format_func=lambda one: KINDS[one][0], key="stain-kind"
        )
    with right:
        known = {one.id: one for one in experiment.products("segmentations")}
        usual = next(iter({**segmentations_of_all_fields(experiment), **known}))  # not a preview of one field, where there is more
        segmentation = choose("Outlines of the cells", list(known), "segmentation", lambda one: product_words(known[one]), usual)
    vector = choose_stain_colour(experiment, kind, str(like.get("stain_vector", ""))) if kind in BY_COLOUR else AnnotateSettings.stain_vector
    [chosen] = settings_form({"Stain": _asked(kind)}, f"stain-{kind}-{address.read('like')}", like)
    settings = AnnotateSettings(signal=kind, stain_vector=vector, **asdict(chosen))
    if st.button("Measure the stain", type="primary", disabled=busy, icon=":material/play_arrow:"):
        measure(experiment, asdict(settings), segmentation)
        st.rerun()
    st.caption("Stain images that are not aligned yet are aligned first, which takes some seconds a field; the tab Align shows how well.")


def measure(experiment: Experiment, settings: dict[str, Any], segmentation: str, registration: str | None = None) -> None:
    """Start measuring; the caller shows the job."""
    what = {"experiment": str(experiment.path), "settings": settings, "segmentation": segmentation, "registration": registration}
    submit("stain", what, str(experiment.path))


def _complete(experiment: Experiment) -> bool:
    table = experiment.fields()
    images = [count(int(table[name].ne("").sum()), f"{name} image") for name in ("stain", "colour") if table[name].ne("").any()]
    outlines = experiment.products("segmentations")
    if images and outlines:
        st.caption(f"{count(len(table), 'field')} with {' and '.join(images)}.")
        return True
    st.info("To tune a stain threshold, the app needs the cells' outlines and a stain image of the same fields.", icon=":material/tune:")
    if not images:
        st.markdown(":material/close: **No stain or colour image.** Add the images of the stained fields; they are paired with the phase images by name.")
        address.link("experiments", "Add stain images", icon=":material/add_photo_alternate:", experiment=experiment.name)
    if not outlines:
        st.markdown(":material/close: **No outlines.** Segment the fields, or add label images that you have.")
        address.link("segment", "Outline the cells", icon=":material/gesture:", experiment=experiment.name)
    return False


def _kinds(experiment: Experiment) -> list[str]:
    """The kinds that the images allow, the likeliest first."""
    table = experiment.fields()
    there = {name: bool(table[name].ne("").any()) for name in ("stain", "colour")}
    there["both"] = there["stain"] and there["colour"]
    return [kind for kind, (_, wanted) in KINDS.items() if there[wanted]]


def _asked(kind: str) -> type:
    """The settings that matter for this kind, with labels and defaults of ``AnnotateSettings``."""
    wanted = (*ALWAYS, *OF_KIND[kind])
    some = [one for one in fields(AnnotateSettings) if one.name in wanted]
    assert all(one.default is not MISSING for one in some)
    return make_dataclass("StainSettings", [(one.name, one.type, field(default=one.default, metadata=one.metadata)) for one in some], frozen=True)
