"""The colour of the stain from spots clicked in the colour images of an experiment."""

from dataclasses import dataclass

from core.errors import InputError
from core.fields import FieldOfView, fields
from core.images import full_scale, read
from core.stages.annotation_alignment import images_of
from core.stain.clicking import Spot, spot_at
from core.workspace import Experiment


@dataclass(frozen=True)
class ColourImage:
    """The colour image of a field: ``image`` is the column of the field table that names it ("colour" or "stain")."""

    fov: FieldOfView
    image: str

    @property
    def reference(self) -> str:
        return str(getattr(self.fov, self.image))


def colour_images(experiment: Experiment, signal: str) -> dict[str, ColourImage]:
    """The colour images that a signal of the kind "colour" or "gated" is measured in, by fov_id; fields without one are left out."""
    found = {}
    for fov in fields(experiment.fields()):
        try:
            image = "colour" if "colour" in images_of(fov, signal) else "stain"
        except InputError:
            continue
        found[fov.fov_id] = ColourImage(fov, image)
    return found


def measured_spot(experiment: Experiment, where: ColourImage, y: float, x: float, stained: bool) -> Spot:
    """Measure a clicked spot in the image as it was taken (not aligned). InputError where the image is missing, or not in colour."""
    picture = read(*experiment.resolve(where.reference))
    return spot_at(picture.pixels, y, x, stained, full_scale(picture), where.fov.fov_id)
