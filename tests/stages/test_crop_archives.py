"""Crops in a ZIP become a dataset: looked into, taken over, interrupted, and nothing left behind."""

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.__main__ import main
from core.errors import Cancelled, InputError
from core.report import write_zip
from core.settings import DatasetSettings
from core.stages import RUN, unpacking
from core.stages.crop_archives import UPLOADS, Contents, import_crops, look_into, waiting
from core.stages.crop_folders import export_folder, import_folder
from core.stages.datasets import open_dataset
from core.workspace import Experiment, create_experiment, hold

READY = DatasetSettings(crop_px=0)
NAMES = [f"{s}/{c}/MSC {s}/{i}.png" for s in ("train", "val", "test") for c in ("not_senescent", "senescent") for i in range(3)]
Zip = Callable[..., Path]


@pytest.fixture
def zipped(tmp_path: Path) -> Zip:
    """``zipped(names, "a.zip")``: noise as pictures of these names in a ZIP; texts in place of noise by ``texts``."""

    def make(names: list[str] = NAMES, file: str = "a.zip", **texts: str) -> Path:
        rng, path = np.random.default_rng(0), tmp_path / file
        path.parent.mkdir(exist_ok=True)
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                with archive.open(name, "w") as out:
                    if name.endswith(".png") and name not in texts:
                        Image.fromarray(rng.integers(1, 255, (24, 20)).astype(np.uint8)).save(out, "png")
                    else:
                        out.write(texts.get(name, "no picture").encode())
        return path

    return make


@pytest.fixture
def exported(zipped: Zip, tmp_path: Path) -> Path:
    """A dataset of this app, as the button on its page gives it."""
    made = import_crops(zipped(), tmp_path / "first", DatasetSettings(crop_px=32))
    write_zip(export_folder(made, tmp_path / made.name), tmp_path / "first crops.zip")
    return tmp_path / "first crops.zip"


def test_what_goes_out_as_a_zip_comes_back_the_same(exported: Path, tmp_path: Path) -> None:
    [first] = Experiment(tmp_path / "first").products("datasets")
    out, back = open_dataset(first.path), open_dataset(import_crops(exported, tmp_path / "second", READY))
    one, two = (data.manifest.reset_index().sort_values("cell_id", ignore_index=True) for data in (out, back))
    assert len(one) == len(NAMES)
    for column in ("cell_id", "class", "split", "sample", "fov_id"):
        assert one[column].tolist() == two[column].tolist()
    assert set(one["sample"]) == {"MSC train", "MSC val", "MSC test"}
    for i, j in zip(one["index"], two["index"], strict=True):
        np.testing.assert_array_equal(out.crops.grey(i), back.crops.grey(j))
        np.testing.assert_array_equal(out.crops.mask(i), back.crops.mask(j))
    assert (out.statistics["mean"], out.statistics["std"]) == (back.statistics["mean"], back.statistics["std"])


def test_a_zip_gives_what_its_folder_gives(zipped: Zip, tmp_path: Path) -> None:
    path = zipped()
    shutil.unpack_archive(path, tmp_path / "folder")
    of_zip, of_folder = (open_dataset(made) for made in (import_crops(path, tmp_path / "x", READY), import_folder(tmp_path / "folder", tmp_path / "y", READY)))
    columns = ["image", "class", "split", "sample"]
    assert of_zip.manifest[columns].equals(of_folder.manifest[columns])
    np.testing.assert_array_equal(of_zip.crops.batch(of_zip.manifest.index), of_folder.crops.batch(of_folder.manifest.index))


def test_the_same_zip_is_the_same_dataset_whenever_it_was_copied(zipped: Zip, tmp_path: Path) -> None:
    path = zipped()
    first = import_crops(path, tmp_path / "out", READY)
    (tmp_path / "later").mkdir()
    assert import_crops(Path(shutil.copy(path, tmp_path / "later")), tmp_path / "out", READY) == first
    assert import_crops(zipped(NAMES[1:], "later/a.zip"), tmp_path / "out", READY) != first
    assert sorted(p.name for p in (tmp_path / "out").iterdir() if p.name not in (".locks", "images")) == ["datasets", "fields.csv"]


@pytest.mark.parametrize(("around", "name"), [("", "a-24px"), ("crops/", "crops-24px"), ("crops/crops 2/", "crops-2-24px"), ("Überschuß/", "Überschuß-24px")])
def test_folders_around_everything_say_nothing(zipped: Zip, tmp_path: Path, around: str, name: str) -> None:
    path = zipped([around + n for n in NAMES] + ["__MACOSX/x/._1.png", f"{around}.DS_Store", f"{around}train_set.csv", "overview.png"])
    assert look_into(path) == Contents(18, ("train", "validation", "test"), ("not_senescent", "senescent"), "senescent")
    made = import_crops(path, tmp_path / "out", READY)
    assert made.name.startswith(name)
    assert sorted(open_dataset(made).manifest["image"]) == sorted(NAMES)


@pytest.mark.parametrize(
    ("names", "inside"),
    [
        (["train/a/1.png", "train/b/1.png"], Contents(2, ("train",), ("a", "b"), "")),
        (["a/1.png", "1/1.png"], Contents(2, (), ("1", "a"), "1")),
        (["x/senescent/1.png", "x/young/1.png"], Contents(2, (), ("senescent", "young"), "senescent")),
        (["senescent/MSC1/1.png", "senescent/MSC2/1.png"], Contents(2, (), ("senescent",), "senescent")),
        (["a/b/1.png"], Contents(1, (), ("b",), "")),
    ],
)
def test_what_is_in_it_is_known_before_it_is_unpacked(zipped: Zip, names: list[str], inside: Contents) -> None:
    assert look_into(zipped(names)) == inside


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ([], "found none; it is empty"),
        (["1.png", "2.png"], r"found none; it holds 1\.png, 2\.png\. Put the pictures into one folder a class"),
        (["a/1.docx", "b/2.docx", "c", "d"], "it holds a/1.docx, b/2.docx, c and others"),
        (["../a/1.png"], "leads out of the folder"),
        (["a/1.png", "b/1.png"], "which of a and b is the senescent class"),
        (["a/1.png", "b/1.png", "c/1.png"], "wanted two class folders, found 3"),
    ],
)
def test_a_zip_that_cannot_become_a_dataset_leaves_nothing(zipped: Zip, tmp_path: Path, names: list[str], text: str) -> None:
    path = zipped(names)
    with pytest.raises(InputError, match=text):
        import_crops(path, tmp_path / "out", READY)
    assert not (tmp_path / "out").exists()


def test_a_zip_whose_pictures_are_none_is_named(zipped: Zip, tmp_path: Path) -> None:
    path = zipped(["0/1.png", "1/1.png"], **{"0/1.png": "junk", "1/1.png": "junk"})
    with pytest.raises(InputError, match=r"^a\.zip: none of the 2 pictures could be used"):
        import_crops(path, tmp_path / "out", READY)
    assert not (tmp_path / "out").exists()


def test_a_full_disk_leaves_no_half_dataset(zipped: Zip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*given: object) -> None:
        raise OSError(28, "No space left on device")

    path = zipped()
    with monkeypatch.context() as patch:
        patch.setattr(unpacking.shutil, "copyfileobj", full)
        with pytest.raises(InputError, match="the disk is full"):
            import_crops(path, tmp_path / "out", READY)
    assert not (tmp_path / "out").exists()
    assert len(open_dataset(import_crops(path, tmp_path / "out", READY)).manifest) == len(NAMES)


@pytest.mark.parametrize("moment", ["unpacking", "reading pictures"])
def test_an_interrupted_import_goes_on(zipped: Zip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    monkeypatch.setattr("core.stages.crop_folders.MANY", 5)
    uploaded = upload(zipped(), tmp_path / "out")

    def progress(done: float, total: float, item: str) -> None:
        if item.startswith(moment) and (done or moment == "unpacking"):
            raise Cancelled

    params = {"folder": str(uploaded), "out": str(tmp_path / "out"), "settings": {"crop_px": 0}}
    with pytest.raises(Cancelled):
        RUN["import_crops"](params, progress)
    assert uploaded.is_file()
    assert not (tmp_path / "out" / ".unpacked").exists()
    (tmp_path / "out" / ".unpacked" / "train").mkdir(parents=True)  # as a killed process leaves it
    (tmp_path / "out" / ".unpacked" / "train" / "half.png").write_bytes(b"half")
    made = Path(RUN["import_crops"](params, lambda *said: None))
    assert len(open_dataset(made).manifest) == len(NAMES)
    assert not (tmp_path / "out" / ".unpacked").exists()


def upload(path: Path, out: Path) -> Path:
    experiment = create_experiment(out)
    (experiment.path / UPLOADS).mkdir()
    return Path(shutil.move(path, experiment.path / UPLOADS / path.name))


def test_an_uploaded_zip_waits_and_is_removed_when_its_dataset_is_there(zipped: Zip, tmp_path: Path) -> None:
    experiment = Experiment(tmp_path / "out")
    assert waiting(experiment) == []
    uploaded = upload(zipped(), experiment.path)
    assert waiting(experiment) == [uploaded]
    params = {"folder": str(uploaded), "out": str(experiment.path), "settings": {"crop_px": 0}}
    with pytest.raises(InputError):
        RUN["import_crops"]({**params, "positive": "old"}, lambda *said: None)
    assert waiting(experiment) == [uploaded]
    made = Path(RUN["import_crops"](params, lambda *said: None))
    assert waiting(experiment) == []
    assert not (experiment.path / UPLOADS).exists()
    [product] = experiment.products("datasets")
    assert product.path == made
    assert "--from-folder a.zip --out" in product.settings["command"]
    with pytest.raises(InputError, match=r"^a\.zip: there is no such file"):
        RUN["import_crops"](params, lambda *said: None)


def test_a_zip_of_the_server_stays(zipped: Zip, tmp_path: Path) -> None:
    path = zipped()
    RUN["import_crops"]({"folder": str(path), "out": str(tmp_path / "out"), "settings": {"crop_px": 0}}, lambda *said: None)
    assert path.is_file()


def test_two_at_once_do_not_disturb_each_other(zipped: Zip, tmp_path: Path) -> None:
    path = zipped()
    with hold(tmp_path / "out" / ".locks" / "unpacking.lock"), pytest.raises(InputError, match="another process is unpacking"):
        import_crops(path, tmp_path / "out", READY)


def test_the_command_takes_a_zip(zipped: Zip, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = zipped([n.replace("not_senescent", "young") for n in NAMES])
    assert main(["dataset", "--from-folder", str(path), "--out", str(tmp_path / "out"), "--crop-size", "0"]) == 0
    made = Path(capsys.readouterr().out.splitlines()[-1])
    assert open_dataset(made).manifest["class"].sum() == len(NAMES) / 2
    path.write_bytes(b"junk")
    assert main(["dataset", "--from-folder", str(path), "--out", str(tmp_path / "out")]) == 2
    assert "a.zip: wanted a whole ZIP archive" in capsys.readouterr().err
