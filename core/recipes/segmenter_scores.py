"""How good the embedded Cellpose model "senescope-phase" is, on fields that it never saw; writes its card and gallery.

    python -m core.recipes.segmenter_scores --data FOLDER --out core/embedded/senescope-phase

``FOLDER`` holds ``usiigaci-phase-gt`` (see embedded_segmenter.py), ``vicar-phase-gt`` (``PC_02_raw.tif``,
``PC_02_labels_derived.tif``; Vicar et al. 2019, doi 10.1186/s12859-019-2880-8) and ``livecell-sartorius-samples`` (one field
of LIVECell with the connected pieces of its mask; Edlund et al. 2021, doi 10.1038/s41592-021-01249-6).
"""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.cells.agreement import Agreement, agreement
from core.recipes.describing import write_description
from core.recipes.embedded_segmenter import LAYER_SEEDS, SIMULATED_SEEDS, TRAINED, layer_field, real_field, simulated_field

HELD_BACK = tuple(f"set{i:02d}" for i in range(33, 41))
SIMULATED_SCORE_SEEDS = range(70_000, 70_006)
LAYER_SCORE_SEEDS = range(80_000, 80_004)
REAL, SIMULATED = "real: Usiigaci set33 to set40", "simulated cultures"
SHOWN = {REAL: 3, SIMULATED: 1}  # worst fields in the gallery; pictures of the other real sets may not be passed on
SIDE_PX = 520


@dataclass(frozen=True)
class Scored:
    """One field: images (Y, X) and how well its outlines agree."""

    group: str
    name: str
    image: np.ndarray
    truth: np.ndarray
    found: np.ndarray
    diameter_px: float
    agreement: Agreement

    def row(self) -> dict[str, Any]:
        numbers = {k: round(v, 3) if isinstance(v, float) else v for k, v in asdict(self.agreement).items()}
        return {"group": self.group, "field": self.name, "diameter_px": round(self.diameter_px, 1)} | numbers


def fields_to_score(data: Path) -> Iterator[tuple[str, str, np.ndarray, np.ndarray]]:
    """Yield (group, field, image, true labels) of every field that the model never saw."""
    from core.images import read, read_labels

    for name in HELD_BACK:
        yield REAL, name, *real_field(data / "usiigaci-phase-gt", name)
    vicar, livecell = data / "vicar-phase-gt", data / "livecell-sartorius-samples"
    yield "real: Vicar", "PC_02", read(vicar / "PC_02_raw.tif").pixels, read_labels(vicar / "PC_02_labels_derived.tif")
    stem = "A172_Phase_C7_1_00d00h00m_1"
    yield "real: LIVECell", stem, read(livecell / f"{stem}.tif").pixels, read_labels(livecell / f"{stem}_components_derived.tif")
    for seed in SIMULATED_SCORE_SEEDS:
        yield SIMULATED, f"seed {seed}", *simulated_field(seed)
    for seed in LAYER_SCORE_SEEDS:
        yield "simulated dense layers", f"seed {seed}", *layer_field(seed)


def score(data: Path, out: Path) -> list[Scored]:
    """Outline every field with the published weights as the app does by default, the diameter estimated."""
    from core.cells.segmentation import load_segmenter
    from core.settings import SegmentSettings

    settings = SegmentSettings()
    segmenter = load_segmenter(out / "weights.pt")
    scored = []
    for group, name, image, truth in fields_to_score(data):
        grey = image.astype(np.float32)
        diameter = segmenter.estimate_diameter([grey])
        limits = {k: getattr(settings, k) for k in ("flow_threshold", "cell_probability", "min_area_px")}
        found = segmenter.segment(grey, diameter_px=diameter, **limits)
        scored.append(Scored(group, name, grey, truth, found, diameter, agreement(truth, found)))
        print(json.dumps(scored[-1].row()), file=sys.stderr, flush=True)
    return scored


def means(scored: list[Scored]) -> dict[str, dict[str, Any]]:
    """Per group: fields, mean AP and F1 over fields, sums of merges and splits."""
    out = {}
    for group in dict.fromkeys(one.group for one in scored):
        some = [one.agreement for one in scored if one.group == group]
        mean = {k: round(float(np.mean([getattr(a, k) for a in some])), 3) for k in ("ap50", "ap75", "ap_mean", "f1_50")}
        out[group] = {"fields": len(some), **mean, "merges": sum(a.merges for a in some), "splits": sum(a.splits for a in some)}
    return out


def gallery(scored: list[Scored]) -> np.ndarray:
    """The worst fields, uint8 (Y, X, 3): one row a field, outlines drawn by hand (left) and found (right)."""
    rows = []
    for group, count in SHOWN.items():
        worst = sorted((one for one in scored if one.group == group), key=lambda one: one.agreement.ap50)[:count]
        rows += [np.hstack([_outlined(one.image, labels) for labels in (one.truth, one.found)]) for one in worst]
    return np.vstack(rows)


def _outlined(image: np.ndarray, labels: np.ndarray) -> np.ndarray:
    import cv2
    from skimage.segmentation import find_boundaries

    low, high = np.percentile(image, [1, 99])
    grey = np.clip((image - low) / (high - low) * 255, 0, 255).astype(np.uint8)
    picture = np.stack([grey] * 3, axis=-1)
    picture[find_boundaries(labels, mode="inner")] = (255, 176, 0)
    return np.asarray(cv2.resize(picture, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA))


CARD = """# {name}

A Cellpose 3 network (CPnet, 6.6 million weights, half precision) that outlines cells in phase-contrast images. It opens in the Cellpose 3
programs too.

- Data: {n_trained} hand-outlined phase-contrast fields of Usiigaci (set01 to set32; T98G glioblastoma and NIH/3T3 fibroblasts, 0.87 µm a pixel;
  https://github.com/oist/Usiigaci, MIT licence; Tsai et al. 2019, doi 10.1016/j.softx.2019.02.007), {n_simulated} fields of this project's
  simulator at 0.5 to 1.1 µm a pixel, and {n_layers} simulated dense layers of spindles under oblique light at 0.8 to 2.2 µm a pixel.
- Licence of the weights: BSD-3-Clause.
- Recipe: `python -m core.recipes.embedded_segmenter --real FOLDER --out core/embedded/{name}`, from random weights, on a CPU.
- Scores: `python -m core.recipes.segmenter_scores --data FOLDER --out core/embedded/{name}`. AP as in `cellpose.metrics`, at an IoU of
  0.5, 0.75 and averaged from 0.5 to 0.95; a merge is a found cell that holds two true ones, a split a true cell found in parts. The
  diameter is estimated as the app does.

| fields that were never trained on | fields | AP 0.5 | AP 0.75 | AP mean | F1 0.5 | merges | splits |
|---|---|---|---|---|---|---|---|
{means}

| field | true cells | found | diameter (px) | AP 0.5 | AP 0.75 | AP mean | F1 0.5 | merges | splits |
|---|---|---|---|---|---|---|---|---|---|
{fields}

The truth of the LIVECell field is the connected pieces of a binary mask, in which touching cells are one. `gallery.jpg` shows the worst
fields, outlines drawn by hand on the left, found on the right (photographs of Usiigaci: copyright 2018 Okinawa Institute of Science and
Technology Graduate University, MIT licence).

Limits: no field of real MSCs was in the training. In very dense layers of spindles (confluent cultures, compressed photographs) many
cells are missed; long thin processes are cut short; floating cells and debris are sometimes outlined. Look at the outlines before
you trust a number; correct some and fine-tune, or try another model of the zoo.
"""


def describe(out: Path, scored: list[Scored]) -> None:
    """card.md and gallery.jpg for people, model.json for the model library."""
    from core.report import jpeg

    groups = means(scored)
    columns = ("ap50", "ap75", "ap_mean", "f1_50", "merges", "splits")
    mean = ["| " + " | ".join(map(str, [group, row["fields"], *(row[c] for c in columns)])) + " |" for group, row in groups.items()]
    rows = [one.row() for one in scored]
    each = ["| " + " | ".join(str(row[c]) for c in ("field", "true_cells", "found_cells", "diameter_px", *columns)) + " |" for row in rows]
    numbers = {"n_trained": len(TRAINED), "n_simulated": len(SIMULATED_SEEDS), "n_layers": len(LAYER_SEEDS)}
    text = CARD.format(name=out.name, means="\n".join(mean), fields="\n".join(each), **numbers)
    (out / "gallery.jpg").write_bytes(jpeg(gallery(scored), 8 * SIDE_PX))
    summary = "Cells in phase contrast, any adherent line; trained on real and simulated fields."
    write_description(out, "segmenter", summary, text, groups, simulated=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    scored = score(arguments.data, arguments.out)
    describe(arguments.out, scored)
    print(json.dumps(means(scored), indent=1))


if __name__ == "__main__":
    main()
