"""Files with several channels, focal planes, times or positions: the user says which planes are fields; nothing is cut silently."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import streamlit as st

from core.fields import join_reference
from core.images import ImageInfo, planes
from core.report.words import count

NAMES = {"P": "Position", "C": "Channel", "Z": "Focal plane", "T": "Time"}
NONE = "none"


def choose_planes(files: Mapping[str, ImageInfo], key: str) -> tuple[list[str], list[str]] | None:
    """Ask once for all files that are built alike; the (phase, stain) references to add when the user agrees, else None."""
    alike: dict[tuple, list[str]] = defaultdict(list)
    for name, info in files.items():
        alike[info.axes, tuple(info.layouts[0].choices.items()), len(info.layouts), info.channels].append(name)
    for number, names in enumerate(alike.values()):
        with st.container(border=True):
            chosen = _ask(names, files[names[0]], f"{key}-{number}")
        if chosen is not None:
            kept = [[join_reference(n, p) for n in names for p in planes(files[n]) if _fits(p, wanted)] for wanted in chosen]
            return kept[0], kept[1]
    return None


def _ask(names: Sequence[str], info: ImageInfo, key: str) -> tuple[dict[str, int | None], dict[str, int | None]] | None:
    sizes = ({"P": len(info.layouts)} if len(info.layouts) > 1 else {}) | info.layouts[0].choices
    held = ", ".join(count(size, NAMES[axis].lower()) for axis, size in sizes.items())
    named = ", ".join(map(_short, names[:4])) + (" …" if len(names) > 4 else "")
    st.markdown(f"**Which planes are your phase-contrast fields?** {count(len(names), 'file')} with {held}: {named}")
    wanted: dict[str, int | None] = {}
    stain: int | None = None
    for axis, column in zip(sizes, st.columns(max(3, len(sizes))), strict=False):
        options = _options(axis, sizes[axis], info)
        with column:
            if axis == "C":
                wanted[axis] = _pick("Phase channel", options, f"{key}-phase")
                stain = _pick("Stain channel", {NONE: None, **options}, f"{key}-stain")
            else:
                every = {} if axis == "Z" else {f"every {NAMES[axis].lower()}, a field each": None}
                wanted[axis] = _pick(NAMES[axis], {**every, **options}, f"{key}-{axis}", first=sizes[axis] // 2 if axis == "Z" else 0)
    if not st.button("Add these fields", key=f"{key}-add", type="primary"):
        return None
    return wanted, (wanted | {"C": stain} if stain is not None else {"none": -1})


def _options(axis: str, size: int, info: ImageInfo) -> dict[str, int | None]:
    """What one may choose along an axis, named as the file names it."""
    named = {"C": info.channels, "P": info.positions, "T": tuple(f"{hours:g} h" for hours in info.times_h) if info.times_h else None}.get(axis)
    return {f"{at + 1}" + (f": {named[at]}" if named and at < len(named) else ""): at for at in range(size)}


def _pick(label: str, options: Mapping[str, int | None], key: str, first: int = 0) -> int | None:
    return options[st.selectbox(label, list(options), index=first, key=key)]


def _fits(plane: object, wanted: Mapping[str, int | None]) -> bool:
    return "none" not in wanted and all(index is None or plane.index(axis) == index for axis, index in wanted.items())  # type: ignore[attr-defined]


def _short(name: str) -> str:
    return name.replace("\\", "/").rsplit("/", 1)[-1]
