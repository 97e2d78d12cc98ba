"""The drop zone: files and folders go straight to disk, never through the memory of the app."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

from core.workspace import Experiment
from pages.parts import media, receiving

ASSETS = Path(__file__).parent / "assets"


@dataclass(frozen=True)
class Uploaded:
    """What came of one drop: (name as sent, reference such as ``images/a.tif``), and (name, why it was not taken)."""

    stored: tuple[tuple[str, str], ...]
    failed: tuple[tuple[str, str], ...]

    @property
    def references(self) -> list[str]:
        """The stored files as references for ``fields.csv``, each once."""
        return list(dict.fromkeys(reference for _, reference in self.stored))


def uploader(
    experiment: Experiment,
    *,
    key: str,
    label: str = "Drop images or a whole folder here",
    suffixes: Sequence[str] | None = None,
    formats: str = "",
    folder: str = "images",
    whole_folders: bool = True,
    added: str = "added",
) -> Uploaded | None:
    """Show the drop zone; what was uploaded in the run of the page that follows an upload, else None.

    The files are in ``experiment.images`` by then, or in another ``folder`` of the experiment. ``suffixes``: what is taken
    (default: every image format); ``formats``: the same in words; ``whole_folders``: offer to choose a folder; ``added``: what happened to the
    files that arrived. Failures are listed by the drop zone itself.
    """
    if suffixes is None:
        from core.images import IMAGE_SUFFIXES

        suffixes = IMAGE_SUFFIXES
    data = {
        "url": media.upload_url(st.get_option("server.baseUrlPath") or ""),
        "token": receiving.token(experiment, tuple(suffixes), folder),
        "folders": whole_folders,
        "added": added,
        "label": label,
        "formats": formats or format_words(suffixes),
        "suffixes": [suffix.lower() for suffix in suffixes],
        "limit": receiving.limit_bytes(),
    }
    done = _component()(data=data, key=key, on_done_change=lambda: None).done
    if not done:
        return None
    return Uploaded(
        tuple((one["name"], one["stored"]) for one in done["ok"]),
        tuple((one["name"], one["why"]) for one in done["bad"]),
    )


def format_words(suffixes: Sequence[str]) -> str:
    """(".tif", ".tiff", ".png") -> "TIFF, PNG"."""
    words = {"tif": "TIFF", "ome.tif": "OME-TIFF", "ome.tiff": "OME-TIFF", "jpg": "JPEG"}
    names = (suffix.lower().lstrip(".") for suffix in suffixes)
    return ", ".join(dict.fromkeys(words.get(name, name.upper()) for name in names))


@cache
def _component() -> Any:
    script, style = ((ASSETS / name).read_text(encoding="utf-8") for name in ("upload.js", "upload.css"))
    return st.components.v2.component("senescope_upload", css=style, js=script)
