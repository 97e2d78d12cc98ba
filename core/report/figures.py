"""Charts of an assessment, as Plotly figures for the pages and the report.

Background and text take the page's colours (light, dark, print); orange is senescent, blue is not.
"""

from html import escape
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from core.report.overlay import NOT_SCORED, NOT_SENESCENT, SENESCENT
from core.report.words import SPACE, culture, grouped, interval, percent

FONT = "Inter, 'Segoe UI', 'Helvetica Neue', Arial, sans-serif"
MAX_POINTS = 4000  # more points neither show nor scroll; a fixed sample of them does
NAMES = {1: ("senescent", SENESCENT), 0: ("not senescent", NOT_SENESCENT)}
_GRID = "rgba(128, 128, 128, 0.22)"
_OTHERS = (  # estimates beside the plain count: name, symbol, colour, columns
    ("culture, as reported", "diamond", "#17211F", "reported_fraction", "reported_low", "reported_high"),
    ("culture, as stained", "square", "#7B3F98", "stained_fraction", "stained_low", "stained_high"),
)
_BAND = (0.16, 0.40)  # where the points of the fields lie below the interval of their culture; 1 is the next culture


def fractions_by_sample(samples: pd.DataFrame, fields: pd.DataFrame) -> go.Figure:
    """Senescent fraction of each culture with its interval, and of each of its fields as a grey point.

    ``samples``: ``tables.ASSESSED_SAMPLES``, drawn from top to bottom in its order; ``fields``: ``tables.ASSESSED_FIELDS``.
    """
    shown = samples.reset_index(drop=True)
    known = shown["senescent_fraction"].notna().to_numpy()
    place = {name: i for i, name in enumerate(shown["sample"])}
    others = [one for one in _OTHERS if one[3] in shown and _other(shown, one[3]).any()]
    figure = _figure(height=90 + (64 if others else 46) * max(1, len(shown)))
    figure.add_trace(_field_points(fields[fields["senescent_fraction"].notna()], place))
    rows = shown[known]
    centre = _numbers(rows["senescent_fraction"])
    figure.add_trace(
        go.Scatter(
            x=centre,
            y=np.flatnonzero(known),
            error_x={
                "array": _numbers(rows["ci_high"]) - centre,
                "arrayminus": centre - _numbers(rows["ci_low"]),
                "thickness": 2.5,
                "width": 6,
                "color": SENESCENT,
            },
            mode="markers",
            marker={"size": 13, "color": SENESCENT, "line": {"width": 1.5, "color": "white"}},
            name="culture, as called, 95 % interval" if others else "culture, 95 % interval",
            text=[_sample_hover(row) for row in rows.to_dict("records")],
            hovertemplate="%{text}<extra></extra>",
        )
    )
    for name, symbol, colour, *columns in others:
        drawn = _other(shown, columns[0])
        figure.add_trace(_estimates(shown[drawn], drawn.to_numpy(dtype=bool), name, symbol, colour, columns))
    _percent_axis(figure, "x", "senescent cells")
    names = [_label(row) for row in shown.to_dict("records")]
    figure.update_yaxes(tickvals=list(range(len(names))), ticktext=names, range=[len(names) - 0.45, -0.45], showgrid=False, ticks="", automargin=True)
    return figure


def _other(shown: pd.DataFrame, fraction: str) -> "pd.Series[bool]":
    """Where there is something to draw that the plain count does not show."""
    known = shown[fraction].notna()
    return known & ~shown["reported_method"].isin(("", "plain count", "count of stained cells")) if fraction == "reported_fraction" else known


def _estimates(rows: pd.DataFrame, drawn: np.ndarray, name: str, symbol: str, colour: str, columns: list[str]) -> go.Scatter:
    """Another estimate of the cultures, above the plain count."""
    centre, low, high = (_numbers(rows[c]) for c in columns)
    return go.Scatter(
        x=centre,
        y=np.flatnonzero(drawn) - (0.16 if symbol == "diamond" else 0.3),
        error_x={"array": high - centre, "arrayminus": centre - low, "thickness": 1.5, "width": 4, "color": colour},
        mode="markers",
        marker={"size": 10, "symbol": symbol, "color": colour, "line": {"width": 1, "color": "white"}},
        name=name,
        text=[f"<b>{escape(culture(row))}</b><br>{name}: {percent(row[columns[0]])}" for row in rows.to_dict("records")],
        hovertemplate="%{text}<extra></extra>",
    )


def probability_histogram(cells: pd.DataFrame, threshold: float | None = None) -> go.Figure:
    """How many scored cells have which senescence probability, coloured by call (``cells``: ``tables.ASSESSED_CELLS``)."""
    scored = _scored(cells)
    edges = np.linspace(0, 1, 41)
    figure = _figure(bargap=0.06, barmode="stack")
    for call, (name, colour) in reversed(NAMES.items()):
        heights, _ = np.histogram(_numbers(scored.loc[scored["senescent"] == call, "senescence_probability"]), edges)
        spans = [f"{low:.3g}–{high:.3g}" for low, high in pairwise(edges)]
        figure.add_trace(
            go.Bar(
                x=(edges[1:] + edges[:-1]) / 2,
                y=heights,
                width=(edges[1] - edges[0]) * 0.88,
                name=name,
                marker={"color": colour, "line": {"width": 0}},
                customdata=spans,
                hovertemplate=f"%{{y}} {name}, probability %{{customdata}}<extra></extra>",
            )
        )
    figure.update_xaxes(title_text="senescence probability", range=[0, 1], showgrid=False)
    figure.update_yaxes(title_text="cells", rangemode="tozero")
    return _with_threshold(figure, threshold, "x")


def area_against_probability(cells: pd.DataFrame, threshold: float | None = None) -> go.Figure:
    """Cell area against senescence probability, one point a scored cell, coloured by call.

    Areas are in µm² where every cell has one, else in px². Above ``MAX_POINTS`` cells a fixed random sample is drawn.
    """
    scored = _scored(cells)
    if len(scored) > MAX_POINTS:
        scored = scored.sample(MAX_POINTS, random_state=0)
    in_um = len(scored) > 0 and scored["area_um2"].notna().all()
    area, unit = ("area_um2", "µm²") if in_um else ("area_px", "px²")
    figure = _figure()
    for call, (name, colour) in reversed(NAMES.items()):
        rows = scored[scored["senescent"] == call]
        figure.add_trace(
            go.Scatter(
                x=_numbers(rows[area]).astype("float32"),
                y=_numbers(rows["senescence_probability"]).astype("float32"),
                mode="markers",
                name=name,
                marker={"size": 6, "color": colour, "opacity": 0.55, "line": {"width": 0}},
                customdata=_safe(rows["cell_id"]),
                hovertemplate=f"%{{customdata}}<br>%{{x:.4~g}} {unit}, probability %{{y:.2f}}<extra></extra>",
            )
        )
    figure.update_xaxes(title_text=f"cell area ({unit})", type="log", **_log_ticks(_numbers(scored[area])))
    figure.update_yaxes(title_text="senescence probability", range=[-0.03, 1.03])
    return _with_threshold(figure, threshold, "y")


def fraction_against_confluence(fields: pd.DataFrame) -> go.Figure:
    """Senescent fraction of each field against its confluence: a trend warns that density, not senescence, drives the calls."""
    rows = fields[fields["senescent_fraction"].notna() & fields["confluence"].notna()]
    figure = _figure(height=300)
    figure.add_trace(
        go.Scatter(
            x=_numbers(rows["confluence"]),
            y=_numbers(rows["senescent_fraction"]),
            mode="markers",
            marker={"size": 9, "color": SENESCENT, "opacity": 0.8, "line": {"width": 1, "color": "white"}},
            text=[_field_hover(row) for row in rows.to_dict("records")],
            hovertemplate="%{text}<br>confluence %{x:.0%}<extra></extra>",
            showlegend=False,
        )
    )
    _percent_axis(figure, "x", "confluence", largest=float(_numbers(rows["confluence"]).max(initial=0.0)))
    _percent_axis(figure, "y", "senescent cells")
    return figure


def _figure(height: int = 340, **layout: object) -> go.Figure:
    style = go.layout.Template(
        layout={
            "font": {"family": FONT, "size": 13, "color": "#3A4644"},
            "hoverlabel": {"font": {"family": FONT, "size": 13, "color": "#17211F"}, "bgcolor": "white", "bordercolor": "#B9C5C2", "align": "left"},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": "#9AA5A3", "activecolor": "#55625F"},
        }
    )
    figure = go.Figure(layout={"template": style, "height": height, "margin": {"l": 10, "r": 24, "t": 34, "b": 10}, **layout})
    figure.update_layout(legend={"orientation": "h", "x": 0, "xanchor": "left", "y": 1, "yanchor": "bottom", "traceorder": "normal"})
    axis = {"gridcolor": _GRID, "linecolor": "rgba(128,128,128,0.6)", "zeroline": False, "automargin": True, "title": {"standoff": 10, "font": {"size": 13}}}
    return figure.update_xaxes(**axis, showline=True, ticks="outside", tickcolor=_GRID).update_yaxes(**axis)


def _percent_axis(figure: go.Figure, axis: str, title: str, largest: float | None = None) -> None:
    """Percentages on an axis that shows all of 0 to 100, or only as far as the ``largest`` value goes."""
    step = 20 if largest is None else next((s for s in (1, 2, 5, 10) if 100 * largest <= 7 * s), 20)
    steps = range(0, 101, step)
    ticks = {"tickvals": [step / 100 for step in steps], "ticktext": [f"{step}{SPACE}%" for step in steps]}
    update = figure.update_xaxes if axis == "x" else figure.update_yaxes
    update(title_text=title, showgrid=True, **ticks, **({"range": [-0.02, 1.02]} if largest is None else {"rangemode": "tozero"}))


def _with_threshold(figure: go.Figure, threshold: float | None, axis: str) -> go.Figure:
    if threshold is None:
        return figure
    line = {"dash": "dot", "width": 1.5, "color": "#7A8583"}
    note = {"annotation_text": f"threshold {threshold:.2g}", "annotation_font": {"size": 11, "color": "#7A8583"}}
    if axis == "x":
        return figure.add_vline(x=threshold, line=line, **note, annotation_position="top left" if threshold > 0.5 else "top right")
    return figure.add_hline(y=threshold, line=line, **note, annotation_position="bottom right")


def _field_points(rows: pd.DataFrame, place: dict[str, int]) -> go.Scatter:
    """Fields below the interval of their culture, spread evenly over a band so that equal values do not hide each other."""
    order = rows.groupby("sample").cumcount().to_numpy(dtype=float)
    of = rows.groupby("sample")["sample"].transform("size").to_numpy(dtype=float)
    shift = _BAND[0] + (_BAND[1] - _BAND[0]) * (order + 0.5) / of
    return go.Scatter(
        x=_numbers(rows["senescent_fraction"]),
        y=rows["sample"].map(place).to_numpy(dtype=float) + shift,
        mode="markers",
        marker={"size": 7, "color": NOT_SCORED, "opacity": 0.75},
        name="field",
        text=[_field_hover(row) for row in rows.to_dict("records")],
        hovertemplate="%{text}<extra></extra>",
    )


def _label(row: dict) -> str:
    role = row["role"] if row["role"] not in ("", "sample") else ""
    name = escape(_shortened(culture(row)))
    return f"{name}<br><span style='font-size:11px;color:#7A8583'>{escape(role)}</span>" if role else name


def _sample_hover(row: dict) -> str:
    between = interval(row["ci_low"], row["ci_high"])
    return f"<b>{escape(culture(row))}</b><br>{percent(row['senescent_fraction'])} ({between})<br>{_of(row)}"


def _field_hover(row: dict) -> str:
    return f"{escape(row['fov_id'])}<br>{percent(row['senescent_fraction'])}, {_of(row)}"


def _of(row: dict) -> str:
    return f"{grouped(row['n_senescent'])} of {grouped(row['n_scored'])} cells"


def _shortened(text: str, most: int = 34) -> str:
    return text if len(text) <= most else f"{text[: most - 9]}…{text[-8:]}"


def _log_ticks(values: np.ndarray) -> dict[str, Any]:
    """Round numbers in full; Plotly's own ticks on a logarithmic axis are sparse and abbreviated."""
    values = values[values > 0]
    if not values.size:
        return {}
    low, high = values.min() / 1.5, values.max() * 1.5
    steps = (1, 2, 5) if high / low < 60 else (1, 3) if high / low < 2000 else (1,)
    powers = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    ticks = [tick for power in powers for step in steps if low <= (tick := step * 10.0**power) <= high]
    return {"tickvals": ticks, "ticktext": [grouped(tick) if tick >= 1 else f"{tick:g}" for tick in ticks], "tickangle": 0}


def _scored(cells: pd.DataFrame) -> pd.DataFrame:
    return cells[cells["senescence_probability"].notna() & cells["senescent"].notna()]


def _numbers(values: pd.Series) -> np.ndarray:
    return values.to_numpy(dtype=float, na_value=np.nan)


def _safe(values: pd.Series) -> list[str]:
    return [escape(value) for value in values]
