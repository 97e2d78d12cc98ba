"""From stain images to a class for every cell: equal to counting pixel by pixel, kept, continued, found again."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage

from core.__main__ import main
from core.errors import InputError
from core.images import read, read_labels, write_image, write_labels
from core.registration import Registration
from core.report import read_csv, write_csv
from core.settings import AnnotateSettings, RegisterSettings
from core.stages import RUN
from core.stages.aligned import decide
from core.stages.annotating import annotate
from core.stages.importing import import_labels
from core.stages.registering import pair_inputs
from core.stages.stained import open_stain
from core.stages.staining import measure_stain
from core.stain.fragility import critical_range
from core.stain.original_csv import read_original
from core.tables import ANNOTATED_CELLS, ANNOTATED_FIELDS, ANNOTATED_LINES, FAILURES, REGISTRATIONS, typed
from core.workspace import Experiment, publish, read_json

PLAIN = AnnotateSettings(register="none")
TWO = {"f1": {"stained": {2: 12, 40: 30, 300: 1}}, "f2": {"stained": {5: 20}, "sample": "B"}, "c1": {"sample": "N", "role": "negative control"}}


@pytest.fixture
def path(dishes: Callable[..., Path]) -> Path:
    return dishes(TWO)


def cells_of(made: Path) -> pd.DataFrame:
    return read_csv(made / "cells.csv", ANNOTATED_CELLS)


def positive(made: Path) -> set[tuple[str, int]]:
    cells = cells_of(made)
    return set(cells.loc[cells["class"] == 1, ["fov_id", "label"]].itertuples(index=False, name=None))


def test_stained_cells_are_positive(path: Path) -> None:
    made = annotate(path, PLAIN)
    cells = cells_of(made)
    assert list(cells) == list(ANNOTATED_CELLS)
    assert len(cells) == 18
    assert positive(made) == {("f1", 2), ("f1", 40), ("f2", 5)}  # one row of 30 px is a spot, but only 3 % of the cell
    assert positive(annotate(path, replace(PLAIN, min_fraction=0.02))) == {("f1", 2), ("f1", 40), ("f1", 300), ("f2", 5)}
    assert positive(annotate(path, replace(PLAIN, min_fraction=0.02, min_spot_px=40))) == {("f1", 2), ("f1", 40), ("f2", 5)}
    assert cells["marker"].unique().tolist() == ["SA-beta-gal"]


def test_the_class_equals_counting_pixel_by_pixel(path: Path) -> None:
    settings = replace(PLAIN, threshold="0.001", min_spot_px=7, min_fraction=0.3, connectivity=4)  # in the middle of the noise
    made = annotate(path, settings)
    cells, stain = cells_of(made).set_index(["fov_id", "label"]), open_stain(Experiment(path))
    for fov_id in TWO:
        labels = read_labels(stain.labels_file(fov_id))
        signal = stain.scale(fov_id).value(read(stain.signal_file(fov_id)).pixels)
        spots, _ = ndimage.label(signal > 0.001)
        stained = (np.bincount(spots.ravel())[spots] >= 7) & (spots > 0)
        assert ((read(stain.opened_file(fov_id)).pixels > stain.scale(fov_id).code_of(0.001)) == stained).all()
        for label in (2, 5, 9, 40, 41, 300):
            row, share = cells.loc[(fov_id, label)], np.mean(stained[labels == label])
            assert row["stained_area_px"] == stained[labels == label].sum()
            assert row["stained_fraction"] == pytest.approx(share)
            assert row["automatic_class"] == (share >= 0.3)
            assert row["mean_signal"] == pytest.approx(signal[labels == label].mean())
    assert 0 < cells["automatic_class"].mean() < 1


def test_tables_agree_with_each_other(path: Path) -> None:
    made = annotate(path, PLAIN)
    cells, record = cells_of(made), read_json(made / "settings.json")
    fields, lines = read_csv(made / "fields.csv", ANNOTATED_FIELDS), read_csv(made / "lines.csv", ANNOTATED_LINES)
    assert fields["fov_id"].tolist() == list(TWO)
    assert lines[["sample", "n_positive", "n_annotated"]].to_numpy().tolist() == [["A", 2, 6], ["B", 1, 6], ["N", 0, 6]]
    assert fields["n_positive"].sum() == (cells["class"] == 1).sum()
    assert ((lines["ci_low"] <= lines["positive_fraction"]) & (lines["positive_fraction"] <= lines["ci_high"])).all()
    assert (lines["fraction_lower_threshold"] >= lines["positive_fraction"]).all()
    original = read_original(made / "annotation.csv")
    assert original.rows["class"].tolist() == cells["class"].tolist()
    assert original.rows["image"].iloc[0] == "f1_phase.tif"
    settings = record["settings"]
    assert (settings["control_cells"], settings["control_positive_cells"]) == (6, 0)
    assert settings["spots"] == [{"px": 20, "um2": 5.0}]
    assert settings["unit"] == "optical density"
    assert 0.01 < settings["threshold_used"] < 0.3
    assert record["upstream"]["segmentation"] == Experiment(path).products("segmentations")[0].id
    assert lines["threshold"].tolist() == [settings["threshold_used"]] * 3
    assert read_csv(made / "registration.csv", REGISTRATIONS)["method"].unique().tolist() == ["none"]
    assert "0 of 6 negative-control cells are positive" in (made / "notes.txt").read_text(encoding="utf-8")


def test_the_same_inputs_give_the_same_product(path: Path) -> None:
    made = annotate(path, PLAIN)
    assert annotate(path, PLAIN) == made
    assert annotate(path, replace(PLAIN, gate=0.5, raw_stain="bright")) == made  # of no meaning for this kind
    assert annotate(path, replace(PLAIN, threshold="0.1")) == annotate(path, replace(PLAIN, threshold="0,10", proposal="Otsu")) != made
    assert len(Experiment(path).products("stains")) == 1


def test_a_new_threshold_only_looks_up(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = annotate(path, PLAIN)
    for name in ("aligned_signal", "area_opening", "count_cells", "critical_ranges"):
        monkeypatch.setattr(f"core.stages.annotation_field.{name}", lambda *a, **k: pytest.fail("measured again"))
    second = annotate(path, replace(PLAIN, threshold="0.35", marker="p16"))
    assert second != first
    assert positive(second) == set()
    assert cells_of(second)["marker"].unique().tolist() == ["p16"]
    by_id = annotate(path, AnnotateSettings(threshold="0.2", min_spot_px=999), stain_id=open_stain(Experiment(path)).id)
    assert read_json(by_id / "settings.json")["settings"]["min_spot_px"] == 20  # of the measurement


def test_a_new_spot_size_takes_the_signal_over(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = measure_stain(path, PLAIN)
    monkeypatch.setattr("core.stages.annotation_field.aligned_signal", lambda *a, **k: pytest.fail("measured again"))
    second = measure_stain(path, replace(PLAIN, min_spot_um2=15.0))  # 60 px of 0.25 µm²
    experiment = Experiment(path)
    one, other = (open_stain(experiment, made.name) for made in (first, second))
    assert other.fields["spot_px"].tolist() == [60, 60, 60]
    assert one.signal_file("f1").read_bytes() == other.signal_file("f1").read_bytes()
    assert one.registration.equals(other.registration)
    assert (read(one.opened_file("f1")).pixels >= read(other.opened_file("f1")).pixels).all()
    assert other.stain_picture("f1").is_file()
    assert other.stain_picture("f1", "colour").is_file()


def test_only_what_changed_is_measured_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import core.stages.annotation_field as stage

    asked: dict[str, list[str]] = {"signal": [], "opening": []}
    signal, opening = stage.aligned_signal, stage.area_opening
    monkeypatch.setattr(stage, "aligned_signal", lambda e, fov, *a: asked["signal"].append(fov.fov_id) or signal(e, fov, *a))
    monkeypatch.setattr(stage, "area_opening", lambda *a: asked["opening"].append("") or opening(*a))
    named, experiment = moved_pair(path, 0, 0.3), Experiment(path)
    first = measure_stain(path, AnnotateSettings(), None, named)
    decide(experiment, "f2", "stain", Registration(np.array([[1.0, 0, 3], [0, 1, 0]]), "similarity", 9.0, 0.3, "pass", ""), "nudged", "Åse")
    second = measure_stain(path, AnnotateSettings(), None, named)
    assert asked["signal"] == ["f1", "f2", "c1", "f2"]
    one, other = (open_stain(experiment, made.name) for made in (first, second))
    np.testing.assert_array_equal(one.counts("f1").levels, other.counts("f1").levels)
    assert other.registration.loc[1, ["tx", "source"]].tolist() == [3.0, "manual"]
    assert other.fields["residual_px"].tolist() == [0.3, 1.0, 0.3]
    labels = read_labels(path / "labels" / "f1.tif")
    labels[labels == 300] = 0
    write_labels(path / "labels" / "f1.tif", labels)
    import_labels(experiment, [str(p) for p in sorted((path / "labels").iterdir())])
    corrected = open_stain(experiment, measure_stain(path, AnnotateSettings(), None, named).name)
    assert {what: len(fields) for what, fields in asked.items()} == {"signal": 4, "opening": 4}
    assert corrected.fields["n_cells"].tolist() == [5, 6, 6]
    assert corrected.counts("f1").labels.tolist() == [2, 5, 9, 40, 41]


def test_an_interrupted_measurement_goes_on(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import core.stages.annotation_field as stage

    asked, real = [], stage.aligned_signal
    monkeypatch.setattr(stage, "aligned_signal", lambda e, fov, *a: asked.append(fov.fov_id) or real(e, fov, *a))

    def stop(done: float, total: float, item: str = "") -> None:
        if item.endswith("f2"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure_stain(path, PLAIN, progress=stop)
    made = measure_stain(path, PLAIN)
    assert asked == ["f1", "f2", "c1"]
    assert open_stain(Experiment(path), made.name).fields["fov_id"].tolist() == ["f1", "f2", "c1"]
    assert not (made / "parts").exists()


def test_kept_ranges_equal_counting_again(path: Path) -> None:
    made = measure_stain(path, PLAIN)
    fields = read_csv(made / "fields.csv", {"fov_id": "str", "residual_px": "Float64"})
    write_csv(made / "fields.csv", fields.assign(residual_px=2.0))
    stain = open_stain(Experiment(path))
    kept = stain.field_counts("f1")
    assert kept.row(0.05) == 5
    assert kept.row(0.29) == 29
    assert kept.row(0.055) is None
    opened, labels = read(stain.opened_file("f1")).pixels, read_labels(stain.labels_file("f1"))
    for fraction, residual in ((0.05, 0.0), (0.29, 0.0), (0.055, 2.0)):
        expected = critical_range(opened, labels, kept.counts.scale, residual, fraction)
        np.testing.assert_array_equal(stain.critical_range("f1", fraction), expected)


def moved_pair(path: Path, tx: int, residual: float, verdict: str = "pass") -> str:
    """Move the stain images of all fields ``tx`` px to the right and publish registrations that say so."""
    experiment = Experiment(path)
    for ref in experiment.fields()["stain"]:
        write_image(path / ref, np.roll(read(path / ref).pixels, tx, axis=1))
    found = Registration(np.array([[1.0, 0, tx], [0, 1, 0]]), "similarity", 9.0, residual, verdict, "As made.")
    rows = [{"fov_id": fov_id, "image": "stain", **found.row()} for fov_id in experiment.fields()["fov_id"]]
    with publish(experiment, "registrations", "by-test", RegisterSettings()) as partial:
        write_csv(partial.path / "registration.csv", typed(pd.DataFrame(rows), REGISTRATIONS))
        write_csv(partial.path / "failures.csv", typed(pd.DataFrame(), FAILURES))
    return "by-test"


def test_the_alignment_brings_the_stain_back(path: Path) -> None:
    named = moved_pair(path, 20, 0.4)
    made = annotate(path, AnnotateSettings(), registration_id=named)
    assert positive(made) == {("f1", 2), ("f1", 40), ("f2", 5)}
    assert read_csv(made / "registration.csv", REGISTRATIONS)["tx"].tolist() == [20.0] * 3
    cells = cells_of(made).set_index(["fov_id", "label"])
    assert cells["covered_fraction"].eq(1).all()
    far = moved_pair_again(path, 40)
    beyond = cells_of(annotate(path, AnnotateSettings(), registration_id=far)).set_index(["fov_id", "label"]).loc["f1"]
    assert beyond.loc[9, "covered_fraction"] == pytest.approx(15 / 30)  # of columns 105 to 134 the image shows those before 120
    assert beyond["class"].isna().tolist() == [False, False, True, False, False, True]
    assert beyond["fragile"].notna().all()


def moved_pair_again(path: Path, tx: int) -> str:
    """Say that the images lie ``tx`` px to the right, whether they do or not."""
    experiment = Experiment(path)
    rows = read_csv(path / "registrations" / "by-test" / "registration.csv", REGISTRATIONS).assign(tx=float(tx))
    with publish(experiment, "registrations", "by-test-2", RegisterSettings()) as partial:
        write_csv(partial.path / "registration.csv", rows)
        write_csv(partial.path / "failures.csv", typed(pd.DataFrame(), FAILURES))
    return "by-test-2"


def test_cells_that_hang_on_the_alignment_are_fragile(path: Path) -> None:
    named = moved_pair(path, 0, 11.0)
    cells = cells_of(annotate(path, AnnotateSettings(), registration_id=named)).set_index(["fov_id", "label"])
    assert cells.index[cells["fragile"]].tolist() == [("f1", 2)]  # 12 rows: moved up by 11 px one row is left, 3 %


def test_a_failed_pair_is_left_out_until_a_person_accepts_it(path: Path) -> None:
    named, experiment = moved_pair(path, 0, 0.3, "fail"), Experiment(path)
    with pytest.raises(InputError, match="The stain image is not aligned: As made"):
        annotate(path, AnnotateSettings(), registration_id=named)
    matrix = Registration(np.array([[1.0, 0, 0], [0, 1, 0]]), "similarity", 9.0, 0.3, "fail", "")
    decide(experiment, "f1", "stain", matrix, "accepted", "Åse")
    made = annotate(path, AnnotateSettings(), registration_id=named)
    assert read_csv(made / "failures.csv", FAILURES)["fov_id"].tolist() == ["f2", "c1"]
    cells = cells_of(made).set_index("fov_id")
    assert cells.loc["f1", "class"].notna().all()
    assert cells.loc["f2", "class"].isna().all()  # every cell has a row, whatever happened to its field
    decide(experiment, "f1", "stain", matrix, "excluded", "Åse")
    decide(experiment, "f2", "stain", matrix, "accepted", "Åse")
    assert annotate(path, AnnotateSettings(), registration_id=named) != made


def test_registrations_that_are_there_are_used(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.stages.annotation_alignment.register_pairs", lambda *a: pytest.fail("aligned again"))
    experiment = Experiment(path)
    fovs = __import__("core.fields", fromlist=["fields"]).fields(experiment.fields())
    rows = [
        {"fov_id": f.fov_id, "image": i, **Registration(np.eye(3)[:2], "similarity", 9.0, 0.2, "pass", "").row()} for f in fovs for i in ("stain", "colour")
    ]
    inputs = pair_inputs(experiment, [(f, i) for f in fovs for i in ("stain", "colour")])
    with publish(experiment, "registrations", "mine", RegisterSettings(), inputs=inputs) as partial:
        write_csv(partial.path / "registration.csv", typed(pd.DataFrame(rows), REGISTRATIONS))
        write_csv(partial.path / "failures.csv", typed(pd.DataFrame(), FAILURES))
    for signal in ("brightfield", "gated"):
        made = annotate(path, AnnotateSettings(signal=signal))
        assert read_json(made / "settings.json")["upstream"]["registration"] == "mine"


@pytest.mark.parametrize("signal", ["colour", "gated", "raw"])
def test_other_kinds_of_stain_images(path: Path, signal: str) -> None:
    made = annotate(path, replace(PLAIN, signal=signal, threshold="0.1" if signal != "raw" else "0.5"))
    assert positive(made) == {("f1", 2), ("f1", 40), ("f2", 5)}


def test_gate_closes_where_the_colour_shows_nothing(path: Path) -> None:
    colour = read(path / "images" / "f1_colour.tif").pixels
    write_image(path / "images" / "f1_colour.tif", np.repeat(colour[..., 1:2], 3, axis=2) // 2 + np.array([0, 1, 2], np.uint8))  # grey
    made = annotate(path, replace(PLAIN, signal="gated", threshold="0.1"))
    assert positive(made) == {("f2", 5)}


def test_bright_markers_and_ready_layers(path: Path) -> None:
    for fov_id in TWO:
        stain = read(path / "images" / f"{fov_id}_stain.tif").pixels
        write_image(path / "images" / f"{fov_id}_stain.tif", (65535 - stain).astype(np.uint16))
    assert positive(annotate(path, replace(PLAIN, signal="fluorescence"))) == {("f1", 2), ("f1", 40), ("f2", 5)}
    for k, fov_id in enumerate(TWO):
        bright = read(path / "images" / f"{fov_id}_stain.tif").pixels > 35_000
        write_image(path / "images" / f"{fov_id}_stain.tif", (bright * (1, 255, 7)[k]).astype(np.uint8))
    made = annotate(path, replace(PLAIN, signal="binary"))
    assert positive(made) == {("f1", 2), ("f1", 40), ("f2", 5)}
    assert read_json(made / "settings.json")["settings"]["threshold_used"] == 0.5


def test_white_is_common_to_all_fields(path: Path) -> None:
    """The depth of a file without metadata is a guess from its largest value; it must not differ between fields."""
    for fov_id, top in (("f1", 900), ("f2", 4000), ("c1", 200)):
        pixels = np.full((110, 160), 100, np.uint16)
        pixels[20:40, 20:40] = top
        write_image(path / "images" / f"{fov_id}_stain.tif", pixels)
    measure_stain(path, replace(PLAIN, signal="raw", raw_stain="bright"))
    assert open_stain(Experiment(path)).fields["per_unit"].tolist() == [4095.0] * 3


def test_a_blank_image_flattens_the_light(path: Path) -> None:
    light = 0.6 + 0.1 * np.linspace(0, 1, 160) + 0.05 * np.linspace(0, 1, 110)[:, None]
    write_image(path / "blank.tif", (60_000 * light).astype(np.uint16))
    made = annotate(path, replace(PLAIN, blank="blank.tif"))
    assert positive(made) == {("f1", 2), ("f1", 40), ("f2", 5)}
    assert annotate(path, replace(PLAIN, blank=str(path / "blank.tif"))) != annotate(path, PLAIN)


def test_every_line_may_have_its_own_threshold(path: Path) -> None:
    made = annotate(path, replace(PLAIN, threshold="A=0.01; B=0.4", per_line=True))
    assert positive(made) == {("f1", 2), ("f1", 40)}
    lines = read_csv(made / "lines.csv", ANNOTATED_LINES).set_index("sample")["threshold"]
    assert lines["A"] == 0.01
    assert lines["B"] == 0.4
    assert 0.01 < lines["N"] < 0.3  # nobody said: as proposed
    assert "cannot be compared" in (made / "notes.txt").read_text(encoding="utf-8")
    auto = annotate(path, replace(PLAIN, per_line=True))
    assert set(read_json(auto / "settings.json")["settings"]["threshold_by_line"]) <= {"A", "B"}


def test_the_command_prints_the_product_and_can_be_repeated(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["annotate", str(path), "--register", "none", "--threshold", "0.1", "--min-spot", "30"]) == 0
    out, err = capsys.readouterr()
    made = Path(out.strip().splitlines()[-1])
    assert "negative-control cells" in err
    record = read_json(made / "settings.json")
    assert main(record["command"].split()[3:]) == 0
    assert capsys.readouterr().out.strip() == str(made)
    params = {"experiment": str(path), "settings": {"register": "none", "threshold": "0.1", "min_spot_px": 30}}
    assert RUN["annotate"](params, lambda *a: None) == str(made)
    assert RUN["stain"](params, lambda *a: None) == str(path / "stains" / record["upstream"]["stain"])
