"""A dataset goes out of one experiment as a ZIP and is dropped into another; a ZIP of something else is refused."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.browser
WORK_MS = 120_000


@pytest.fixture(scope="module")
def given(workspace: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of the experiment "giver"; "taker" has none."""
    from PIL import Image

    from core.settings import DatasetSettings
    from core.stages.crop_folders import import_folder
    from core.workspace import create_experiment

    folder, rng = tmp_path_factory.mktemp("crops"), np.random.default_rng(0)
    for split in ("train", "val", "test"):
        for name, level in (("senescent", 170), ("not_senescent", 80)):
            place = folder / split / name / f"MSC {split}"
            place.mkdir(parents=True)
            for k in range(4):
                Image.fromarray(rng.normal(level, 30, (32, 32)).clip(1, 255).astype(np.uint8)).save(place / f"{k}.png")
    create_experiment(workspace / "taker")
    return import_folder(folder, workspace / "giver", DatasetSettings(crop_px=32))


def drop_zone(page):  # type: ignore[no-untyped-def]
    """The input behind the drop zone of the page, which is opened for it where it is closed."""
    if not page.get_by_text("Drop the ZIP here").is_visible():
        page.get_by_text("Take over crops that were cut elsewhere").click(timeout=60_000)
    page.get_by_text("Drop the ZIP here").wait_for()
    return page.get_by_label("Files to add")


def test_a_dataset_travels_as_a_zip(open_page: Callable, server: str, workspace: Path, given: Path, tmp_path: Path) -> None:
    from core.stages.datasets import open_dataset
    from core.workspace import Experiment

    page = open_page(f"{server}/dataset?experiment=giver&dataset={given.name}")
    with page.expect_download() as download:
        page.get_by_role("button", name="Crops as PNG folders (ZIP)").click(timeout=60_000)
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    page.goto(f"{server}/dataset?experiment=taker")
    drop_zone(page).set_input_files(path)
    page.get_by_text("24 pictures").wait_for(timeout=30_000)
    page.get_by_role("button", name="Take over", exact=True).click()
    page.get_by_role("button", name="manifest.csv").wait_for(timeout=WORK_MS)
    taker = Experiment(workspace / "taker")
    [product] = taker.products("datasets")
    out, back = (open_dataset(one).manifest.sort_values("cell_id", ignore_index=True) for one in (given, product.path))
    for column in ("cell_id", "class", "split", "sample"):
        assert out[column].tolist() == back[column].tolist()
    assert not (taker.path / "uploads").exists()


def test_a_zip_of_something_else_is_refused(open_page: Callable, server: str, workspace: Path, given: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "talk.zip", "w") as archive:
        archive.writestr("talk/slides.pptx", "x")
    page = open_page(f"{server}/dataset?experiment=taker&dataset=new")
    drop_zone(page).set_input_files(tmp_path / "talk.zip")
    page.get_by_text("talk.zip: wanted pictures of single cells").wait_for(timeout=30_000)
    assert page.get_by_text("it holds talk/slides.pptx").is_visible()
    assert not (workspace / "taker" / "uploads").exists()
