"""Charts of a training."""

import pandas as pd
import plotly.graph_objects as go

from core.report.figures import _figure, _numbers
from core.report.overlay import NOT_SENESCENT, SENESCENT

LINES = {"train_loss": ("training fields", NOT_SENESCENT), "held_back_loss": ("held-back fields", SENESCENT)}


def loss_curve(history: pd.DataFrame, epochs: int) -> go.Figure:
    """Loss of each epoch (``tables.TUNING_HISTORY``); the axis reaches as far as the training will go."""
    figure = _figure(height=280)
    for column, (name, colour) in LINES.items():
        rows = history[history[column].notna()]
        if len(rows):
            figure.add_trace(
                go.Scatter(
                    x=_numbers(rows["epoch"]),
                    y=_numbers(rows[column]),
                    name=name,
                    mode="lines+markers",
                    line={"color": colour, "width": 2},
                    marker={"size": 6},
                    hovertemplate=f"epoch %{{x}}<br>{name}: %{{y:.4f}}<extra></extra>",
                )
            )
    figure.update_xaxes(title_text="epoch", range=[-0.02 * epochs, epochs * 1.02], tickformat="d", dtick=1 if epochs <= 10 else None)
    return figure.update_yaxes(title_text="loss", showgrid=True)
