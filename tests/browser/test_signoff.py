"""A sign-off in the real app: limits, verdict, signature, the log in the ZIP, an alarm where somebody changed it."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.stages.assessed_dishes import assessment

pytestmark = pytest.mark.browser
NAME = "sign me"
BUSY_MS = 240_000


@pytest.fixture
def log(workspace: Path, server: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An assessed experiment in the workspace of the running app; the path that its log will have."""
    from core.images import write_image, write_labels
    from core.stages.importing import import_labels
    from core.tables import FIELDS, typed
    from core.workspace import create_experiment

    monkeypatch.setenv("SENESCOPE_WORKSPACE", str(workspace))
    made, labels, rows = create_experiment(NAME), np.zeros((120, 160), np.int32), []
    for i in range(6):
        labels[15 + 50 * (i // 3) : 50 + 50 * (i // 3), 15 + 45 * (i % 3) : 50 + 45 * (i % 3)] = i + 1
    for fov_id, sample in (("a1", "MSC1"), ("a2", "MSC1"), ("b1", "MSC2"), ("b2", "MSC2")):
        write_image(made.images / f"{fov_id}.tif", np.random.default_rng(0).integers(0, 4000, labels.shape).astype(np.uint16), 0.65)
        write_labels(tmp_path / f"{fov_id}.tif", labels)
        rows.append({"fov_id": fov_id, "phase": f"images/{fov_id}.tif", "sample": sample, "role": "sample", "pixel_size_um": 0.65})
    made.save_fields(typed(pd.DataFrame(rows), FIELDS))
    import_labels(made, [str(p) for p in sorted(tmp_path.glob("*.tif"))])
    assessment(made)
    return made.path / "signoffs" / "mine-1.jsonl"


def test_from_limits_to_a_signature_and_an_alarm(open_page: Callable, server: str, settle: Callable, log: Path) -> None:
    page = open_page(f"{server}/?experiment={NAME.replace(' ', '%20')}")
    page.get_by_text("95 % interval").first.wait_for(timeout=BUSY_MS)
    page.get_by_role("tab", name="Sign-off").click()
    settle(page, BUSY_MS)
    page.get_by_text("Set limits").click()
    page.get_by_label("Saved by").fill("Q. Head")
    page.get_by_label("Saved by").press("Tab")
    settle(page, BUSY_MS)
    page.get_by_role("button", name="Save as the laboratory").click()
    page.get_by_text("Version 1: pass up to").wait_for(timeout=BUSY_MS)
    page.get_by_label("Name", exact=True).fill("Åse Nilsen")
    page.get_by_label("Role", exact=True).fill("scientist")
    sign = page.get_by_role("button", name="Sign", exact=True)
    assert sign.is_disabled()
    page.get_by_role("combobox", name="Decision").click()
    page.get_by_role("option", name="approved", exact=True).click()
    settle(page, BUSY_MS)
    sign.click()
    page.get_by_text("approved by Åse Nilsen (scientist)").first.wait_for(timeout=BUSY_MS)
    settle(page, BUSY_MS)
    with page.expect_download() as download:
        page.get_by_role("button", name="Everything (ZIP)").click()
    with zipfile.ZipFile(io.BytesIO(Path(download.value.path()).read_bytes())) as archive:
        assert archive.read("signoffs.jsonl") == log.read_bytes()
        assert "MSC1: review" in archive.read("signoffs.csv").decode("utf-8-sig")
    log.write_bytes(log.read_bytes().replace(b"scientist", b"director!"))
    page.reload()
    page.get_by_text("audit log of this assessment is not intact").wait_for(timeout=BUSY_MS)
