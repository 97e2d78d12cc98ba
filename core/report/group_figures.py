"""Groups of cultures as a Plotly figure."""

from html import escape

import pandas as pd
import plotly.graph_objects as go

from core.report.figures import _figure, _numbers, _percent_axis
from core.report.overlay import NOT_SCORED, SENESCENT


def groups_figure(groups: pd.DataFrame, units: pd.DataFrame, unit: str = "culture") -> go.Figure:
    """Mean of each group (``tables.GROUPS``) with its 95 % interval, and every unit of it (``tables.GROUP_UNITS``) as a grey point."""
    names = groups["group"].tolist()
    place = {name: i for i, name in enumerate(names)}
    known = units[units["group"].isin(names) & units["fraction"].notna()]
    figure = _figure(height=340)
    order = known.groupby("group").cumcount().to_numpy(dtype=float)
    many = known.groupby("group")["group"].transform("size").to_numpy(dtype=float)
    figure.add_trace(
        go.Scatter(
            x=known["group"].map(place).to_numpy(dtype=float) + 0.12 + 0.16 * (order + 0.5) / many,
            y=_numbers(known["fraction"]),
            mode="markers",
            marker={"size": 8, "color": NOT_SCORED, "opacity": 0.8},
            name=unit,
            text=[escape(name) for name in known["unit"]],
            hovertemplate="%{text}<br>%{y:.0%}<extra></extra>",
        )
    )
    mean, low, high = (_numbers(groups[name]) for name in ("mean", "ci_low", "ci_high"))
    figure.add_trace(
        go.Scatter(
            x=list(range(len(names))),
            y=mean,
            error_y={"array": high - mean, "arrayminus": mean - low, "thickness": 2.5, "width": 6, "color": SENESCENT},
            mode="markers",
            marker={"size": 13, "color": SENESCENT, "line": {"width": 1.5, "color": "white"}},
            name="mean, 95 % interval",
            text=[f"{escape(name)}<br>{n} {unit}s" for name, n in zip(names, groups["n_cultures"], strict=True)],
            hovertemplate="%{text}<br>%{y:.0%}<extra></extra>",
        )
    )
    _percent_axis(figure, "y", "senescent cells")
    return figure.update_xaxes(tickvals=list(range(len(names))), ticktext=[escape(name) for name in names], range=[-0.5, len(names) - 0.5], showgrid=False)
