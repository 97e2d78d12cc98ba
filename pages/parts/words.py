"""Times and names as a reader wants them (numbers: core.report.words)."""

from datetime import datetime

import pandas as pd

from core.errors import InputError
from core.report.words import count
from core.workspace import Product


def known(value: object) -> bool:
    """False for None, NaN and pandas' NA."""
    return value is not None and not bool(pd.isna(value))


def duration(seconds: float) -> str:
    """95 -> "2 min"; 4000 -> "1 h 7 min"."""
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def when(moment: str) -> str:
    """A stored moment (ISO text) as local date and time, or "" where it cannot be read."""
    try:
        return datetime.fromisoformat(moment).astimezone().strftime("%Y-%m-%d %H:%M")
    except ValueError:
        return ""


def product_words(product: Product) -> str:
    """How a product is named in a list: its id, how many fields it has, when it was made."""
    try:
        inputs = product.settings.get("inputs")
        fields = count(len(inputs), "field") if isinstance(inputs, list) and inputs else ""
    except InputError:
        return f"{product.id} · damaged"
    return " · ".join(one for one in (product.id, fields, when(product.created)) if one)
