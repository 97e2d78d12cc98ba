"""Folders of the workspace, and names that may become files."""

import os
from pathlib import Path

import pytest

from core.errors import InputError
from core.workspace import allowed_path, allowed_roots, checked_name, create_experiment, experiment_path, list_experiments, open_experiment, workspace_root

BAD_NAMES = ["", " ", ".", "..", "../x", "a/b", "a\\b", "/etc", "C:\\x", "C:x", "x\0", "a\nb", "CON", "nul.tif", "Com1.ome.tif", "lpt¹", "a.", "a ", " a"]
BAD_NAMES += [".hidden", "x.partial", "x" * 300, "å" * 150, "what?.tif", "a|b", "\ud800"]
GOOD_NAMES = ["æøå", "MSC 1_P4", "细胞.tif", "a..b", "console.tif", "com10", "x#C=1.tif", "e\u0301.png", "100%", "(1) + [2]"]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_unusable_names_are_refused(name: str, root: Path) -> None:
    with pytest.raises(InputError):
        checked_name(name)
    with pytest.raises(InputError):
        create_experiment(name)


@pytest.mark.parametrize("name", GOOD_NAMES)
def test_names_of_all_scripts_are_kept(name: str, root: Path) -> None:
    assert checked_name(name) == name
    assert create_experiment(name).path == root / name


def test_workspace_is_made_on_demand(root: Path) -> None:
    assert not root.exists()
    assert workspace_root() == root
    assert root.is_dir()


def test_workspace_that_cannot_be_made_is_named(root: Path) -> None:
    root.write_text("a file is in the way", encoding="utf-8")
    with pytest.raises(InputError, match="SENESCOPE_WORKSPACE"):
        workspace_root()


def test_workspace_is_beside_the_app_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SENESCOPE_WORKSPACE")
    monkeypatch.setattr(Path, "mkdir", lambda *args, **kwargs: None)
    assert workspace_root() == Path(__file__).resolve().parents[2] / "workspace"


@pytest.fixture(autouse=True)
def named_workspace(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SENESCOPE_WORKSPACE", str(tmp_path / "arbejde æøå"))


def test_only_configured_folders_may_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside, outside = tmp_path / "data" / "plate", tmp_path / "data2"
    inside.mkdir(parents=True)
    outside.mkdir()
    monkeypatch.delenv("SENESCOPE_ROOTS", raising=False)
    assert allowed_roots() == []
    with pytest.raises(InputError, match="SENESCOPE_ROOTS"):
        allowed_path(str(inside))
    monkeypatch.setenv("SENESCOPE_ROOTS", os.pathsep.join([str(tmp_path / "data"), "", str(tmp_path / "other")]))
    assert allowed_path(f" {inside} ") == inside.resolve()
    for wrong in (outside, tmp_path / "data" / ".." / "data2", tmp_path / "data" / "missing"):
        with pytest.raises(InputError):
            allowed_path(str(wrong))


def test_links_do_not_lead_out_of_the_allowed_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").mkdir()
    try:
        (tmp_path / "data" / "link").symlink_to(tmp_path)
    except OSError:
        pytest.skip("this system makes no links for this user")
    monkeypatch.setenv("SENESCOPE_ROOTS", str(tmp_path / "data"))
    with pytest.raises(InputError, match="allowed"):
        allowed_path(str(tmp_path / "data" / "link"))


def test_where_an_experiment_lies(root: Path, tmp_path: Path) -> None:
    assert experiment_path("mine") == root / "mine"
    assert experiment_path("./mine") == tmp_path / "mine"
    assert experiment_path(str(tmp_path / "far" / "mine")) == tmp_path / "far" / "mine"
    create_experiment(Path("mine"))
    assert experiment_path("mine") == tmp_path / "mine"
    for ours in ("models", "Logs"):
        with pytest.raises(InputError, match="own files"):
            experiment_path(ours)


def test_listing_shows_experiments_only(root: Path) -> None:
    for name in ("b", "A", "æ"):
        create_experiment(name)
    for foreign in ("models/x", "c.partial", ".hidden"):
        (root / foreign).mkdir(parents=True)
    (root / "c.partial" / "fields.csv").write_text("fov_id,phase\n", encoding="utf-8")
    (root / ".hidden" / "fields.csv").write_text("fov_id,phase\n", encoding="utf-8")
    (root / "jobs.sqlite").touch()
    assert [e.name for e in list_experiments()] == ["A", "b", "æ"]


def test_experiments_are_made_once_and_opened_by_name(root: Path) -> None:
    made = create_experiment("demo")
    assert open_experiment("demo") == made
    with pytest.raises(InputError, match="exists already"):
        create_experiment("demo")
    with pytest.raises(InputError, match="In the workspace: demo"):
        open_experiment("dem")
    (root / "file").touch()
    with pytest.raises(InputError, match="exists already"):
        create_experiment("file")
