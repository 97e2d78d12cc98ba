"""The assessment stage on true labels and an untrained network: the tables must add up whatever the network says."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import core.stages.assessing as stage
from core.errors import Cancelled, InputError
from core.images import read_labels, write_image, write_labels
from core.report import read_csv
from core.settings import AssessSettings, SegmentSettings
from core.stages.adding import import_labels
from core.tables import ASSESSED_CELLS, ASSESSED_FIELDS, ASSESSED_SAMPLES, FAILURES, GALLERY, REPORTED_SAMPLES
from core.workspace import Experiment, read_json


@pytest.fixture
def segmentation(experiment: Path) -> str:
    return import_labels(Experiment(experiment), [str(p) for p in (experiment / "truth" / "labels").glob("*.tif")]).name


def assess(experiment: Path, segmentation: str, **settings: object) -> Path:
    return stage.assess(experiment, AssessSettings(**settings), SegmentSettings(), segmentation)  # type: ignore[arg-type]


def test_every_cell_is_scored_or_excluded_with_a_reason(experiment: Path, segmentation: str, classifier_file: Callable[..., Path]) -> None:
    made = assess(experiment, segmentation, classifier=str(classifier_file()))
    cells = read_csv(made / "cells.csv", ASSESSED_CELLS)
    truth = read_csv(experiment / "truth" / "cells.csv", {"fov_id": "str", "label": "Int64"})
    assert set(zip(cells["fov_id"], cells["label"], strict=True)) == set(zip(truth["fov_id"], truth["label"], strict=True))
    assert (cells["excluded"] == (cells["exclusion_reason"] != "")).all()
    assert (cells["excluded"] == cells["touches_border"]).all()
    scored = cells[~cells["excluded"]]
    assert scored["senescence_probability"].between(0, 1).all()
    assert (scored["senescent"] == (scored["senescence_probability"] >= 0.5)).all()
    assert cells.loc[cells["excluded"], ["senescence_probability", "senescent"]].isna().all(axis=None)
    assert list(cells["area_um2"]) == pytest.approx(list(cells["area_px"] * 0.65**2))


def test_field_and_culture_tables_add_up(experiment: Path, segmentation: str, classifier_file: Callable[..., Path]) -> None:
    made = assess(experiment, segmentation, classifier=str(classifier_file()), threshold=0.0)
    cells, fields = read_csv(made / "cells.csv", ASSESSED_CELLS), read_csv(made / "fields.csv", ASSESSED_FIELDS)
    samples = read_csv(made / "samples.csv", ASSESSED_SAMPLES)
    for row in fields.itertuples():
        of_field = cells[cells["fov_id"] == row.fov_id]
        assert (row.n_cells, row.n_scored, row.n_senescent) == (len(of_field), (~of_field["excluded"]).sum(), of_field["senescent"].sum())
        assert row.senescent_fraction == 1.0  # every probability is at least 0
        assert row.ci_low < 1.0 <= row.ci_high
    assert samples["n_scored"].sum() == fields["n_scored"].sum()
    assert (made / "report.html").stat().st_size > 10_000
    reported = read_csv(made / "samples.csv", REPORTED_SAMPLES)
    assert (reported["reported_method"] == "plain count").all()
    assert (reported["fraction_higher_threshold"] == 1.0).all()
    assert read_json(made / "evidence.json")["reference"] is None
    assert len(read_csv(made / "gallery.csv", GALLERY)) > 2
    assert {p.stem for p in (made / "overlays").glob("*.jpg")} == set(fields["fov_id"])
    assert not (made / "parts").exists()


def test_a_damaged_field_is_listed_and_the_other_is_assessed(experiment: Path, segmentation: str, classifier_file: Callable[..., Path]) -> None:
    victim = sorted((experiment / "images").glob("*_phase.tif"))[0]
    write_image(victim, np.zeros((50, 60), np.uint16), 0.65)
    made = assess(experiment, segmentation, classifier=str(classifier_file()))
    assert len(read_csv(made / "fields.csv", ASSESSED_FIELDS)) == 1
    failed = read_csv(made / "failures.csv", FAILURES)
    assert len(failed) == 1
    assert "same size" in failed["error"][0]
    assert victim.stem.removesuffix("_phase") in (made / "report.html").read_text(encoding="utf-8")


def test_an_interrupted_assessment_goes_on(experiment: Path, segmentation: str, classifier_file: Callable[..., Path]) -> None:
    settings = AssessSettings(classifier=str(classifier_file(mean=None, std=None)))

    def stop(done: float, total: float, item: str) -> None:
        if done / total > 0.69:  # the second field begins
            raise Cancelled

    with pytest.raises(Cancelled):
        stage.assess(experiment, settings, SegmentSettings(), segmentation, stop)
    (partial,) = (experiment / "assessments").glob("*.partial")
    finished = {p.name: p.stat().st_mtime_ns for p in (partial / "parts").glob("*.csv")}
    assert len(finished) == 1
    made = stage.assess(experiment, settings, SegmentSettings(), segmentation)
    assert len(read_csv(made / "fields.csv", ASSESSED_FIELDS)) == 2
    assert "training mean" in (made / stage.NOTES).read_text(encoding="utf-8")


def test_small_and_flat_cells_are_excluded_by_reason(tmp_path: Path, classifier_file: Callable[..., Path]) -> None:
    from core.stages.adding import Addition, add

    image = np.random.default_rng(0).integers(100, 900, (120, 120), dtype=np.uint16)
    labels = np.zeros((120, 120), np.int32)
    labels[10:14, 10:14], labels[30:60, 30:60], labels[70:100, 70:100], labels[0:20, 90:110] = 3, 5, 8, 11
    image[labels == 8] = 500
    write_image(tmp_path / "a.tif", image, 1.0)
    write_labels(tmp_path / "a_labels.tif", labels)
    add(tmp_path / "exp", Addition(phase=[str(tmp_path / "a.tif")], labels=[str(tmp_path / "a_labels.tif")]))
    (product,) = Experiment(tmp_path / "exp").products("segmentations")
    cells = read_csv(assess(tmp_path / "exp", product.id, classifier=str(classifier_file()), min_area_um2=50.0) / "cells.csv", ASSESSED_CELLS)
    assert dict(zip(cells["label"], cells["exclusion_reason"], strict=True)) == {3: "too small", 5: "", 8: "no contrast", 11: "touches border"}


def test_a_field_without_cells_has_no_fraction(tmp_path: Path, classifier_file: Callable[..., Path]) -> None:
    from core.stages.adding import Addition, add

    write_image(tmp_path / "a.tif", np.full((64, 64), 7, np.uint16))
    write_labels(tmp_path / "a_labels.tif", np.zeros((64, 64), np.int32))
    add(tmp_path / "exp", Addition(phase=[str(tmp_path / "a.tif")], labels=[str(tmp_path / "a_labels.tif")]))
    (product,) = Experiment(tmp_path / "exp").products("segmentations")
    made = assess(tmp_path / "exp", product.id, classifier=str(classifier_file()))
    row = read_csv(made / "samples.csv", ASSESSED_SAMPLES).iloc[0]
    assert (row["n_cells"], row["n_scored"]) == (0, 0)
    assert pd.isna(row["senescent_fraction"])
    assert pd.isna(row["ci_low"])


def test_a_label_file_that_belongs_to_no_field_does_not_fail_the_others(tmp_path: Path, classifier_file: Callable[..., Path]) -> None:
    from core.stages.adding import Addition, add

    write_image(tmp_path / "a.tif", np.random.default_rng(0).integers(0, 900, (64, 64), dtype=np.uint16))
    labels = np.zeros((64, 64), np.int32)
    labels[20:40, 20:40] = 1
    for name in ("a_labels.tif", "nobody_labels.tif"):
        write_labels(tmp_path / name, labels)
    add(tmp_path / "exp", Addition(phase=[str(tmp_path / "a.tif")], labels=[str(tmp_path / "a_labels.tif"), str(tmp_path / "nobody_labels.tif")]))
    (product,) = Experiment(tmp_path / "exp").products("segmentations")
    made = assess(tmp_path / "exp", product.id, classifier=str(classifier_file()))
    assert list(read_csv(made / "fields.csv", ASSESSED_FIELDS)["n_scored"]) == [1]
    assert list(read_csv(made / "failures.csv", FAILURES)["fov_id"]) == [""]


def test_wrong_names_are_refused(experiment: Path, segmentation: str, classifier_file: Callable[..., Path]) -> None:
    with pytest.raises(InputError, match="no-such-model"):
        assess(experiment, segmentation, classifier="no-such-model")
    with pytest.raises(InputError, match="no-such-segmentation"):
        assess(experiment, "no-such-segmentation", classifier=str(classifier_file()))
    assert read_labels(next((experiment / "segmentations" / segmentation / "labels").glob("*.tif"))).max() > 0
