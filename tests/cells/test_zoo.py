"""The table of zoo models agrees with the installed Cellpose."""

from pathlib import PurePosixPath
from types import ModuleType

import pytest

from core.cells.zoo import BASE_URL, ZOO


def test_every_name_of_cellpose_3(cellpose_models: ModuleType) -> None:
    assert set(ZOO) == set(cellpose_models.MODEL_NAMES)
    assert cellpose_models._MODEL_URL == BASE_URL


def test_files_are_those_of_cellpose(cellpose_models: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cellpose_models, "cache_model_path", lambda basename: basename)
    for name, zoo in ZOO.items():
        assert zoo.name == name
        assert zoo.file == cellpose_models.model_path(name)
        assert zoo.url == f"{BASE_URL}/{zoo.file}"
        assert PurePosixPath(zoo.file).name == zoo.file


def test_non_commercial_data_are_named() -> None:
    for name in ("LC1", "LC2", "LC3", "LC4", "livecell_cp3", "cyto3"):
        assert "CC BY-NC 4.0" in ZOO[name].licence
    assert all(zoo.licence and zoo.what and zoo.citation for zoo in ZOO.values())
