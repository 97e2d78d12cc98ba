"""Pictures of a dataset: sheets of crops, the curve of crop sizes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

TILE_PX, ROW, GAP_PX = 128, 6, 4


def contact_sheet(crops: Sequence[np.ndarray], row: int = ROW) -> np.ndarray:
    """Square uint8 crops in rows on one picture, (Y, X) uint8."""
    step = TILE_PX + GAP_PX
    rows = -(-len(crops) // row)
    sheet = np.full((rows * step - GAP_PX, row * step - GAP_PX), 24, np.uint8)
    for at, crop in enumerate(crops):
        y, x = at // row * step, at % row * step
        sheet[y : y + TILE_PX, x : x + TILE_PX] = np.asarray(Image.fromarray(crop).resize((TILE_PX, TILE_PX), Image.Resampling.BILINEAR))
    return sheet


def crop_size_chart(extents: np.ndarray, crop_px: int) -> Any:
    """Share of cells that stay whole against the crop size, with the chosen and the advised size."""
    import plotly.graph_objects as go

    from core.dataset.sizes import advised_crop_px, whole_shares

    curve, advised = whole_shares(extents), advised_crop_px(extents)
    chosen = crop_px or advised
    share = float((extents <= chosen).mean()) if len(extents) else 1.0
    x, y = [*curve["crop_px"]], [*curve["whole"]]
    if chosen > max(x, default=0):  # the curve goes as far as the chosen size
        x, y = [*x, chosen], [*y, share]
    figure = go.Figure(go.Scatter(x=x, y=y, mode="lines", line={"width": 3, "color": "#0072B2"}, hovertemplate="%{x} px: %{y:.1%}<extra></extra>"))
    figure.add_vline(
        x=chosen,
        line={"color": "#D55E00", "width": 2},
        annotation={"text": f"{chosen} px: {share:.0%} whole", "font": {"color": "#D55E00"}, "yanchor": "bottom", "xanchor": "center"},
    )
    if advised != chosen:
        figure.add_vline(
            x=advised,
            line={"dash": "dot", "color": "gray"},
            annotation={"text": f"advised: {advised} px", "yanchor": "bottom", "y": 0.02, "xanchor": "right" if advised < chosen else "left"},
        )
    figure.update_layout(height=260, margin={"l": 10, "r": 10, "t": 34, "b": 10}, showlegend=False)
    figure.update_xaxes(title="Crop size (px)")
    figure.update_yaxes(title="Cells that stay whole", tickformat=".0%", range=[0, 1.02])
    return figure
