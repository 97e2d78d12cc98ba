"""Products appear whole, survive a kill as partials, and are built by one process at a time."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from core.errors import Cancelled, InputError
from core.settings import AssessSettings
from core.workspace import AlreadyPublished, Experiment, publish, publishing

REPOSITORY = Path(__file__).resolve().parents[2]
KIND = "assessments"


def test_record_of_a_product(experiment: Experiment) -> None:
    about = {"command": "python -m core assess x", "upstream": {"segmentation": "s-1"}, "models": {"classifier": "abc"}, "inputs": [{"fov_id": "å"}]}
    with publish(experiment, KIND, "a-1", AssessSettings(seed=7), **about) as partial:
        assert partial.path.name == "a-1.partial"
        assert not partial.resumed
        (partial.path / "cells.csv").write_text("x", encoding="utf-8")
        assert (partial.path / "settings.json").is_file()
    assert not partial.path.exists()
    record = json.loads((partial.final / "settings.json").read_text(encoding="utf-8"))
    assert set(record) == {"id", "kind", "created", "command", "settings", "upstream", "models", "versions", "seed", "inputs"}
    assert (record["id"], record["kind"], record["seed"]) == ("a-1", KIND, 7)
    assert record["settings"]["bootstrap"] == 2000
    assert {key: record[key] for key in about} == about
    assert {"senescope", "python", "torch", "cellpose", "numpy"} <= set(record["versions"])
    assert sorted(p.name for p in partial.final.iterdir()) == ["cells.csv", "settings.json"]
    assert list((experiment.path / ".locks").iterdir()) == []


def test_a_finished_product_is_never_rewritten(experiment: Experiment) -> None:
    with publish(experiment, KIND, "a-1", {}):
        pass
    with pytest.raises(AlreadyPublished) as caught, publish(experiment, KIND, "a-1", {}):
        raise AssertionError
    assert caught.value.path == experiment.path / KIND / "a-1"


@pytest.mark.parametrize("error", [Cancelled, InputError, KeyboardInterrupt])
def test_interrupted_work_is_continued(experiment: Experiment, error: type[BaseException]) -> None:
    with pytest.raises(error), publish(experiment, KIND, "a-1", {"n": (1, 2)}) as partial:  # noqa: PT012
        (partial.path / "field1").touch()
        raise error
    assert experiment.products(KIND) == []
    with publish(experiment, KIND, "a-1", {"n": (1, 2)}) as partial:
        assert partial.resumed
        assert (partial.path / "field1").exists()
    assert [p.id for p in experiment.products(KIND)] == ["a-1"]


def test_a_partial_of_other_settings_is_not_continued(experiment: Experiment) -> None:
    with pytest.raises(Cancelled), publish(experiment, KIND, "a-1", {"n": 1}):
        raise Cancelled
    with pytest.raises(InputError, match="other settings"), publish(experiment, KIND, "a-1", {"n": 2}):
        raise AssertionError


def test_full_disk_inside_is_told_with_the_path(experiment: Experiment) -> None:
    with pytest.raises(InputError, match=r"labels\.tif.*disk is full"), publish(experiment, KIND, "a-1", {}):
        raise OSError(28, "No space left on device", "labels.tif")
    with pytest.raises(FileNotFoundError), publish(experiment, KIND, "a-1", {}):  # a defect of ours keeps its traceback
        raise FileNotFoundError(2, "No such file", "x")


@pytest.mark.parametrize(("kind", "id"), [("photos", "a"), ("../assessments", "a"), (KIND, "../a"), (KIND, ""), (KIND, "a.partial"), (KIND, "con")])
def test_bad_kinds_and_ids(experiment: Experiment, kind: str, id: str) -> None:
    with pytest.raises(InputError), publish(experiment, kind, id, {}):
        raise AssertionError


def test_versions_of_what_is_not_installed_are_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(package: str) -> str:
        raise publishing.importlib.metadata.PackageNotFoundError(package)

    monkeypatch.setattr(publishing.importlib.metadata, "version", missing)
    assert publishing.versions()["torch"] == ""


def test_one_process_builds_a_product_and_a_kill_frees_it(experiment: Experiment) -> None:
    building = f"""
import time
from pathlib import Path
from core.workspace import Experiment, publish
with publish(Experiment(Path({str(experiment.path)!r})), {KIND!r}, "a-1", {{}}) as partial:
    (partial.path / "field1").touch()
    print("building", flush=True)
    time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", building], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline().strip() == "building"
        with pytest.raises(InputError, match=rf"another process.*{other.pid if sys.platform != 'win32' else ''}"), publish(experiment, KIND, "a-1", {}):
            raise AssertionError
        with publish(experiment, KIND, "another", {}):
            pass
        other.kill()
    with publish(experiment, KIND, "a-1", {}) as partial:
        assert partial.resumed
        assert (partial.path / "field1").exists()
    assert partial.final.is_dir()
