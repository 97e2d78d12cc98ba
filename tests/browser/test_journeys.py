"""What a user does, from the first page to the result, in the real app with the real worker processes."""

import csv
import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.browser
WORK_MS = 420_000  # a job on a small, busy machine
SIDE = 448


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two simulated fields of two cultures, a stain image without partner, a text that calls itself TIFF, a stack."""
    import tifffile

    from core.simulate import simulate_field

    folder = tmp_path_factory.mktemp("images")
    for seed, name in enumerate(("Donor1_P3_f01_phase", "Donor2_P9_f01_phase")):
        tifffile.imwrite(folder / f"{name}.tif", simulate_field(seed, SIDE).phase)
    tifffile.imwrite(folder / "Donor7_P3_f01_stain.tif", np.ones((32, 32), np.uint16))
    tifffile.imwrite(folder / "stack æøå.ome.tif", np.random.default_rng(0).integers(0, 255, (3, 64, 64)).astype(np.uint8), metadata={"axes": "ZYX"})
    (folder / "broken.tif").write_text("no image", encoding="utf-8")
    return sorted(folder.iterdir())


@pytest.fixture
def expect():  # type: ignore[no-untyped-def]
    return pytest.importorskip("playwright.sync_api").expect


def start(page, name: str, files: list[Path], settle: Callable) -> None:  # type: ignore[no-untyped-def]
    """From the first page to an experiment with images."""
    page.get_by_role("textbox", name="Name of the experiment").fill(name)
    page.get_by_role("button", name="Assess my images").click()
    page.get_by_text("Drop phase-contrast images here").wait_for()
    page.locator("input[type=file]").first.set_input_files(files)
    page.get_by_text("2 · Settings").wait_for(timeout=60_000)
    settle(page)


def rename_first_culture(page, name: str) -> None:  # type: ignore[no-untyped-def]
    """In the table of fields: click the first field, go one column to the right, type."""
    page.locator("[data-testid=stDataFrame]:visible").first.click(position={"x": 70, "y": 52})
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    editor = page.locator("textarea.gdg-input")
    editor.wait_for()
    editor.fill(name)
    page.wait_for_timeout(300)  # the grid takes the text a moment after it was typed
    page.keyboard.press("Enter")


def written(page, file: Path, text: str, times: int = 1) -> None:  # type: ignore[no-untyped-def]
    """Wait until ``text`` stands in ``file``: the page saves an edit a moment after it was made, later on a busy machine."""
    for _ in range(60):
        if file.read_text(encoding="utf-8-sig").count(text) == times:
            return
        page.wait_for_timeout(250)
    assert file.read_text(encoding="utf-8-sig").count(text) == times


def finish(page) -> None:  # type: ignore[no-untyped-def]
    """Wait for the result that follows a job."""
    page.get_by_text("95 % interval").first.wait_for(timeout=WORK_MS)


def click_largest_cell(page) -> None:  # type: ignore[no-untyped-def]
    """Step into the picture by keyboard and take the first cell: works wherever cells lie."""
    stage = page.locator(".stage[data-state=ready]").first
    stage.wait_for(timeout=60_000)
    stage.focus()
    page.keyboard.press("n")
    page.keyboard.press("Enter")


def test_the_demo_from_the_first_page_to_the_result(page, open_page: Callable, server: str, settle: Callable, expect, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    expect(page.get_by_role("heading", name="What fraction of your cells is senescent?")).to_be_visible(timeout=60_000)
    page.get_by_role("button", name="Open the demo experiment").click()
    expect(page.get_by_role("button", name="Cancel")).to_be_visible(timeout=30_000)
    page.wait_for_url(re.compile("experiment=demo"))
    page.reload()  # a refresh loses nothing
    expect(page.get_by_role("button", name="Cancel")).to_be_visible(timeout=30_000)
    second = open_page(f"{server}/?experiment=demo")  # nor does a second tab that knows no job
    expect(second.get_by_role("button", name="Cancel")).to_be_visible(timeout=30_000)
    finish(page)
    finish(second)
    page.wait_for_url(re.compile(r"^(?=.*assessment=)(?!.*job=)"))
    expect(page.get_by_text("simulated cells").first).to_be_visible()
    click_largest_cell(page)
    expect(page.get_by_role("img", name=re.compile("alone")).or_(page.locator("img[alt*=alone]")).first).to_be_visible(timeout=30_000)
    with page.expect_download() as download:
        page.get_by_role("button", name="Everything (ZIP)").click()
    download.value.save_as(tmp_path / "all.zip")
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        names = {Path(name).name for name in archive.namelist()}
        cells = next(name for name in archive.namelist() if name.endswith("/cells.csv"))
        rows = list(csv.DictReader(io.StringIO(archive.read(cells).decode("utf-8-sig"))))
    assert {"cells.csv", "fields.csv", "samples.csv", "report.html", "settings.json"} <= names
    assert len({row["fov_id"] for row in rows}) == 3
    assert len(rows) > 20
    page.get_by_role("button", name="Next").click()
    page.wait_for_url(re.compile("field="))
    for tab in ("Plots", "Cultures", "Fields", "Left out", "How it was made"):
        page.get_by_role("tab", name=tab).click()
        settle(page)
    expect(page.get_by_text("python -m core assess")).to_be_visible()


def test_own_images_with_a_broken_one_among_them(page, images: list[Path], workspace: Path, settle: Callable, expect) -> None:  # type: ignore[no-untyped-def]
    start(page, "own images", images, settle)
    fields = workspace / "own images" / "fields.csv"
    assert "Donor1_P3_f01" in fields.read_text(encoding="utf-8-sig")
    expect(page.get_by_text("2 files not used")).to_be_visible()
    expect(page.get_by_text("found text that starts with")).to_be_visible()
    expect(page.get_by_text("3 focal planes")).to_be_visible()
    rename_first_culture(page, "Donor 1 æ")
    written(page, fields, ",Donor 1 æ,")
    settle(page)
    page.get_by_text("Fill in many fields at once").click()
    page.get_by_role("textbox", name="Value").fill("0,65")
    page.get_by_role("textbox", name="Value").press("Enter")
    page.get_by_role("button", name="Set for 2 fields").click()
    written(page, fields, "0.65", times=2)
    expect(page.get_by_text("The pixel size of")).to_have_count(0)
    page.get_by_role("button", name="Assess 2 fields").click()
    finish(page)
    expect(page.get_by_text("Donor 1 æ P3").first).to_be_visible()
    expect(page.get_by_text("Donor2 P9").first).to_be_visible()


def test_a_cancelled_job_is_resumed(page, images: list[Path], settle: Callable, expect) -> None:  # type: ignore[no-untyped-def]
    start(page, "to cancel", images[:1], settle)
    page.get_by_role("button", name=re.compile("Assess . field")).click()
    page.get_by_role("button", name="Cancel").click(timeout=30_000)
    expect(page.get_by_text("was cancelled")).to_be_visible(timeout=60_000)
    page.get_by_role("button", name="Resume").click()
    finish(page)


def test_segment_preview_then_all(page, server: str, images: list[Path], settle: Callable, expect, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    start(page, "to segment", images[:2], settle)
    page.get_by_role("link", name="Segment").click()
    expect(page.get_by_role("heading", name="Segment")).to_be_visible(timeout=30_000)
    page.wait_for_url(re.compile(r"experiment=to(\+|%20)segment"))  # the experiment goes along
    diameter = page.get_by_role("spinbutton", name="Cell diameter (px)")
    diameter.fill("60")
    diameter.press("Enter")
    settle(page)
    page.get_by_role("button", name="Preview this field").click()
    expect(page.get_by_text(re.compile(r"Preview: \d+ cells?"))).to_be_visible(timeout=WORK_MS)
    settle(page)  # until then the form of the run before may stand beside the new one
    assert diameter.input_value() == "60"  # settings stay
    page.get_by_role("button", name=re.compile("Segment all")).click()
    with page.expect_download(timeout=WORK_MS) as download:
        page.get_by_role("button", name="Label images and tables (ZIP)").click(timeout=WORK_MS)
    download.value.save_as(tmp_path / "labels.zip")
    with zipfile.ZipFile(tmp_path / "labels.zip") as archive:
        assert [name for name in archive.namelist() if "/labels/" in name]


def test_models_say_what_they_are_and_refuse_what_is_none(page, server: str, settle: Callable, expect, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    page.goto(f"{server}/models?model=LC4")
    expect(page.get_by_role("button", name="Download", exact=True)).to_be_visible(timeout=30_000)
    page.get_by_role("tab", name="Import from a file").click()
    wrong = tmp_path / "wrong.pt"
    wrong.write_bytes(b"no model")
    page.locator("input[type=file]").set_input_files(wrong)
    page.get_by_role("button", name="Check and import").click()
    expect(page.get_by_text("wrong.pt: wanted")).to_be_visible(timeout=60_000)


def test_experiments_are_opened_from_the_list(page, server: str, images: list[Path], settle: Callable, expect) -> None:  # type: ignore[no-untyped-def]
    start(page, "to open", images[:2], settle)
    fresh = page.context.new_page()
    fresh.goto(f"{server}/experiments")
    fresh.get_by_role("link", name="to open").click(timeout=30_000)
    expect(fresh.locator("img[alt^='Phase image of']")).to_have_count(2, timeout=30_000)
    fresh.get_by_role("tab", name="What was made").click()
    expect(fresh.get_by_text("Nothing yet")).to_be_visible()
