"""How a chart stands on a page."""

from typing import Any

import streamlit as st


def show_chart(figure: Any, key: str | None = None) -> None:
    """A Plotly figure without the toolbar, which would lie over it for good."""
    st.plotly_chart(figure, key=key, config={"displayModeBar": False})
