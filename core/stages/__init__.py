"""Stages: read, compute, write. The only place where files meet computation; pages, jobs and the command line call these.

``RUN`` maps a stage's name to a function of (JSON parameters, progress) that returns the path of its product as text:
what a worker process runs. The heavy imports happen inside, so that looking at this table costs nothing.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

from core.progress import Progress


def _lazy(module: str) -> Callable[[dict[str, Any], Progress], str]:
    def run(params: dict[str, Any], progress: Progress) -> str:
        return str(import_module(f"core.stages.{module}").run(params, progress))

    return run


RUN: Final[dict[str, Callable[[dict[str, Any], Progress], str]]] = {
    "simulate": _lazy("simulating"),
    "add": _lazy("adding"),
    "segment": _lazy("segmenting"),
    "review": _lazy("reviewing"),
    "register": _lazy("registering"),
    "stain": _lazy("staining"),
    "annotate": _lazy("annotating"),
    "assess": _lazy("assessing"),
    "report": _lazy("reporting"),
    "evaluate": _lazy("evaluating"),
    "compare": _lazy("comparing"),
    "demo": _lazy("demonstrating"),
    "tune": _lazy("tuning"),
    "train": _lazy("training"),
    "export": _lazy("exporting"),
    "dataset": _lazy("collecting"),
    "import_crops": _lazy("crop_archives"),
    "download": _lazy("downloading"),
}
