"""Images come in without loss; products are listed."""

import threading
from pathlib import Path

import pytest

from core.errors import InputError
from core.workspace import Experiment, create_experiment, import_file, publish


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source.tif"
    path.write_bytes(b"first")
    return path


def test_import_keeps_names_and_never_overwrites(experiment: Experiment, source: Path) -> None:
    assert import_file(experiment, source, "æøå f1.ome.tif") == "images/æøå f1.ome.tif"
    assert import_file(experiment, source, "æøå f1.ome.tif") == "images/æøå f1.ome.tif"
    source.write_bytes(b"other")
    assert import_file(experiment, source, "æøå f1.ome.tif") == "images/æøå f1_2.ome.tif"
    assert import_file(experiment, source, "æøå f1.ome.tif") == "images/æøå f1_2.ome.tif"
    source.write_bytes(b"third one")
    assert import_file(experiment, source, "æøå f1.ome.tif") == "images/æøå f1_3.ome.tif"
    assert import_file(experiment, source, "v1.2 plate.tif") == "images/v1.2 plate.tif"
    found = {p.name: p.read_bytes() for p in experiment.images.iterdir()}
    assert found == {"æøå f1.ome.tif": b"first", "æøå f1_2.ome.tif": b"other", "æøå f1_3.ome.tif": b"third one", "v1.2 plate.tif": b"third one"}


def test_import_of_a_file_that_is_there_already(experiment: Experiment, source: Path) -> None:
    reference = import_file(experiment, source, "a.tif")
    assert import_file(experiment, experiment.path / reference, "a.tif") == reference


@pytest.mark.parametrize("name", ["../a.tif", "/a.tif", "C:\\a.tif", "NUL.tif", ""])
def test_import_under_a_bad_name(experiment: Experiment, source: Path, name: str) -> None:
    with pytest.raises(InputError):
        import_file(experiment, source, name)


def test_import_of_nothing(experiment: Experiment, tmp_path: Path) -> None:
    for missing in (tmp_path / "none.tif", tmp_path):
        with pytest.raises(InputError, match="no such file"):
            import_file(experiment, missing, "a.tif")


def test_import_that_breaks_leaves_nothing(experiment: Experiment, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfileobj", full)
    with pytest.raises(InputError, match="disk is full"):
        import_file(experiment, source, "a.tif")
    assert list(experiment.images.iterdir()) == []


def test_imports_at_the_same_time_keep_every_file(experiment: Experiment, tmp_path: Path) -> None:
    sources = [tmp_path / f"{n}.bin" for n in range(8)]
    for n, path in enumerate(sources):
        path.write_bytes(bytes([n // 2]) * 1000)  # four contents, each twice
    threads = [threading.Thread(target=import_file, args=(experiment, path, "same.tif")) for path in sources]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = sorted(p.read_bytes()[0] for p in experiment.images.iterdir())
    assert found == [0, 1, 2, 3]


def test_references_become_files(experiment: Experiment, tmp_path: Path) -> None:
    pytest.importorskip("core.fields", reason="the reader of references is missing")
    assert experiment.resolve("images/å b.tif")[0] == experiment.path / "images" / "å b.tif"
    path, plane = experiment.resolve(f"{tmp_path / 'x.nd2'}#C=1,Z=2")
    assert path == tmp_path / "x.nd2"
    assert (plane.channel, plane.z) == (1, 2)
    for bad in ("", "../../secret.tif", "images/../../x.tif", "..\\..\\x.tif"):
        with pytest.raises(InputError):
            experiment.resolve(bad)


def test_products_newest_first(experiment: Experiment) -> None:
    for id in ("b-1", "a-2", "c-3"):
        with publish(experiment, "segmentations", id, {}):
            pass
    with pytest.raises(RuntimeError), publish(experiment, "segmentations", "d-4", {}):
        raise RuntimeError
    (experiment.path / "segmentations" / "foreign").mkdir()
    (experiment.path / "segmentations" / "note.txt").touch()
    assert [p.id for p in experiment.products("segmentations")] == ["c-3", "a-2", "b-1"]
    assert experiment.products("assessments") == []
    assert experiment.product("segmentations", "a-2").settings["id"] == "a-2"
    with pytest.raises(InputError, match="There is: a-2"):
        experiment.product("segmentations", "a-22")
    with pytest.raises(InputError, match="a path"):
        experiment.product("segmentations", "../segmentations/a-2")
    with pytest.raises(InputError, match="kind"):
        experiment.products("../x")


def test_damaged_record_of_a_product(experiment: Experiment) -> None:
    for id in ("a-1", "b-2"):
        with publish(experiment, "segmentations", id, {}):
            pass
    (experiment.path / "segmentations" / "b-2" / "settings.json").write_text("{", encoding="utf-8")
    assert [p.id for p in experiment.products("segmentations")] == ["a-1", "b-2"]
    with pytest.raises(InputError, match=r"b-2.*damaged"):
        _ = experiment.product("segmentations", "b-2").settings


def test_another_folder_of_the_experiment_is_filled_in_the_same_way(tmp_path: Path) -> None:
    experiment = create_experiment(tmp_path / "x")
    for content, stored in ((b"one", "uploads/a.zip"), (b"one", "uploads/a.zip"), (b"two", "uploads/a_2.zip")):
        (tmp_path / "a.zip").write_bytes(content)
        assert import_file(experiment, tmp_path / "a.zip", "a.zip", "uploads") == stored
        assert (experiment.path / stored).read_bytes() == content
    assert not list(experiment.images.iterdir())
