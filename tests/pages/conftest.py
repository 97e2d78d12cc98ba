"""Pages without a browser and without workers: a workspace of its own, ready-made experiments, jobs that stay queued."""

import threading
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import streamlit as st
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

from core.fields import table_of
from core.images import write_image, write_labels
from core.jobs import JobStore
from core.report import write_csv
from core.statistics import field_table, sample_table
from core.tables import ASSESSED_CELLS, CELLS, FAILURES, SEGMENTED_FIELDS, typed
from core.workspace import Experiment, create_experiment, publish

MAIN = Path(__file__).resolve().parents[2] / "pages" / "parts" / "main.py"
SIDE = 96


@pytest.fixture(autouse=True, scope="session")
def installed_components() -> Iterator[None]:
    """Every AppTest reads the metadata of all installed packages in search of components: here the first one does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", cache(manifest_scanner.scan_component_manifests))
        yield


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SENESCOPE_WORKSPACE", str(tmp_path / "workspace"))
    monkeypatch.delenv("SENESCOPE_ROOTS", raising=False)
    st.cache_data.clear()
    st.cache_resource.clear()
    return tmp_path / "workspace"


class IdleWorker:
    """A worker process that never comes up and never ends."""

    pid = 0

    def wait(self) -> int:
        threading.Event().wait()
        return 0


@pytest.fixture
def store(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> JobStore:
    """Jobs that nobody works on: a test moves them on itself."""
    monkeypatch.setattr("core.jobs.processes.launch", lambda *given, **named: IdleWorker())
    idle = JobStore(workspace / "jobs.sqlite")
    monkeypatch.setattr("pages.parts.job_panel.job_store", lambda: idle)
    return idle


@pytest.fixture
def open_page(store: JobStore) -> Callable[..., AppTest]:
    """``open_page("segment", experiment="x")``: the page as a browser would open that address."""

    def open_one(page: str = "assess", **address: str) -> AppTest:
        app = AppTest.from_file(str(MAIN), default_timeout=120)
        if page != "assess":
            app.switch_page(f"../{page}.py")
        for name, value in address.items():
            app.query_params[name] = value
        app.run()
        assert not app.exception, app.exception
        return app

    return open_one


@pytest.fixture
def words() -> Callable[[AppTest], str]:
    """All text on a page."""

    def read(app: AppTest) -> str:
        kinds = (app.title, app.subheader, app.markdown, app.caption, app.warning, app.error, app.info, app.success)
        return "\n".join([*(str(e.value) for kind in kinds for e in kind), *(str(t.value.to_dict()) for t in app.table)])

    return read


@pytest.fixture
def click() -> Callable[[AppTest, str], AppTest]:
    """``click(app, "Run")``: press the button whose label begins so."""

    def press(app: AppTest, label: str) -> AppTest:
        app = next(b for b in app.button if b.label.startswith(label)).click().run()
        assert not app.exception, app.exception
        return app

    return press


@pytest.fixture
def experiment(workspace: Path) -> Experiment:
    """Two fields of two cultures; one has a stain image."""
    made = create_experiment("culture test")
    field = np.random.default_rng(0).integers(0, 4000, (SIDE, SIDE)).astype(np.uint16)
    for name in ("MSC1_P4_f01_phase", "MSC1_P4_f01_stain", "MSC2_P9_f01_phase"):
        write_image(made.images / f"{name}.tif", field, 0.65)
    pairing = table_of(["images/MSC1_P4_f01_phase.tif", "images/MSC2_P9_f01_phase.tif"], ["images/MSC1_P4_f01_stain.tif"])
    made.save_fields(pairing.table.assign(pixel_size_um=0.65))
    return made


@pytest.fixture
def segmentation(experiment: Experiment) -> str:
    """A segmentation with two cells a field; its id."""
    fov_ids = experiment.fields()["fov_id"].to_list()
    labels = np.zeros((SIDE, SIDE), np.int32)
    labels[10:30, 10:30], labels[50:80, 40:90] = 1, 2
    record = {"inputs": [{"fov_id": f} for f in fov_ids], "command": "python -m core segment x", "models": {}}
    with publish(experiment, "segmentations", "test-seg", {"model": "test-model"}, **record) as partial:
        (partial.path / "labels").mkdir()
        for fov_id in fov_ids:
            write_labels(partial.path / "labels" / f"{fov_id}.tif", labels)
        fields = pd.DataFrame({"fov_id": fov_ids, "n_cells": 2, "confluence": 0.2, "diameter_px": 30.0})
        write_csv(partial.path / "fields.csv", typed(fields, SEGMENTED_FIELDS))
        write_csv(partial.path / "cells.csv", typed(_cells(fov_ids), CELLS))
        write_csv(partial.path / "failures.csv", typed(pd.DataFrame(), FAILURES))
    return "test-seg"


@pytest.fixture
def assessment(experiment: Experiment, segmentation: str) -> str:
    """An assessment of ``segmentation``: one cell of two senescent in every field, one file left out; its id."""
    table = experiment.fields()
    cells = _cells(table["fov_id"].to_list()).merge(table[["fov_id", "sample"]], on="fov_id")
    cells["cell_id"] = cells["fov_id"] + ":" + cells["label"].astype(str)
    cells = typed(cells.assign(excluded=False, senescence_probability=[0.9, 0.2] * len(table), senescent=[1, 0] * len(table), area_um2=300.0), ASSESSED_CELLS)
    models = {"classifier": {"name": "demo", "simulated": True, "sha256": "ab" * 32, "licence": "BSD-3-Clause"}}
    record = {"upstream": {"segmentation": segmentation}, "models": models, "inputs": [{"fov_id": f} for f in table["fov_id"]]}
    with publish(experiment, "assessments", "test-assessment", {"seed": 5}, command="python -m core assess x", **record) as partial:
        fields = field_table(cells, table.assign(n_cells=2, confluence=0.2))
        failures = typed(pd.DataFrame([{"fov_id": "f9", "file": "images/f9.tif", "error": "the file is empty"}]), FAILURES)
        for name, content in (("cells", cells), ("fields", fields), ("samples", sample_table(fields, bootstrap=100, seed=0)), ("failures", failures)):
            write_csv(partial.path / f"{name}.csv", content)
        (partial.path / "notes.txt").write_text("A note of the stage.\n", encoding="utf-8")
        (partial.path / "report.html").write_text("<html></html>", encoding="utf-8")
    return "test-assessment"


def _cells(fov_ids: list[str]) -> pd.DataFrame:
    one = {"label": [1, 2], "y_px": [20.0, 65.0], "x_px": [20.0, 65.0], "area_px": [400, 1500], "touches_border": [False, False]}
    return pd.concat([pd.DataFrame({"fov_id": f, **one}) for f in fov_ids], ignore_index=True)
