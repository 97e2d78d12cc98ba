"""The alignment tab: which stain images lie on their phase images, which do not, and what a person says to it."""

from dataclasses import asdict

import pandas as pd
import streamlit as st

from core.errors import InputError
from core.options import command
from core.report import read_csv
from core.report.words import count
from core.settings import RegisterSettings
from core.stages.aligned import current_registrations
from core.tables import FAILURES
from core.workspace import Experiment, Product
from pages.parts import address
from pages.parts.align_pair import align_pair
from pages.parts.job_panel import current_job, job_panel, submit
from pages.parts.settings_form import settings_form

FIRST = {"fail": 0, "check": 1, "pass": 2}
SHOWN = {"fail": "✕ fail", "check": "? check", "pass": "✓ pass"}
SOURCES = {"own": "this pair", "consensus": "consensus of the session", "manual": "by hand", "none": "none"}


def align_tab(experiment: Experiment) -> None:
    """Align all pairs of ``experiment``, or show the newest alignment: table of pairs, one pair as a picture, decisions."""
    table = experiment.fields()
    if not (table["stain"].ne("") | table["colour"].ne("")).any():
        st.info("This experiment has no stain or colour images, so there is nothing to align.", icon=":material/layers:")
        address.link("experiments", "Add images", icon=":material/add_photo_alternate:", experiment=experiment.name)
        return
    job = current_job(experiment, ("register",))
    if job and job.state == "done":
        address.write(job=None)
        job = None
    if job:
        job_panel(job)
    product = next(iter(experiment.products("registrations")), None)
    if product is not None:
        _show(experiment, product)
    with st.expander("Align again with other settings", icon=":material/restart_alt:") if product else st.container():
        _prepare(experiment, busy=bool(job and job.active), first=product is None)


def _prepare(experiment: Experiment, busy: bool, first: bool) -> None:
    if first:
        st.markdown("Stain images are taken later than phase images, so they lie a little off. Aligning finds shift, rotation and scale of every pair.")
    [settings] = settings_form({"Alignment": RegisterSettings}, "align", columns=2, expanded=not first)
    if st.button("Align all pairs", type="primary" if first else "secondary", disabled=busy, icon=":material/layers:"):
        submit("register", {"experiment": str(experiment.path), "settings": asdict(settings)}, str(experiment.path))
        st.rerun()
    st.code(command("register", experiment.path, settings), language="bash", wrap_lines=True)


def _show(experiment: Experiment, product: Product) -> None:
    try:
        pairs = current_registrations(experiment, product)
        failures = read_csv(product.path / "failures.csv", FAILURES)
    except InputError as problem:
        st.error(str(problem), icon=":material/error:")
        return
    pairs = pairs.iloc[pairs["verdict"].map(FIRST).argsort(kind="stable")].reset_index(drop=True)
    numbers = pairs["verdict"].value_counts()
    st.markdown(
        f"**{count(len(pairs), 'pair')}**: {numbers.get('pass', 0)} lie on each other, {numbers.get('check', 0)} to be looked at, "
        f"{numbers.get('fail', 0)} not usable."
    )
    for row in failures.to_dict("records"):
        st.warning(f"{row['fov_id']}: {row['error']}", icon=":material/warning:")
    if len(pairs):
        chosen = _pick(pairs, product)
        align_pair(experiment, product, pairs.iloc[chosen].to_dict())


def _pick(pairs: pd.DataFrame, product: Product) -> int:
    """The table of pairs; the number of the row that is picked, at first the worst one."""
    shown = pd.DataFrame(
        {
            "Verdict": pairs["verdict"].map(SHOWN),
            "Field": pairs["fov_id"],
            "Image": pairs["image"],
            "Off by about (px)": pairs["residual_px"],
            "Taken from": pairs["source"].map(SOURCES),
            "Decision": pairs["decision"].where(pairs["decision"] == "", pairs["decision"] + " by " + pairs["rater"]),
            "Why": pairs["reason"],
        }
    )
    number = st.column_config.NumberColumn(format="%.2f", help="Estimated mean distance between where a cell lies in both images.")
    config = {"Off by about (px)": number, "Why": st.column_config.TextColumn(width="large")}
    key = address.read("pair")
    names = (pairs["fov_id"] + " " + pairs["image"]).to_list()
    event = st.dataframe(
        shown,
        hide_index=True,
        height=min(38 + 35 * len(pairs), 280),
        on_select="rerun",
        selection_mode="single-row",
        column_config=config,
        key=f"pairs-{product.id}",
    )
    rows = event["selection"]["rows"]
    if rows and rows[0] < len(names) and st.session_state.get("picked-row") != rows[0]:
        st.session_state["picked-row"] = rows[0]
        address.write(pair=names[rows[0]])
        key = names[rows[0]]
    return names.index(key) if key in names else 0
