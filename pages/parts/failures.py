"""What was left out and why, with room for the whole reason."""

from collections.abc import Hashable, Mapping
from pathlib import Path

import pandas as pd
import streamlit as st

ROWS, HEIGHT_PX = 12, 480  # more rows than this are scrolled


def show_failures(failures: pd.DataFrame) -> None:
    """The rows of ``tables.FAILURES``: field, file, reason. A grid would cut a reason off where it says what to do."""
    rows = failures.to_dict("records")
    columns = {
        "Field": [row["fov_id"] for row in rows],
        "File": [_shown(row) for row in rows],
        "What is wrong": [row["error"] for row in rows],
    }
    st.table({name: values for name, values in columns.items() if any(values)}, border="horizontal", height=HEIGHT_PX if len(rows) > ROWS else "content")


def _shown(row: Mapping[Hashable, str]) -> str:
    """A file that belongs to no field is told from others of its name by its folder."""
    path = Path(row["file"])
    return path.name if row["fov_id"] or path.is_absolute() else path.as_posix()
