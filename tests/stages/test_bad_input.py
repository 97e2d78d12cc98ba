"""Every bad file of a long evening at once: the good ones are assessed, the others listed with a reason."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from core.errors import InputError
from core.images import write_image
from core.report import read_csv
from core.settings import AssessSettings, SegmentSettings
from core.stages.adding import LEFT_OUT, Addition, add
from core.stages.assessing import assess
from core.tables import ASSESSED_FIELDS, FAILURES
from core.workspace import Experiment, experiment_path

GOOD = {
    "plain.tif", "with space.tif", "æøå_ü.tif", "one_pixel.tif", "constant.tif", "one_bit.png", "opaque_rgba.png", "colour.jpg", "strip.tif", "depth12.tif",
    "float.tif",
}  # fmt: skip
BAD = {"empty.tif", "text.tif", "truncated.tif", "nan.tif", "inf.tif", "stack.tif", "see_through.png"}


@pytest.fixture
def evening(tmp_path: Path) -> Path:
    folder = tmp_path / "evening"
    folder.mkdir()
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 60_000, (90, 100), dtype=np.uint16)
    for name in ("plain.tif", "with space.tif", "æøå_ü.tif"):
        write_image(folder / name, noise, 0.65)
    write_image(folder / "one_pixel.tif", noise[:1, :1])
    write_image(folder / "constant.tif", np.full_like(noise, 300))
    write_image(folder / "depth12.tif", noise >> 4)
    write_image(folder / "float.tif", noise.astype(np.float32) / 70_000)
    tifffile.imwrite(folder / "strip.tif", rng.integers(0, 255, (40, 65_000), dtype=np.uint8))
    Image.fromarray(noise > 30_000).save(folder / "one_bit.png")
    rgba = np.dstack([rng.integers(0, 255, (90, 100, 3), dtype=np.uint8), np.full((90, 100), 255, np.uint8)])
    Image.fromarray(rgba).save(folder / "opaque_rgba.png")
    Image.fromarray(rgba[..., :3]).save(folder / "colour.jpg")
    rgba[:40, ..., 3] = 0
    Image.fromarray(rgba).save(folder / "see_through.png")
    (folder / "empty.tif").write_bytes(b"")
    (folder / "text.tif").write_text("Dear diary", encoding="utf-8")
    (folder / "truncated.tif").write_bytes((folder / "plain.tif").read_bytes()[:900])
    broken = noise.astype(np.float32)
    for name, value in (("nan.tif", np.nan), ("inf.tif", np.inf)):
        broken[3, 4] = value
        tifffile.imwrite(folder / name, broken)
    tifffile.imwrite(folder / "stack.tif", rng.integers(0, 255, (5, 60, 70), dtype=np.uint8), metadata={"axes": "ZYX"})
    return folder


@pytest.mark.usefixtures("network")
def test_the_good_files_are_assessed_and_the_bad_ones_listed(evening: Path, tmp_path: Path, classifier_file: Callable[..., Path]) -> None:
    path = tmp_path / "exp"
    add(path, Addition(phase=[str(evening)]))
    table = Experiment(path).fields()
    assert {Path(ref).name for ref in table["phase"]} == GOOD
    left = read_csv(path / LEFT_OUT, FAILURES)
    assert {Path(file).name for file in left["file"]} == BAD
    assert all(Path(row.file).name in row.error for row in left.itertuples())
    made = assess(path, AssessSettings(classifier=str(classifier_file())), SegmentSettings(diameter_px=30))
    done, failed = read_csv(made / "fields.csv", ASSESSED_FIELDS), read_csv(made / "failures.csv", FAILURES)
    assert set(done["fov_id"]) | set(failed["fov_id"]) == set(table["fov_id"])
    assert len(failed) == 0, failed.to_dict("records")


def test_a_stack_is_asked_about_and_a_chosen_plane_is_added(evening: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"stack\.tif.*Z"):
        add(tmp_path / "exp", Addition(phase=[str(evening / "stack.tif")]))
    add(tmp_path / "exp", Addition(phase=[f"{evening / 'stack.tif'}#Z=2"]))
    assert list(Experiment(tmp_path / "exp").fields()["phase"]) == ["images/stack.tif#Z=2"]


def test_files_of_one_name_from_two_folders_are_two_fields(evening: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    write_image(other / "plain.tif", np.arange(400, dtype=np.uint16).reshape(20, 20))
    add(tmp_path / "exp", Addition(phase=[str(evening / "plain.tif"), str(other / "plain.tif")]))
    table = Experiment(tmp_path / "exp").fields()
    assert table["fov_id"].is_unique
    assert list(table["phase"]) == ["images/plain.tif", "images/plain_2.tif"]


def test_a_name_cannot_leave_the_workspace(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="wanted"):
        Experiment(tmp_path / "exp").resolve("../secret.tif")
    with pytest.raises(InputError):
        experiment_path("..")


def test_labels_in_floats_are_refused(evening: Path, tmp_path: Path) -> None:
    tifffile.imwrite(evening / "plain_labels.tif", np.zeros((90, 100), np.float32))
    with pytest.raises(InputError, match=r"plain_labels\.tif.*float"):
        add(tmp_path / "exp", Addition(phase=[str(evening / "plain.tif")], labels=[str(evening / "plain_labels.tif")]))
