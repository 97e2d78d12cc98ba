"""The gallery of cells as a component: a page of pictures, one of them current, decided on with keys.

The browser shows a key press at once and tells it; the app saves it and says how far it heard. Pictures are fetched by
address (curation_crops.py).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

ASSETS = Path(__file__).parent / "assets"
SCRIPTS = ("gallery_model.js", "gallery_card.js", "gallery_zoom.js", "gallery.js")  # one module, in this order


@dataclass(frozen=True)
class Card:
    """One cell. ``automatic``: "positive", "negative" or ""; ``own``: what the rater decided before the decisions of ``Pages.log``;
    ``others``: (rater, decision); ``words``: why it stands here."""

    field: str
    label: int
    line: str
    automatic: str
    words: str
    fragile: bool = False
    own: str = ""
    others: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True)
class Pages:
    """What the gallery shows.

    ``address``: of the pictures; ``views``: what they show from left to right; ``log``: (field, label, decision) that the rater can
    take back, the last at the end; ``following``: cells of the next page, fetched ahead; ``heard``: the ``at`` of the last message
    that was dealt with; ``problem``: what went wrong with it; ``blind``: hide what the app and others say.
    """

    cards: Sequence[Card]
    page: int
    pages: int
    address: str
    views: Sequence[str]
    rater: str
    log: Sequence[tuple[str, int, str]] = ()
    following: Sequence[tuple[str, int]] = ()
    decided: int = 0
    total: int = 0
    heard: int = 0
    problem: str = ""
    blind: bool = False


def gallery(pages: Pages, key: str) -> None:
    """Place the gallery."""
    _component()(data=asdict(pages), key=key, on_told_change=lambda: None)


def messages(key: str) -> list[dict[str, Any]]:
    """What the gallery ``key`` tells in this run, oldest first; one may come again.

    Each has ``at`` (rising) and either ``turn`` (pages forward or back), or ``field``, ``label``, ``decision`` and ``was``.
    """
    told = st.session_state.get(key, {}).get("told")
    return [dict(message) for message in told["messages"]] if told else []


@cache
def _component() -> Any:
    script = "\n".join((ASSETS / name).read_text(encoding="utf-8") for name in SCRIPTS)
    return st.components.v2.component("senescope_gallery", css=(ASSETS / "gallery.css").read_text(encoding="utf-8"), js=script)
