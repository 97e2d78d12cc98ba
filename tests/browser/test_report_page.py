"""The HTML report in a real browser: it draws, asks for nothing, runs no text of the user's, enlarges and prints."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.report import html_report, jpeg
from core.statistics import field_table, sample_table
from core.tables import ASSESSED_CELLS, FAILURES, typed

EVIL = "<img src=x onerror=window.hacked=1><script>window.hacked=1</script>"
pytestmark = pytest.mark.browser


@pytest.fixture
def report(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    fields = pd.DataFrame({"fov_id": ["f1", "f2", "g1"], "sample": [EVIL, EVIL, "B"], "confluence": [0.2, 0.3, 0.4]})
    cells = pd.DataFrame({"fov_id": np.repeat(fields["fov_id"], 30), "label": np.tile(np.arange(1, 31), 3), "area_px": 900, "area_um2": 400.0})
    cells["cell_id"], cells["sample"] = cells["fov_id"] + EVIL, EVIL
    cells["excluded"], cells["senescence_probability"] = False, rng.random(90)
    cells["senescent"] = (cells["senescence_probability"] > 0.5).astype(int)
    cells = typed(cells, ASSESSED_CELLS)
    table = field_table(cells, fields)
    path = tmp_path / "report æ.html"
    picture = jpeg(np.full((300, 400, 3), 120, np.uint8))
    settings = {"experiment": EVIL, "command": EVIL, "threshold": 0.5, "models": {"classifier": {"name": EVIL}}}
    html_report(path, settings, sample_table(table), table, cells, typed(pd.DataFrame(), FAILURES), {"f1": picture, "g1": picture}, [EVIL])
    return path


def test_report_opens_offline_draws_and_prints(browser, report):
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    asked, said = [], []
    page.on("request", lambda request: asked.append(request.url[:80]))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(report.as_uri())
    page.wait_for_function("document.querySelectorAll('.chart .main-svg').length >= 4")
    assert page.evaluate("window.hacked === undefined && document.images.length === 3")
    assert page.locator(".chart").count() == 4
    assert EVIL in page.locator("h1").inner_text()

    page.locator(".pictures button").first.click()
    assert page.locator("dialog img").is_visible()
    page.locator("dialog").click()
    assert not page.locator("dialog img").is_visible()

    assert page.pdf(format="A4").startswith(b"%PDF")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.close()
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert said == []
