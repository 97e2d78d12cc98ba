"""The same image under two names."""

from pathlib import Path

import pytest

from core import same_images as module
from core.same_images import same_image_words, same_images
from core.workspace import Experiment, create_experiment


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    made = create_experiment(tmp_path / "e")
    for name, content in {"a.tif": b"x" * 500, "b.tif": b"x" * 500, "c.tif": b"y" * 500, "d.tif": b"x" * 499}.items():
        (made.images / name).write_bytes(content)
    return made


def test_copies_are_found(experiment: Experiment) -> None:
    names = [f"images/{name}.tif" for name in "abcd"]
    assert same_images(experiment, names) == [["images/a.tif", "images/b.tif"]]
    assert same_image_words(experiment, names).startswith("a.tif and b.tif hold the same image. Its cells are counted")
    assert same_image_words(experiment, names[1:]) == ""


def test_planes_of_one_file_and_lost_files_are_no_copies(experiment: Experiment) -> None:
    assert same_images(experiment, ["images/a.tif#T=0", "images/a.tif#T=1", "images/lost.tif", "images/gone.tif", ""]) == []


def test_files_that_differ_at_their_ends_only_are_told_apart(experiment: Experiment) -> None:
    for name in ("long1.tif", "long2.tif"):
        (experiment.images / name).write_bytes(name.encode() + bytes(300_000))
    assert same_images(experiment, ["images/long1.tif", "images/long2.tif"]) == []


def test_whole_files_are_read_only_where_they_may_be_the_same(experiment: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def whole(path: Path, size: int, changed: int) -> int:
        read.append(path.name)
        return 0

    monkeypatch.setattr(module, "_whole", whole)
    same_images(experiment, [f"images/{name}.tif" for name in "abcd"])
    assert read == ["a.tif", "b.tif"]


def test_many_copies_are_not_all_listed(experiment: Experiment) -> None:
    names = []
    for number in range(7):
        for copy in "ab":
            names.append(f"images/{number}{copy}.tif")
            (experiment.path / names[-1]).write_bytes(bytes([number]) * 50)
    assert "4a.tif and 4b.tif hold the same image. So do 2 more." in same_image_words(experiment, names)
