"""Charts of an evaluation, as Plotly figures for the page and the report."""

from typing import Any, Final

import pandas as pd
import plotly.graph_objects as go

from core.report.figures import FONT
from core.report.overlay import NOT_SENESCENT, SENESCENT

_GRID = "rgba(128, 128, 128, 0.22)"
_GREY = "rgba(128, 128, 128, 0.7)"
FRACTIONS: Final = (-0.01, 1.01)  # 0 to 1, and the whole of a point that lies on the edge
_LEAST_REACH: Final = 0.1  # of the axis of differences, to either side of 0


def roc_figure(roc: pd.DataFrame, operating: tuple[float, float] | None = None) -> go.Figure:
    """ROC curve (``false_positive_rate, sensitivity``) with the point (false positive rate, sensitivity) at the threshold."""
    figure = _square("1 − specificity", "sensitivity")
    figure.add_trace(_line([0, 1], [0, 1], _GREY, "chance", dash="dot"))
    figure.add_trace(_line(roc["false_positive_rate"], roc["sensitivity"], SENESCENT, "model"))
    return _with_point(figure, operating)


def roc_comparison_figure(roc: pd.DataFrame, names: tuple[str, str], flips: pd.DataFrame) -> go.Figure:
    """Both ROC curves (``model`` "first" or "second", ``false_positive_rate, sensitivity``), and from ``tables.FLIPS`` the points in use."""
    figure = _square("1 − specificity", "sensitivity")
    figure.add_trace(_line([0, 1], [0, 1], _GREY, "chance", dash="dot"))
    rows = flips.set_index("true_class")
    for which, name, colour in zip(("first", "second"), names, (NOT_SENESCENT, SENESCENT), strict=True):
        curve = roc[roc["model"] == which]
        figure.add_trace(_line(curve["false_positive_rate"], curve["sensitivity"], colour, escape(name)))
        right = (rows["both_right"] + rows[f"only_{which}_right"]).astype(float) / rows["n_cells"].astype(float).where(rows["n_cells"] > 0)
        if right.notna().all():
            marker = {"size": 11, "color": colour, "line": {"width": 2, "color": "white"}}
            point = {"x": [1 - right["not senescent"]], "y": [right["senescent"]]}
            figure.add_trace(
                go.Scatter(**point, mode="markers", marker=marker, name=f"{escape(name)}, at its threshold", hoverinfo="x+y+name", showlegend=False)
            )
    figure.update_layout(showlegend=True, legend={"orientation": "h", "y": -0.2, "x": 0}, height=430, margin={"l": 56, "r": 16, "t": 16, "b": 90})
    return figure


def precision_recall_figure(curve: pd.DataFrame, prevalence: float, operating: tuple[float, float] | None = None) -> go.Figure:
    """Precision-recall curve (``recall, precision``) with the point (recall, precision) at the threshold."""
    figure = _square("sensitivity (recall)", "precision (PPV)")
    figure.add_trace(_line([0, 1], [prevalence, prevalence], _GREY, "chance", dash="dot"))
    figure.add_trace(_line(curve["recall"], curve["precision"], SENESCENT, "model"))
    return _with_point(figure, operating)


def calibration_figure(bins: pd.DataFrame) -> go.Figure:
    """Stated against true share (``mean_probability, senescent_fraction, ci_low, ci_high, n_cells``)."""
    figure = _square("mean stated probability", "senescent cells")
    figure.add_trace(_line([0, 1], [0, 1], _GREY, "what it should be", dash="dot"))
    figure.add_trace(
        go.Scatter(
            x=bins["mean_probability"],
            y=bins["senescent_fraction"],
            error_y={"array": bins["ci_high"] - bins["senescent_fraction"], "arrayminus": bins["senescent_fraction"] - bins["ci_low"], "width": 4},
            mode="lines+markers",
            line={"color": SENESCENT},
            marker={"size": 8},
            name="model",
            customdata=bins["n_cells"],
            hovertemplate="stated %{x:.2f}, true %{y:.2f}, %{customdata} cells<extra></extra>",
        )
    )
    return figure


def agreement_figure(cultures: pd.DataFrame) -> go.Figure:
    """Predicted against stained fraction of each culture (``tables.EVALUATED_CULTURES``), with both intervals."""
    figure = _square("stained fraction", "predicted fraction")
    figure.add_trace(_line([0, 1], [0, 1], _GREY, "equal", dash="dot"))
    known = cultures[cultures["stained_fraction"].notna() & cultures["predicted_fraction"].notna()]
    figure.add_trace(
        go.Scatter(
            x=_numbers(known["stained_fraction"]),
            y=_numbers(known["predicted_fraction"]),
            error_x=_errors(known, "stained"),
            error_y=_errors(known, "predicted"),
            mode="markers",
            marker={"size": 10, "color": SENESCENT, "line": {"width": 1, "color": "white"}},
            name="culture",
            text=[escape(name) for name in known["sample"]],
            hovertemplate="%{text}<br>stained %{x:.1%}, predicted %{y:.1%}<extra></extra>",
        )
    )
    figure.update_xaxes(tickformat=".0%")
    return figure.update_yaxes(tickformat=".0%")


def bland_altman_figure(cultures: pd.DataFrame, agreement: dict[str, Any]) -> go.Figure:
    """Difference against mean of predicted and stained fraction, with bias and limits of agreement (``tables.FRACTION_AGREEMENT``)."""
    known = cultures[cultures["stained_fraction"].notna() & cultures["predicted_fraction"].notna()]
    stained, predicted = _numbers(known["stained_fraction"]), _numbers(known["predicted_fraction"])
    figure = _square("mean of stained and predicted", "predicted − stained", equal=False)
    figure.add_trace(
        go.Scatter(
            x=(stained + predicted) / 2,
            y=predicted - stained,
            mode="markers",
            marker={"size": 10, "color": SENESCENT, "line": {"width": 1, "color": "white"}},
            name="culture",
            text=[escape(name) for name in known["sample"]],
            hovertemplate="%{text}<br>difference %{y:+.1%}<extra></extra>",
        )
    )
    for name, words, dash in (("bias", "bias", "solid"), ("limit_low", "limits of agreement", "dash"), ("limit_high", "", "dash")):
        if pd.notna(agreement.get(name)):
            figure.add_hline(y=float(agreement[name]), line={"color": NOT_SENESCENT, "dash": dash, "width": 1.5}, annotation_text=words)
    lines = [float(agreement[name]) for name in ("bias", "limit_low", "limit_high") if pd.notna(agreement.get(name))]
    farthest = max((abs(one) for one in (*(predicted - stained), *lines)), default=0.0)
    reach = max(1.15 * farthest, _LEAST_REACH)
    figure.update_xaxes(tickformat=".0%", range=FRACTIONS)  # around a single culture Plotly would go to fractions below 0
    return figure.update_yaxes(tickformat="+.0%", range=[-reach, reach])


def _square(x: str, y: str, equal: bool = True) -> go.Figure:
    figure = go.Figure(
        layout={
            "height": 380,
            "margin": {"l": 56, "r": 16, "t": 16, "b": 52},
            "font": {"family": FONT, "size": 13},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "showlegend": False,
        }
    )
    span = {"range": FRACTIONS} if equal else {}
    figure.update_xaxes(title_text=x, gridcolor=_GRID, zeroline=False, **span)
    return figure.update_yaxes(title_text=y, gridcolor=_GRID, zeroline=False, **span)


def _line(x: Any, y: Any, colour: str, name: str, dash: str = "solid") -> go.Scatter:
    return go.Scatter(x=list(x), y=list(y), mode="lines", line={"color": colour, "dash": dash, "width": 2}, name=name, hoverinfo="x+y+name")


def _with_point(figure: go.Figure, point: tuple[float, float] | None) -> go.Figure:
    if point is not None:
        marker = {"size": 12, "color": NOT_SENESCENT, "line": {"width": 2, "color": "white"}}
        figure.add_trace(go.Scatter(x=[point[0]], y=[point[1]], mode="markers", marker=marker, name="at the threshold", hoverinfo="x+y+name"))
    return figure


def _errors(table: pd.DataFrame, kind: str) -> dict[str, Any]:
    middle = _numbers(table[f"{kind}_fraction"])
    high, low = _numbers(table[f"{kind}_high"]) - middle, middle - _numbers(table[f"{kind}_low"])
    return {"array": high, "arrayminus": low, "thickness": 1, "width": 3, "color": _GREY}


def _numbers(values: pd.Series) -> Any:
    return values.to_numpy(dtype=float, na_value=float("nan"))


def escape(text: str) -> str:
    from html import escape as escaped

    return escaped(str(text))
