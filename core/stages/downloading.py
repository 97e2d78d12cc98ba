"""Download one model of the zoo, or weights of ImageNet, into the model library."""

from pathlib import Path
from typing import Any

from core.models import download_model
from core.models.imagenet import PREFIX, download_imagenet
from core.progress import Progress


def run(params: dict[str, Any], progress: Progress) -> Path:
    """``params``: ``name``. Returns the path of the weights."""
    if params["name"].startswith(PREFIX):
        return download_imagenet(params["name"], progress)
    path = download_model(params["name"], progress).path
    assert path is not None  # a downloaded model has its file
    return path
