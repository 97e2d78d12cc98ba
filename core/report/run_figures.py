"""Charts of the trainings of classifiers: one curve a run and quantity."""

from collections.abc import Mapping
from typing import Final

import pandas as pd
import plotly.graph_objects as go

from core.report.figures import _figure, _numbers
from core.report.overlay import NOT_SENESCENT, SENESCENT

SERIES: Final[Mapping[str, tuple[tuple[str, str, str], ...]]] = {  # chart: columns with name and colour
    "Loss": (("train_loss", "training", NOT_SENESCENT), ("val_loss", "validation", SENESCENT)),
    "ROC AUC": (("val_auc", "validation", SENESCENT),),
    "Accuracy": (("val_accuracy", "validation", SENESCENT),),
}
COLOURS: Final = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8A8A00", "#7A8583")  # Okabe and Ito 2008


def run_curve(chart: str, histories: Mapping[str, pd.DataFrame], epochs: int) -> go.Figure:
    """One of ``SERIES`` against the epoch, for one run or several (``tables.TRAINING_HISTORY`` by name).

    Of one run training and validation are shown and its best epoch is marked, of several validation alone, a colour each.
    The axis reaches as far as the longest training will go.
    """
    figure = _figure(height=270, title={"text": chart, "x": 0, "font": {"size": 15}})
    alone = len(histories) == 1
    for number, (name, history) in enumerate(histories.items()):
        for column, words, colour in SERIES[chart] if alone else SERIES[chart][-1:]:
            figure.add_trace(_line(history, column, words if alone else name, colour if alone else COLOURS[number % len(COLOURS)]))
    if alone:
        _mark_best(figure, next(iter(histories.values())), SERIES[chart][-1][0])
    if alone:
        figure.update_layout(margin={"l": 10, "r": 16, "t": 58, "b": 10}, showlegend=len(SERIES[chart]) > 1)
    else:  # names of runs are long: below the chart, one a line
        below = {"orientation": "v", "x": 0, "y": -0.3, "yanchor": "top", "font": {"size": 11}}
        figure.update_layout(margin={"l": 10, "r": 16, "t": 40, "b": 10}, height=270 + 20 * len(histories), legend=below, showlegend=True)
    figure.update_xaxes(title_text="epoch", range=[1 - 0.04 * epochs, epochs * 1.03], tickformat="d", dtick=1 if epochs <= 10 else None)
    # the axis of a share ends at 0 and 1, also where plotly would centre it on the only value that there is
    ends = {"clipmin": 0, "clipmax": None if chart == "Loss" else 1}
    return figure.update_yaxes(showgrid=True, autorangeoptions=ends, tickformat=".0%" if chart == "Accuracy" else None)


def best_row(history: pd.DataFrame) -> pd.Series:
    """The row of the best epoch: the last one that was kept. Histories of before do not say it; theirs has the largest AUC."""
    kept = history[history["kept"].fillna(False)]
    return kept.iloc[-1] if len(kept) else history.sort_values(["val_auc", "val_loss"], ascending=[False, True], kind="stable").iloc[0]


def _line(history: pd.DataFrame, column: str, name: str, colour: str) -> go.Scatter:
    return go.Scatter(
        x=_numbers(history["epoch"]),
        y=_numbers(history[column]),
        name=name,
        mode="lines+markers",
        line={"color": colour, "width": 2},
        marker={"size": 5},
        hovertemplate=f"epoch %{{x}}<br>{name}: %{{y:.4f}}<extra></extra>",
    )


def _mark_best(figure: go.Figure, history: pd.DataFrame, column: str) -> None:
    best = best_row(history)
    marker = {"size": 12, "symbol": "circle-open", "color": SENESCENT, "line": {"width": 2.5}}
    words = f"best epoch {int(best['epoch'])}"
    figure.add_trace(
        go.Scatter(x=[int(best["epoch"])], y=[float(best[column])], mode="markers", marker=marker, hoverinfo="text", hovertext=words, showlegend=False)
    )
