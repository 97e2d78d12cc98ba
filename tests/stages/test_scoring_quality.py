"""From cells that a classifier learned from to flags in an assessment: strange fields are flagged, like ones are not."""

from collections.abc import Callable
from dataclasses import replace
from html import unescape
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from core.classifier.checkpoint import load_checkpoint, save_checkpoint
from core.classifier.focus import sharpness
from core.classifier.forward import reestimate_statistics
from core.classifier.prediction import Classifier
from core.classifier.seen import Seen, learn_reference
from core.dataset.crops import cut_crops, normalise
from core.errors import InputError
from core.images import write_image, write_labels
from core.report import read_csv
from core.report.doubts import NOT_SAID
from core.settings import AssessSettings, SegmentSettings
from core.stages.adding import Addition, add
from core.stages.assessing import assess
from core.stages.scoring import Scorer
from core.statistics.quality import UNUSUAL, more_than_chance
from core.tables import ASSESSED_CELLS, ASSESSED_FIELDS, ASSESSED_SAMPLES
from core.workspace import Experiment, read_json

SIDE, CELL, STEP, WHITE = 250, 24, 40, 65535
MEAN, STD = 0.4, 0.1


def labels(step: int = STEP) -> np.ndarray:
    """Square cells on a grid, none at the border."""
    out = np.zeros((SIDE, SIDE), np.int32)
    for k, (y, x) in enumerate((y, x) for y in range(8, SIDE - CELL, step) for x in range(8, SIDE - CELL, step)):
        out[y : y + CELL, x : x + CELL] = k + 1
    return out


def field(seed: int, blur: float = 0.0, gain: float = 1.0, noise: bool = False) -> np.ndarray:
    """Grey values of a field of textured cells, in share of white; every field has its own light, contrast and grain."""
    rng = np.random.default_rng(seed)
    grain, contrast, level = rng.uniform(1.0, 1.4), rng.uniform(0.08, 0.12), rng.uniform(0.37, 0.43)
    texture = cv2.GaussianBlur(rng.normal(size=(SIDE, SIDE)), (0, 0), grain)
    image = level + contrast * texture / texture.std()
    if noise:
        image = rng.uniform(0, 1, (SIDE, SIDE))
    image = cv2.GaussianBlur(image, (0, 0), blur) if blur else image
    return np.clip(gain * image, 0, 1)


def seen(seeds: range) -> Seen:
    ids = np.unique(labels())[1:]
    crops = np.concatenate([cut_crops(normalise(field(seed).astype(np.float32), MEAN, STD), labels(), ids, 64) for seed in seeds])
    of = np.repeat(list(seeds), len(ids))
    light = np.concatenate([[field(seed)[labels() == label].mean() for label in ids] for seed in seeds])
    area, confluence = np.full(len(of), float(CELL**2)), np.full(len(of), (labels() > 0).mean())
    numbers = {"brightness": light, "median_area": area, "confluence": confluence}
    return Seen(lambda rows: crops[rows], np.arange(len(of)), np.arange(len(of)) % 2, of, numbers)


@pytest.fixture(scope="module")
def knowing(classifier_file: Callable[..., Path]) -> Path:
    """A classifier of random weights, with the batch statistics of such fields, that knows how they look."""
    import torch

    path, train = classifier_file(mean=MEAN, std=STD, intensity="range", pixel_size_um=1.0), seen(range(6))
    network = load_checkpoint(path).network()
    reestimate_statistics(network, [(torch.from_numpy(train.crops(np.arange(64)))[:, None], torch.zeros(64))])
    checkpoint = replace(load_checkpoint(path), state=network.state_dict())
    save_checkpoint(path, replace(checkpoint, reference=learn_reference(checkpoint, train, seen(range(100, 106)), "cpu")))
    return path


def experiment(folder: Path, images: dict[str, np.ndarray], outlines: np.ndarray | None = None) -> tuple[Path, str]:
    for name, image in images.items():
        write_image(folder / f"{name}.tif", np.rint(image * WHITE).astype(np.uint16), 1.0)
        write_labels(folder / f"{name}_labels.tif", labels() if outlines is None else outlines)
    phase, masks = ([str(folder / f"{name}{end}.tif") for name in images] for end in ("", "_labels"))
    add(folder / "exp", Addition(phase=phase, labels=masks))
    (product,) = Experiment(folder / "exp").products("segmentations")
    return folder / "exp", product.id


def assessed(where: tuple[Path, str], classifier: Path, **more: object) -> Path:
    return assess(where[0], AssessSettings(classifier=str(classifier), **more), SegmentSettings(), where[1])  # type: ignore[arg-type]


def test_strange_fields_are_flagged_and_like_ones_are_not(tmp_path: Path, knowing: Path) -> None:
    strange = {"blurred": field(201, blur=3), "dark": field(202, gain=0.5), "foreign": field(203, noise=True)}
    made = assessed(experiment(tmp_path, {**{f"like{k}": field(300 + k) for k in range(4)}, **strange}), knowing)
    fields = read_csv(made / "fields.csv", ASSESSED_FIELDS).set_index("fov_id")
    flags = fields["flags"]
    assert [flags[f"like{k}"] for k in range(4)] == [""] * 4
    assert "blurred" in flags["blurred"]
    assert "dark" in flags["dark"]
    assert "unlike training" in flags["foreign"]
    assert fields["n_unlike"]["foreign"] > 0.5 * fields["n_scored"]["foreign"]
    assert fields["brightness"]["dark"] == pytest.approx(0.2, abs=0.03)
    assert fields["median_area"].tolist() == [CELL**2] * 7
    samples = read_csv(made / "samples.csv", ASSESSED_SAMPLES)
    assert samples["n_flagged"].sum() == 3
    assert samples["n_unlike"].sum() == fields["n_unlike"].sum()
    report = (made / "report.html").read_text(encoding="utf-8")
    assert "do not look like what the model learned" in report
    assert "Less fine detail than in the training images: 1 of 7 fields (blurred)" in report
    cells = read_csv(made / "cells.csv", ASSESSED_CELLS)
    assert cells.loc[~cells["excluded"], ["focus", "brightness", "training_distance"]].notna().all(axis=None)
    learned = read_json(made / "settings.json")["models"]["classifier"]["learned"]
    assert (learned["fields"], learned["held_out"]) == (12, 6 * labels().max())
    assert learned["looks"] == {"fields": 6, "held_out": 6}
    assert not {"spread", "grain"} & set(cells)  # what describes an image is of its field


def test_images_that_a_network_does_not_find_strange_are_unusual(tmp_path: Path, knowing: Path) -> None:
    """White on black, and filtered: neither needs to lie far in the features before the last layer."""
    strange = {"inverted": 0.8 - field(201), "filtered": field(202, blur=1.0)}
    made = assessed(experiment(tmp_path, {**{f"like{k}": field(300 + k) for k in range(4)}, **strange}), knowing)
    fields = read_csv(made / "fields.csv", ASSESSED_FIELDS).set_index("fov_id")
    assert fields["image_distance"].notna().all()
    assert [UNUSUAL in flags for flags in fields["flags"]] == [distance > 1 for distance in fields["image_distance"]]
    assert list(fields["image_distance"] > 1) == [False] * 4 + [False, True]  # this texture has no polarity
    assert "less" in fields["image_traits"]["filtered"]
    assert "Unusual images in 1 of 6 fields (filtered)" in unescape((made / "report.html").read_text(encoding="utf-8"))
    assert fields[["contrast", "noise"]].gt(0).all(axis=None)


def test_a_guessed_bit_depth_is_said(tmp_path: Path, knowing: Path) -> None:
    dark = np.rint(0.05 * field(1) * WHITE).astype(np.uint16)
    write_image(tmp_path / "dark.tif", dark, 1.0)
    write_labels(tmp_path / "dark_labels.tif", labels())
    add(tmp_path / "exp", Addition(phase=[str(tmp_path / "dark.tif")], labels=[str(tmp_path / "dark_labels.tif")]))
    (product,) = Experiment(tmp_path / "exp").products("segmentations")
    made = assessed((tmp_path / "exp", product.id), knowing)
    assert "a guess from their largest value (12 bit)" in unescape((made / "report.html").read_text(encoding="utf-8"))


def test_like_fields_are_flagged_about_as_rarely_as_stated(knowing: Path) -> None:
    """20 new fields straight against the reference; each kind of flag is for 1 in 100 like fields."""
    checkpoint, ids = load_checkpoint(knowing), np.unique(labels())[1:]
    reference, classifier = checkpoint.reference, Classifier(checkpoint, "cpu", engine="pytorch")
    assert reference is not None
    low, high = reference.ranges["focus"]
    flagged = outside = 0
    for seed in range(400, 420):
        crops = cut_crops(normalise(field(seed).astype(np.float32), MEAN, STD), labels(), ids, 64)
        distances = reference.distances(classifier.predict_with_features(crops)[1])
        flagged += more_than_chance(int((distances > 1).sum()), len(ids), reference.beyond)
        outside += not low <= float(np.median(sharpness(crops))) <= high
    assert flagged <= 1
    assert outside <= 1


def test_an_older_classifier_recognises_nothing_and_says_so(tmp_path: Path, classifier_file: Callable[..., Path]) -> None:
    old = classifier_file(mean=MEAN, std=STD, intensity="range", pixel_size_um=1.0)
    made = assessed(experiment(tmp_path, {"foreign": field(1, noise=True)}), old)
    row = read_csv(made / "fields.csv", ASSESSED_FIELDS).iloc[0]
    assert row["flags"] == ""
    assert pd.isna(row["n_unlike"])
    assert NOT_SAID in unescape((made / "report.html").read_text(encoding="utf-8"))
    assert read_json(made / "settings.json")["models"]["classifier"]["learned"] is None


def test_no_cells_and_constant_images(tmp_path: Path, knowing: Path) -> None:
    made = assessed(experiment(tmp_path / "none", {"a": field(1)}, np.zeros((SIDE, SIDE), np.int32)), knowing)
    row = read_csv(made / "fields.csv", ASSESSED_FIELDS).iloc[0]
    assert (row["n_cells"], row["n_unlike"], row["flags"]) == (0, 0, "sparse")
    made = assessed(experiment(tmp_path / "flat", {"b": np.full((SIDE, SIDE), 0.4)}), knowing)
    row = read_csv(made / "fields.csv", ASSESSED_FIELDS).iloc[0]
    assert (row["n_scored"], row["n_no_contrast"], row["flags"]) == (0, row["n_cells"], "many left out")


def test_cells_near_the_threshold_are_counted_apart(tmp_path: Path, knowing: Path) -> None:
    where = experiment(tmp_path, {"a": field(1)})
    cells = read_csv(assessed(where, knowing, threshold=0.5, uncertain=0.0) / "cells.csv", ASSESSED_CELLS)
    assert cells["uncertain"].sum() == 0
    middle = float(cells["senescence_probability"].median())
    made = assessed(where, knowing, threshold=middle, uncertain=0.5)
    cells, row = read_csv(made / "cells.csv", ASSESSED_CELLS), read_csv(made / "fields.csv", ASSESSED_FIELDS).iloc[0]
    assert (cells["uncertain"] == (cells["senescence_probability"] - middle).abs().lt(0.5)).all()
    assert row["n_uncertain"] == cells["uncertain"].sum() == row["n_scored"]
    assert (row["fraction_uncertain_low"], row["fraction_uncertain_high"]) == (0.0, 1.0)
    assert 0 < row["senescent_fraction"] < 1


def test_fast_on_a_processor_without_bfloat16_is_exact_and_said(tmp_path: Path, knowing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.classifier.speed.has_bf16", lambda: False)
    where = experiment(tmp_path, {"a": field(1)})
    exact, fast = (assessed(where, knowing, precision=one) for one in ("exact", "fast"))
    assert (exact / "cells.csv").read_bytes() == (fast / "cells.csv").read_bytes()
    [engine] = read_json(fast / "settings.json")["engines"]
    assert engine.endswith("(fast is not possible here: this processor has no bfloat16 arithmetic)")
    assert engine in (fast / "report.html").read_text(encoding="utf-8")
    assert "fast" not in read_json(exact / "settings.json")["engines"][0]


def test_fast_where_the_processor_has_it(tmp_path: Path, knowing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.classifier.speed.has_bf16", lambda: True)
    where = experiment(tmp_path, {"a": field(1)})
    exact, fast = (read_csv(assessed(where, knowing, precision=one) / "cells.csv", ASSESSED_CELLS) for one in ("exact", "fast"))
    difference = (exact["senescence_probability"] - fast["senescence_probability"]).abs()
    assert difference.max() < 0.05
    engines = read_json(next((where[0] / "assessments").glob("*")) / "settings.json")
    assert engines["engines"]


def test_another_precision_is_refused(tmp_path: Path, knowing: Path) -> None:
    with pytest.raises(InputError, match="Scoring precision: wanted exact or fast"):
        assessed(experiment(tmp_path, {"a": field(1)}), knowing, precision="quick")


@pytest.mark.parametrize(("pixel_size", "said"), [(0.4, False), (1.9, False), (2.1, True)])
def test_only_images_coarser_than_the_training_crops_are_warned_of(classifier_file: Callable[..., Path], pixel_size: float, said: bool) -> None:
    """A model of crops at a common, coarser pixel size sees finer images as it saw those that it learned from."""
    scorer = Scorer(load_checkpoint(classifier_file(pixel_size_um=1.0)), AssessSettings())
    assert scorer._scale(pixel_size) == pytest.approx(pixel_size)
    assert any("less than half of the detail" in note for note in scorer.notes) is said
