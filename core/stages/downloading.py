"""Download one model of the zoo into the model library."""

from pathlib import Path
from typing import Any

from core.models import download_model
from core.progress import Progress


def run(params: dict[str, Any], progress: Progress) -> Path:
    """``params``: ``name``. Returns the path of the weights."""
    path = download_model(params["name"], progress).path
    assert path is not None  # a downloaded model has its file
    return path
