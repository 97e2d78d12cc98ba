"""Measurements beside every segmentation."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.images import read_labels, write_labels
from core.report import read_csv
from core.settings import SegmentSettings
from core.stages import measuring
from core.stages.importing import import_labels
from core.stages.measuring import LEFT_OUT, MEASURED, PARTS, read_measurements, write_measurements
from core.stages.segmenting import segment
from core.tables import CELLS, FAILURES
from core.workspace import Experiment


def truth(experiment: Path) -> list[str]:
    return sorted(str(p) for p in (experiment / "truth" / "labels").glob("*.tif"))


def test_ready_outlines_are_measured(experiment: Path) -> None:
    made = import_labels(Experiment(experiment), truth(experiment))
    table, cells = read_measurements(made), read_csv(made / "cells.csv", CELLS)
    assert table is not None
    assert table[["fov_id", "label"]].equals(cells[["fov_id", "label"]])
    assert table["area_px"].equals(cells["area_px"])
    assert (table["border_distance_px"] == 0).equals(cells["touches_border"])
    assert table["area_um2"].notna().all()
    assert len(cells.merge(table, on=["fov_id", "label"])) == len(cells)
    assert not (made / PARTS).exists()
    assert not (made / LEFT_OUT).exists()


def test_segmented_fields_are_measured_once(experiment: Path, network: object, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = []
    measure = measuring.measure
    monkeypatch.setattr(measuring, "measure", lambda *given: counted.append(1) or measure(*given))
    made = segment(experiment, SegmentSettings(diameter_px=30))
    table = read_measurements(made)
    assert table is not None
    assert len(table) == len(read_csv(made / "cells.csv", CELLS))
    assert len(counted) == 2
    assert table["fov_id"].nunique() == 2


def test_a_field_without_its_image_is_listed_and_the_others_measured(experiment: Path, tmp_path: Path) -> None:
    whole = Experiment(experiment)
    folder = tmp_path / "product"
    (folder / "labels").mkdir(parents=True)
    fields = whole.fields()
    for fov_id, file in zip(fields["fov_id"], truth(experiment), strict=True):
        write_labels(folder / "labels" / f"{fov_id}.tif", read_labels(file))
    whole.resolve(fields["phase"][0])[0].write_bytes(b"")
    write_measurements(folder, whole)
    assert read_csv(folder / LEFT_OUT, FAILURES)["fov_id"].tolist() == [fields["fov_id"][0]]
    table = read_measurements(folder)
    assert table is not None
    assert set(table["fov_id"]) == {fields["fov_id"][1]}


def test_no_cells_give_an_empty_table_and_an_old_product_none(experiment: Path, tmp_path: Path) -> None:
    folder = tmp_path / "product"
    (folder / "labels").mkdir(parents=True)
    assert read_measurements(folder) is None
    write_labels(folder / "labels" / f"{Experiment(experiment).fields()['fov_id'][0]}.tif", np.zeros((560, 560), np.int32))
    write_measurements(folder, Experiment(experiment))
    table = read_csv(folder / MEASURED, {"fov_id": "str", "area_um2": "Float64"})
    assert isinstance(table, pd.DataFrame)
    assert len(table) == 0
