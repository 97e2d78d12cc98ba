"""Sign-off of an assessment, its audit log, and the acceptance limits of the laboratory."""

from dataclasses import asdict

import pandas as pd
import streamlit as st

from core.errors import InputError
from core.report.words import limits_words
from core.settings import AcceptanceLimits
from core.stages.signing import NEEDS_COMMENT, current_limits, limits_history, problems, save_limits, sign, signoffs, standing
from core.tables import SIGNOFF_DECISIONS
from core.workspace import Experiment, Product
from pages.parts.settings_form import settings_grid
from pages.parts.words import when

BADGES = {"pass": ":green-badge[pass]", "review": ":orange-badge[review]", "fail": ":red-badge[fail]"}
COLUMNS = {"number": "No.", "time": "Time", "name": "Name", "role": "Role", "decision": "Decision", "comment": "Comment", "verdicts": "Verdicts then"}


def signoff_line(experiment: Experiment, assessment: Product) -> None:
    """Above everything: an alarm where the log was changed, else who has signed, in one line."""
    try:
        wrong, found = problems(experiment, assessment.id), standing(signoffs(experiment, assessment.id))
    except InputError as error:
        wrong, found = [str(error)], pd.DataFrame()
    if wrong:
        st.error("**The audit log of this assessment is not intact.** " + " ".join(wrong), icon=":material/gpp_bad:")
    elif len(found):
        said = [f"{row['decision']} by {row['name']} ({row['role']}), {when(row['time'])}" for row in found.to_dict("records")]
        st.caption(f":material/verified: {'; '.join(said)}")


def signoff_tab(experiment: Experiment, assessment: Product, report: Product | None, samples: pd.DataFrame) -> None:
    """Verdicts, form, log, limits."""
    try:
        _verdicts(samples)
        _form(experiment, assessment, report)
        _log(experiment, assessment)
        _limits()
    except InputError as problem:
        st.error(str(problem), icon=":material/error:")


def _verdicts(samples: pd.DataFrame) -> None:
    known = samples[samples["verdict"] != ""]
    for row in known.to_dict("records"):
        st.markdown(f"{BADGES[row['verdict']]} **{row['sample']}**" + (f" · {row['verdict_reasons']}" if row["verdict_reasons"] else ""))
    if known.empty:
        st.caption("No verdicts: no acceptance limits are set, or there are only controls.")


def _form(experiment: Experiment, assessment: Product, report: Product | None) -> None:
    st.markdown("**Sign off**")
    entry = len(signoffs(experiment, assessment.id)) + 1  # the next one is decided anew
    decision = st.selectbox("Decision", SIGNOFF_DECISIONS, index=None, key=f"sign-decision-{assessment.id}-{entry}", placeholder="Choose one …")
    with st.form(f"sign-{assessment.id}", border=True, clear_on_submit=False):
        one, two = st.columns(2)
        name = one.text_input("Name", key="sign-name", persist_state="page")
        role = two.text_input("Role", key="sign-role", persist_state="page", placeholder="scientist, laboratory head, QA …")
        comment = st.text_input("Comment", key="sign-comment", help=f"Needed where the decision is: {', '.join(NEEDS_COMMENT)}.")
        st.caption(f"Signed is what is shown above, {report.id if report else assessment.id}. No entry is ever removed; “withdrawn” takes back your last one.")
        pressed = st.form_submit_button("Sign", type="primary", icon=":material/draw:", disabled=decision is None)
        if pressed and decision is not None:
            try:
                sign(experiment, assessment.id, name, role, decision, comment, report.id if report else "")
                st.rerun()
            except InputError as problem:
                st.error(str(problem), icon=":material/error:")


def _log(experiment: Experiment, assessment: Product) -> None:
    st.markdown("**Audit log**")
    table = signoffs(experiment, assessment.id)
    if table.empty:
        st.caption("Nobody has signed yet.")
        return
    shown = table[list(COLUMNS)].rename(columns=COLUMNS).assign(Hash=table["hash"].str[:10], Time=[when(time) for time in table["time"]])
    st.dataframe(shown, hide_index=True)
    if not problems(experiment, assessment.id):
        st.caption("Every entry carries the hash of the one before it; the chain is whole. It is part of every ZIP and report made from now on.")


def _limits() -> None:
    limits, version = current_limits()
    st.markdown("**Acceptance limits of this laboratory**")
    if limits:
        st.caption(f"Version {version}: {limits_words(limits)}.")
    else:
        st.caption("None are set yet, so no culture gets a verdict.")
    with st.expander("Change the limits" if limits else "Set limits", icon=":material/rule:"):
        st.caption("They hold for all experiments of this workspace from the moment they are saved; earlier versions stay in the log.")
        chosen = settings_grid(AcceptanceLimits, f"limits-{version or 0}", asdict(limits) if limits else None)
        one, two = st.columns(2)
        name = one.text_input("Saved by", key="limits-name", persist_state="page")
        comment = two.text_input("Why", key=f"limits-comment-{version or 0}")
        if st.button("Save as the laboratory’s limits", icon=":material/save:"):
            try:
                save_limits(chosen, name, comment)
                st.rerun()
            except InputError as problem:
                st.error(str(problem), icon=":material/error:")
        history = limits_history()
        if len(history):
            st.dataframe(history.drop(columns=["previous"]).assign(hash=history["hash"].str[:10]), hide_index=True)
