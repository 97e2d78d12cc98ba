"""Stain: measure the stain of every cell of a segmentation, for every threshold at once. ``stained`` reads what this writes."""

from pathlib import Path
from typing import Any, Final

from core.errors import InputError
from core.fields import FieldOfView
from core.options import command, settings_from
from core.progress import Progress, silent
from core.settings import AnnotateSettings
from core.stages.annotation_alignment import alignments, has_images, images_of
from core.stages.annotation_field import Work
from core.stages.annotation_keys import checked, earlier, field_keys, measured_settings, spot_words
from core.stages.common import Failures, chosen_fields, fail_if_all, part
from core.workspace import AlreadyPublished, Experiment, Product, product_id, publish

ALIGNING: Final = 0.6  # of the work, for the time left


def run(params: dict[str, Any], progress: Progress) -> Path:
    """``params``: ``experiment``, ``settings`` (of AnnotateSettings), ``segmentation`` and ``registration`` (ids, or none)."""
    settings = settings_from(AnnotateSettings, params.get("settings") or {})
    return measure_stain(Path(params["experiment"]), settings, params.get("segmentation"), params.get("registration"), progress)


def measure_stain(
    path: Path, settings: AnnotateSettings, segmentation_id: str | None = None, registration_id: str | None = None, progress: Progress = silent
) -> Path:
    """Align, measure and count the stain of every field, and return the folder of the measurement (see ``stained``).

    The segmentation named is used, else the newest; for the registrations see ``annotation_alignment.alignments``. The
    threshold, the smallest stained part of a cell and the proposal do not matter here: every threshold is counted. The same
    images, outlines, alignment and spot size give the same id. What earlier measurements hold already is taken over (``annotation_keys``).

    Raises
    ------
    InputError
        No segmentation, a wrong setting, no field with a stain image, or not one that could be measured.
    """
    experiment = Experiment(path)
    segmentation = chosen_segmentation(experiment, segmentation_id)
    settings = checked(settings)
    every = chosen_fields(experiment, None)
    inside = [fov for fov in every if (segmentation.path / "labels" / f"{fov.fov_id}.tif").is_file()]
    chosen = [fov for fov in inside if has_images(fov, settings.signal)]
    if not chosen:
        raise InputError(_nothing(experiment, segmentation, inside, settings.signal))
    where = alignments(experiment, chosen, settings, registration_id, part(progress, 0, ALIGNING, 1.0))
    keys = field_keys(experiment, segmentation, chosen, settings, where)
    about: dict[str, Any] = {
        "command": command("annotate", path, settings, segmentation=segmentation_id, registration=registration_id),
        "upstream": {"segmentation": segmentation.id} | ({"registration": where.product} if where.product else {}),
        "inputs": {"fields": keys},
    }
    id = product_id(f"{settings.signal}-{spot_words(settings)}", {"segmentation": segmentation.id, "fields": keys})
    try:
        with publish(experiment, "stains", id, measured_settings(settings), **about) as partial:
            failures = Failures()
            for fov in every:
                _missing(fov, inside, settings.signal, segmentation, failures)
            work = Work(experiment, segmentation, settings, where, partial.path, earlier(experiment, keys))
            work.all_fields(chosen, failures, part(progress, ALIGNING, 1 - ALIGNING, 1.0))
            fail_if_all(failures, len(every), "measured", experiment.path)
    except AlreadyPublished as ready:
        return ready.path
    progress(1.0, 1.0, "done")
    return partial.final


def chosen_segmentation(experiment: Experiment, id: str | None) -> Product:
    """The segmentation named, else the newest; InputError where there is none."""
    experiment.fields()  # says so where there is no experiment
    if id is not None:
        return experiment.product("segmentations", id)
    known = experiment.products("segmentations")
    if not known:
        raise InputError(
            f"{experiment.path}: no cells are outlined yet. Run python -m core segment {experiment.name}, or add label images (python -m core add, --labels)."
        )
    return known[0]


def _nothing(experiment: Experiment, segmentation: Product, inside: list[FieldOfView], signal: str) -> str:
    if not inside:
        return f"{experiment.path}: no field of the field table is part of the segmentation {segmentation.id}. Segment the fields first."
    try:
        images_of(inside[0], signal)
    except InputError as error:
        return f"{experiment.path}: no field can be measured. {inside[0].fov_id}: {error}"
    return f"{experiment.path}: no field can be measured."


def _missing(fov: FieldOfView, inside: list[FieldOfView], signal: str, segmentation: Product, failures: Failures) -> None:
    if fov not in inside:
        failures.add(fov.fov_id, fov.phase, f"The field is not part of the segmentation {segmentation.id}.")
        return
    with failures.collecting(fov.fov_id, fov.phase):
        images_of(fov, signal)
