"""A workspace of its own for every test."""

from pathlib import Path

import pytest

from core.workspace import Experiment, create_experiment


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SENESCOPE_WORKSPACE", str(tmp_path / "arbejde æøå"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "arbejde æøå"


@pytest.fixture
def experiment(root: Path) -> Experiment:
    return create_experiment("forsøg 1")
