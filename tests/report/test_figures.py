import numpy as np
import pandas as pd
import pytest

from core.report import figures


def test_every_culture_has_its_interval_and_its_fields(assessment, evil):
    figure = figures.fractions_by_sample(assessment.samples, assessment.fields)
    fields, cultures = figure.data
    assert list(cultures.x) == pytest.approx([112 / 330, 0])
    assert list(cultures.y) == [0, 1]
    assert cultures.x + cultures.error_x.array == pytest.approx([0.423, 0.088])
    assert cultures.x - cultures.error_x.arrayminus == pytest.approx([0.271, 0])
    assert sorted(fields.x) == pytest.approx([0, 0.3, 70 / 190])
    assert len(figure.layout.yaxis.ticktext) == 3
    assert all(0 < y % 1 < 0.5 for y in fields.y)
    assert evil not in figure.to_json()


def test_histogram_counts_every_scored_cell_once(assessment):
    figure = figures.probability_histogram(assessment.cells, 0.5)
    heights = {trace.name: trace.y.sum() for trace in figure.data}
    assert heights == {"senescent": 112, "not senescent": 370 - 112}
    assert figure.layout.shapes[0].x0 == 0.5


def test_area_is_in_um_where_known(assessment):
    figure = figures.area_against_probability(assessment.cells)
    assert sum(len(trace.x) for trace in figure.data) == 370
    assert "µm²" in figure.layout.xaxis.title.text
    figure = figures.area_against_probability(assessment.cells.assign(area_um2=pd.NA))
    assert "px²" in figure.layout.xaxis.title.text


def test_many_cells_are_sampled(assessment):
    many = pd.concat([assessment.cells] * 15, ignore_index=True)
    points = [[len(trace.x) for trace in figures.area_against_probability(many).data] for _ in range(2)]
    assert sum(points[0]) == figures.MAX_POINTS
    assert points[0] == points[1]


def test_confluence(assessment):
    assert sorted(figures.fraction_against_confluence(assessment.fields).data[0].x) == pytest.approx([0.2, 0.3, 0.4])


def test_nothing_scored_still_draws(assessment):
    samples, fields, cells = assessment.samples.tail(1), assessment.fields.tail(1), assessment.cells.head(0)
    for figure in (figures.fractions_by_sample(samples, fields), figures.fractions_by_sample(samples.head(0), fields.head(0))):
        assert figure.to_json()
    for draw in (figures.probability_histogram, figures.area_against_probability):
        assert draw(cells, 0.5).to_json()
    assert figures.fraction_against_confluence(fields).to_json()


@pytest.mark.parametrize(
    ("low", "high", "ticks"), [(150, 400, ["100", "200", "500"]), (30, 9000, ["30", "100", "300", "1\u202f000", "3\u202f000", "10\u202f000"])]
)
def test_ticks_of_the_area_axis_are_round_numbers(low, high, ticks):
    assert list(figures._log_ticks(np.array([0.0, low, high]))["ticktext"]) == ticks


@pytest.mark.parametrize(("largest", "ticks"), [(0.04, 5), (0.3, 7), (0.9, 6)])
def test_the_confluence_axis_has_several_ticks_wherever_the_fields_lie(assessment, largest, ticks):
    fields = assessment.fields.assign(confluence=np.linspace(largest / 2, largest, len(assessment.fields)))
    shown = [value for value in figures.fraction_against_confluence(fields).layout.xaxis.tickvals if value <= 1.2 * largest]
    assert len(shown) >= ticks
