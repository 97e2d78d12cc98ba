import base64
import io
import re
from html import unescape

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from core.errors import InputError
from core.report import html, html_report, jpeg
from core.tables import ASSESSED_CELLS, ASSESSED_FIELDS, ASSESSED_SAMPLES, FAILURES, typed


@pytest.fixture
def written(tmp_path):
    """Write the report of an assessment, with what was changed, and return its text without Plotly's own script."""

    def write(assessment, **changed):
        parts = vars(assessment) | changed
        path = tmp_path / "report.html"
        order = ("settings", "samples", "fields", "cells", "failures", "overlays", "notes")
        html_report(path, *(parts[name] for name in order))
        return path.read_text(encoding="utf-8").replace(str(html._plotly_script()), "PLOTLY")

    return write


def words_of(text: str) -> str:
    """What a reader sees, in plain spaces."""
    body = re.sub(r"<(script|style)\b.*?</\1>", "", text.split("<body>")[1], flags=re.S)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", body)))


def test_says_what_was_found(written, assessment, evil):
    seen = words_of(written(assessment))
    assert f"{evil} P4: 34 % senescent (95 % interval 27–42 %), 112 of 330 scored cells in 2 fields." in seen
    assert "MSC1 P10: no cell could be scored in 1 field." in seen
    assert "4 March 2026, 13:05 UTC · 3 cultures · 4 fields · 387 cells outlined, 370 scored" in seen
    for part in ("A note of the stage & more.", "trained on simulated cells", "found an empty file", "cd" * 32, "seed 7", "2 000 resamplings"):
        assert part in seen
    assert "touches border 15 4 % too small 2 1 %" in seen
    assert f"python -m core assess '{evil}'" in seen


def test_user_text_never_becomes_markup(written, assessment, evil):
    text = written(assessment)
    assert evil not in text
    assert "&lt;script&gt;alert(" in text
    assert len(re.findall(r"<script\b", text)) == 2 + 4  # Plotly, the page's own, one block of data a chart
    assert len(re.findall(r"<script\b", text)) == len(re.findall(r"</script>", text))


def test_asks_for_nothing_from_outside(written, assessment):
    text = written(assessment)
    assert text.count("PLOTLY") == 1
    assert not re.findall(r"""(?:src|href)\s*=\s*["'](?!data:)|url\(|@import|https?://""", text)
    assert "default-src 'none'" in text


def test_fields_in_natural_order_below_their_culture(written, assessment):
    text = written(assessment)
    assert re.findall(r"Enlarge (\w+)", text) == ["f2", "f10", "g1"]


def test_nothing_assessed_is_still_a_report(written, assessment):
    tables = {"samples": ASSESSED_SAMPLES, "fields": ASSESSED_FIELDS, "cells": ASSESSED_CELLS, "failures": FAILURES}
    empty = {name: typed(getattr(assessment, name).head(0), columns) for name, columns in tables.items()}
    text = written(assessment, **empty, overlays={}, notes=[], settings={})
    assert "No field was assessed." in words_of(text)
    assert "PLOTLY" not in text


def test_many_large_pictures_fit_into_8_mb(written, assessment, tmp_path):
    noise = np.random.default_rng(0).normal(128, 40, (160, 160, 1)).repeat(3, axis=2).clip(0, 255).astype(np.uint8)
    large = jpeg(noise.repeat(7, axis=0).repeat(7, axis=1), quality=90)
    row = assessment.fields.head(1)
    fields = pd.concat([row.assign(fov_id=f"f{i}") for i in range(40)], ignore_index=True)
    text = written(assessment, fields=fields, overlays={f"f{i}": large for i in range(40)})
    pictures = [base64.b64decode(data) for data in re.findall(r"data:image/jpeg;base64,([^\"]+)", text)]
    assert len(pictures) == 40
    assert max(Image.open(io.BytesIO(pictures[0])).size) <= 1000
    assert (tmp_path / "report.html").stat().st_size < 8.5e6
    assert text.count("<details") == 1


def test_an_overlay_that_is_no_picture_is_refused(written, assessment):
    for wrong in (b"", b"not a picture"):
        with pytest.raises(InputError, match="field f2: wanted a PNG or JPEG"):
            written(assessment, overlays={"f2": wrong})


@pytest.mark.parametrize(
    ("created", "shown"),
    [("2026-03-04T13:05:22+00:00", "4 March 2026, 13:05 UTC"), ("2026-12-31T08:00:00", "31 December 2026, 08:00"), (None, ""), ("soon", "soon")],
)
def test_date(created, shown):
    assert html._date(created) == shown


def test_command_of_words_is_quoted():
    assert html._command(["python", "-m", "core", "assess", "my experiment"]) == 'python -m core assess "my experiment"'
    assert html._command(None) == ""
