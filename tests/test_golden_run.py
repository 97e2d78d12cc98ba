"""One small run from nothing to a report on the embedded models, through the command line, as a user would do it."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.images import read_labels
from core.report import read_csv
from core.tables import ANNOTATED_CELLS, ASSESSED_CELLS, ASSESSED_FIELDS, ASSESSED_SAMPLES

ROOT = Path(__file__).resolve().parents[1]


def core(*words: object) -> Path:
    done = subprocess.run([sys.executable, "-m", "core", *map(str, words)], cwd=ROOT, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def assessed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A simulated experiment of two cultures, and its assessment."""
    experiment = core("simulate", tmp_path_factory.mktemp("golden") / "exp", "--samples", 2, "--fields", 1, "--size", 700, "--seed", 11)
    return experiment, core("assess", experiment)


def matched(experiment: Path, cells: "pd.DataFrame", made: Path) -> tuple[np.ndarray, np.ndarray, int]:
    """Probability and true class of every scored cell that lies on one true cell (IoU 0.5), and the number of true cells inside."""
    segmentation = json.loads((made / "settings.json").read_text(encoding="utf-8"))["upstream"]["segmentation"]
    truth = read_csv(experiment / "truth" / "cells.csv", {"fov_id": "str", "label": "Int64", "senescent": "Int64", "touches_border": "boolean"})
    scores, classes = [], []
    for fov_id, of_field in cells.groupby("fov_id"):
        found = read_labels(experiment / "segmentations" / segmentation / "labels" / f"{fov_id}.tif")
        true = read_labels(experiment / "truth" / "labels" / f"{fov_id}.tif")
        known = truth[truth["fov_id"] == fov_id].set_index("label")["senescent"]
        for row in of_field[~of_field["excluded"]].itertuples():
            mask = found == row.label
            below = np.bincount(true[mask])
            below[0] = 0
            label = int(below.argmax())
            if label and below[label] / (mask | (true == label)).sum() >= 0.5:
                scores.append(float(row.senescence_probability))
                classes.append(int(known[label]))
    return np.array(scores), np.array(classes), int((~truth["touches_border"]).sum())


def test_cells_are_found_and_told_apart(assessed: tuple[Path, Path]) -> None:
    experiment, made = assessed
    scores, classes, inside = matched(experiment, read_csv(made / "cells.csv", ASSESSED_CELLS), made)
    assert len(scores) >= 0.6 * inside
    senescent, young = scores[classes == 1], scores[classes == 0]
    assert len(senescent) >= 3
    assert len(young) >= 3
    assert (senescent[:, None] > young).mean() > 0.8  # area under the ROC curve


def test_tables_agree_with_each_other(assessed: tuple[Path, Path]) -> None:
    _, made = assessed
    cells, fields = read_csv(made / "cells.csv", ASSESSED_CELLS), read_csv(made / "fields.csv", ASSESSED_FIELDS)
    samples = read_csv(made / "samples.csv", ASSESSED_SAMPLES)
    assert len(samples) == 2
    assert fields["n_cells"].sum() == len(cells)
    assert samples["n_senescent"].sum() == (cells["senescent"] == 1).sum()
    assert ((samples["ci_low"] <= samples["senescent_fraction"]) & (samples["senescent_fraction"] <= samples["ci_high"])).all()


def test_the_report_says_that_the_classifier_is_a_demonstration(assessed: tuple[Path, Path]) -> None:
    report = (assessed[1] / "report.html").read_text(encoding="utf-8")
    assert "simulated cells" in report
    assert "demo-simulated" in report


def test_the_recorded_command_gives_the_same_product(assessed: tuple[Path, Path]) -> None:
    settings = json.loads((assessed[1] / "settings.json").read_text(encoding="utf-8"))
    words = settings["command"].split()[3:]
    assert core(*words) == assessed[1]
    assert settings["models"]["classifier"]["sha256"]
    assert settings["models"]["segmenter"]["sha256"]


def test_stain_becomes_a_class_for_every_cell(assessed: tuple[Path, Path]) -> None:
    """True outlines and stain images in, classes out; the classes are those that the simulation put in."""
    experiment, _ = assessed
    core("add", experiment, "--labels", experiment / "truth" / "labels")
    made = core("annotate", experiment, "--threshold", "auto")
    truth = read_csv(experiment / "truth" / "cells.csv", {"fov_id": "str", "label": "Int64", "stained": "Int64"})
    cells = read_csv(made / "cells.csv", ANNOTATED_CELLS).merge(truth[["fov_id", "label", "stained"]], on=["fov_id", "label"])
    assert len(cells) == len(truth)
    seen = cells[cells["class"].notna()]
    assert len(seen) >= 0.8 * len(cells)
    stained = seen["stained"] == 1
    assert (seen.loc[stained, "class"].mean() + 1 - seen.loc[~stained, "class"].mean()) / 2 >= 0.9
    assert pd.read_csv(made / "annotation.csv")["class"].tolist() == seen["class"].tolist()
    assert core("annotate", experiment, "--threshold", "0.2") != made
    assert core(*json.loads((made / "settings.json").read_text(encoding="utf-8"))["command"].split()[3:]) == made
