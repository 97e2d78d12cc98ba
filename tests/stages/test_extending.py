"""Fields that are added later come to the outlines that are there, which stay as they are."""

from pathlib import Path
from shutil import copyfile
from typing import Any

import numpy as np
import pandas as pd
import pytest

import core.stages.segmenting as stage
from core.errors import Cancelled, InputError
from core.images import read_labels
from core.report import read_csv
from core.settings import AssessSettings, SegmentSettings
from core.stages.adding import import_labels
from core.stages.assessing import assess
from core.stages.correcting import correct, highest_id
from core.stages.extending import extend
from core.stages.outlined import fields_of, outlined_with
from core.stages.reviewing import review
from core.tables import ASSESSED_CELLS, CELLS, MEASUREMENTS, SEGMENTED_FIELDS
from core.workspace import Experiment, Product

SETTINGS = SegmentSettings(diameter_px=30, flow_threshold=0.7)


def add_field(experiment: Path, name: str = "later") -> None:
    """The first image once more, as another field."""
    home = Experiment(experiment)
    table = home.fields()
    copyfile(home.resolve(table["phase"][0])[0], home.path / "images" / f"{name}.tif")
    row = table.iloc[0].to_dict() | {"fov_id": name, "phase": f"images/{name}.tif", "stain": "", "labels": ""}
    home.save_fields(pd.concat([table, pd.DataFrame([row])], ignore_index=True))


@pytest.fixture
def made(experiment: Path, network: Any) -> Product:
    """A segmentation of the two fields; a third one is there since."""
    found = stage.segment(experiment, SETTINGS)
    add_field(experiment)
    return Experiment(experiment).product("segmentations", found.name)


def labels_of(segmentation: Path, fov_id: str) -> np.ndarray:
    return read_labels(segmentation / "labels" / f"{fov_id}.tif")


def test_the_others_are_outlined_and_these_stay(experiment: Path, network: Any, made: Product) -> None:
    old = list(read_csv(made.path / "fields.csv", SEGMENTED_FIELDS)["fov_id"])
    assert set(Experiment(experiment).fields()["fov_id"]) - fields_of(made) == {"later"}
    asked = network.asked
    path = extend(experiment, made.id)
    assert network.asked == asked + 1
    fields, cells = read_csv(path / "fields.csv", SEGMENTED_FIELDS), read_csv(path / "cells.csv", CELLS)
    assert list(fields["fov_id"]) == [*old, "later"]
    assert fields["n_cells"].tolist() == [len(cells[cells["fov_id"] == name]) for name in fields["fov_id"]]
    for name in old:
        np.testing.assert_array_equal(labels_of(path, name), labels_of(made.path, name))
    np.testing.assert_array_equal(labels_of(path, "later"), labels_of(made.path, old[0]))  # the same image
    assert set(read_csv(path / "measurements.csv", MEASUREMENTS)["fov_id"]) == {*old, "later"}
    assert extend(experiment, made.id) == path
    assert extend(experiment, path.name) == path  # it has all fields
    assert outlined_with(Experiment(experiment), Experiment(experiment).product("segmentations", path.name)) == SETTINGS


def test_corrections_by_hand_are_carried_over(experiment: Path, made: Product) -> None:
    home, name = Experiment(experiment), Experiment(experiment).fields()["fov_id"][0]
    gone = int(labels_of(made.path, name).max())
    correct(home, made, name, {"action": "remove", "labels": [gone]}, "Ada")
    path = extend(experiment, made.id)
    assert gone not in labels_of(path, name)
    assert gone in labels_of(path, "later")  # of the same image, not corrected
    assert highest_id(home.product("segmentations", path.name), name) == gone  # its number is not given again
    reviewed = review(experiment, made.id)
    assert extend(experiment, reviewed.name) == path


def test_it_goes_on_after_a_cancel(experiment: Path, network: Any, made: Product) -> None:
    def stop(done: float, total: float, item: str) -> None:
        if done / total > 0.96:
            raise Cancelled

    with pytest.raises(Cancelled):
        extend(experiment, made.id, stop)
    asked = network.asked
    assert len(read_csv(extend(experiment, made.id) / "fields.csv", SEGMENTED_FIELDS)) == 3
    assert network.asked == asked


def test_outlines_from_elsewhere_have_no_model_for_others(experiment: Path, network: Any, tmp_path: Path, made: Product) -> None:
    name = Experiment(experiment).fields()["fov_id"][0]
    copyfile(made.path / "labels" / f"{name}.tif", tmp_path / f"{name}_labels.tif")
    brought = import_labels(Experiment(experiment), [str(tmp_path / f"{name}_labels.tif")])
    with pytest.raises(InputError, match="come from elsewhere, so no model is known for the 2 fields that it lacks"):
        extend(experiment, brought.name)


def test_an_assessment_takes_earlier_outlines_and_has_every_field(experiment: Path, network: Any, made: Product, classifier_file: Any) -> None:
    found = assess(experiment, AssessSettings(classifier=str(classifier_file())), SegmentSettings(), made.id)
    assert set(read_csv(found / "cells.csv", ASSESSED_CELLS)["fov_id"]) == set(Experiment(experiment).fields()["fov_id"])
