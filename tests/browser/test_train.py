"""Train: begun, watched, left alone, cancelled, resumed, ended early, and its best epoch taken to the model library."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.report import read_csv
from core.tables import TRAINING_HISTORY

pytestmark = pytest.mark.browser
WORK_MS = 240_000  # the first epoch on a small, busy machine
EXPERIMENT = "to train"
CELLS = {"train": 12, "val": 6, "test": 4}  # of each class


@pytest.fixture(scope="module")
def dataset(workspace: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Crops of dim and of bright cells, cut elsewhere."""
    from PIL import Image

    from core.settings import DatasetSettings
    from core.stages.crop_folders import import_folder

    folder, rng = tmp_path_factory.mktemp("crops"), np.random.default_rng(0)
    for split, n in CELLS.items():
        for name, level in (("senescent", 170), ("not_senescent", 80)):
            (folder / split / name).mkdir(parents=True)
            for k in range(n):
                Image.fromarray(rng.normal(level, 30, (32, 32)).clip(1, 255).astype(np.uint8)).save(folder / split / name / f"{split}_{name}_{k}.png")
    return import_folder(folder, workspace / EXPERIMENT, DatasetSettings(crop_px=32))


def fill(page, name: str, value: str, settle: Callable) -> None:  # type: ignore[no-untyped-def]
    box = page.get_by_role("spinbutton", name=name)
    box.fill(value)
    box.press("Enter")
    settle(page)


def epochs_of(run: Path) -> list[int]:
    return read_csv(run / "history.csv", TRAINING_HISTORY)["epoch"].to_list()


def goes_on(page, run: Path, done: int) -> None:  # type: ignore[no-untyped-def]
    """Wait for an epoch after the first ``done``."""
    for _ in range(WORK_MS // 500):
        if len(epochs_of(run)) > done:
            return
        page.wait_for_timeout(500)
    raise AssertionError(f"the training does not go on after epoch {done}")


def test_a_training_is_left_cancelled_resumed_ended_and_kept(open_page: Callable, server: str, dataset: Path, settle: Callable) -> None:
    expect = pytest.importorskip("playwright.sync_api").expect
    page = open_page(f"{server}/train?experiment={EXPERIMENT.replace(' ', '+')}")
    page.get_by_role("combobox", name="Network").click(timeout=60_000)
    page.get_by_role("option", name="B0, quick").click()
    settle(page)
    fill(page, "Epochs", "500", settle)
    page.get_by_text("More settings").click()
    fill(page, "Stop early after", "0", settle)
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.get_by_text("Its ROC AUC")).to_be_visible(timeout=WORK_MS)
    page.close()

    page = open_page(f"{server}/train?experiment={EXPERIMENT.replace(' ', '+')}")  # the computer was closed; the address knows no job
    expect(page.get_by_text("Its ROC AUC")).to_be_visible(timeout=60_000)
    page.get_by_role("button", name="Cancel", exact=True).click()
    expect(page.get_by_text("was cancelled")).to_be_visible(timeout=60_000)
    [begun] = (dataset.parents[1] / "runs").glob("*.partial")
    done = len(epochs_of(begun))
    page.get_by_role("button", name="Resume").click()
    goes_on(page, begun, done)

    page.get_by_role("button", name="Finish after this epoch").click(timeout=WORK_MS)
    expect(page.get_by_text("Decision threshold", exact=True)).to_be_visible(timeout=WORK_MS)
    page.wait_for_url(re.compile(r"^(?=.*run=)(?!.*job=)"))
    epochs = epochs_of(begun.with_suffix(""))
    assert done < len(epochs) < 500
    assert epochs == list(range(1, len(epochs) + 1))

    page.get_by_role("button", name="Add to the model library").click()
    page.get_by_role("textbox", name="Name in the library").fill("from the page")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_text("from the page is in the library.")).to_be_visible(timeout=60_000)
    page.get_by_role("link", name="Open its card").click()
    page.wait_for_url(re.compile("models.*model=from(\\+|%20)the(\\+|%20)page"))
    expect(page.get_by_role("heading", name="from the page")).to_be_visible(timeout=60_000)
