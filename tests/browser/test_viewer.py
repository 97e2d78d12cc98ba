"""The interactive picture: zoom, outlines, clicks, colours, ruler, errors, and what is left of it on another page."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.browser
HERE = Path(__file__).resolve().parent
WIDTH, HEIGHT = 600, 400  # of the fields of viewer_script.py
BLUE, ORANGE, YELLOW = (86, 180, 233), (255, 127, 42), (255, 213, 79)
READY_MS = 30_000


@pytest.fixture(scope="module")
def viewer_server(run_server: Callable, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with run_server(HERE / "viewer_app.py", tmp_path_factory.mktemp("viewer")) as url:
        yield url


@pytest.fixture
def tab(open_page: Callable, viewer_server: str):  # type: ignore[no-untyped-def]
    page = open_page(viewer_server)
    ready(page)
    return page


def ready(page, field: str = "A") -> None:  # type: ignore[no-untyped-def]
    page.locator(f'.stage[data-field="{field}"][data-state=ready]').wait_for(timeout=READY_MS)
    painted(page)


def painted(page) -> None:  # type: ignore[no-untyped-def]
    """Wait for two frames and the rest after a gesture."""
    page.evaluate("() => new Promise(done => setTimeout(() => requestAnimationFrame(() => requestAnimationFrame(done)), 200))")


def show(page, what: str, settle: Callable) -> None:  # type: ignore[no-untyped-def]
    page.get_by_text(what, exact=True).click()
    settle(page)


def place(page, x: float, y: float, field: str = "A") -> tuple[float, float]:  # type: ignore[no-untyped-def]
    """Where the image pixel lies in the window, as long as the whole field is shown."""
    box = page.locator(f'.stage[data-field="{field}"]').bounding_box()
    scale = min(box["width"] / WIDTH, box["height"] / HEIGHT)
    left, top = box["x"] + (box["width"] - WIDTH * scale) / 2, box["y"] + (box["height"] - HEIGHT * scale) / 2
    return left + x * scale, top + y * scale


def colour_at(page, x: float, y: float, field: str = "A") -> tuple[int, ...]:  # type: ignore[no-untyped-def]
    """The most opaque colour of the outlines within 2 px around an image pixel of a field shown whole; (0, 0, 0, 0): none."""
    return tuple(
        page.locator(f'.stage[data-field="{field}"] canvas.over').evaluate(
            """(canvas, [x, y, width, height]) => {
                const scale = Math.min(canvas.width / width, canvas.height / height);
                const left = (canvas.width - width * scale) / 2 + x * scale, top = (canvas.height - height * scale) / 2 + y * scale;
                const data = canvas.getContext('2d').getImageData(Math.round(left) - 2, Math.round(top) - 2, 5, 5).data;
                let best = [0, 0, 0, 0];
                for (let k = 0; k < data.length; k += 4) {
                    const bright = data[k] + data[k + 1] + data[k + 2];
                    if (data[k + 3] > 200 && bright > best[0] + best[1] + best[2]) best = [...data.slice(k, k + 4)];
                }
                return best;
            }""",
            [x, y, WIDTH, HEIGHT],
        )
    )


def near(found: tuple[int, ...], wanted: tuple[int, int, int], slack: int = 30) -> bool:
    return found[3] > 200 and all(abs(f - w) <= slack for f, w in zip(found, wanted, strict=False))


def zoom_text(page) -> int:  # type: ignore[no-untyped-def]
    return int(re.sub(r"\D", "", page.locator("output.zoom").inner_text()))


def clicks(page) -> int:  # type: ignore[no-untyped-def]
    return int(re.search(r"clicks=(\d+)", page.get_by_text("clicks=").inner_text()).group(1))


def test_outlines_have_the_colour_of_the_call(tab) -> None:  # type: ignore[no-untyped-def]
    assert near(colour_at(tab, 50, 100), ORANGE)
    assert near(colour_at(tab, 300, 250), BLUE)
    assert colour_at(tab, 250, 100)[3] == 0


def test_legend_counts_and_hides(tab) -> None:  # type: ignore[no-untyped-def]
    chip = tab.get_by_role("button", name="Senescent 1", exact=True)
    assert chip.get_attribute("aria-pressed") == "true"
    chip.click()
    painted(tab)
    assert colour_at(tab, 50, 100)[3] == 0
    assert near(colour_at(tab, 300, 250), BLUE)
    chip.press("Enter")  # the focus stays on it
    painted(tab)
    assert near(colour_at(tab, 50, 100), ORANGE)


def test_recolours_without_loading(tab, settle: Callable) -> None:  # type: ignore[no-untyped-def]
    asked = []
    tab.on("request", lambda request: asked.append(request.url) if "/api/" in request.url else None)
    tab.get_by_text("Cell 2 is senescent").click()
    tab.get_by_role("button", name="Not senescent 2").wait_for()  # the viewer has been told: a page that is not yet at work looks settled
    settle(tab)
    painted(tab)
    assert near(colour_at(tab, 50, 100), BLUE)
    assert asked == []


def test_click_names_the_cell_once(tab, settle: Callable) -> None:  # type: ignore[no-untyped-def]
    tab.mouse.click(*place(tab, 350.5, 250.5))
    tab.get_by_text("last=Click(fov_id='A', label=5, x=350, y=250)").wait_for()
    settle(tab)
    tab.get_by_text("Cell 2 is senescent").click()  # another run of the page is no further click
    settle(tab)
    assert clicks(tab) == 1
    painted(tab)
    assert near(colour_at(tab, 300, 250), (255, 255, 255), 70)  # the chosen cell has a white seam


def test_click_on_the_background_is_label_0(tab) -> None:  # type: ignore[no-untyped-def]
    tab.mouse.click(*place(tab, 20.5, 380.5))
    tab.get_by_text("last=Click(fov_id='A', label=0, x=20, y=380)").wait_for()


def test_drag_is_no_click(tab, settle: Callable) -> None:  # type: ignore[no-untyped-def]
    tab.mouse.move(*place(tab, 350, 250))
    tab.mouse.down()
    tab.mouse.move(*place(tab, 300, 200), steps=4)
    tab.mouse.up()
    settle(tab)
    assert clicks(tab) == 0


def test_wheel_zooms_at_the_pointer_and_double_click_fits(tab, settle: Callable) -> None:  # type: ignore[no-untyped-def]
    whole = zoom_text(tab)
    spot = place(tab, 350.5, 250.5)
    tab.mouse.move(*spot)
    for _ in range(6):
        tab.mouse.wheel(0, -240)
    painted(tab)
    assert zoom_text(tab) > 3 * whole
    tab.mouse.click(*spot)
    tab.get_by_text("label=5, x=350, y=250").wait_for()
    settle(tab)
    tab.wait_for_timeout(500)
    tab.mouse.dblclick(*spot)
    tab.get_by_text("clicks=2").wait_for()  # the first of the two is a click, the second is none
    assert zoom_text(tab) == whole
    tab.wait_for_timeout(700)
    settle(tab)
    assert clicks(tab) == 2


def test_keys(tab) -> None:  # type: ignore[no-untyped-def]
    stage = tab.locator(".stage")
    whole = zoom_text(tab)
    stage.focus()
    for key in ("+", "+", "ArrowRight", "ArrowDown"):
        stage.press(key)
    assert zoom_text(tab) > 1.5 * whole
    stage.press("0")
    assert zoom_text(tab) == whole
    stage.press("o")
    painted(tab)
    assert colour_at(tab, 50, 100)[3] == 0
    stage.press("o")
    stage.press("n")
    tab.get_by_text("label=2").wait_for()
    stage.press("n")
    tab.get_by_text("label=5").wait_for()


def test_quick_steps_end_at_the_same_cell_in_picture_and_page(tab, settle: Callable) -> None:  # type: ignore[no-untyped-def]
    stage = tab.locator(".stage")
    stage.focus()
    for key in "nnnpnnpn":
        stage.press(key)
        tab.wait_for_timeout(30)
    tab.get_by_text("label=2, ").wait_for()  # 2 5 9 5 9 2 9 2
    settle(tab)
    tab.wait_for_timeout(500)
    settle(tab)
    painted(tab)
    assert tab.get_by_text("label=2, ").is_visible()
    assert near(colour_at(tab, 50, 100), (255, 255, 255), 70)
    assert not near(colour_at(tab, 300, 250), (255, 255, 255), 70)


def test_toolbar_is_named(tab) -> None:  # type: ignore[no-untyped-def]
    whole = zoom_text(tab)
    tab.get_by_role("button", name="Zoom in (+)").click()
    assert zoom_text(tab) > whole
    tab.get_by_role("button", name="Show the whole field (0 or double click)").click()
    assert zoom_text(tab) == whole
    tab.get_by_role("button", name="Brightness and contrast").click()
    tab.get_by_role("slider", name="Brightness").fill("60")
    painted(tab)
    assert "brightness" in tab.locator("canvas.base").evaluate("canvas => canvas.style.filter")
    tab.get_by_role("button", name="Reset").click()
    painted(tab)
    assert tab.locator("canvas.base").evaluate("canvas => canvas.style.filter") == ""


def test_tooltip_names_cell_call_and_probability(tab) -> None:  # type: ignore[no-untyped-def]
    tip = tab.get_by_role("tooltip")
    tab.mouse.move(*place(tab, 100, 100))
    assert tip.inner_text().split("\n") == ["Cell 2", "Senescent", "probability 0.91"]
    tab.mouse.move(*place(tab, 450, 250))
    assert "touches border" in tip.inner_text()
    tab.mouse.move(*place(tab, 250, 100))
    assert not tip.is_visible()


def test_scale_bar_is_a_round_length(tab) -> None:  # type: ignore[no-untyped-def]
    bar = tab.locator(".scale-bar")
    length = float(bar.inner_text().removesuffix(" µm"))
    box = tab.locator(".stage").bounding_box()
    per_um = min(box["width"] / WIDTH, box["height"] / HEIGHT) / 0.5
    assert bar.bounding_box()["width"] == pytest.approx(length * per_um, rel=0.03)


def test_ruler_shows_a_diameter_and_can_be_dragged(tab, settle: Callable) -> None:  # type: ignore[no-untyped-def]
    tab.get_by_label("Ruler").fill("100")
    tab.get_by_label("Ruler").press("Enter")
    settle(tab)
    painted(tab)
    assert near(colour_at(tab, 250, 200), (255, 255, 255))
    tab.mouse.move(*place(tab, 300, 200))
    tab.mouse.down()
    tab.mouse.move(*place(tab, 150, 250), steps=4)
    tab.mouse.up()
    painted(tab)
    assert near(colour_at(tab, 100, 250), (255, 255, 255))
    assert clicks(tab) == 0


def test_going_back_to_a_field_loads_nothing(tab, settle: Callable) -> None:  # type: ignore[no-untyped-def]
    show(tab, "other", settle)
    ready(tab, "B")
    asked = []
    tab.on("request", lambda request: asked.append(request.url) if "/api/" in request.url else None)
    show(tab, "one", settle)
    ready(tab, "A")
    assert asked == []
    assert near(colour_at(tab, 50, 100), ORANGE)


def test_several_fields(tab, settle: Callable) -> None:  # type: ignore[no-untyped-def]
    show(tab, "both", settle)
    ready(tab, "A")
    ready(tab, "B")
    tab.get_by_role("button", name="Not senescent 3").wait_for()
    assert near(colour_at(tab, 50, 140, "B"), BLUE)
    tab.mouse.click(*place(tab, 100.5, 140.5, "B"))
    tab.get_by_text("last=Click(fov_id='B', label=2, x=100, y=140)").wait_for()


def test_without_calls_all_cells_have_one_colour(tab, settle: Callable) -> None:  # type: ignore[no-untyped-def]
    show(tab, "plain", settle)
    ready(tab, "A")
    tab.get_by_role("button", name="Cells 3").wait_for()
    assert near(colour_at(tab, 50, 100), YELLOW)


def test_says_why_a_field_cannot_be_shown(tab, settle: Callable) -> None:  # type: ignore[no-untyped-def]
    tab.expected.append("Failed to load resource.*403")
    show(tab, "broken", settle)
    tab.get_by_text("The picture cannot be shown: This address was not made by this app. Reload the page.").wait_for()
    tab.get_by_text("The outlines cannot be shown: the label image has another size than its picture.").wait_for()


def test_crisp_on_a_dense_screen(open_page: Callable, viewer_server: str) -> None:
    page = open_page(viewer_server, device_scale_factor=2)
    ready(page)
    canvas, stage = page.locator("canvas.base"), page.locator(".stage")
    assert canvas.evaluate("c => c.width") == pytest.approx(2 * stage.bounding_box()["width"], abs=2)
    page.mouse.click(*place(page, 350.5, 250.5))
    page.get_by_text("label=5, x=350, y=250").wait_for()


def test_nothing_is_left_on_another_page(tab, settle: Callable) -> None:  # type: ignore[no-untyped-def]
    tab.evaluate(
        """() => {
            const stage = [...document.querySelectorAll('*')].map(e => e.shadowRoot?.querySelector('.stage')).find(Boolean);
            window.canvases = [...stage.querySelectorAll('canvas')];
        }"""
    )
    for _ in range(2):
        tab.get_by_role("link", name="Elsewhere").click()
        tab.get_by_role("heading", name="Elsewhere").wait_for()
        settle(tab)
        assert tab.locator(".stage").count() == 0
        tab.get_by_role("link", name="Viewer").click()
        ready(tab)
    assert tab.evaluate("() => window.canvases.every(canvas => canvas.width === 0)")
    tab.mouse.click(*place(tab, 100.5, 100.5))
    tab.get_by_text("label=2, x=100, y=100").wait_for()
    settle(tab)
    assert clicks(tab) == 1


def test_fits_a_small_screen(open_page: Callable, viewer_server: str) -> None:
    page = open_page(viewer_server, viewport={"width": 420, "height": 800}, has_touch=True)
    ready(page)
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    assert page.locator(".stage").bounding_box()["width"] > 300
