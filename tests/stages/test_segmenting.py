"""The segmentation stage, with a stand-in for Cellpose's network (``network`` in conftest)."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import core.stages.segmenting as stage
from core.errors import Cancelled, InputError
from core.images import read_labels
from core.report import read_csv
from core.settings import SegmentSettings
from core.tables import CELLS, FAILURES, SEGMENTED_FIELDS


def test_a_segmentation_holds_labels_and_tables(experiment: Path, network: Any) -> None:
    made = stage.segment(experiment, SegmentSettings())
    fields, cells = read_csv(made / "fields.csv", SEGMENTED_FIELDS), read_csv(made / "cells.csv", CELLS)
    assert list(fields["diameter_px"]) == [33.0, 33.0]
    for fov_id, n in zip(fields["fov_id"], fields["n_cells"], strict=True):
        labels = read_labels(made / "labels" / f"{fov_id}.tif")
        ids = set(np.unique(labels)) - {0}
        assert len(ids) == n
        mine = cells[cells["fov_id"] == fov_id]
        assert set(mine["label"]) == ids
        assert list(mine["flow_error"]) == list(mine["label"] / 1000)
    assert not (made / stage.ERRORS).exists()


def test_the_same_request_is_answered_by_the_finished_product(experiment: Path, network: Any) -> None:
    first = stage.segment(experiment, SegmentSettings())
    assert stage.segment(experiment, SegmentSettings()) == first
    assert network.asked == 2
    assert stage.segment(experiment, SegmentSettings(flow_threshold=0.7)) != first


def test_cancelled_work_goes_on_where_it_stopped(experiment: Path, network: Any) -> None:
    def stop_after_one(done: float, total: float, item: str) -> None:
        if done >= 1:
            raise Cancelled

    with pytest.raises(Cancelled):
        stage.segment(experiment, SegmentSettings(), progress=stop_after_one)
    assert network.asked == 1
    made = stage.segment(experiment, SegmentSettings())
    assert network.asked == 2
    cells = read_csv(made / "cells.csv", CELLS)
    assert list(cells["flow_error"]) == list(cells["label"] / 1000)


def test_a_truncated_image_is_listed_and_the_other_field_is_done(experiment: Path, network: Any) -> None:
    victim = sorted((experiment / "images").glob("*_phase.tif"))[0]
    victim.write_bytes(victim.read_bytes()[:2000])
    made = stage.segment(experiment, SegmentSettings(diameter_px=30))
    failed = read_csv(made / "failures.csv", FAILURES)
    assert len(failed) == 1
    assert victim.name in failed["error"][0]
    assert len(read_csv(made / "fields.csv", SEGMENTED_FIELDS)) == 1


def test_a_diameter_in_micrometres_needs_a_pixel_size(experiment: Path, network: Any) -> None:
    made = stage.segment(experiment, SegmentSettings(diameter_um=65.0))
    assert list(read_csv(made / "fields.csv", SEGMENTED_FIELDS)["diameter_px"]) == pytest.approx([100.0, 100.0])
    table = stage.Experiment(experiment).fields()
    table["pixel_size_um"] = None
    stage.Experiment(experiment).save_fields(table)
    with pytest.raises(InputError, match="pixel size is unknown"):
        stage.segment(experiment, SegmentSettings(diameter_um=65.0))


def test_an_unknown_field_is_refused(experiment: Path, network: Any) -> None:
    with pytest.raises(InputError, match="no field named nowhere"):
        stage.segment(experiment, SegmentSettings(), ["nowhere"])
