"""Images of an experiment that never became a field."""

from core.fields import split_reference
from core.images import IMAGE_SUFFIXES
from core.report import read_csv
from core.report.words import count
from core.tables import FAILURES
from core.workspace import Experiment

LEFT_OUT = "left_out.csv"  # of an experiment, ``tables.FAILURES``: what the stage "add" could not use the last time
_KINDS = ("phase", "stain", "colour")


def used_images(experiment: Experiment) -> set[str]:
    """Files that a field refers to, as in ``fields.csv`` without the plane."""
    table = experiment.fields()
    return {split_reference(one)[0] for kind in _KINDS for one in table[kind] if one}


def left_in_folder(experiment: Experiment) -> list[str]:
    """Images in the experiment's folder that no field refers to. An upload that cannot be read stays there."""
    used = used_images(experiment)
    return [name for name in _in_folder(experiment) if name not in used]


def left_elsewhere(experiment: Experiment) -> list[dict[str, str]]:
    """Files of a folder on the server that could not be added the last time: rows of ``tables.FAILURES``."""
    return [row for row in _not_added(experiment) if not row["file"].startswith("images/")]


def unused_images(experiment: Experiment) -> list[str]:
    """Images that are in no field: those in the experiment's folder, and those elsewhere that could not be added the last time."""
    if not experiment.exists:
        return []
    here = {name.rpartition("/")[2] for name in _in_folder(experiment)}
    return [*left_in_folder(experiment), *(row["file"] for row in _not_added(experiment) if row["file"].rpartition("/")[2] not in here)]


def _not_added(experiment: Experiment) -> list[dict[str, str]]:
    file = experiment.path / LEFT_OUT
    return read_csv(file, FAILURES).to_dict("records") if file.is_file() else []


def _in_folder(experiment: Experiment) -> list[str]:
    files = sorted(experiment.images.iterdir()) if experiment.images.is_dir() else []
    return [f"images/{p.name}" for p in files if p.is_file() and not p.name.startswith(".") and p.name.lower().endswith(tuple(IMAGE_SUFFIXES))]


def unused_words(experiment: Experiment) -> str:
    """How many there are and where to see them; "" where there are none."""
    n = len(unused_images(experiment))
    if not n:
        return ""
    is_one = "belongs to no field and is" if n == 1 else "belong to no field and are"
    return f"{count(n, 'image')} of the experiment {is_one} in no number: could not be read, or not used. The page Experiments lists them with the reason."
