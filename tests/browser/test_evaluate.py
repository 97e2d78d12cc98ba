"""Evaluate in the real app: a classifier judged, its worst errors with what it looked at, and two classifiers compared."""

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from core.dataset.store import CropWriter, scaling
from core.report import read_csv
from core.report.words import percent
from core.settings import DatasetSettings, EvaluateSettings
from core.simulate import simulate_field
from core.stages.collecting import manifest_of, write_dataset
from core.stages.datasets import OpenDataset, open_dataset
from core.stages.evaluating import evaluate
from core.tables import DISAGREEMENTS, ERRORS
from core.workspace import Experiment, create_experiment, publish

pytestmark = pytest.mark.browser
NAME = "two classifiers"
BUSY_MS = 240_000
CROP = DatasetSettings(crop_px=96)
SETS = ("train", "train", "validation", "test", "test", "test")  # of the cultures
FIELDS, LARGE_PX = 2, 2300


@pytest.fixture(scope="module")
def judged(workspace: Path) -> Experiment:
    """An experiment of simulated cells with two hastily made classifiers, as two training runs would leave them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SENESCOPE_WORKSPACE", str(workspace))
        made = create_experiment(NAME)
    with publish(made, "datasets", "cells", vars(CROP)) as partial:
        write_cells(partial.path)
    dataset = open_dataset(made.path / "datasets" / "cells")
    for name, features in (("poor", 3), ("good", 1280)):
        with publish(made, "runs", name, {}) as partial:
            save_classifier(partial.path / "best.pt", dataset, features)
    return made


def write_cells(folder: Path) -> None:
    """Crops of cultures of the sets ``SETS``. Large cells are the senescent ones, so that there is something quick to learn."""
    writer, rows, names = CropWriter(folder / "crops", CROP.crop_px, "black"), [], []
    for number, split in enumerate(SETS):
        for k in range(FIELDS):
            field, sample = simulate_field(10 * number + k, 300, pixel_size_um=1.0, n_cells=12, stain=False), f"MSC{number + 1}"
            names.append(f"{sample}_f{k + 1}")
            classes = dict(zip(field.cells["label"], (field.cells["area_px"] > LARGE_PX).astype(int), strict=True))
            writer.add_field(names[-1], field.phase, field.labels, list(classes), scaling(field.phase, "range", 65535), 1.0, 1.0)
            about = {"fov_id": names[-1], "sample": sample, "group": sample, "split": split, "experiment": NAME, "decision": ""}
            rows += [about | {"cell_id": f"{names[-1]}:{label}", "label": label, "class": large} for label, large in classes.items()]
    index = writer.finish(names)
    write_dataset(folder, manifest_of(pd.DataFrame(rows), index, CROP), index, CROP, {})


def save_classifier(file: Path, dataset: OpenDataset, features: int) -> None:
    """A B0 of random weights whose last layer is fitted to the training cells, by its first ``features`` features: made in a second."""
    import torch
    from sklearn.linear_model import LogisticRegression

    from core.classifier.checkpoint import Checkpoint, save_checkpoint
    from core.classifier.network import WithFeatures, build_network

    torch.manual_seed(0)
    network, rows = build_network("efficientnet-b0", CROP.crop_px, dropout=0.0, drop_connect=0.0), dataset.rows("train")
    crops = torch.from_numpy(dataset.crops.batch(rows))[:, None]
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = None  # takes the statistics of one pass as they are
    with torch.no_grad():
        network.train()(crops)
        found = WithFeatures(network.eval())(crops)[:, 1 : features + 1].numpy()
        middle, spread = found.mean(0), found.std(0) + 1e-6
        fitted = LogisticRegression(class_weight="balanced", max_iter=1000).fit((found - middle) / spread, dataset.classes[rows])
        network._fc.weight[0] = 0.0
        network._fc.weight[0, :features] = torch.from_numpy(fitted.coef_[0] / spread)
        network._fc.bias[0] = float(fitted.intercept_[0] - fitted.coef_[0] @ (middle / spread))
    about: dict[str, Any] = {"architecture": "efficientnet-b0", "crop_px": CROP.crop_px, "intensity": "range", "pixel_size_um": None, "threshold": 0.5}
    save_checkpoint(file, Checkpoint(mean=dataset.crops.mean, std=dataset.crops.std, state=network.state_dict(), **about))


@pytest.fixture
def expect():  # type: ignore[no-untyped-def]
    return pytest.importorskip("playwright.sync_api").expect


def downloaded(page, name: str) -> bytes:  # type: ignore[no-untyped-def]
    with page.expect_download(timeout=BUSY_MS) as download:
        page.get_by_role("button", name=name, exact=True).click()
    return Path(download.value.path()).read_bytes()


def metric(page, name: str) -> str:  # type: ignore[no-untyped-def]
    """A number of the visible tab, which the headline may show too."""
    return str(page.get_by_test_id("stTabs").get_by_test_id("stMetric").filter(has_text=name).get_by_test_id("stMetricValue").inner_text())


def pictures(page) -> list[str]:  # type: ignore[no-untyped-def]
    """Addresses of the pictures of cells on screen, once all of them are drawn."""
    cells = page.locator("img[alt^='Cell ']:visible")
    page.wait_for_function("[...document.querySelectorAll(\"img[alt^='Cell ']\")].every(one => one.complete && one.naturalWidth > 8)")
    return [str(cells.nth(i).get_attribute("src")) for i in range(cells.count())]


def open_report(open_page: Callable, html: bytes, file: Path):  # type: ignore[no-untyped-def]
    """A downloaded report as the user opens it, once its charts are drawn."""
    file.write_bytes(html)
    report = open_page(file.as_uri())
    report.wait_for_function("[...document.querySelectorAll('.chart')].every(one => one.querySelector('.main-svg'))")
    return report


def test_a_classifier_is_judged_and_its_errors_are_looked_at(
    open_page: Callable, server: str, judged: Experiment, settle: Callable, expect, tmp_path: Path
) -> None:  # type: ignore[no-untyped-def]
    page = open_page(f"{server}/evaluate?experiment={NAME.replace(' ', '%20')}")
    page.set_default_timeout(BUSY_MS)
    page.get_by_role("combobox", name="Judge").click()
    page.get_by_role("option", name=re.compile("^good")).click()
    settle(page, BUSY_MS)
    page.get_by_role("button", name="Evaluate", exact=True).click()
    page.wait_for_url(re.compile("evaluation=good"), timeout=BUSY_MS)
    page.reload()  # a refresh loses nothing
    expect(page.get_by_text("The evaluation used")).to_be_visible(timeout=BUSY_MS)
    settle(page, BUSY_MS)
    made = next(one for one in judged.products("evaluations") if one.id.startswith("good"))

    page.get_by_role("slider", name="Decision threshold").press("Home")  # everything is called senescent
    expect(page.get_by_text("flattered")).to_be_visible(timeout=BUSY_MS)
    settle(page, BUSY_MS)
    assert (metric(page, "Sensitivity"), metric(page, "Specificity")) == (percent(1.0), percent(0.0))
    page.get_by_role("slider", name="Decision threshold").press("End")
    expect(page.get_by_test_id("stTabs").get_by_test_id("stMetric").filter(has_text="Specificity")).to_contain_text(percent(1.0), timeout=BUSY_MS)
    assert metric(page, "Sensitivity") == percent(0.0)

    page.get_by_role("tab", name="Worst errors").click()
    errors = read_csv(made.path / "errors.csv", ERRORS)
    expect(page.locator("img[alt^='Cell ']:visible")).to_have_count(len(errors), timeout=BUSY_MS)
    plain = pictures(page)
    page.get_by_text("Show what the model looked at").click()
    expect(page.locator("img[alt^='Cell ']:visible").first).not_to_have_attribute("src", plain[0], timeout=BUSY_MS)
    settle(page, BUSY_MS)
    assert len(set(plain) | set(pictures(page))) == 2 * len(errors) > 0

    cultures = pd.read_csv(io.BytesIO(downloaded(page, "cultures.csv")))
    assert list(cultures["sample"]) == ["MSC4", "MSC5", "MSC6"]
    assert downloaded(page, "predictions.csv") == (made.path / "predictions.csv").read_bytes()
    report = open_report(open_page, downloaded(page, "Report (HTML)"), tmp_path / "report.html")
    assert not report.locator(".heat").first.is_visible()
    report.get_by_label("Show what the model looked at").check()
    assert report.locator(".heat").first.is_visible()


def test_two_classifiers_are_compared(open_page: Callable, server: str, judged: Experiment, settle: Callable, expect, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    first, second = (evaluate(judged.path, EvaluateSettings(model=name)).name for name in ("poor", "good"))
    page = open_page(f"{server}/evaluate?experiment={NAME.replace(' ', '%20')}&evaluation={second}")
    page.set_default_timeout(BUSY_MS)
    page.get_by_role("tab", name="Compare").click(timeout=BUSY_MS)
    expect(page.get_by_role("combobox", name=re.compile("Compare with"))).to_be_visible(timeout=BUSY_MS)
    expect(page.get_by_text("Both models must have judged the same cells")).to_be_visible(timeout=BUSY_MS)
    page.get_by_role("button", name="Compare", exact=True).click()
    expect(page.get_by_text("Which cells flip")).to_be_visible(timeout=BUSY_MS)
    settle(page, BUSY_MS)
    [made] = judged.products("comparisons")
    assert made.settings["upstream"]["first"] == first
    expect(page.get_by_text(re.compile("On the same 72 cells of 3 cultures: .*ranks cells better|no difference is shown")).first).to_be_visible()
    assert len(pictures(page)) == len(read_csv(made.path / "disagreements.csv", DISAGREEMENTS)) > 0
    assert downloaded(page, "Cells (CSV)") == (made.path / "cells.csv").read_bytes()
    report = open_report(open_page, downloaded(page, "Comparison (HTML)"), tmp_path / "comparison.html")
    expect(report.get_by_role("heading", name="poor and good")).to_be_visible()
    assert report.locator(".cells img").count() == len(pictures(page))
    page.reload()  # it is kept
    page.get_by_role("tab", name="Compare").click(timeout=BUSY_MS)
    expect(page.get_by_text("Which cells flip")).to_be_visible(timeout=BUSY_MS)
