"""What a report says beside the calls: the words, the charts, the pictures."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from core.report import html_report
from core.report.crops import SHOWN_PX, cell_picture
from core.report.figures import fractions_by_sample
from core.report.group_figures import groups_figure
from core.report.sections import Sections, rests_on, shape_rows, two_markers
from core.report.words import measured, moment, reported_sentence, signed, with_interval
from core.tables import CLASS_SHAPES, COMPARISONS, GALLERY, GROUP_UNITS, GROUPS, REFERENCE_CULTURES, REPORTED_SAMPLES, TRENDS, typed

WORDS = {
    "reference": None,
    "stain": None,
    "second": None,
    "training": None,
    "reasons": [],
    "intervals": "",
    "remarks": ["A remark."],
    "comparison": {"column": "passage", "unit": "culture", "method": "plain count", "reference": "", "sentences": [], "warnings": []},
    "totals": {"cultures": 3, "fields": 4, "wells": 0, "passages": 2, "donors": 1},
}


@pytest.fixture
def sections(assessment) -> Sections:
    groups = typed(pd.DataFrame([{"group": "P4", "n_cultures": 1, "mean": 0.34}, {"group": "P9", "n_cultures": 1, "mean": 0.1}]), GROUPS)
    units = typed(pd.DataFrame([{"unit": "a", "group": "P4", "fraction": 0.34}, {"unit": "b", "group": "P9", "fraction": 0.1}]), GROUP_UNITS)
    gallery = typed(pd.DataFrame([{"gallery": "random", "cell_id": "f2:1", "senescence_probability": 0.7, "senescent": 1}]), GALLERY)
    empty = {"comparisons": COMPARISONS, "trend": TRENDS, "shapes": CLASS_SHAPES, "reference": REFERENCE_CULTURES}
    tables = {name: typed(pd.DataFrame(), columns) for name, columns in empty.items()}
    cells = assessment.cells.assign(marker_class=pd.array([pd.NA] * len(assessment.cells), "Int64"))
    picture = cell_picture(np.full((40, 40), 90.0), np.pad(np.ones((20, 20), bool), 10), True)
    return Sections(WORDS, tables | {"groups": groups, "group_units": units, "gallery": gallery, "cells": cells}, {"f2:1": picture})


def test_a_report_with_every_section_and_its_charts(assessment, sections: Sections, tmp_path: Path, evil: str) -> None:
    one = assessment
    html_report(tmp_path / "r.html", one.settings, one.samples, one.fields, one.cells, one.failures, one.overlays, one.notes, sections)
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    for said in ("A remark.", "One marker is not senescence", "Comparison by passage", "A random choice", "Cell f2:1", 'id="chart-groups"', "not stated"):
        assert said in text, said
    assert evil not in text.replace("alert('1')", "alert('1')").split("<body>")[1].split("<script>")[0]


def test_what_the_numbers_rest_on() -> None:
    samples = typed(pd.DataFrame([{"n_scored": 1200, "n_senescent": 100}, {"n_scored": 1, "n_senescent": 1}]), REPORTED_SAMPLES)
    said = rests_on({"cultures": 2, "fields": 6, "wells": 4, "passages": 1, "donors": 0}, samples).replace("\u202f", " ")
    assert said == "101 of 1 201 scored cells are called senescent, in 6 fields of 2 cultures, 4 wells and 1 passage (donors not stated)."
    alone = rests_on({"cultures": 1, "fields": 1, "wells": 0, "passages": 0, "donors": 0}, samples)
    assert alone.endswith("in 1 field of 1 culture (wells and donors not stated).")


def test_two_markers_are_counted_on_the_cells_that_both_know() -> None:
    cells = pd.DataFrame(
        {
            "marker": "beta",
            "marker_class": pd.array([1, 1, 0, 0, pd.NA, 1], "Int64"),
            "second_marker": "p21",
            "second_marker_class": pd.array([1, 0, 1, 0, 1, pd.NA], "Int64"),
        }
    )
    found = two_markers(cells)
    assert found is not None
    assert (found["n"], found["counts"]) == (4, {(1, 1): 1, (1, 0): 1, (0, 1): 1, (0, 0): 1})
    assert two_markers(cells.iloc[4:]) is None
    assert two_markers(cells.drop(columns="second_marker_class")) is None


def test_shapes_of_one_call_alone_are_no_comparison() -> None:
    row = {"sample": "", "call": "senescent", "measure": "area", "unit": "µm²", "n_cells": 3, "median": 9.0}
    assert shape_rows(typed(pd.DataFrame([row]), CLASS_SHAPES)) == []
    assert len(shape_rows(typed(pd.DataFrame([row, row | {"call": "not senescent"}, row | {"sample": "A"}]), CLASS_SHAPES))) == 1


def test_the_sentence_names_the_way_where_it_is_not_a_count() -> None:
    row = {"sample": "MSC1", "role": "sample", "passage": "4", "n_scored": 330, "n_senescent": 112, "n_fields": 3, "senescent_fraction": 0.34}
    row |= {"ci_low": 0.27, "ci_high": 0.42, "reported_fraction": 0.23, "reported_low": 0.15, "reported_high": 0.31}
    said = reported_sentence(row | {"reported_method": "prediction-powered"}).replace("\u00a0", " ")
    assert said == "MSC1 P4: 23 % senescent (95 % interval 15–31 %), prediction-powered; called senescent are 34 %, 112 of 330 scored cells in 3 fields."
    assert reported_sentence(row | {"reported_method": "plain count"}).replace("\u00a0", " ").startswith("MSC1 P4: 34 % senescent (95 % interval 27–42 %)")


def test_numbers_in_words() -> None:
    assert with_interval(0.34, 0.27, 0.42).replace("\u00a0", " ") == "34 % (27–42 %)"
    assert (with_interval(pd.NA, None, None), signed(-0.123), signed(None)) == ("–", "−12.3", "–")
    assert [measured(value).replace("\u202f", " ") for value in (1587.4, 0.9434, None)] == ["1 587", "0.943", "–"]
    assert (moment("2026-03-04T13:05:22+00:00"), moment("soon"), moment(None)) == ("2026-03-04 13:05 UTC", "soon", "")


def test_a_cell_is_drawn_with_its_outline_in_the_colour_of_its_call() -> None:
    mask = np.zeros((60, 60), bool)
    mask[20:40, 20:40] = True
    for senescent, channel in ((True, 0), (False, 2)):
        shown = np.asarray(Image.open(io.BytesIO(cell_picture(np.full((60, 60), 90.0), mask, senescent)))).astype(int)
        assert shown.shape == (SHOWN_PX, SHOWN_PX, 3)
        edge = shown[round(20 * SHOWN_PX / 60) + 1, SHOWN_PX // 2]
        assert edge[channel] - edge[2 - channel] > 60
        assert np.ptp(shown[5, 5]) < 12


def test_other_estimates_are_drawn_beside_the_plain_count(assessment) -> None:
    plain = fractions_by_sample(assessment.samples, assessment.fields)
    assert "culture, as reported" not in [trace.name for trace in plain.data]
    samples = typed(assessment.samples, REPORTED_SAMPLES)
    samples.loc[0, ["reported_fraction", "reported_low", "reported_high", "stained_fraction", "stained_low", "stained_high"]] = [0.2, 0.1, 0.3, 0.25, 0.2, 0.3]
    samples.loc[0, "reported_method"] = "prediction-powered"
    drawn = {trace.name: trace for trace in fractions_by_sample(samples, assessment.fields).data}
    assert list(drawn["culture, as reported"].x) == [0.2]
    assert list(drawn["culture, as stained"].x) == [0.25]


def test_groups_are_drawn_with_their_units(sections: Sections) -> None:
    figure = groups_figure(sections.tables["groups"], sections.tables["group_units"])
    assert list(figure.data[0].y) == [0.34, 0.1]
    assert list(figure.layout.xaxis.ticktext) == ["P4", "P9"]
