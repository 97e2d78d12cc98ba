"""Bringing images into an experiment: upload, a folder on the server, and the files that could not be used as they are."""

from collections.abc import Sequence
from pathlib import Path

import streamlit as st
from natsort import natsorted

from core.errors import InputError
from core.fields import kind_of_name
from core.images import IMAGE_SUFFIXES, ImageInfo, inspect
from core.report.words import count
from core.stages.unused import left_elsewhere, left_in_folder, used_images
from core.workspace import Experiment, allowed_path, allowed_roots
from pages.parts.add_outlines import add_outlines
from pages.parts.choose_planes import choose_planes
from pages.parts.job_panel import submit
from pages.parts.upload import uploader

KINDS = ("phase", "stain", "colour")


def add_images(experiment: Experiment) -> None:
    """The drop zone and the folder on the server; below them what needs a decision."""
    uploaded = uploader(experiment, key=f"upload-{experiment.name}", label="Drop phase-contrast images here", added="received")
    if said := st.session_state.pop(f"added-{experiment.path}", ""):
        st.success(said, icon=":material/check:")
    with st.expander("Take a folder on the server instead", icon=":material/folder_open:"):
        _from_folder(experiment)
    if not experiment.fields().empty:
        add_outlines(experiment)
    if uploaded and uploaded.references:
        _take(experiment, [r for r in uploaded.references if _usable(experiment, r)])
    _decide(experiment)


def _take(experiment: Experiment, references: Sequence[str], kind: str = "") -> None:
    """Add files that lie in the experiment: checked one by one, paired by name, described by their names."""
    from core.stages.adding import Addition, add

    if not references:
        return
    lists = _by_kind(references, kind)
    bar = st.progress(0.0, text="Adding images …")

    def show(done: float, total: float, item: str) -> None:
        bar.progress(min(1.0, done / max(total, 1)), text=item)

    before = set(experiment.fields()["fov_id"])
    try:
        add(experiment.path, Addition(lists["phase"], lists["stain"], lists["colour"]), show)
    except InputError as problem:
        st.error(str(problem), icon=":material/error:")
        return
    finally:
        bar.empty()
    st.session_state[f"added-{experiment.path}"] = _came_of(experiment, references, before)
    st.rerun()


def _came_of(experiment: Experiment, references: Sequence[str], before: set[str]) -> str:
    """ "40 files: 30 new fields. 1 file is not used, see below"."""
    new = len(set(experiment.fields()["fov_id"]) - before)
    unused = len(set(references) - references_of(experiment))
    said = f"{count(len(references), 'file')}: {count(new, 'new field')}."
    return said if not unused else f"{said} {count(unused, 'file')} {'is' if unused == 1 else 'are'} not used, see below."


def _by_kind(references: Sequence[str], kind: str = "") -> dict[str, list[str]]:
    """Phase, stain and colour files told apart by the words in their names, in natural order."""
    return {one: [r for r in natsorted(references) if (kind or kind_of_name(r) or "phase") == one] for one in KINDS}


def _from_folder(experiment: Experiment) -> None:
    roots = allowed_roots()
    if not roots:
        st.caption("No folder on the server is opened for this app. Who runs it can name some in the environment variable SENESCOPE_ROOTS.")
        return
    st.caption(f"The images stay where they are and are only referred to. Allowed: {', '.join(f'`{root}`' for root in roots)} and folders inside.")
    text = st.text_input("Folder", key=f"folder-{experiment.name}", placeholder=str(roots[0]))
    if not text.strip():
        return
    try:
        found = images_in(allowed_path(text))
    except InputError as problem:
        st.error(str(problem), icon=":material/error:")
        return
    used = used_images(experiment)
    new = [str(path) for path in found if str(path) not in used]
    known = {name: info for name in new if (info := described(Path(name))) is not None}
    several = {name: info for name, info in known.items() if info.needs_choice}
    plain = [name for name in new if name not in several]
    st.caption(
        f"{count(len(found), 'image')} in this folder, {len(new)} not in the experiment yet"
        + (f", {len(several)} with several planes" if several else "")
        + "."
    )
    if plain and st.button(f"Add {count(len(plain), 'image')}", type="primary", key="add-folder"):
        _start(experiment, _by_kind(plain))
    if several and (chosen := choose_planes(several, "folder-planes")):
        _start(experiment, {"phase": chosen[0], "stain": chosen[1]})


def _start(experiment: Experiment, references: dict[str, list[str]]) -> None:
    submit("add", {"experiment": str(experiment.path), "link": True, **references}, str(experiment.path))
    st.rerun()


def images_in(path: Path) -> list[Path]:
    """The image itself, or the images of a folder by name."""
    found = [path] if path.is_file() else sorted(path.iterdir())
    return [p for p in found if p.is_file() and not p.name.startswith(".") and p.name.lower().endswith(IMAGE_SUFFIXES)]


def references_of(experiment: Experiment) -> set[str]:
    table = experiment.fields()
    return {reference for kind in KINDS for reference in table[kind] if reference}


def described(path: Path) -> ImageInfo | None:
    """What the file holds; None where it cannot be read (adding it says why)."""
    try:
        return _inspected(path, path.stat().st_mtime_ns)
    except (InputError, OSError):
        return None


@st.cache_data(max_entries=4096, show_spinner=False)
def _inspected(path: Path, changed: int) -> ImageInfo:
    return inspect(path)


def _usable(experiment: Experiment, reference: str) -> bool:
    info = described(experiment.resolve(reference)[0])
    return info is None or not info.needs_choice


def _decide(experiment: Experiment) -> None:
    """Uploaded files that are no field yet: those with several planes are asked about, the others listed with the reason."""
    left = left_in_folder(experiment)
    known = {name: described(experiment.resolve(name)[0]) for name in left}
    several = {name: info for name, info in known.items() if info is not None and info.needs_choice}
    if several and (chosen := choose_planes(several, "planes")):
        from core.stages.adding import Addition, add

        add(experiment.path, Addition(phase=chosen[0], stain=chosen[1]))
        st.rerun()
    rest = [name for name in left if name not in several]
    if rest:
        _list_unused(experiment, rest)
    _list_left_out(experiment)


def _list_left_out(experiment: Experiment) -> None:
    """Files of a folder on the server that could not be added the last time."""
    if rows := left_elsewhere(experiment):
        with st.expander(f"{count(len(rows), 'file')} of the folder could not be added", icon=":material/error:", expanded=True):
            st.table({"File": [Path(row["file"]).name for row in rows], "Why": [row["error"] for row in rows]}, border="horizontal")


def _list_unused(experiment: Experiment, names: Sequence[str]) -> None:
    reasons = {name: _reason(experiment, name) for name in names}
    with st.expander(f"{count(len(names), 'file')} not used", icon=":material/help:", expanded=any("cannot be read" in r for r in reasons.values())):
        st.table({"File": [n.removeprefix("images/") for n in reasons], "Why": list(reasons.values())}, border="horizontal")
        usable = [name for name, reason in reasons.items() if "cannot be read" not in reason]
        if usable:
            picked = st.multiselect("Use as phase images all the same", usable, format_func=lambda n: n.removeprefix("images/"))
            if st.button("Add them", disabled=not picked):
                _take(experiment, picked, "phase")


def _reason(experiment: Experiment, name: str) -> str:
    path = experiment.resolve(name)[0]
    try:
        _inspected(path, path.stat().st_mtime_ns)
    except (InputError, OSError) as problem:
        return f"cannot be read: {problem}"
    kind = kind_of_name(name)
    return f"{kind} image without a phase image of the same name" if kind in ("stain", "colour") else "not in the table of fields"
