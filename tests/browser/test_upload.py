"""The drop zone in a browser: choosing, dropping folders, failures by name, stopping, leaving."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.browser
HERE = Path(__file__).resolve().parent
LIMIT_MB = 40


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("upload")


@pytest.fixture(scope="module")
def upload_server(run_server: Callable, space: Path) -> Iterator[str]:
    with run_server(HERE / "upload_app.py", space, SENESCOPE_MAX_UPLOAD_MB=str(LIMIT_MB)) as url:
        yield url


@pytest.fixture
def tab(open_page: Callable, upload_server: str):  # type: ignore[no-untyped-def]
    page = open_page(upload_server)
    page.get_by_role("button", name="Choose files").wait_for(timeout=30_000)
    return page


def image(path: Path, seed: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (24, 32), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def stored(page, reports: int = 1) -> list[str]:  # type: ignore[no-untyped-def]
    page.get_by_text(f"reports={reports}", exact=True).wait_for(timeout=30_000)
    text = page.get_by_text("stored=").inner_text()
    return [name for name in text.split("stored=")[1].split("failed=")[0].strip().split("; ") if name]


def drop(page, files: dict[str, int]) -> None:  # type: ignore[no-untyped-def]
    """Drop folders as a browser hands them over: path inside the drop -> size in bytes."""
    page.locator(".zone").evaluate(
        """(zone, files) => {
            const leaf = (path, size) => ({ isFile: true, name: path.split('/').pop(),
                file: done => done(new File([new Uint8Array(size).fill(size % 251)], path.split('/').pop())) });
            const tree = (prefix, entries) => {
                const names = new Set(entries.map(([path]) => path.slice(prefix.length).split('/')[0]));
                return [...names].map(name => {
                    const own = entries.find(([path]) => path === prefix + name);
                    if (own) return leaf(...own);
                    const children = tree(prefix + name + '/', entries.filter(([path]) => path.startsWith(prefix + name + '/')));
                    return { isFile: false, name, createReader: () => {
                        const parts = [children, []];
                        return { readEntries: done => done(parts.shift() || []) };
                    } };
                });
            };
            const items = tree('', Object.entries(files)).map(entry => ({ kind: 'file', webkitGetAsEntry: () => entry }));
            const event = new Event('drop', { bubbles: true, cancelable: true });
            Object.defineProperty(event, 'dataTransfer', { value: { items, files: [] } });
            zone.dispatchEvent(event);
        }""",
        files,
    )


def slow(page) -> None:  # type: ignore[no-untyped-def]
    """A connection of 200 kB/s."""
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.send("Network.emulateNetworkConditions", {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 200_000})


def eventually(page, true: Callable[[], bool]) -> None:  # type: ignore[no-untyped-def]
    for _ in range(100):
        if true():
            return
        page.wait_for_timeout(100)
    raise AssertionError("waited ten seconds in vain")


def test_says_what_it_takes(tab) -> None:  # type: ignore[no-untyped-def]
    zone = tab.get_by_role("group", name="Drop images or a whole folder here")
    assert "TIFF, OME-TIFF, PNG, JPEG, BMP" in zone.inner_text()
    assert "up to 40 MB each" in zone.inner_text()
    tab.get_by_role("button", name="Choose files").focus()
    tab.keyboard.press("Tab")
    assert tab.evaluate("() => document.activeElement.shadowRoot.activeElement.textContent") == "Choose a folder"


def test_chosen_files_arrive_whole(tab, space: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    names = ["MSC1_P4_f01_phase.png", "æøå ü 日本.png", "f 03.png", "f04.png", "f05.png"]
    paths = [image(tmp_path / name, seed) for seed, name in enumerate(names)]
    with tab.expect_file_chooser() as chooser:
        tab.get_by_role("button", name="Choose files").click()
    chooser.value.set_files(paths)
    assert stored(tab) == sorted(f"images/{name}" for name in names)
    tab.get_by_text("5 files added").wait_for()
    for path in paths:
        assert (space / "drop" / "images" / path.name).read_bytes() == path.read_bytes()


def test_same_again_is_stored_once_and_another_is_renamed(tab, space: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    first, other = image(tmp_path / "a" / "twice.png", 1), image(tmp_path / "b" / "twice.png", 2)
    chooser = tab.locator("input[type=file]").first
    chooser.set_input_files(first)
    assert stored(tab) == ["images/twice.png"]
    chooser.set_input_files(first)
    assert stored(tab, 2) == ["images/twice.png"]
    chooser.set_input_files(other)
    assert stored(tab, 3) == ["images/twice_2.png"]
    assert (space / "drop" / "images" / "twice.png").read_bytes() == first.read_bytes()


def test_folders_keep_their_names_apart(tab) -> None:  # type: ignore[no-untyped-def]
    drop(tab, {"day 1/phase/f01.tif": 100, "day 1/stain/f01.tif": 101, "day 1/.DS_Store": 5, "day 1/Thumbs.db": 6})
    assert stored(tab) == ["images/phase_f01.tif", "images/stain_f01.tif"]


def test_failures_are_named_with_the_reason(tab, space: Path) -> None:  # type: ignore[no-untyped-def]
    drop(tab, {"notes.docx": 10, "empty.tif": 0, "good.tif": 50, "huge.tif": (LIMIT_MB + 5) * 2**20})
    assert stored(tab) == ["images/good.tif"]
    text = tab.get_by_role("alert").filter(has_text="not added").inner_text()
    assert "3 files not added" in text
    assert "notes.docx – not one of TIFF" in text
    assert "empty.tif – the file is empty." in text
    assert "huge.tif – 45 MB is larger than the 40 MB" in text
    assert not list((space / "drop" / "images").glob(".upload-*"))


def test_refused_by_the_app_and_tried_again(tab) -> None:  # type: ignore[no-untyped-def]
    tab.expected.append("Failed to load resource.*507")
    tab.route("**/api/upload**", lambda route: route.fulfill(status=507, body="the disk is full."))
    drop(tab, {"later.tif": 77})
    tab.get_by_text("later.tif – the disk is full.").wait_for()
    tab.unroute("**/api/upload**")
    tab.get_by_role("button", name="Try these again").click()
    assert stored(tab, 2) == ["images/later.tif"]
    assert not tab.get_by_text("not added").is_visible()


def test_goes_on_while_the_page_runs_and_can_be_stopped(tab, space: Path, settle: Callable) -> None:  # type: ignore[no-untyped-def]
    slow(tab)
    drop(tab, {"one.tif": 3_000_000, "two.tif": 3_000_001, "three.tif": 3_000_002, "four.tif": 3_000_003})
    tab.get_by_text("0 of 4 files").wait_for()
    tab.get_by_text("Something else on the page").click()
    settle(tab)
    assert tab.get_by_text("0 of 4 files").is_visible()
    tab.get_by_role("button", name="Stop").click()
    assert stored(tab) == []
    assert "four.tif – not sent" in tab.get_by_role("alert").filter(has_text="not added").inner_text()
    eventually(tab, lambda: not list((space / "drop" / "images").glob(".upload-*")))


def test_leaving_the_page_stops_it(tab, space: Path, settle: Callable) -> None:  # type: ignore[no-untyped-def]
    slow(tab)
    drop(tab, {"left.tif": 3_000_000})
    tab.get_by_text("0 of 1 file").wait_for()
    tab.get_by_role("link", name="Elsewhere").click()
    tab.get_by_role("heading", name="Elsewhere").wait_for()
    settle(tab)
    eventually(tab, lambda: not list((space / "drop" / "images").glob(".upload-*")))
    assert not (space / "drop" / "images" / "left.tif").exists()


def test_a_large_file_arrives_whole(tab, space: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "large.tif"
    path.write_bytes(os.urandom(30 * 2**20))
    tab.locator("input[type=file]").first.set_input_files(path)
    assert stored(tab) == ["images/large.tif"]
    assert (space / "drop" / "images" / "large.tif").read_bytes() == path.read_bytes()
