"""Which flags the fields of an assessment get when their images are bad, on simulated fields that no training or calibration has seen.

    python benchmarks/field_flags.py --fields 20
    python benchmarks/field_flags.py --fields 20 --relearn     # reference learned anew by the recipe of the embedded classifier
    python benchmarks/field_flags.py --fields 6 --network      # with the features of the network: slow, and flags "unlike training" too

Every field is photographed again with each defect: blur and defocus by so many pixels (the first after the camera, which takes its noise away,
the second before), white on black, three times the noise of the camera, a quarter of the light (with fewer electrons) in a file that states its
bit depth and in one that does not, the same by arithmetic, half the contrast, coarse random texture and a relief (as in DIC) in place of the
image. Outlines are the true ones. Prints, for each defect, the share of fields with any flag and with each.
"""

import argparse
import sys
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

sys.path[0] = str(Path(__file__).resolve().parents[1])  # in place of this folder, whose names could hide those of libraries

import core.simulate.field as simulated  # noqa: E402
from core.classifier.checkpoint import Checkpoint, load_checkpoint  # noqa: E402
from core.classifier.ranges import field_ranges  # noqa: E402
from core.classifier.seen import learn_looks  # noqa: E402
from core.fields import FieldOfView  # noqa: E402
from core.images import Picture  # noqa: E402
from core.images.depth import guess  # noqa: E402
from core.models import find_model  # noqa: E402
from core.progress import silent  # noqa: E402
from core.recipes.demo_cells import FIELD_PIXELS_UM, TRAINING_SEEDS, VALIDATION_SEEDS, drawn_field  # noqa: E402
from core.recipes.demo_reference import FIELDS, seen_fields  # noqa: E402
from core.report.doubts import flags_of  # noqa: E402
from core.settings import AssessSettings  # noqa: E402
from core.simulate.optics import camera  # noqa: E402
from core.stages.imaging import image_looks  # noqa: E402
from core.stages.scoring import Scorer  # noqa: E402
from core.statistics import field_table  # noqa: E402
from core.statistics.quality import with_quality  # noqa: E402
from core.tables import ASSESSED_CELLS, CELLS, typed  # noqa: E402

FIRST_SEED = 40_000


class Shutter:
    """Stands in for the simulator's camera and keeps what it was shown, so that the same field can be photographed again."""

    def __call__(self, rng: np.random.Generator, light: np.ndarray, bits: int, **about: float) -> np.ndarray:
        self.shown = deepcopy(rng), light, bits, about
        return camera(rng, light, bits, **about)

    def again(self, light: np.ndarray | None = None, **change: float) -> np.ndarray:
        rng, shown, bits, about = self.shown
        return camera(deepcopy(rng), shown if light is None else light, bits, **{**about, **change})


def blurred(image: np.ndarray, sigma: float) -> np.ndarray:
    return cv2.GaussianBlur(image.astype(np.float32), (0, 0), sigma)


def defects(shutter: Shutter, image: np.ndarray, white: float, seed: int) -> dict[str, tuple[np.ndarray, bool]]:
    """By name the image and whether its file states the bit depth."""
    _, light, _, about = shutter.shown
    middle, few = float(np.median(light)), {"electrons": about["electrons"] / 4, "level": about["level"] / 4}
    spots = blurred(np.random.default_rng(seed).normal(size=image.shape), 6.0)
    relief = cv2.Sobel(blurred(light, 0.7), cv2.CV_32F, 1, 1)
    dark = shutter.again(**few)
    shots = {"clean": image}
    shots |= {f"blur {sigma} px": np.rint(blurred(image, sigma)) for sigma in (1, 1.5, 2, 3)}
    shots |= {f"defocus {sigma} px": shutter.again(blurred(light, sigma)) for sigma in (1, 1.5, 2, 3)}
    shots |= {"inverted": white - image, "noise x3": shutter.again(electrons=about["electrons"] / 9, read_noise=about["read_noise"])}
    shots |= {"light 25 %": dark, "values x 0.25": np.rint(image * 0.25), "half contrast": shutter.again((light + middle) / 2)}
    shots |= {"coarse texture": np.clip(white * (0.4 + 0.08 * spots / spots.std()), 0, white)}
    shots |= {"relief": shutter.again(1 + relief * float(light.std() / relief.std()))}
    stated = {name: (shot.astype(np.uint16), True) for name, shot in shots.items()}
    as_12_bits = (dark.astype(float) / white * 4095).astype(np.uint16)  # of a camera of 12 bits
    return stated | {"light 25 %, depth not stated": (as_12_bits, False)}


class Blind:
    """In place of the network: nothing is predicted."""

    def predict_with_features(self, crops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.full(len(crops), 0.5, np.float32), np.zeros((len(crops), 1), np.float32)


class BlindReference:
    """What is left of a reference without the network."""

    def __init__(self, reference: Any) -> None:
        self.reference, self.looks = reference, reference.looks

    def distances(self, features: np.ndarray) -> np.ndarray:
        return np.full(len(features), np.nan)

    def summary(self) -> dict[str, Any]:
        return dict(self.reference.summary())


def relearned(checkpoint: Checkpoint) -> Checkpoint:
    """With the looks and ranges that the recipe of the embedded classifier would learn; what the network says stays."""
    first = VALIDATION_SEEDS.start
    sets = seen_fields(TRAINING_SEEDS[:FIELDS]), seen_fields(range(first, first + FIELDS))
    numbers = {name: np.concatenate([one.numbers[name] for one in sets]) for name in sets[0].numbers}
    assert checkpoint.reference is not None
    ranges = {**checkpoint.reference.ranges, **field_ranges(numbers, np.concatenate([one.fields for one in sets]))}
    return replace(checkpoint, reference=replace(checkpoint.reference, looks=learn_looks(*sets), ranges=ranges))


def judged(scorer: Scorer, name: str, field: Any, pixels: np.ndarray, stated: bool, confluence: float) -> dict[str, Any]:
    """The row of the field in ``fields.csv``."""
    bits = field.bits if stated else guess(int(pixels.max()))
    cells = typed(field.cells[["label", "y_px", "x_px", "area_px", "touches_border"]].assign(fov_id=name), CELLS)
    fov = FieldOfView(name, "", pixel_size_um=field.pixel_size_um)
    scored = scorer.score(fov, Picture(pixels, bits, field.pixel_size_um, not stated), field.labels, cells, silent)
    about = pd.DataFrame({"fov_id": [name], "sample": "A", "confluence": confluence})
    found, reference = scored[list(ASSESSED_CELLS)], scorer.checkpoint.reference
    fields = field_table(found, about.merge(image_looks(reference, scored), on="fov_id", how="left"))
    return dict(with_quality(fields, found, reference.summary() if reference else None, scorer.checkpoint.pixel_size_um).iloc[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fields", type=int, default=10)
    parser.add_argument("--seed", type=int, default=FIRST_SEED)
    parser.add_argument("--classifier", default="demo-simulated")
    parser.add_argument("--relearn", action="store_true", help="learn anew how the training images look")
    parser.add_argument("--network", action="store_true", help="also compute the features of the network")
    given = parser.parse_args()
    checkpoint = load_checkpoint(Path(str(find_model(given.classifier, "classifier").path)))
    if checkpoint.reference is None:
        sys.exit("This classifier's file does not say what its training images looked like.")
    scorer = Scorer(relearned(checkpoint) if given.relearn else checkpoint, AssessSettings())
    if not given.network:
        scorer.classifier, blind = Blind(), BlindReference(scorer.checkpoint.reference)  # type: ignore[assignment]
        scorer.checkpoint = replace(scorer.checkpoint, reference=blind)  # type: ignore[arg-type]
    simulated.camera = shutter = Shutter()  # type: ignore[assignment]
    rows = []
    for k in range(given.fields):
        field, _ = drawn_field(given.seed + k, FIELD_PIXELS_UM[k % len(FIELD_PIXELS_UM)])
        confluence = float((field.labels > 0).mean())
        for name, (pixels, stated) in defects(shutter, field.phase, 2**field.bits - 1, given.seed + k).items():
            row = judged(scorer, f"f{k}", field, pixels, stated, confluence)
            rows.append({"defect": name, "distance": row["image_distance"], **dict.fromkeys(flags_of(row), 1.0)})
        print(f"field {k + 1} of {given.fields}", file=sys.stderr, flush=True)
    table = pd.DataFrame(rows)
    flags = [column for column in table if column not in ("defect", "distance")]
    table["any"] = (table[flags].sum(axis=1) > 0).astype(float)
    shown = table.fillna(dict.fromkeys(flags, 0.0)).groupby("defect", sort=False)[["any", *flags]].mean()
    shown.insert(0, "median distance", table.groupby("defect", sort=False)["distance"].median().astype(float))
    pd.set_option("display.width", 250, "display.max_columns", 30)
    print(shown.round(2).to_string())


if __name__ == "__main__":
    main()
