"""What the record of a segmentation says: of which fields it is, how they were outlined and with which cell diameter.

Read by pages too, so nothing here brings a network or images along.
"""

from typing import Any, Final

from core.errors import InputError
from core.options import settings_from
from core.report import read_csv
from core.settings import SegmentSettings
from core.tables import SEGMENTED_FIELDS
from core.workspace import Experiment, Product, read_json

SAMPLES: Final = "diameter_from.json"  # for each magnification the fields on which its diameter was estimated, as in "inputs" of settings.json


def fields_of(segmentation: Product) -> set[str]:
    """``fov_id`` of the fields that it was made of; none where its record is damaged."""
    try:
        return {row["fov_id"] for row in segmentation.settings.get("inputs") or ()}
    except InputError:
        return set()


def outlined_with(experiment: Experiment, segmentation: Product) -> SegmentSettings | None:
    """The settings of the network behind a segmentation, through corrections by hand; None for outlines from elsewhere."""
    values = segmentation.settings.get("settings") or {}
    if "cell_probability" in values:
        return settings_from(SegmentSettings, values)
    behind = (segmentation.settings.get("upstream") or {}).get("segmentation")
    try:
        return outlined_with(experiment, experiment.product("segmentations", behind)) if behind else None
    except InputError:  # it was removed
        return None


def diameter_samples(segmentation: Product) -> list[list[dict[str, Any]]]:
    """Of each magnification the fields on which its diameter was estimated; none where it was not."""
    try:
        return list(read_json(segmentation.path / SAMPLES)["fields"])
    except (InputError, KeyError):  # outlines of another kind, of before, or a damaged file
        return []


def diameter_words(product: Product) -> str:
    """The cell diameter behind a segmentation or an assessment and where it comes from: "58.7 px, estimated on f1, f2, f3"; "" where unknown."""
    if product.kind not in ("segmentations", "assessments"):
        return ""
    try:
        segmentation = _segmentation_of(product)
        sizes = sorted(set(read_csv(segmentation.path / "fields.csv", SEGMENTED_FIELDS)["diameter_px"].dropna()))
    except (InputError, KeyError):  # the segmentation was removed
        return ""
    if not sizes:
        return ""
    looked_at = [row["fov_id"] for sample in diameter_samples(segmentation) for row in sample]
    return " and ".join(f"{size:.1f}" for size in sizes) + " px" + (f", estimated on {', '.join(looked_at)}" if looked_at else "")


def _segmentation_of(product: Product) -> Product:
    if product.kind == "segmentations":
        return product
    return Experiment(product.path.parents[1]).product("segmentations", product.settings["upstream"]["segmentation"])
