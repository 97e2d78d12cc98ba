"""Adding images, metadata and ready label images."""

from pathlib import Path

import numpy as np
import pytest

from core.errors import InputError
from core.images import read_labels, write_image, write_labels
from core.report import read_csv
from core.stages.adding import LEFT_OUT, Addition, add
from core.tables import FAILURES, SEGMENTED_FIELDS
from core.workspace import Experiment


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name in ("MSC1_P4_A1_f01_phase.tif", "MSC1_P4_A1_f01_stain.tif", "MSC1_P4_A1_f02_phase.tif"):
        write_image(folder / name, rng.integers(0, 4000, (40, 50), dtype=np.uint16), 0.5)
    return folder


def test_images_are_copied_paired_and_described(photos: Path, tmp_path: Path) -> None:
    made = add(tmp_path / "exp", Addition(phase=sorted(map(str, photos.glob("*phase*"))), stain=[str(photos / "MSC1_P4_A1_f01_stain.tif")]))
    assert made == tmp_path / "exp" / "fields.csv"
    table = Experiment(made.parent).fields()
    assert list(table["sample"]) == ["MSC1", "MSC1"]
    assert list(table["passage"]) == ["4", "4"]
    assert list(table["stain"] != "") == [True, False]
    assert list(table["pixel_size_um"]) == pytest.approx([0.5, 0.5], rel=1e-3)
    assert all((made.parent / ref).is_file() for ref in table["phase"])


def test_adding_again_changes_nothing(photos: Path, tmp_path: Path) -> None:
    addition = Addition(phase=sorted(map(str, photos.glob("*phase*"))))
    first = add(tmp_path / "exp", addition).read_bytes()
    assert add(tmp_path / "exp", addition).read_bytes() == first
    assert len(list((tmp_path / "exp" / "images").glob("*.tif"))) == 2


def test_one_bad_file_does_not_stop_the_others(photos: Path, tmp_path: Path) -> None:
    (photos / "broken_phase.tif").write_bytes(b"not an image")
    (photos / "empty_phase.png").write_bytes(b"")
    add(tmp_path / "exp", Addition(phase=sorted(map(str, photos.glob("*phase*")))))
    assert len(Experiment(tmp_path / "exp").fields()) == 2
    left = read_csv(tmp_path / "exp" / LEFT_OUT, FAILURES)
    assert {Path(f).name for f in left["file"]} == {"broken_phase.tif", "empty_phase.png"}
    assert all(left["error"].str.len() > 20)


def test_nothing_usable_is_an_error(tmp_path: Path) -> None:
    bad = tmp_path / "bad.tif"
    bad.write_bytes(b"II*\0")
    with pytest.raises(InputError, match=r"bad\.tif"):
        add(tmp_path / "exp", Addition(phase=[str(bad)]))
    with pytest.raises(InputError, match="nothing to add"):
        add(tmp_path / "exp", Addition())
    with pytest.raises(InputError, match="no such file"):
        add(tmp_path / "exp", Addition(phase=["missing.tif"]))


def test_a_link_refers_to_the_file_where_it_is(photos: Path, tmp_path: Path) -> None:
    source = photos / "MSC1_P4_A1_f01_phase.tif"
    add(tmp_path / "exp", Addition(phase=[str(source)], link=True))
    assert Path(Experiment(tmp_path / "exp").fields()["phase"][0]) == source.resolve()
    assert not list((tmp_path / "exp" / "images").glob("*.tif"))


def test_metadata_come_from_a_table_and_the_pixel_size_from_the_user(photos: Path, tmp_path: Path) -> None:
    table = tmp_path / "meta.csv"
    table.write_text("phase;passage;time_h\nMSC1_P4_A1_f01_phase.tif;P9;2,5\n", encoding="utf-8")
    add(tmp_path / "exp", Addition(phase=[str(photos / "MSC1_P4_A1_f01_phase.tif")], table=str(table), pixel_size_um=0.8))
    row = Experiment(tmp_path / "exp").fields().iloc[0]
    assert (row["passage"], row["time_h"], row["pixel_size_um"]) == ("P9", 2.5, 0.8)


def test_ready_labels_become_a_segmentation_and_keep_their_ids(photos: Path, tmp_path: Path) -> None:
    labels = np.zeros((40, 50), np.int32)
    labels[2:10, 2:10], labels[20:30, 20:30] = 7, 90_000
    write_labels(photos / "MSC1_P4_A1_f01_phase_labels.tif", labels)
    write_labels(photos / "MSC1_P4_A1_f02_phase_labels.tif", labels[:, :30])
    add(tmp_path / "exp", Addition(phase=sorted(map(str, photos.glob("*phase.tif"))), labels=sorted(map(str, photos.glob("*_labels.tif")))))
    (product,) = Experiment(tmp_path / "exp").products("segmentations")
    fov_id = read_csv(product.path / "fields.csv", SEGMENTED_FIELDS)["fov_id"][0]
    assert np.array_equal(read_labels(product.path / "labels" / f"{fov_id}.tif"), labels)
    failed = read_csv(product.path / "failures.csv", FAILURES)
    assert len(failed) == 1
    assert "same size" in failed["error"][0]
