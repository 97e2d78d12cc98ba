"""A report of an assessment: which evidence is found, that its numbers are those of the functions, that nothing breaks where something is missing."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.__main__ import main
from core.errors import InputError
from core.images import write_labels
from core.report import read_csv, write_csv
from core.settings import AcceptanceLimits, ReportSettings
from core.stages import RUN
from core.stages.assessed import find_assessment, open_assessment
from core.stages.importing import import_labels
from core.stages.judging import rates
from core.stages.marked import find_marked
from core.stages.reference import evaluations_for, find_reference
from core.stages.reporting import gather_again, report
from core.stages.signing import save_limits, sign
from core.statistics.calibration import apply_temperature
from core.statistics.estimators import corrected_fraction
from core.tables import ASSESSED_CELLS, COMPARISONS, GALLERY, GROUPS, MANIFEST, MARKED_CELLS, REPORTED_SAMPLES, typed
from core.workspace import Experiment, publish, read_json, write_json
from tests.stages.assessed_dishes import HASH, THRESHOLD, annotation, assessment, dishes_of, evaluation, outlines, scored_cells

Dishes = Callable[..., Path]
SHAPE = {"A P4": 3, "B P4": 3, "C P9": 3}


@pytest.fixture(autouse=True)
def without_charts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Charts have tests of their own, and Plotly takes longer than all the rest."""
    monkeypatch.setattr("core.report.html._figures", lambda *_: iter(()))


@pytest.fixture
def assessed(dishes: Dishes) -> Experiment:
    """Three cultures of three fields, with passages, two donors, wells; assessed."""
    made = dishes_of(dishes, SHAPE)
    fields = made.fields()
    fields["passage"] = fields["sample"].str[-2:]
    fields["well"] = ["W1" if i % 3 else "W2" for i in range(len(fields))]
    fields["donor"] = fields["sample"].map({"A P4": "D1", "B P4": "D2", "C P9": "D1"})
    made.save_fields(fields)
    assessment(made)
    return made


def made_report(experiment: Experiment, id: str = "mine-1", **settings: object) -> Path:
    return report(experiment.path, id, ReportSettings(**settings))  # type: ignore[arg-type]


def samples(made: Path) -> pd.DataFrame:
    return read_csv(made / "samples.csv", REPORTED_SAMPLES)


def text_of(made: Path) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<(script|style).*?</\1>", " ", (made / "report.html").read_text(encoding="utf-8"), flags=re.S))


def test_without_evidence_the_report_says_so_and_counts(assessed: Experiment) -> None:
    made = made_report(assessed)
    table, words = samples(made), read_json(made / "evidence.json")
    assert set(table["reported_method"]) == {"plain count"}
    assert (table["reported_fraction"] == table["senescent_fraction"]).all()
    assert (words["reference"], words["stain"], words["training"]) == (None, None, None)
    text = text_of(made)
    for said in ("No evaluation of this classifier", "no stained and annotated fields", "One marker is not senescence", "Controls</dt><dd>none", "A. Nilsen"):
        assert said in text, said
    assert "3 cultures, 6 wells, 2 passages and 2 donors" in text


def test_the_assessment_stays_as_it_is_and_the_same_report_is_made_once(assessed: Experiment) -> None:
    folder = assessed.path / "assessments" / "mine-1"
    before = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    first = made_report(assessed)
    assert made_report(assessed) == first
    assert made_report(assessed, seed=1) != first
    evaluation(assessed)
    assert made_report(assessed) != first  # there is more to say now
    assert {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()} == before


def test_corrected_numbers_are_those_of_the_function(assessed: Experiment) -> None:
    judged = evaluation(assessed)
    made = made_report(assessed)
    cells = pd.read_csv(judged.path / "predictions.csv", encoding="utf-8-sig")
    reference = pd.DataFrame(
        {"sample": cells["sample"], "field": cells["fov_id"], "class": cells["class"], "called": cells["senescence_probability"] >= THRESHOLD}
    )
    fields = open_assessment(assessed, assessed.product("assessments", "mine-1")).fields
    for row in samples(made).to_dict("records"):
        mine = fields[fields["sample"] == row["sample"]]
        k, n = (mine[c].to_numpy(dtype=int) for c in ("n_senescent", "n_scored"))
        expected = corrected_fraction(k, n, *rates(reference))
        assert (row["corrected_fraction"], row["corrected_low"], row["corrected_high"]) == (expected.fraction, expected.low, expected.high)
        assert row["reported_method"] == "corrected for sensitivity and specificity"
    assert read_json(made / "settings.json")["upstream"]["evaluation"] == "judged"
    assert "evaluation judged" in text_of(made)


def test_a_culture_is_corrected_with_the_other_cultures(assessed: Experiment) -> None:
    evaluation(assessed, cultures=("A P4", "X"))
    found, _ = find_reference(open_assessment(assessed, assessed.product("assessments", "mine-1")), "auto")
    assert found is not None
    for sample, cultures in (("A P4", {"X"}), ("B P4", {"A P4", "X"})):
        used = found.rates(sample)
        assert used is not None
        assert sum(used[0].cells) + sum(used[1].cells) == 60 * len(cultures)
    alone = evaluation(assessed, id="alone", cultures=("A P4",))
    one, _ = find_reference(open_assessment(assessed, assessed.product("assessments", "mine-1")), alone.id)
    assert one is not None
    used = one.rates("A P4")
    assert used is not None  # nothing better is known
    assert len(used[0].cells) == 3  # its fields


def test_the_threshold_follows_the_calibration_of_the_evaluation(assessed: Experiment) -> None:
    """The evaluation divides logits by 2: a probability of 0.75 there is 0.9 here, and the threshold moves along."""
    evaluation(assessed, temperature=2.0)
    product = assessed.product("assessments", "mine-1")
    record = read_json(product.path / "settings.json")
    for threshold in (0.5, 0.85, 0.95):
        record["models"]["classifier"]["threshold"] = threshold
        write_json(product.path / "settings.json", record)
        found, _ = find_reference(open_assessment(assessed, product), "auto")
        assert found is not None
        cells = pd.read_csv(assessed.path / "evaluations" / "judged" / "predictions.csv", encoding="utf-8-sig")
        uncalibrated = apply_temperature(cells["senescence_probability"], 0.5)
        assert found.cells["called"].tolist() == (uncalibrated >= threshold).tolist()


def test_only_evaluations_of_the_same_classifier_on_held_out_cells(assessed: Experiment, tmp_path: Path) -> None:
    product = assessed.product("assessments", "mine-1")
    evaluation(assessed, id="other", sha256="cd" * 32)
    evaluation(assessed, id="seen", split="train")
    one = open_assessment(assessed, product)
    assert [p.id for _, p in evaluations_for(one)] == ["seen"]
    found, passed = find_reference(one, "auto")
    assert found is None
    assert "only training cells" in passed[0]
    for name, why in (("other", "judges another one"), ("seen", "only training cells"), ("gone", "none of that name"), ("elsewhere/seen", "none of that name")):
        with pytest.raises(InputError, match=why):
            find_reference(one, name)
    evaluation(assessed, id="validated", split="validation")
    found, _ = find_reference(one, "auto")
    assert found is not None
    assert "flattered" in found.remarks[0]


def test_an_evaluation_of_another_experiment_is_found(assessed: Experiment, workspace: Path, dishes: Dishes) -> None:
    from core.workspace import create_experiment

    home = create_experiment("training")
    evaluation(home)
    one = open_assessment(assessed, assessed.product("assessments", "mine-1"))
    for wanted in ("auto", "training/judged", str(home.path / "evaluations" / "judged"), "judged"):
        found, _ = find_reference(one, wanted)
        assert found is not None, wanted
        assert found.source == "evaluation training/judged"


def test_a_damaged_evaluation_is_passed_over_and_named(assessed: Experiment) -> None:
    folder = evaluation(assessed).path
    (folder / "predictions.csv").write_bytes(b"\xff\xfe")
    made = made_report(assessed)
    assert "judged was not used" in read_json(made / "evidence.json")["remarks"][0]
    with pytest.raises(InputError, match=r"predictions\.csv"):
        made_report(assessed, evaluation="judged")


def test_stained_fields_give_prediction_powered_numbers_and_a_side_by_side(assessed: Experiment) -> None:
    annotation(assessed, ["A P4_f0", "A P4_f1", "B P4_f0", "C P9_f0", "C P9_f1", "C P9_f2"], "stained")
    made = made_report(assessed)
    table = samples(made).set_index("sample")
    assert table["reported_method"].to_dict() == {
        "A P4": "prediction-powered",
        "B P4": "corrected for sensitivity and specificity",  # with the stained fields of A and C
        "C P9": "count of stained cells",
    }
    assert table["n_stained_fields"].to_dict() == {"A P4": 2, "B P4": 1, "C P9": 3}
    assert table[["stained_lower_threshold", "stained_higher_threshold"]].notna().all(axis=None)
    cells = read_csv(made / "cells.csv", {**ASSESSED_CELLS, **MARKED_CELLS})
    classes = pd.read_csv(assessed.path / "annotations" / "stained" / "cells.csv", encoding="utf-8-sig")
    both = cells.merge(classes, on=["fov_id", "label"], suffixes=("", "_there"))
    assert both["marker_class"].fillna(-1).tolist() == both["class"].fillna(-1).tolist()
    known = cells[cells["marker_class"].notna() & cells["senescent"].notna() & (cells["sample"] == "A P4")]
    assert table.loc["A P4", "stained_fraction"] == known["marker_class"].mean()
    assert table.loc["A P4", "called_where_stained"] == known["senescent"].mean()
    text = text_of(made)
    for said in (
        "smallest spot 20 px = 5 µm²",
        "threshold 0.12 (optical density), best: Most stable.",
        "1 of 40 negative-control cells",
        "Stained, of stained fields",
    ):
        assert said in text, said


def test_fields_that_the_classifier_learned_from_are_known_by_its_run(assessed: Experiment) -> None:
    """run -> dataset -> manifest: a model whose hash is that of the run's best epoch."""
    from core.models.model import sha256_of

    stain = annotation(assessed, [f"{s}_f{i}" for s in SHAPE for i in range(2)], "stained")
    inputs = [{"experiment": assessed.name, "path": assessed.path.as_posix(), "annotation": stain.id, "fov_id": "A P4_f0"}]
    with publish(assessed, "datasets", "cells", {}, inputs=inputs) as partial:
        rows = [{"experiment": assessed.name, "fov_id": f"A P4_f{i}", "split": split} for i, split in enumerate(("train", "validation", "test"))]
        write_csv(partial.path / "manifest.csv", typed(pd.DataFrame(rows), MANIFEST))
    with publish(assessed, "runs", "run-1", {}, upstream={"dataset": "cells"}) as partial:
        (partial.path / "best.pt").write_bytes(b"weights")
        write_json(partial.path / "outcome.json", {"threshold_why": "largest sensitivity + specificity − 1 (Youden)"})
    record = assessed.path / "assessments" / "mine-1" / "settings.json"
    record.write_text(record.read_text(encoding="utf-8").replace(HASH, sha256_of(assessed.path / "runs" / "run-1" / "best.pt")), encoding="utf-8")
    made = made_report(assessed)
    table, words = samples(made).set_index("sample"), read_json(made / "evidence.json")
    assert pd.isna(table.loc["A P4", "powered_fraction"])
    assert pd.notna(table.loc["B P4", "powered_fraction"])
    assert words["training"] | {"stains": []} == {
        "run": f"{assessed.name}/run-1",
        "dataset": f"{assessed.name}/cells",
        "marker": "SA-beta-gal",
        "why": "largest sensitivity + specificity − 1 (Youden)",
        "stains": [],
    }
    assert "learned from 2 of the stained fields" in words["remarks"][-1]
    assert "Youden" in text_of(made)


def test_a_second_marker_stands_beside_the_first(assessed: Experiment) -> None:
    every = list(assessed.fields()["fov_id"])
    annotation(assessed, every[:4], "first")
    annotation(assessed, every[2:6], "second", marker="p21", seed=2)
    made = made_report(assessed, annotation="first")
    cells = read_csv(made / "cells.csv", {**ASSESSED_CELLS, **MARKED_CELLS})
    both = cells["marker_class"].notna() & cells["second_marker_class"].notna()
    assert set(cells.loc[both, "fov_id"]) == set(every[2:4])
    assert set(cells.loc[both, "second_marker"]) == {"p21"}
    assert f"Of {both.sum()} scored or outlined cells known by both markers" in text_of(made)
    assert "No second marker" in text_of(made_report(assessed, annotation="first", second_annotation="none"))
    one = open_assessment(assessed, assessed.product("assessments", "mine-1"))
    with pytest.raises(InputError, match="another marker than"):
        find_marked(one, "first", "first")
    with pytest.raises(InputError, match="no annotation 'gone'"):
        find_marked(one, "gone", "auto")


def test_an_annotation_of_other_outlines_is_carried_over_by_overlap(assessed: Experiment, tmp_path: Path) -> None:
    stain = annotation(assessed, ["A P4_f0", "A P4_f1"], "stained")
    from core.images import read_labels

    folder = tmp_path / "again"
    folder.mkdir()
    for fov_id in assessed.fields()["fov_id"]:
        labels = read_labels(outlines(assessed).path / "labels" / f"{fov_id}.tif")
        labels = np.where(labels == 9, 0, labels)  # one cell is not there any more
        write_labels(folder / f"{fov_id}.tif", np.where(labels > 0, labels + 1000, 0).astype(np.int32))
    again = import_labels(assessed, [str(p) for p in sorted(folder.iterdir())])
    record = read_json(assessed.path / "assessments" / "mine-1" / "settings.json")
    cells = scored_cells(assessed)
    cells = cells[cells["label"] != 9].assign(label=lambda t: t["label"] + 1000)
    moved = assessment(assessed, "moved", cells.assign(cell_id=cells["fov_id"] + ":" + cells["label"].astype(str)))
    write_json(moved.path / "settings.json", record | {"id": "moved", "upstream": {"segmentation": again.name}})
    found, _, _ = find_marked(open_assessment(assessed, moved), "auto", "none")
    assert found is not None
    assert found.annotation.id == stain.id
    assert set(found.classes["label"]) == {1002, 1005, 1040, 1041, 1300}
    assert "10 of its 12 cells are the same ones" in found.remarks[0]
    classes = pd.read_csv(stain.path / "cells.csv", encoding="utf-8-sig").set_index(["fov_id", "label"])["class"]
    for row in found.classes.to_dict("records"):
        assert row["class"] == classes[(row["fov_id"], row["label"] - 1000)]


def test_groups_are_compared_by_culture_well_and_donor(assessed: Experiment) -> None:
    made = made_report(assessed, group_by="passage")
    groups, pairs = read_csv(made / "groups.csv", GROUPS), read_csv(made / "comparisons.csv", COMPARISONS)
    fractions = samples(made).set_index("sample")["reported_fraction"]
    assert groups[["group", "n_cultures"]].to_numpy().tolist() == [["P4", 2], ["P9", 1]]
    assert groups["mean"].tolist() == pytest.approx([fractions[["A P4", "B P4"]].mean(), fractions["C P9"]])
    assert pairs["difference"][0] == pytest.approx(fractions["C P9"] - fractions[["A P4", "B P4"]].mean())
    assert "Fewer than 3 cultures" in text_of(made)
    assert "3 cultures come from 2 donors" in text_of(made)
    wells = read_csv(made_report(assessed, group_by="passage", unit="well") / "groups.csv", GROUPS)
    assert wells["n_cultures"].tolist() == [4, 2]
    donors = made_report(assessed, group_by="donor", unit="donor")
    assert read_csv(donors / "groups.csv", GROUPS)["n_cultures"].tolist() == [1, 1]
    assert "come from" not in text_of(donors)
    assert "come from" not in text_of(made_report(assessed, group_by="donor", unit="culture"))
    for settings, why in ({"group_by": "colour"}, "no column"), ({"group_by": "passage", "reference": "P77"}, "P77"), ({"group_by": "sample"}, "no column"):
        with pytest.raises(InputError, match=why):
            made_report(assessed, **settings)


def test_controls_are_no_group_but_stand_beside(dishes: Dishes) -> None:
    made = dishes_of(dishes, {"A": 2, "B": 2, "young": 2})
    fields = made.fields()
    fields.loc[fields["sample"] == "young", "role"] = "negative control"
    fields["condition"] = fields["sample"].map({"A": "0 nM", "B": "10 nM", "young": "0 nM"})
    made.save_fields(fields)
    assessment(made)
    one = made_report(made)
    assert read_csv(one / "groups.csv", GROUPS)[["group", "n_cultures"]].to_numpy().tolist() == [["0 nM", 1], ["10 nM", 1]]
    assert "<dt>Negative control</dt><dd>young:" in text_of(one)
    roles = read_csv(made_report(made, group_by="role") / "groups.csv", GROUPS)
    assert set(roles["group"]) == {"negative control", "sample"}


def test_the_galleries_are_seeded_and_doubtful_ones_are_nearest_to_the_threshold(assessed: Experiment) -> None:
    made = made_report(assessed, gallery=5)
    table = read_csv(made / "gallery.csv", GALLERY)
    assert table["gallery"].value_counts().to_dict() == {"random": 5, "doubtful": 5}
    cells = scored_cells(assessed)
    distance = (cells["senescence_probability"] - THRESHOLD).abs()
    nearest = cells.loc[distance.sort_values(kind="stable").index, "cell_id"].head(5)
    assert table.loc[table["gallery"] == "doubtful", "cell_id"].tolist() == nearest.tolist()
    text = text_of(made)
    assert all(f"Cell {cell}" in text for cell in table["cell_id"])
    again = read_csv(made_report(assessed, gallery=5, seed=3) / "gallery.csv", GALLERY)
    assert again.loc[again["gallery"] == "random", "cell_id"].tolist() != table.loc[table["gallery"] == "random", "cell_id"].tolist()
    assert read_csv(made_report(assessed, gallery=0) / "gallery.csv", GALLERY).empty


def test_an_image_that_is_gone_costs_its_pictures_only(assessed: Experiment) -> None:
    for file in assessed.images.glob("A P4_f0_phase*"):
        file.unlink()
    made = made_report(assessed, gallery=40)
    assert "The cells of A P4_f0 are not shown" in read_json(made / "evidence.json")["remarks"][-1]
    assert "Cell B P4_f0:5" in text_of(made)


def test_outlines_that_are_gone_cost_pictures_and_shapes_only(assessed: Experiment) -> None:
    outlines(assessed).path.rename(assessed.path / "elsewhere")
    made = made_report(assessed)
    remarks = " ".join(read_json(made / "evidence.json")["remarks"])
    assert "Size and shape of the cells are missing" in remarks
    assert "are not shown in the galleries" in remarks
    assert len(samples(made)) == 3


def test_size_and_shape_by_call(assessed: Experiment) -> None:
    made = made_report(assessed)
    shapes = pd.read_csv(made / "shapes.csv", encoding="utf-8-sig", keep_default_na=False)
    every = shapes[(shapes["sample"] == "") & (shapes["measure"] == "area")].set_index("call")
    assert set(every["unit"]) == {"µm²"}
    assert set(every["median"].astype(float)) == {900 * 0.25}
    assert set(shapes["sample"]) == {"", *SHAPE}
    scored = scored_cells(assessed)["senescent"]
    assert every["n_cells"].astype(int).to_dict() == {"senescent": int((scored == 1).sum()), "not senescent": int((scored == 0).sum())}


def test_without_a_pixel_size_areas_are_in_pixels(dishes: Dishes) -> None:
    made = dishes_of(dishes, {"A": 1})
    made.save_fields(made.fields().assign(pixel_size_um=pd.NA))
    cells = scored_cells(made).assign(area_um2=pd.NA)
    assessment(made, cells=typed(cells, ASSESSED_CELLS))
    shapes = pd.read_csv(made_report(made) / "shapes.csv", encoding="utf-8-sig", keep_default_na=False)
    assert set(shapes.loc[shapes["measure"] == "area", "unit"]) == {"px²"}


def test_one_culture_of_one_field(dishes: Dishes) -> None:
    made = dishes_of(dishes, {"A": 1})
    assessment(made)
    evaluation(made)
    annotation(made, ["A_f0"], "stained")
    table = samples(made_report(made))
    assert table["reported_method"].tolist() == ["count of stained cells"]
    assert "only 1 scored field" in table["reported_notes"][0]


def test_nothing_scored(assessed: Experiment) -> None:
    cells = scored_cells(assessed).assign(excluded=True, exclusion_reason="touches border", senescence_probability=pd.NA, senescent=pd.NA)
    assessment(assessed, "none", typed(cells, ASSESSED_CELLS))
    evaluation(assessed)
    made = made_report(assessed, "none")
    assert samples(made)["reported_fraction"].isna().all()
    assert read_csv(made / "groups.csv", GROUPS).empty
    assert "no cell could be scored" in text_of(made)


def test_a_decimal_comma_is_read_and_written(assessed: Experiment) -> None:
    assessment(assessed, "komma", comma=True)
    plain, komma = samples(made_report(assessed)), made_report(assessed, "komma", decimal_comma=True)
    assert ";" in (komma / "samples.csv").read_text(encoding="utf-8-sig").split("\n")[0]
    pd.testing.assert_frame_equal(samples(komma), plain)


def test_verdicts_and_sign_offs_are_in_the_report(assessed: Experiment) -> None:
    save_limits(AcceptanceLimits(pass_up_to=0.1, fail_from=0.2, widest_interval=1, fewest_cells=5, fewest_fields=3), "Q. Head")
    sign(assessed, "mine-1", "Åse", "scientist", "approved with remarks", "<b>look</b> at C")
    made = made_report(assessed)
    assert set(samples(made)["verdict"]) == {"fail"}
    text = text_of(made)
    assert "Verdicts by version 1" in text
    assert "&lt;b&gt;look&lt;/b&gt; at C" in text
    assert "not intact" not in text
    log = assessed.path / "signoffs" / "mine-1.jsonl"
    log.write_text(log.read_text(encoding="utf-8").replace("approved with remarks", "approved"), encoding="utf-8")
    assert "not intact" in text_of(made_report(assessed, seed=9))


def test_texts_of_the_user_stay_texts(dishes: Dishes) -> None:
    made = dishes_of(dishes, {"A": 2})
    evil = "<script>alert(1)</script>"
    made.save_fields(made.fields().assign(sample=evil, condition=evil, donor=evil))
    assessment(made, cells=scored_cells(made))
    text = (made_report(made, operator=evil) / "report.html").read_text(encoding="utf-8")
    assert evil not in text
    assert text.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 4


def test_on_the_command_line_and_as_a_job(assessed: Experiment, workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = assessed.path / "assessments" / "mine-1"
    assert main(["report", str(folder), "--group-by", "passage", "--gallery", "2", "--operator", "Å. N."]) == 0
    out = capsys.readouterr()
    made = Path(out.out.splitlines()[-1])
    assert made.parent == assessed.path / "reports"
    assert "P9 against P4" in out.err
    words = read_json(made / "settings.json")
    assert words["settings"]["group_by"] == "passage"
    assert main([*words["command"].replace("'", "").split()[3:5], "--group-by", "passage", "--gallery", "2", "--operator", "Å. N."]) == 0
    assert Path(capsys.readouterr().out.splitlines()[-1]) == made
    params = {"experiment": str(assessed.path), "assessment": "mine-1", "settings": {"gallery": 2, "group_by": "passage", "operator": "Å. N."}}
    assert RUN["report"](params, lambda *_: None) == str(made)
    assert main(["report", "nowhere"]) == 2
    assert "Assessment 'nowhere'" in capsys.readouterr().err


def test_how_an_assessment_is_named(dishes: Dishes, workspace: Path) -> None:
    made = dishes_of(dishes, {"A": 1})
    home = workspace / "exp"
    workspace.mkdir(exist_ok=True)
    made.path.rename(home)
    made = Experiment(home)
    assessment(made)
    for name in (str(home / "assessments" / "mine-1"), f"{home}/", "exp/mine-1", "exp/assessments/mine-1", "mine-1", "exp"):
        experiment, product = find_assessment(name)
        assert (experiment.path, product.id) == (home, "mine-1"), name
    for name in ("", "exp/other", "other"):
        with pytest.raises(InputError, match="Assessment"):
            find_assessment(name)


def test_evidence_can_be_gathered_again(assessed: Experiment) -> None:
    evaluation(assessed)
    annotation(assessed, ["A P4_f0", "A P4_f1"], "stained")
    made = made_report(assessed)
    evaluation(assessed, id="later")
    product = assessed.product("reports", made.name)
    found = gather_again(open_assessment(assessed, product), read_json(made / "evidence.json"))
    assert found.upstream() == {"evaluation": "judged", "annotation": "stained"}
