"""Sign-offs and limits: added, never changed; what was changed by others is seen."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from core.__main__ import main
from core.errors import InputError
from core.settings import AcceptanceLimits, ReportSettings
from core.stages.assessed import open_assessment
from core.stages.outdated import newer_words
from core.stages.reporting import report
from core.stages.signing import current_limits, limits_history, limits_log, logs_to_export, problems, save_limits, sign, signoff_log, signoffs, standing
from core.workspace import Experiment
from tests.stages.assessed_dishes import assessment, dishes_of

ID = "mine-1"
LIMITS = AcceptanceLimits(pass_up_to=0.1, fail_from=0.2, widest_interval=1, fewest_cells=5, fewest_fields=2)


@pytest.fixture
def assessed(dishes: Callable[..., Path]) -> Experiment:
    made = dishes_of(dishes, {"A": 2, "B": 2})
    assessment(made)
    return made


def test_two_people_sign_and_one_withdraws(assessed: Experiment) -> None:
    first = sign(assessed, ID, " Åse  Nilsen ", "scientist", "approved")
    sign(assessed, ID, "Bo", "laboratory head", "rejected", "Culture B is contaminated.")
    assert standing(signoffs(assessed, ID))[["name", "decision"]].to_numpy().tolist() == [["Åse Nilsen", "approved"], ["Bo", "rejected"]]
    sign(assessed, ID, "Bo", "laboratory head", "withdrawn", "Wrong culture.")
    table = signoffs(assessed, ID)
    assert standing(table)["name"].tolist() == ["Åse Nilsen"]
    assert table["decision"].tolist() == ["approved", "rejected", "withdrawn"]  # nothing is ever gone
    assert table["previous"][1] == first["hash"]
    assert problems(assessed, ID) == []


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (("", "head", "approved", ""), "name of a person"),
        (("Bo", " ", "approved", ""), "wanted a role"),
        (("Bo", "head", "fine", ""), "wanted one of approved"),
        (("Bo", "head", "rejected", ""), "says why it is rejected"),
        (("Bo", "head", "approved with remarks", " "), "says why"),
        (("Bo", "head", "withdrawn", ""), "nothing to withdraw"),
    ],
)
def test_what_is_no_sign_off_is_not_saved(assessed: Experiment, given: tuple[str, ...], why: str) -> None:
    with pytest.raises(InputError, match=why):
        sign(assessed, ID, *given)
    assert signoffs(assessed, ID).empty
    with pytest.raises(InputError, match="no assessment 'gone'"):
        sign(assessed, "gone", "Bo", "head", "approved")


def test_a_sign_off_leaves_the_assessment_as_it_is(assessed: Experiment) -> None:
    folder = assessed.path / "assessments" / ID
    before = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    sign(assessed, ID, "Bo", "head", "approved")
    assert {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()} == before
    assert signoff_log(assessed, ID).file.path == assessed.path / "signoffs" / f"{ID}.jsonl"


def test_files_that_were_changed_after_signing_are_seen(assessed: Experiment) -> None:
    sign(assessed, ID, "Bo", "head", "approved")
    file = assessed.path / "assessments" / ID / "samples.csv"
    file.write_bytes(file.read_bytes().replace(b"A,", b"C,", 1))
    assert "files that Bo signed (entry 1)" in problems(assessed, ID)[0]


def test_a_changed_log_is_seen_and_takes_no_more(assessed: Experiment) -> None:
    sign(assessed, ID, "Åse", "scientist", "rejected", "No.")
    sign(assessed, ID, "Bo", "head", "approved")
    file = signoff_log(assessed, ID).file.path
    lines = file.read_bytes().splitlines()
    entry = json.loads(lines[0]) | {"decision": "approved"}
    file.write_bytes(json.dumps(entry).encode() + b"\n" + lines[1] + b"\n")
    assert "Entry 1 was changed" in problems(assessed, ID)[0]
    with pytest.raises(InputError, match="Nothing was added"):
        sign(assessed, ID, "Bo", "head", "approved")


def test_an_entry_that_a_report_knows_cannot_be_cut_off(assessed: Experiment) -> None:
    sign(assessed, ID, "Åse", "scientist", "approved")
    sign(assessed, ID, "Bo", "head", "rejected", "No.")
    report(assessed.path, ID, ReportSettings(gallery=0))
    file = signoff_log(assessed, ID).file.path
    file.write_bytes(file.read_bytes().splitlines(keepends=True)[0])
    assert "cut off" in problems(assessed, ID)[0]


def test_a_report_can_be_what_is_signed(assessed: Experiment) -> None:
    made = report(assessed.path, ID, ReportSettings(gallery=0))
    sign(assessed, ID, "Bo", "head", "approved", report=made.name)
    assert problems(assessed, ID) == []
    (made / "samples.csv").write_bytes((made / "samples.csv").read_bytes() + b"\n")
    assert "files that Bo signed" in problems(assessed, ID)[0]
    with pytest.raises(InputError, match="no report 'gone'"):
        sign(assessed, ID, "Bo", "head", "approved", report="gone")


def test_limits_are_kept_version_by_version(assessed: Experiment) -> None:
    assert current_limits() == (None, None)
    save_limits(LIMITS, "Q. Head", "first")
    save_limits(AcceptanceLimits(pass_up_to=0.3, fail_from=0.5), "Q. Head", "after the ring trial")
    assert current_limits() == (AcceptanceLimits(pass_up_to=0.3, fail_from=0.5), 2)
    assert limits_history()[["number", "pass_up_to", "comment"]].to_numpy().tolist() == [[1, 0.1, "first"], [2, 0.3, "after the ring trial"]]
    for limits, name, why in (
        (LIMITS, "", "name"),
        (AcceptanceLimits(pass_up_to=0.5, fail_from=0.4), "Q", "below"),
        (AcceptanceLimits(fail_from=2), "Q", "0 to 1"),
    ):
        with pytest.raises(InputError, match=why):
            save_limits(limits, name)
    assert limits_log().problems() == []


def test_verdicts_of_then_stand_in_the_entry(assessed: Experiment) -> None:
    save_limits(LIMITS, "Q. Head")
    entry = sign(assessed, ID, "Bo", "head", "approved")
    assert (entry["verdicts"], entry["limits_version"]) == ("A: fail; B: fail", 1)


def test_the_logs_go_into_the_zip(assessed: Experiment) -> None:
    import zipfile

    from core.report import zip_product

    assert set(logs_to_export(assessed, ID)) == {"signoffs.csv", "acceptance_limits.csv"}
    save_limits(LIMITS, "Q. Head")
    sign(assessed, ID, "Bo", "head", "approved")
    made = report(assessed.path, ID, ReportSettings(gallery=0))
    with zipfile.ZipFile(zip_product(assessed.path / "assessments" / ID, made, extra=logs_to_export(assessed, ID))) as archive:
        names = set(archive.namelist())
        assert archive.read("signoffs.jsonl") == signoff_log(assessed, ID).file.path.read_bytes()
        assert b"Bo" in archive.read("signoffs.csv")
    assert {f"{ID}/samples.csv", f"{made.name}/report.html", "acceptance_limits.jsonl"} <= names


def test_limits_and_signoffs_that_came_after_the_files_are_said(assessed: Experiment) -> None:
    def said(kind: str, id: str) -> str:
        return newer_words(ID, open_assessment(assessed, assessed.product(kind, id)))

    assert said("assessments", ID) == ""
    save_limits(LIMITS, "Q. Head")
    assert said("assessments", ID).startswith("Acceptance limits are newer than the report and the tables offered here")
    first = report(assessed.path, ID, ReportSettings(gallery=0)).name
    assert said("reports", first) == ""
    sign(assessed, ID, "Bo", "head", "approved", report=first)
    assert said("reports", first).startswith("Sign-offs are newer")
    save_limits(AcceptanceLimits(pass_up_to=0.3, fail_from=0.5), "Q. Head")
    assert said("reports", first).startswith("Acceptance limits and sign-offs are newer")
    assert "Make a new report" in said("reports", first)
    assert said("reports", report(assessed.path, ID, ReportSettings(gallery=0)).name) == ""


def test_the_logs_follow_the_csv_form_of_the_tables_beside_them(assessed: Experiment) -> None:
    save_limits(LIMITS, "Q. Head")
    assert b"0.1" in logs_to_export(assessed, ID)["acceptance_limits.csv"]
    files = logs_to_export(assessed, ID, decimal_comma=True)
    assert b"0,1" in files["acceptance_limits.csv"]
    assert all(b";" in files[name].splitlines()[0] for name in ("signoffs.csv", "acceptance_limits.csv"))


def test_on_the_command_line(assessed: Experiment, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(assessed.path / "assessments" / ID)
    assert main(["sign", folder, "--decision", "approved", "--name", "Bo", "--role", "head"]) == 0
    out = capsys.readouterr()
    assert Path(out.out.strip()) == signoff_log(assessed, ID).file.path
    assert "1. " in out.err
    assert "Bo (head): approved" in out.err
    assert main(["sign", folder, "--decision", "rejected", "--name", "Bo", "--role", "head"]) == 2
    file = signoff_log(assessed, ID).file.path
    file.write_bytes(file.read_bytes().replace(b"approved", b"rejected"))
    assert main(["sign", folder]) == 2
    assert "Entry 1 was changed" in capsys.readouterr().err


def test_limits_are_set_and_shown_on_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("SENESCOPE_WORKSPACE", str(tmp_path))
    assert main(["limits"]) == 0
    assert "No acceptance limits are set" in capsys.readouterr().err
    assert main(["limits", "--pass-up-to", "0.1", "--fewest-fields", "5", "--name", "Q.  Head", "--comment", "first"]) == 0
    assert current_limits() == (AcceptanceLimits(pass_up_to=0.1, fewest_fields=5), 1)
    assert main(["limits", "--fail-from", "0.3", "--name", "Bo"]) == 0
    assert current_limits() == (AcceptanceLimits(pass_up_to=0.1, fewest_fields=5, fail_from=0.3), 2)  # what was not named stays
    capsys.readouterr()
    assert main(["limits"]) == 0
    shown = capsys.readouterr()
    assert shown.out.strip() == str(limits_log().file.path)
    first, second = shown.err.strip().splitlines()
    assert (first.startswith("1. "), second.startswith("2. ")) == (True, True)
    assert "Q. Head: pass up to 10\u00a0%, fail from 40\u00a0%" in first
    assert "in 5 fields" in first
    assert "(first)" in first
    assert "Bo: pass up to 10\u00a0%, fail from 30\u00a0%" in second
    assert limits_history()["name"].tolist() == ["Q. Head", "Bo"]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--pass-up-to", "0.1"], "name of a person"),
        (["--pass-up-to", "0.5", "--name", "Bo"], "'pass up to' below 'fail from', found 0.5 and 0.4"),
        (["--fail-from", "2", "--name", "Bo"], "Fail from: wanted a value from 0 to 1, found 2"),
        (["--pass-up-to", "nan", "--name", "Bo"], "Pass up to: wanted a value from 0 to 1"),
        (["--name", "Bo"], "wanted a limit to change"),
    ],
)
def test_limits_that_make_no_sense_are_refused_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], why: str
) -> None:
    monkeypatch.setenv("SENESCOPE_WORKSPACE", str(tmp_path))
    assert main(["limits", *words]) == 2
    assert why in capsys.readouterr().err
    assert current_limits() == (None, None)


def test_a_changed_log_of_limits_is_seen_and_takes_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("SENESCOPE_WORKSPACE", str(tmp_path))
    save_limits(LIMITS, "Q. Head")
    file = limits_log().file.path
    file.write_bytes(file.read_bytes().replace(b"Q. Head", b"Somebody"))
    changed = file.read_bytes()
    assert main(["limits"]) == 2
    assert "Entry 1 was changed" in capsys.readouterr().err
    assert main(["limits", "--fewest-cells", "3", "--name", "Bo"]) == 2
    assert "Nothing was added" in capsys.readouterr().err
    assert file.read_bytes() == changed
