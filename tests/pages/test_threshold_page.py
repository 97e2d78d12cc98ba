"""Threshold: what is missing, measuring, what the browser is sent and tells, saving, the summary."""

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from core.images import read, read_labels, write_image
from core.jobs import JobStore
from core.settings import AnnotateSettings
from core.stages.annotating import annotate
from core.stages.stained import open_stain
from core.stages.staining import measure_stain
from core.stain.counting import classes, stained_area
from core.workspace import Experiment, publish
from pages.parts import threshold_bytes
from pages.parts.threshold_choice import spots_of, spread
from pages.parts.threshold_tuning import Setting, annotate_settings, proposals, setting_of, told_setting

Open = Callable[..., AppTest]
Words = Callable[[AppTest], str]
Click = Callable[[AppTest, str], AppTest]


@pytest.fixture
def stained(experiment: Experiment, segmentation: str) -> Experiment:
    """The stain of one field measured: cell 2 is dark, cell 1 is not."""
    table = experiment.fields()
    stain = np.full((96, 96), 3000, np.uint16) + np.random.default_rng(1).integers(0, 20, (96, 96)).astype(np.uint16)
    stain[50:80, 40:90] //= 3
    name = table.loc[table["stain"] != "", "stain"].iloc[0]
    write_image(experiment.path / name, stain, 0.65)
    measure_stain(experiment.path, AnnotateSettings(register="none", min_spot_px=5, background_px=40), segmentation)
    return experiment


def test_it_says_what_is_missing(open_page: Open, experiment: Experiment, words: Words) -> None:
    text = words(open_page("threshold", experiment=experiment.name))
    assert "No outlines" in text
    assert "No stain" not in text


def test_without_stain_images(open_page: Open, experiment: Experiment, segmentation: str, words: Words) -> None:
    experiment.save_fields(experiment.fields().assign(stain=""))
    assert "No stain or colour image" in words(open_page("threshold", experiment=experiment.name))


def test_measuring_is_a_job_with_what_was_chosen(open_page: Open, experiment: Experiment, segmentation: str, store: JobStore, click: Click) -> None:
    click(open_page("threshold", experiment=experiment.name), "Measure the stain")
    job = store.recent(1)[0]
    assert job.stage == "stain"
    assert job.params["segmentation"] == segmentation
    assert job.params["settings"]["signal"] == "brightfield"


def test_a_preview_of_one_field_is_not_what_is_measured(open_page: Open, experiment: Experiment, segmentation: str) -> None:
    one = experiment.fields()["fov_id"][0]
    with publish(experiment, "segmentations", "preview", {}, inputs=[{"fov_id": one}]):
        pass
    assert experiment.products("segmentations")[0].id == "preview"  # the newest
    app = open_page("threshold", experiment=experiment.name)
    assert next(s for s in app.selectbox if s.label == "Outlines of the cells").value == segmentation


def test_a_measured_experiment_opens_the_viewer(open_page: Open, stained: Experiment, words: Words) -> None:
    app = open_page("threshold", experiment=stained.name)
    assert not app.error
    assert "Measure once" not in words(app)
    assert stained.products("stains")[0].id in app.query_params["stain"]


def critical_of(stained: Experiment, fov_id: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    body = gzip.decompress(threshold_bytes.critical(stained.products("stains")[0].path / "counts" / f"{fov_id}.npz")[0])
    n, parts, bins, _ = np.frombuffer(body, "<u4", 4)
    ints = np.frombuffer(body, "<i4", (3 + parts) * n, 16)
    return ints[:n], ints[3 * n :].reshape(parts, n), np.frombuffer(body, "<u4", bins, 16 + ints.nbytes)


def test_the_browser_calls_the_same_cells(stained: Experiment) -> None:
    stain = open_stain(stained)
    fov_id = str(stain.fields["fov_id"].iloc[0])
    labels, critical, pixels = critical_of(stained, fov_id)
    counts = stain.counts(fov_id)
    assert labels.tolist() == counts.labels.tolist()
    assert pixels.sum() == counts.covered.sum()
    tried = np.concatenate([np.linspace(-0.3, 1.2, 41), counts.scale.value(counts.levels[:: max(1, len(counts.levels) // 30)])])
    found = set()
    for threshold in tried:
        for part in (0, 5, 50, 100):
            here = critical[part] > counts.scale.code_of(threshold)
            assert here.tolist() == (classes(stained_area(counts, threshold), counts.area, part / 100) == 1).tolist()
            found.add(tuple(here.tolist()))
    assert len(found) > 2  # the thresholds part the cells


def test_a_large_signal_is_reduced_to_its_strongest_pixels(stained: Experiment) -> None:
    stain = open_stain(stained)
    file = stain.opened_file(str(stain.fields["fov_id"].iloc[0]))
    whole = np.frombuffer(gzip.decompress(threshold_bytes.signal(file, 4096)[0]), "<u2").reshape(96, 96)
    small = np.frombuffer(gzip.decompress(threshold_bytes.signal(file, 40)[0]), "<u2").reshape(32, 32)
    assert (whole == read(file).pixels).all()
    assert (small == whole.reshape(32, 3, 32, 3).max(axis=(1, 3))).all()


@pytest.mark.parametrize("setting", [Setting(0.1 + 0.2, 7), Setting(0.5, 0, {"MSC 1": 1e-5, "M=2": 0.25}), Setting()])
def test_a_setting_survives_the_address(setting: Setting) -> None:
    back = setting_of(setting.text, str(setting.part), Setting())
    assert (back.text, back.part) == (setting.text, setting.part)


@pytest.mark.parametrize("text", ["", "x", "nan", "A=x", "inf"])
def test_a_wrong_address_is_no_threshold(text: str) -> None:
    assert setting_of(text, "-3", Setting(0.4)) == Setting(0.4)


def test_a_proposed_threshold_is_saved_with_its_reason(stained: Experiment) -> None:
    stain = open_stain(stained)
    proposed, _ = proposals(stain, 5, 5)
    named = next(one for one in proposed if one["threshold"] is not None)
    message = {"threshold": named["threshold"], "part": 5, "lines": {}, "allowed": 5, "marker": "  p16 "}
    settings = annotate_settings(stain, told_setting(message, Setting()), proposed)
    assert (settings.threshold, settings.proposal, settings.marker) == ("auto", named["name"], "p16")
    assert annotate_settings(stain, Setting(0.123, 10), proposed).threshold == "0.123"
    by_line = annotate_settings(stain, Setting(0.1, 5, {"MSC1": 0.1}), proposed)
    assert by_line.per_line
    assert by_line.threshold == "MSC1=0.1"


def test_spot_sizes_on_offer_name_what_is_measured(stained: Experiment, segmentation: str) -> None:
    first = stained.products("stains")[0]
    measure_stain(stained.path, AnnotateSettings(register="none", min_spot_px=12, background_px=40), segmentation)
    spots, now = spots_of(stained, first, open_stain(stained, first.id).fields)
    assert now == "5px"
    assert {one.key for one in spots if one.product} == {"5px", "12px"}


def test_fields_are_spread_over_the_lines() -> None:
    fields = pd.DataFrame({"fov_id": list("abcdef"), "sample": ["A", "A", "A", "B", "B", "C"]})
    assert spread(fields, 4) == ["a", "b", "d", "f"]
    assert spread(fields, 99) == list("abcdef")


def test_the_summary_shows_threshold_and_spots(open_page: Open, stained: Experiment, words: Words) -> None:
    stain = stained.products("stains")[0].id
    made = annotate(stained.path, AnnotateSettings(threshold="0.2", min_fraction=0.1), stain_id=stain)
    app = open_page("threshold", experiment=stained.name, tab="Summary")
    text = words(app)
    assert "0.2" in text
    assert "5 px" in text
    assert "No negative control" in text
    assert any(Path(made).name in str(box.value) for box in app.selectbox)


def test_labels_of_the_tiles_are_those_of_the_segmentation(stained: Experiment) -> None:
    stain = open_stain(stained)
    assert set(np.unique(read_labels(stain.labels_file(str(stain.fields["fov_id"].iloc[0]))))) == {0, 1, 2}
