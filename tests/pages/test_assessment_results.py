"""Below the headline of an assessment: estimates, groups, reports, sign-off, limits."""

from collections.abc import Callable

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from core.jobs import JobStore
from core.report import write_csv
from core.settings import AcceptanceLimits, ReportSettings
from core.stages.reporting import report
from core.stages.signing import current_limits, save_limits, sign, signoff_log, signoffs
from core.stages.unused import unused_images, unused_words
from core.workspace import Experiment

Open = Callable[..., AppTest]
Words = Callable[[AppTest], str]
Click = Callable[[AppTest, str], AppTest]


def box(app: AppTest, label: str):  # type: ignore[no-untyped-def]
    return next(one for one in app.selectbox if one.label == label)


def text(app: AppTest, label: str):  # type: ignore[no-untyped-def]
    return next(one for one in app.text_input if one.label == label)


def button(app: AppTest, label: str):  # type: ignore[no-untyped-def]
    return next(one for one in app.button if one.label == label)


def signed(app: AppTest, click: Click, decision: str = "approved", comment: str = "") -> AppTest:
    box(app, "Decision").set_value(decision).run()
    text(app, "Name").set_value("Åse Nilsen")
    text(app, "Role").set_value("scientist")
    text(app, "Comment").set_value(comment)
    return click(app, "Sign")


def test_groups_can_be_chosen_and_few_replicates_are_warned_of(open_page: Open, experiment: Experiment, assessment: str, words: Words) -> None:
    app = open_page(experiment=experiment.name)
    assert box(app, "Compare").value == "passage"
    shown = words(app)
    assert "Fewer than 3 cultures in" in shown
    assert "9 against 4: too few cultures for an interval." in shown
    assert not app.exception
    box(app, "Reference").set_value("9").run()
    assert "4 against 9" in words(app)
    box(app, "Compare").set_value("All cultures together").run()
    assert "Fewer than 3 cultures in all cultures (2)" in words(app)
    assert not app.exception


@pytest.mark.parametrize("comma", [True, False])
def test_tables_of_groups_are_named_and_written_as_the_others_are(
    open_page: Open, experiment: Experiment, assessment: str, monkeypatch: pytest.MonkeyPatch, comma: bool
) -> None:
    made, taken = report(experiment.path, assessment, ReportSettings(gallery=0, decimal_comma=comma)), {}
    monkeypatch.setattr("streamlit.download_button", lambda label, data, file_name, **more: taken.update({file_name: data}))
    open_page(experiment=experiment.name, assessment=assessment, report=made.name)
    for name in ("groups", "comparisons", "trend", "group_units"):
        header = taken[f"{experiment.name} {made.name} {name}.csv"].splitlines()[0]
        assert (b";" in header, b"," in header) == (comma, not comma)


def test_three_warnings_are_open_and_the_others_folded_away(open_page: Open, experiment: Experiment, assessment: str) -> None:
    app = open_page(experiment=experiment.name)
    warned = next(one.value for one in app.warning if "Before you use these numbers" in one.value)
    assert warned.count("\n- ") == 3
    more = next(one for one in app.expander if "more to know before you use these numbers" in one.label)
    assert int(more.label.split()[0]) == more.markdown[0].value.count("- ")


def test_images_that_never_became_a_field_are_counted(open_page: Open, experiment: Experiment, assessment: str, words: Words) -> None:
    assert unused_words(experiment) == ""
    assert "belongs to no field" not in words(open_page(experiment=experiment.name))
    (experiment.images / "broken.tif").write_bytes(b"no image")
    write_csv(
        experiment.path / "left_out.csv", pd.DataFrame([{"fov_id": "", "file": name, "error": "no image"} for name in ("images/broken.tif", "/far/b.tif")])
    )
    assert unused_images(experiment) == ["images/broken.tif", "/far/b.tif"]
    (experiment.path / "left_out.csv").unlink()
    assert "1 image of the experiment belongs to no field and is in no number" in words(open_page(experiment=experiment.name))
    made = report(experiment.path, assessment, ReportSettings(gallery=0))
    assert "1 image of the experiment belongs to no field" in (made / "report.html").read_text(encoding="utf-8")


def test_an_assessment_without_evaluation_says_what_is_missing(open_page: Open, experiment: Experiment, assessment: str, words: Words) -> None:
    shown = words(open_page(experiment=experiment.name))
    assert "calls are not corrected for its errors" in shown or "so calls are not corrected" in shown
    assert "No evaluation of this very classifier is in the workspace" in shown
    assert "None are set yet, so no culture gets a verdict." in shown


def test_a_new_report_is_a_job_and_its_numbers_are_shown(open_page: Open, experiment: Experiment, assessment: str, store: JobStore, click: Click) -> None:
    app = open_page(experiment=experiment.name)
    assert "Numbers from" not in [one.label for one in app.selectbox]
    box(app, "Evaluation of the classifier").set_value("none").run()
    assert any("core report" in code.value and "--evaluation none" in code.value for code in app.code)
    click(app, "Make a new report")
    [job] = store.active()
    assert (job.stage, job.params["assessment"], job.params["settings"]["evaluation"]) == ("report", assessment, "none")
    made = report(experiment.path, assessment, ReportSettings(gallery=0))
    store.begin(job.id)
    store.finish(job.id, "done", result=str(made))
    app = open_page(experiment=experiment.name, assessment=assessment, job=job.id)
    assert app.query_params["report"] == made.name
    assert box(app, "Numbers from").value == made.name
    box(app, "Numbers from").set_value("own").run()
    assert app.query_params["report"] == "own"
    assert app.metric
    assert not app.exception


def test_signing_adds_to_the_log_and_is_said_at_the_top(open_page: Open, experiment: Experiment, assessment: str, words: Words, click: Click) -> None:
    app = open_page(experiment=experiment.name)
    assert "Nobody has signed yet." in words(app)
    assert box(app, "Decision").value is None  # nobody approves by not choosing
    assert button(app, "Sign").disabled
    box(app, "Decision").set_value("approved").run()
    assert not button(app, "Sign").disabled
    click(app, "Sign")
    assert "name of a person" in app.error[0].value
    assert signoffs(experiment, assessment).empty
    app = signed(app, click)
    assert "approved by Åse Nilsen (scientist)" in words(app)
    assert box(app, "Decision").value is None
    assert signoffs(experiment, assessment)["decision"].tolist() == ["approved"]
    app = signed(app, click, "rejected")
    assert "says why it is rejected" in app.error[0].value
    app = signed(app, click, "rejected", "Wrong lot.")
    assert "rejected by Åse Nilsen" in words(app)
    assert signoffs(experiment, assessment)["decision"].tolist() == ["approved", "rejected"]
    assert "the chain is whole" in words(app)


def test_what_is_newer_than_the_downloads_is_said_beside_them(open_page: Open, experiment: Experiment, assessment: str, words: Words) -> None:
    assert "newer than the report" not in words(open_page(experiment=experiment.name))
    sign(experiment, assessment, "Bo", "head", "approved")
    assert "Sign-offs are newer than the report and the tables offered here" in words(open_page(experiment=experiment.name))


def test_a_log_that_was_changed_is_an_alarm(open_page: Open, experiment: Experiment, assessment: str, words: Words) -> None:
    sign(experiment, assessment, "Bo", "head", "approved")
    file = signoff_log(experiment, assessment).file.path
    file.write_bytes(file.read_bytes().replace(b"Bo", b"Al"))
    app = open_page(experiment=experiment.name)
    assert "audit log of this assessment is not intact" in app.error[0].value
    assert "the chain is whole" not in words(app)
    file.write_bytes(b"nonsense\n")
    app = open_page(experiment=experiment.name)
    assert "line 1 is damaged" in app.error[0].value


def test_limits_are_saved_under_a_name_and_give_verdicts(open_page: Open, experiment: Experiment, assessment: str, words: Words, click: Click) -> None:
    app = open_page(experiment=experiment.name)
    next(one for one in app.number_input if one.label == "Fewest scored cells").set_value(2).run()
    click(app, "Save as the laboratory")
    assert "name of a person" in app.error[0].value
    text(app, "Saved by").set_value("Q. Head").run()
    app = click(app, "Save as the laboratory")
    assert current_limits() == (AcceptanceLimits(fewest_cells=2), 1)
    shown = words(app)
    assert "Version 1: pass up to" in shown
    assert ":orange-badge[review]" in shown
    assert "1 of at least 3 fields" in shown


@pytest.mark.parametrize(
    ("limits", "badge"), [({"fail_from": 0.5, "pass_up_to": 0.1}, ":red-badge[fail]"), ({"pass_up_to": 0.6, "fail_from": 1.0}, ":orange-badge[review]")]
)
def test_verdicts_are_beside_the_headline(open_page: Open, experiment: Experiment, assessment: str, words: Words, limits: dict, badge: str) -> None:
    save_limits(AcceptanceLimits(fewest_cells=1, fewest_fields=1, widest_interval=1.0, **limits), "Q. Head")
    app = open_page(experiment=experiment.name)
    assert any(badge in one.value and "95 % interval" in one.value for one in app.caption)
    assert ("trained on simulated cells, so its numbers are no measurement" in words(app)) == ("review" in badge)
