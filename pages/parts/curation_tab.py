"""The curation tab: the borderline cells of an annotation first, decided on with two keys, nothing ever lost."""

from typing import Any

import pandas as pd
import streamlit as st

from core.errors import InputError
from core.report.words import count
from core.stages.curating import Curation, open_curation, publish_params, record
from core.stages.curating_pictures import view_names
from core.workspace import Experiment, Product
from pages.parts import address
from pages.parts.curation_crops import crops_url
from pages.parts.curation_filter import Shown, choose_cells
from pages.parts.curation_gallery import Card, Pages, gallery, messages
from pages.parts.curation_result import show_result
from pages.parts.job_panel import current_job, job_panel, submit

A_PAGE, UNDO_STEPS = 24, 200
RATER = "curation-rater"
STEADY = "<style>.st-key-curation-gallery [data-stale=true] {opacity: 1 !important; transition: none !important}</style>"
"""Without it Streamlit fades the pictures out and in at every key press."""


def curation_tab(experiment: Experiment, annotation: Product) -> None:
    """Everything about deciding on the cells of ``annotation``: gallery, counts, raters, publishing."""
    _finished(experiment)
    try:
        _tab(experiment, annotation)
    except InputError as problem:
        st.error(str(problem), icon=":material/error:")


@st.fragment
def _tab(experiment: Experiment, annotation: Product) -> None:
    key = f"gallery-{annotation.id}"
    choices = st.container(horizontal=True, vertical_alignment="bottom")
    with choices:
        rater = _rater()
    try:
        heard, problem = _hear(experiment, annotation, key, rater)
        now = open_curation(experiment, annotation)
        with choices:
            shown = choose_cells(now, rater, key)
        asked = st.container()  # always there: what follows keeps its place in the page, and the gallery its state
        if not rater:
            asked.info("Enter your name, then decide: **P** positive, **N** negative. Every decision is kept under it.", icon=":material/person:")
        st.html(STEADY)
        with st.container(key="curation-gallery"):
            _gallery(now, shown, key, rater, heard, problem)
        _publish(now)
        show_result(now, rater)
    except InputError as wrong:
        st.error(str(wrong), icon=":material/error:")


def _rater() -> str:
    """The name that is kept with every decision: asked once, kept in the address and the session."""
    if RATER not in st.session_state:
        st.session_state[RATER] = st.session_state.get("rater") or address.read("rater")
    st.text_input("Your name", key=RATER, persist_state="page", placeholder="Who decides", on_change=_named, width=150)
    return str(st.session_state[RATER] or "").strip()


def _named() -> None:
    address.write(rater=st.session_state[RATER].strip())


def _hear(experiment: Experiment, annotation: Product, key: str, rater: str) -> tuple[int, str]:
    """Save what the gallery tells; the number of its last message, and what was wrong with that."""
    memory = f"{key}-heard"
    heard, problem = st.session_state.get(memory, (0, ""))
    new = [message for message in messages(key) if message["at"] > heard]
    if not new:
        return heard, problem
    problem = ""
    try:
        orders = [message for message in new if "decision" in message]
        if orders:
            record(open_curation(experiment, annotation), [_order(message) for message in orders], rater)
    except InputError as wrong:
        problem = str(wrong)
    for message in new:
        if "turn" in message:
            st.session_state[f"{key}-page"] = st.session_state.get(f"{key}-page", 0) + int(message["turn"])
    st.session_state[memory] = (new[-1]["at"], problem)
    return st.session_state[memory]


def _order(message: dict[str, Any]) -> dict[str, Any]:
    return {"fov_id": message["field"], "label": message["label"], "decision": message["decision"], "was": message["was"]}


def _gallery(now: Curation, shown: Shown, key: str, rater: str, heard: int, problem: str) -> None:
    pages = -(-len(shown.cells) // A_PAGE)
    page = st.session_state[f"{key}-page"] = min(max(st.session_state.get(f"{key}-page", 0), 0), max(pages - 1, 0))
    if pages:
        first = ", fragile ones first, then those whose class changes at the smallest move of the threshold" if now.cells["threshold"].notna().any() else ""
        st.caption(f"{count(len(shown.cells), 'cell')}{first}.")
    else:
        st.info(shown.empty, icon=":material/check_circle:")
    here, following = (shown.cells.iloc[A_PAGE * one : A_PAGE * (one + 1)] for one in (page, page + 1))
    log = now.undoable(rater).tail(UNDO_STEPS)
    counted = now.cells["decision"] != ""
    gallery(
        Pages(
            cards=_cards(now, here, rater, log),
            page=page,
            pages=pages,
            address=crops_url(now.experiment, now.annotation, st.get_option("server.baseUrlPath") or ""),
            views=view_names(now.experiment, now.annotation),
            rater=rater,
            log=[(str(f), int(n), str(d)) for f, n, d in log[["fov_id", "label", "decision"]].itertuples(index=False)],
            following=[(str(f), int(n)) for f, n in following[["fov_id", "label"]].itertuples(index=False)],
            decided=int(counted.sum()),
            total=len(counted),
            heard=heard,
            problem=problem,
            blind=shown.blind,
        ),
        key=key,
    )


def _cards(now: Curation, cells: pd.DataFrame, rater: str, log: pd.DataFrame) -> list[Card]:
    older: dict[tuple[str, int], str] = {}
    others: dict[tuple[str, int], list[tuple[str, str]]] = {}
    recent = set(log[["fov_id", "label"]].itertuples(index=False, name=None))
    for name, fov_id, label, what in now.standing[["rater", "fov_id", "label", "decision"]].itertuples(index=False):
        if name != rater:
            others.setdefault((fov_id, label), []).append((name, what))
        elif (fov_id, label) not in recent:
            older[(fov_id, label)] = what
    rows = [(row, (str(row["fov_id"]), int(row["label"]))) for row in cells.to_dict("records")]
    return [
        Card(*cell, str(row["sample"]), _class_name(row["automatic_class"]), _closeness(row), bool(row["fragile"]), older.get(cell, ""), others.get(cell, []))
        for row, cell in rows
    ]


def _class_name(value: Any) -> str:
    return "" if pd.isna(value) else "positive" if value else "negative"


def _closeness(row: dict[str, Any]) -> str:
    """Where the class changes, in words: "changes at −4 % threshold"."""
    threshold, critical = row["threshold"], row["critical_threshold"]
    if pd.isna(row["automatic_class"]) or pd.isna(critical) or pd.isna(threshold) or not threshold:
        return ""
    change = 100 * (critical - threshold) / abs(threshold)
    return f"changes at {change:+.{0 if abs(change) >= 9.95 else 1}f} % threshold".replace("-", "−")


def _publish(now: Curation) -> None:
    """The button that makes a new annotation, and the same as a command."""
    decided = int((now.cells["decision"] != "").sum())
    busy = current_job(now.experiment, ("annotate",)) is not None
    try:
        params = publish_params(now)
    except InputError as problem:
        st.info(str(problem), icon=":material/upload_file:")
        return
    ready = not now.published
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button("Publish with my decisions", type="primary", icon=":material/publish:", disabled=busy or not ready, key="curation-publish"):
            submit("annotate", params, str(now.experiment.path))
            st.rerun()
        words = "makes a new annotation; this one stays as it is." if ready else "This annotation holds every decision made so far."
        st.caption(f"{count(decided, 'decision')} saved. " + (words[0].upper() + words[1:] if ready else words))
    with st.expander("The same on the command line", icon=":material/terminal:"):
        st.code(str(now.annotation.settings.get("command", "")), language="bash", wrap_lines=True)


def _finished(experiment: Experiment) -> None:
    """Open what was published; meanwhile show how far it is, unless the page around does."""
    job = current_job(experiment, ("annotate",))
    if job is None:
        return
    if job.state == "done":
        address.write(job=None, annotation=job.result.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1])
        st.rerun()
    if not st.session_state.get("annotate-job-shown"):
        job_panel(job)


__all__ = ["curation_tab"]
