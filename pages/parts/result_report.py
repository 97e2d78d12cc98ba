"""Reports of an assessment: make a new one with what is known by now, open or download those there are."""

from dataclasses import asdict

import streamlit as st

from core.options import command
from core.settings import ReportSettings
from core.stages.assessed import Assessed
from core.stages.marked import annotations_for, marker_of
from core.stages.reference import AUTO, NONE, evaluations_for
from core.stages.signing import reports_of
from core.workspace import Experiment, Product
from pages.parts import address
from pages.parts.job_panel import current_job, submit
from pages.parts.settings_form import settings_form
from pages.parts.words import product_words, when

OWN = "own"  # in the address: the assessment's own tables, as of when it was made


def shown_report(experiment: Experiment, assessment: Product) -> Product | None:
    """The report whose numbers are shown: the one of the address, else the newest; None for the assessment's own."""
    reports = {one.id: one for one in reports_of(experiment, assessment.id)}
    if not reports:
        return None
    names = [*reports, OWN]
    current = address.read("report") if address.read("report") in names else names[0]
    st.session_state["shown-report"] = current
    st.selectbox(
        "Numbers from",
        names,
        key="shown-report",
        format_func=lambda one: "the assessment itself, as of when it was made" if one == OWN else f"report of {when(reports[one].created)} · {one}",
        on_change=lambda: address.write(report=st.session_state["shown-report"]),
        help="A report takes in evaluations and stained fields that came after the assessment.",
    )
    return reports.get(current)


def report_tab(experiment: Experiment, assessment: Product, assessed: Assessed) -> None:
    """A form for a new report, and the same as a command."""
    st.markdown("A report takes in what is known by now: the evaluation of this classifier, stained fields, a second marker, the groups to compare.")
    key = f"report-{assessment.id}"
    evaluations = {f"{e.name}/{p.id}": p for e, p in evaluations_for(assessed)}
    annotations = {p.id: p for p in annotations_for(assessed)}
    one, two, three = st.columns(3)
    words = {AUTO: "Newest that fits", NONE: "None"}
    evaluation = one.selectbox(
        "Evaluation of the classifier", [AUTO, NONE, *evaluations], format_func=lambda n: words.get(n) or product_words(evaluations[n]), key=f"{key}-evaluation"
    )
    annotation, second = (
        column.selectbox(label, [AUTO, NONE, *annotations], format_func=lambda n: words.get(n) or _annotation(annotations[n]), key=f"{key}-{label}")
        for column, label in ((two, "Annotation of stained fields"), (three, "Second marker"))
    )
    if not evaluations:
        st.caption("No evaluation of this very classifier is in the workspace yet: its calls cannot be corrected for its errors.")
        address.link("evaluate", "Evaluate the classifier", icon=":material/fact_check:", experiment=experiment.name)
    fixed = {"evaluation": evaluation, "annotation": annotation, "second_annotation": second}
    [settings] = settings_form({"Report": ReportSettings}, key, columns=3, fixed=fixed)
    busy = current_job(experiment, ("report",)) is not None
    if st.button("Make a new report", type="primary", icon=":material/description:", disabled=busy):
        submit("report", {"experiment": str(experiment.path), "assessment": assessment.id, "settings": asdict(settings)}, str(experiment.path))
        st.rerun()
    with st.expander("The same on the command line", icon=":material/terminal:"):
        st.code(command("report", assessment.path, settings), language="bash", wrap_lines=True)


def _annotation(annotation: Product) -> str:
    return f"{marker_of(annotation)} · {product_words(annotation)}"
