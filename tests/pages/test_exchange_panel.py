"""Export on the page: pick a format, prepare, download; and ready outlines brought in."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from core.cells.exchange import FORMATS, read_rois, write_rois
from core.images import read_labels
from core.report import zip_product
from core.workspace import Experiment

Open = Callable[..., AppTest]
Words = Callable[[AppTest], str]
Click = Callable[[AppTest, str], AppTest]
SIDE = 96


def script(name: str, kind: str, id: str) -> None:
    from core.workspace import Experiment, experiment_path
    from pages.parts.exchange_panel import exchange_panel

    experiment = Experiment(experiment_path(name))
    exchange_panel(experiment, experiment.product(kind, id))


@pytest.fixture
def panel(experiment: Experiment) -> Callable[..., AppTest]:
    def show(kind: str, id: str) -> AppTest:
        app = AppTest.from_function(script, default_timeout=30, args=(experiment.name, kind, id)).run()
        assert not app.exception, app.exception
        return app

    return show


def test_every_format_says_what_opens_it(panel: Callable[..., AppTest], segmentation: str, words: Words) -> None:
    app = panel("segmentations", segmentation)
    for format in FORMATS.values():
        app.radio[0].set_value(format.name).run()
        assert not app.exception
        assert format.opens in words(app)
        assert f"--format {format.name}" in app.code[0].value


def test_a_press_prepares_the_files_and_offers_one_zip(panel: Callable[..., AppTest], experiment: Experiment, segmentation: str, click: Click) -> None:
    app = panel("segmentations", segmentation)
    app.radio[0].set_value("imagej").run()
    assert not app.get("download_button")
    click(app, "Prepare the files")
    assert not [b for b in app.button if b.label.startswith("Prepare")]
    assert [b.proto.label for b in app.get("download_button")] == ["Download (ZIP)"]
    [made] = experiment.products("exports")
    with zipfile.ZipFile(io.BytesIO(zip_product(made.path).getvalue())) as archive:
        names = {Path(name).name for name in archive.namelist()}
    assert {"MSC1_P4_f01_phase_rois.zip", "MSC2_P9_f01_phase_rois.zip", "how_to_open.txt", "settings.json"} == names
    found = read_rois(made.path / "MSC1_P4_f01_phase_rois.zip", (SIDE, SIDE))
    assert np.unique(found.labels).tolist() == [0, 1, 2]
    again = panel("segmentations", segmentation)
    again.radio[0].set_value("imagej").run()
    assert len(again.get("download_button")) == 1  # what is there is offered at once


def test_an_assessment_is_exported_with_its_calls(panel: Callable[..., AppTest], experiment: Experiment, assessment: str, click: Click) -> None:
    app = panel("assessments", assessment)
    app.radio[0].set_value("qupath").run()
    assert f"--assessment {assessment}" in app.code[0].value
    click(app, "Prepare the files")
    [made] = experiment.products("exports")
    assert "senescent" in (made.path / "MSC1_P4_f01_phase.geojson").read_text(encoding="utf-8")


def test_a_problem_is_told(panel: Callable[..., AppTest], experiment: Experiment, segmentation: str, words: Words, click: Click) -> None:
    for file in (experiment.path / "segmentations" / segmentation / "labels").glob("*.tif"):
        file.unlink()
    app = click(panel("segmentations", segmentation), "Prepare the files")
    assert "none of the 2 fields could be exported" in words(app)


def test_ready_outlines_are_added_on_the_page_of_images(open_page: Open, experiment: Experiment, tmp_path: Path, words: Words, click: Click) -> None:
    labels = np.zeros((SIDE, SIDE), np.int32)
    labels[5:20, 5:30] = 12
    write_rois(tmp_path / "MSC1_P4_f01_phase_rois.zip", labels)
    app = open_page("experiments", experiment=experiment.name)
    rois = (tmp_path / "MSC1_P4_f01_phase_rois.zip").read_bytes()
    for name in ("MSC1_P4_f01_phase_rois.zip", "stranger.zip"):
        app.file_uploader[0].upload(name, rois)
    app.run()
    click(app, "Add 2 files")
    [product] = experiment.products("segmentations")
    assert np.array_equal(read_labels(product.path / "labels" / "MSC1_P4_f01.tif"), labels)
    assert "Outlines of 1 field were added" in words(app)
    assert "stranger.zip" in words(app)


def test_outlines_that_belong_nowhere_are_refused(open_page: Open, experiment: Experiment, words: Words, click: Click) -> None:
    app = open_page("experiments", experiment=experiment.name)
    app.file_uploader[0].upload("x.json", b"{}").run()
    click(app, "Add 1 file")
    assert "None of the files with outlines belongs" in words(app)
    assert not experiment.products("segmentations")
