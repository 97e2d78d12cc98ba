"""Images of an experiment that never became a field."""

from core.fields import split_reference
from core.images import IMAGE_SUFFIXES
from core.report import read_csv
from core.report.words import count
from core.stages.adding import LEFT_OUT
from core.tables import FAILURES
from core.workspace import Experiment

_KINDS = ("phase", "stain", "colour")


def unused_images(experiment: Experiment) -> list[str]:
    """Images in the experiment's folder that no field refers to, and those elsewhere that could not be added the last time.

    An upload that cannot be read stays in the folder, so it is found there whatever ``left_out.csv`` holds.
    """
    if not experiment.exists:
        return []
    table = experiment.fields()
    used = {split_reference(one)[0] for kind in _KINDS for one in table[kind] if one}
    files = sorted(experiment.images.iterdir()) if experiment.images.is_dir() else []
    images = [f"images/{p.name}" for p in files if p.is_file() and not p.name.startswith(".") and p.name.lower().endswith(tuple(IMAGE_SUFFIXES))]
    file = experiment.path / LEFT_OUT
    elsewhere = read_csv(file, FAILURES)["file"].tolist() if file.is_file() else []
    here = {name.rpartition("/")[2] for name in images}
    return [*(name for name in images if name not in used), *(name for name in elsewhere if str(name).rpartition("/")[2] not in here)]


def unused_words(experiment: Experiment) -> str:
    """How many there are and where to see them; "" where there are none."""
    n = len(unused_images(experiment))
    if not n:
        return ""
    is_one = "belongs to no field and is" if n == 1 else "belong to no field and are"
    return f"{count(n, 'image')} of the experiment {is_one} in no number: could not be read, or not used. The page Experiments lists them with the reason."
