"""From annotated cells to a dataset: what is in it, what is left out and said, what happens when something is in the way."""

import errno
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from shutil import copytree

import numpy as np
import pandas as pd
import pytest

from core.__main__ import main
from core.dataset import writing
from core.dataset.crops import cut_crops, normalise, scale_intensity
from core.dataset.folders import picture_of, white_of
from core.errors import Cancelled, InputError
from core.images import full_scale, grey, read, read_labels
from core.report import read_csv, write_csv, write_zip
from core.settings import DatasetSettings, SimulateSettings
from core.stages.adding import import_labels
from core.stages.collecting import collect
from core.stages.crop_archives import import_crops
from core.stages.crop_folders import export_folder, import_folder
from core.stages.crop_pictures import OF_THE_CELL
from core.stages.datasets import open_dataset
from core.stages.simulating import simulate
from core.stages.splitting import Wanted
from core.tables import ANNOTATED_CELLS, EXPORTED_CROPS, FAILURES, typed
from core.workspace import Experiment, publish

SMALL = DatasetSettings(crop_px=96)
TRUTH = {"fov_id": "str", "label": "Int64", "sample": "str", "senescent": "Int64"}


def annotate(path: Path, change: Callable[[pd.DataFrame], pd.DataFrame] = lambda table: table, id: str = "truth") -> pd.DataFrame:
    """Publish an annotation of the true classes, changed by ``change``."""
    experiment = Experiment(path)
    segmentation = import_labels(experiment, [str(p) for p in sorted((path / "truth" / "labels").glob("*.tif"))])
    truth = read_csv(path / "truth" / "cells.csv", TRUTH)
    cells = change(truth.assign(automatic_class=truth["senescent"], fragile=False, **{"class": truth["senescent"]}))
    with publish(experiment, "annotations", id, {}, upstream={"segmentation": segmentation.name}) as partial:
        write_csv(partial.path / "cells.csv", typed(cells, ANNOTATED_CELLS)[list(ANNOTATED_CELLS)])
    return cells


@pytest.fixture(scope="module")
def cultures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six simulated cultures of one small field; do not change it."""
    return simulate(tmp_path_factory.mktemp("cultures") / "six", SimulateSettings(samples=6, fields=1, size=420, seed=2))


@pytest.fixture
def bare(cultures: Path, tmp_path: Path) -> Path:
    """A copy of it without annotation."""
    return Path(copytree(cultures, tmp_path / "six"))


@pytest.fixture(scope="module")
def ready(cultures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """It with an annotation; do not change it."""
    made = Path(copytree(cultures, tmp_path_factory.mktemp("ready") / "six"))
    annotate(made)
    return made


@pytest.fixture
def annotated(ready: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may change."""
    return Path(copytree(ready, tmp_path / "annotated" / "six"))


def build(path: Path, settings: DatasetSettings = SMALL, **wanted: object) -> Path:
    return collect(Wanted([path], path, **wanted), settings)  # type: ignore[arg-type]


def texts(made: Path) -> str:
    return "\n".join(f"{one['level']}: {one['text']}" for one in json.loads((made / "report.json").read_text(encoding="utf-8"))["warnings"])


@pytest.mark.parametrize("settings", [SMALL, DatasetSettings(crop_px=64, intensity="field", background="kept")])
def test_crops_are_those_of_the_fields(annotated: Path, settings: DatasetSettings) -> None:
    data = open_dataset(build(annotated, settings))
    experiment = Experiment(annotated)
    assert len(data.manifest) == len(read_csv(annotated / "truth" / "cells.csv", TRUTH))
    pictures = {fov_id: read(*experiment.resolve(image)) for fov_id, image in data.manifest.groupby("fov_id")["image"].first().items()}
    for fov_id, rows in data.manifest.groupby("fov_id"):
        image = normalise(scale_intensity(grey(pictures[fov_id]), settings.intensity, full_scale(pictures[fov_id])), data.crops.mean, data.crops.std)  # type: ignore[arg-type]
        labels = read_labels(annotated / "truth" / "labels" / f"{fov_id}.tif")
        wanted = cut_crops(image, labels, rows["label"].to_numpy(dtype=int), settings.crop_px, background=settings.background)  # type: ignore[arg-type]
        np.testing.assert_array_equal(data.crops.batch(rows.index), wanted)


def test_the_training_pixels_have_mean_0_and_spread_1(annotated: Path) -> None:
    data = open_dataset(build(annotated, DatasetSettings(crop_px=420)))
    inside = np.concatenate([data.crops.crop(i)[data.crops.mask(i)] for i in data.rows("train")])
    assert (float(inside.mean()), float(inside.std())) == pytest.approx((0, 1), abs=1e-4)


def test_what_is_written(annotated: Path) -> None:
    made = build(annotated)
    data, settings = open_dataset(made), json.loads((made / "settings.json").read_text(encoding="utf-8"))
    assert {"cell_id", "fov_id", "label", "sample", "class", "split"} <= set(data.manifest)
    assert data.manifest["cell_id"].is_unique
    assert (data.manifest.groupby("sample")["split"].nunique() == 1).all()
    assert set(data.manifest["split"]) == {"train", "validation", "test"}
    assert sum(sum(n.values()) for n in data.statistics["counts"].values()) == len(data.manifest)
    assert settings["upstream"] == {"annotation of six": "truth"}
    assert settings["settings"]["split"] == dict(zip(data.manifest["sample"], data.manifest["split"], strict=True))
    assert sorted(p.name for p in (made / "crops").iterdir()) == ["index.npy", "pixels.bin"]


def test_the_recorded_command_finds_the_same_dataset(annotated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = build(annotated, DatasetSettings(crop_px=64, validation=0.2), assignment={"MSC1": "test"})
    words = json.loads((made / "settings.json").read_text(encoding="utf-8"))["command"].split()
    assert main(words[3:]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(made)


def test_cells_without_class_are_left_out_and_counted(bare: Path) -> None:
    def some(table: pd.DataFrame) -> pd.DataFrame:
        table.loc[[0, 1, 2, 5], "class"] = pd.NA
        table.loc[5, "automatic_class"] = pd.NA
        return table.assign(decision=["cannot tell"] * 2 + ["exclude"] + [""] * (len(table) - 3), fragile=[False] * (len(table) - 1) + [True])

    cells = annotate(bare, some)
    report = json.loads((build(bare, DatasetSettings(crop_px=64, leave_out_fragile=True)) / "report.json").read_text(encoding="utf-8"))
    assert report["cells"] == len(cells) - 5
    assert report["left_out"] == {
        "decided by a person: cannot tell": 2,
        "decided by a person: exclude": 1,
        "no class (not covered by the stain image)": 1,
        "fragile class": 1,
    }


def test_added_cultures_do_not_move_old_ones(annotated: Path, tmp_path: Path) -> None:
    more = simulate(tmp_path / "more", SimulateSettings(samples=3, fields=1, size=300, seed=9))
    table = Experiment(more).fields()
    Experiment(more).save_fields(table.assign(sample="N" + table["sample"]))
    annotate(more)
    first = open_dataset(build(annotated)).manifest
    for order, out in (([annotated, more], tmp_path / "elsewhere"), ([more, annotated], annotated)):
        both = open_dataset(collect(Wanted(order, out), SMALL)).manifest
        assert len(both) > len(first)
        merged = first.merge(both, on=["experiment", "fov_id", "label"])
        assert len(merged) == len(first)
        assert (merged["split_x"] == merged["split_y"]).all()
        assert both["cell_id"].is_unique


def test_cultures_of_one_name_stay_together_and_cells_stay_apart(annotated: Path, tmp_path: Path) -> None:
    twin = Path(copytree(annotated, tmp_path / "twin"))
    made = collect(Wanted([annotated, twin], tmp_path / "both"), SMALL)
    manifest = open_dataset(made).manifest
    assert manifest["cell_id"].is_unique
    assert manifest["cell_id"].str.startswith(("six/", "twin/")).all()
    assert (manifest.groupby("sample")["split"].nunique() == 1).all()


def test_negative_controls_can_be_left_out(annotated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = Experiment(annotated).fields()
    table.loc[table["sample"] == "MSC6", "role"] = "sample"
    twice = table.assign(sample=table["sample"].where(table["sample"] != "MSC5", "MSC6"))  # a stained field and a control of one culture
    twice.loc[table["sample"] == "MSC5", "role"] = "negative control"
    Experiment(annotated).save_fields(twice)
    kept = build(annotated)
    n = int((open_dataset(kept).manifest["role"] == "negative control").sum())
    assert f"warning: {n} cells come from negative controls" in texts(kept)
    assert "leave them out (“Leave out negative controls”; on the command line --no-controls)" in texts(kept)
    assert main(["dataset", str(annotated), "--crop-size", "96", "--no-controls"]) == 0
    made = Path(capsys.readouterr().out.splitlines()[-1])
    rows = open_dataset(made).manifest
    assert set(rows["role"]) == {"sample"}
    assert "MSC6" in set(rows["sample"])  # its stained field stays
    assert f"note: {n} cells left out: negative control. To use them, take the tick off" in texts(made)
    Experiment(annotated).save_fields(twice.assign(role="negative control"))
    with pytest.raises(InputError, match="every cell with a class comes from a negative control"):
        build(annotated, DatasetSettings(crop_px=96, controls=False))


def test_fields_of_one_name_in_two_experiments_are_two_fields_and_keep_their_sets(annotated: Path, tmp_path: Path) -> None:
    by_field = DatasetSettings(crop_px=64, group="fov_id")
    first = open_dataset(build(annotated, by_field, assignment={"MSC1_P2_A1_f01": "test", "MSC2_P8_A2_f01": "left out"})).manifest
    assert set(first["group"]) == set(first["fov_id"])  # one experiment: plain names
    twin = Path(copytree(annotated, tmp_path / "twin", ignore=lambda *_: ["datasets"]))
    data = open_dataset(collect(Wanted([annotated, twin], annotated, assignment={"twin/MSC1_P2_A1_f01": "train"}), by_field))
    both = data.manifest
    assert both["group"].nunique() == both.groupby(["experiment", "fov_id"]).ngroups == 11
    sets = dict(zip(both["group"], both["split"], strict=True))
    assert (sets["six/MSC1_P2_A1_f01"], sets["twin/MSC1_P2_A1_f01"]) == ("test", "train")
    assert "six/MSC2_P8_A2_f01" not in sets
    assert data.report["shared_fields"] == []
    again = open_dataset(build(annotated, DatasetSettings(crop_px=80, group="fov_id"))).manifest
    for later in (both, again):
        merged = first.merge(later, on=["experiment", "fov_id", "label"])
        assert len(merged) == len(first)
        assert (merged["split_x"] == merged["split_y"]).all()


def test_two_experiments_with_the_same_names_and_no_image_give_no_dataset(annotated: Path, tmp_path: Path) -> None:
    twin = Path(copytree(annotated, tmp_path / "twin"))
    for file in [p for path in (annotated, twin) for p in (path / "images").glob("*_phase.tif")]:
        file.unlink()
    with pytest.raises(InputError, match="none of the 12 fields"):
        collect(Wanted([annotated, twin], annotated), SMALL)


def test_the_same_field_twice_across_sets_is_found(annotated: Path, tmp_path: Path) -> None:
    twin = Path(copytree(annotated, tmp_path / "twin"))
    table = Experiment(twin).fields()
    Experiment(twin).save_fields(table.assign(sample="copy of " + table["sample"]))
    assert "look the same as a cell of another set" in texts(collect(Wanted([annotated, twin], tmp_path / "both"), SMALL))


def test_an_interrupted_build_goes_on(annotated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def until(limit: float) -> Callable[[float, float, str], None]:
        def progress(done: float, total: float, item: str) -> None:
            if done / total > limit:
                raise Cancelled

        return progress

    with pytest.raises(Cancelled):
        collect(Wanted([annotated], annotated), SMALL, until(0.5))
    assert not Experiment(annotated).products("datasets")
    cut = []
    real = writing.CropWriter.add_field
    monkeypatch.setattr(writing.CropWriter, "add_field", lambda self, name, *rest: (cut.append(name), real(self, name, *rest))[1])
    made = build(annotated)
    assert 0 < len(cut) < 6
    fresh = collect(Wanted([annotated], annotated.parent / "fresh"), SMALL)
    assert (made / "crops" / "pixels.bin").read_bytes() == (fresh / "crops" / "pixels.bin").read_bytes()
    assert build(annotated) == made


def test_a_full_disk_is_said_and_leaves_no_product(annotated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:

        def full(file: object, data: bytes) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        patch.setattr(writing, "write", full)
        with pytest.raises(InputError, match="the disk is full"):
            build(annotated)
    assert not Experiment(annotated).products("datasets")
    assert len(open_dataset(build(annotated)).manifest)


def test_a_missing_image_leaves_out_its_field_only(annotated: Path) -> None:
    experiment = Experiment(annotated)
    first = experiment.fields().iloc[0]
    experiment.resolve(first["phase"])[0].unlink()
    made = build(annotated)
    data = open_dataset(made)
    assert first["fov_id"] not in set(data.manifest["fov_id"])
    assert data.manifest["fov_id"].nunique() == 5
    assert read_csv(made / "failures.csv", {"fov_id": "str", "file": "str", "error": "str"})["fov_id"].tolist() == [first["fov_id"]]
    assert data.report["left_out"]["its field could not be read"] > 0


def test_without_any_image_there_is_no_dataset(annotated: Path) -> None:
    for file in (annotated / "images").glob("*_phase.tif"):
        file.unlink()
    with pytest.raises(InputError, match="none of the 6 fields"):
        build(annotated)


def test_a_label_image_of_another_size_is_a_failure_of_that_field(annotated: Path) -> None:
    from core.images import write_labels

    file = next((annotated / "segmentations").glob("*/labels/*.tif"))
    write_labels(file, read_labels(file)[:-3])
    assert "same size" in (build(annotated) / "failures.csv").read_text(encoding="utf-8-sig")


def only_class(value: int) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return lambda table: table.assign(**{"class": value})


def first_cells(n: int) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return lambda table: table.iloc[:n]


def one_positive_culture(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(**{"class": (table["sample"] == "MSC2").astype(int)})


@pytest.mark.parametrize(
    ("change", "settings", "text"),
    [
        (only_class(0), SMALL, "error: No cell of the dataset is senescent"),
        (first_cells(3), SMALL, "warning: All cells come from one culture"),
        (one_positive_culture, SMALL, "warning: Every senescent cell comes from one culture (MSC2)"),
        (first_cells(10_000), DatasetSettings(crop_px=4), "error: Every cell is larger than the crop"),
        (lambda t: t.assign(fragile=True), SMALL, "warning: 100% of the classes are fragile"),
    ],
)
def test_what_a_user_must_know_is_said(bare: Path, change: Callable[[pd.DataFrame], pd.DataFrame], settings: DatasetSettings, text: str) -> None:
    annotate(bare, change)
    assert text in texts(build(bare, settings, assignment={"MSC1": "train"}))


def test_the_crop_size_can_be_left_to_the_cells(annotated: Path) -> None:
    data = open_dataset(build(annotated, DatasetSettings(crop_px=0)))
    assert data.statistics["crop_px"] % 32 == 0
    assert not data.manifest["cut_off"].mean() > 0.02


def test_cells_are_brought_to_a_common_pixel_size(annotated: Path) -> None:
    plain, half = (open_dataset(build(annotated, DatasetSettings(crop_px=256, pixel_size_um=um))).manifest for um in (0.0, 1.3))
    assert half["rescaled"].all()
    assert (half["extent_px"] / plain["extent_px"]).to_numpy(dtype=float) == pytest.approx(0.5)
    assert (half["area_px"] == plain["area_px"]).all()


def test_without_pixel_size_nothing_can_be_rescaled(annotated: Path) -> None:
    from core.images import write_image

    experiment = Experiment(annotated)
    for reference in experiment.fields()["phase"]:
        path = experiment.resolve(reference)[0]
        write_image(path, read(path).pixels)
    experiment.save_fields(experiment.fields().assign(pixel_size_um=pd.NA))
    with pytest.raises(InputError, match="pixel size is unknown"):
        build(annotated, DatasetSettings(pixel_size_um=1.0))


@pytest.mark.parametrize(
    ("settings", "wanted", "text"),
    [
        (DatasetSettings(group="donor"), {}, "no column 'donor'"),
        (SMALL, {"annotations": ["nothing"]}, "no annotation 'nothing'"),
        (SMALL, {"assignment": {"MSC99": "test"}}, "found 'MSC99'"),
        (SMALL, {"assignment": dict.fromkeys([f"MSC{i}" for i in range(1, 7)], "test")}, "no cell to train on"),
        (DatasetSettings(validation=0.6, test=0.6), {}, "leave cells to train on"),
        (DatasetSettings(background="white"), {}, "wanted black or kept"),
        (DatasetSettings(intensity="auto"), {}, "wanted range or field"),
        (SMALL, {"split_from": ["only_one.csv"]}, "a file for train and one for test"),
    ],
)
def test_wrong_wishes_are_refused(annotated: Path, settings: DatasetSettings, wanted: dict, text: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(InputError, match=text):
        build(annotated, settings, **wanted)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (only_class(2), "wanted classes 0 and 1, found 2"),
        (lambda table: pd.concat([table, table.iloc[:1]]), "stands there twice"),
        (lambda table: table.assign(**{"class": pd.NA}), "no cell has a class"),
    ],
)
def test_wrong_annotations_are_refused(bare: Path, change: Callable[[pd.DataFrame], pd.DataFrame], text: str) -> None:
    annotate(bare, change)
    with pytest.raises(InputError, match=text):
        build(bare)


def test_without_annotation_it_says_what_is_needed(bare: Path) -> None:
    with pytest.raises(InputError, match="no annotation yet"):
        build(bare)


def test_the_newest_annotation_is_used_unless_another_is_named(annotated: Path) -> None:
    annotate(annotated, first_cells(40), "newer")
    assert len(open_dataset(build(annotated, assignment={"MSC1": "train"})).manifest) == 40
    assert len(open_dataset(build(annotated, annotations=["truth"])).manifest) > 40


def test_any_column_of_the_field_table_can_keep_cells_together(annotated: Path) -> None:
    table = Experiment(annotated).fields()
    Experiment(annotated).save_fields(table.assign(donor=["d1", "d1", "d2", "d2", "d3", "d3"]))
    manifest = open_dataset(build(annotated, DatasetSettings(crop_px=64, group="donor"))).manifest
    assert set(manifest["group"]) == {"d1", "d2", "d3"}
    assert (manifest.groupby("group")["split"].nunique() == 1).all()


def test_a_culture_can_be_left_out_and_stays_out(annotated: Path) -> None:
    data = open_dataset(build(annotated, assignment={"MSC6": "left out"}))
    assert "MSC6" not in set(data.manifest["sample"])
    assert data.report["left_out"]["their culture was left out by hand"] > 0
    assert "MSC6" not in set(open_dataset(build(annotated, DatasetSettings(crop_px=64))).manifest["sample"])


def test_a_split_of_the_original_pipeline_is_taken_and_its_leakage_said(annotated: Path, tmp_path: Path) -> None:
    truth = read_csv(annotated / "truth" / "cells.csv", TRUTH)
    rows = pd.DataFrame(
        {
            "file name": "Small\\" + truth["fov_id"] + "_phase.png",
            "mask name": "Small\\" + truth["fov_id"] + "_seg.npy",
            "mask number": truth["label"],
            "class": truth["senescent"],
        }
    )
    names = [str(tmp_path / name) for name in ("train_set.csv", "test_set.csv")]
    for name, part in zip(names, (rows.iloc[::2], rows.iloc[1:-1:2]), strict=True):
        write_csv(Path(name), part)
    made = build(annotated, DatasetSettings(crop_px=64, validation=0.0), split_from=names)
    manifest = open_dataset(made).manifest
    assert (manifest["split"] == "train").sum() == len(rows.iloc[::2])
    assert "6 of 6 test fields are also in training" in texts(made)
    assert "left out: not in the files that give the split" in texts(made)


def test_pictures_go_out_and_come_back(annotated: Path, tmp_path: Path) -> None:
    made = build(annotated)
    folder = export_folder(made, tmp_path / "pictures")
    assert {p.name for p in folder.iterdir()} == {"train", "val", "test", "manifest.csv", "train_set.csv", "validation_set.csv", "test_set.csv"}
    back = open_dataset(import_folder(folder, tmp_path / "back", DatasetSettings(crop_px=96)))
    data = open_dataset(made)
    joined = data.manifest.reset_index().merge(back.manifest.reset_index(), on="cell_id", suffixes=("", "_back"))
    assert len(joined) == len(data.manifest)
    for column in ("class", "split", "sample"):
        assert (joined[column] == joined[f"{column}_back"]).all()
    np.testing.assert_allclose(data.crops.batch(joined["index"]), back.crops.batch(joined["index_back"]), atol=1e-4)
    with pytest.raises(InputError, match="exists already"):
        export_folder(made, folder)


def test_a_dataset_that_travels_as_a_zip_stays_the_same(annotated: Path, tmp_path: Path) -> None:
    out = open_dataset(build(annotated))
    write_zip(export_folder(out.path, tmp_path / out.path.name), tmp_path / "crops.zip")
    back = open_dataset(import_crops(tmp_path / "crops.zip", tmp_path / "back", DatasetSettings(crop_px=0)))
    one, two = (data.manifest.reset_index().sort_values("cell_id", ignore_index=True) for data in (out, back))
    assert back.statistics["crop_px"] == 96
    for column in ("cell_id", "class", "split", "sample", "passage", "condition", "role"):
        assert one[column].fillna("").tolist() == two[column].fillna("").tolist()
    for i, j in zip(one["index"], two["index"], strict=True):
        np.testing.assert_array_equal(out.crops.grey(i), back.crops.grey(j))
        np.testing.assert_array_equal(out.crops.mask(i), back.crops.mask(j))
    np.testing.assert_allclose(out.crops.batch(one["index"]), back.crops.batch(two["index"]), atol=1e-4)


def test_pictures_that_go_out_say_what_white_is(annotated: Path, tmp_path: Path) -> None:
    from core.images import write_image

    experiment = Experiment(annotated)
    for reference in experiment.fields()["phase"]:  # 12 bits in a 16-bit file that does not say so; many a cell alone looks like 10 bits
        path = experiment.resolve(reference)[0]
        pixels = read(path).pixels.astype(float)
        write_image(path, (pixels * (1500 / pixels.max())).astype(np.uint16), 0.65)
    data = open_dataset(build(annotated))
    folder = export_folder(data.path, tmp_path / "pictures")
    assert set(read_csv(folder / "manifest.csv", EXPORTED_CROPS)["white"]) == {4095}
    back = open_dataset(import_folder(folder, tmp_path / "back", DatasetSettings(crop_px=96)))
    assert "do not say their bit depth" not in texts(data.path) + texts(back.path)
    assert set(back.crops.index["full_scale"]) == {4095}
    assert (back.crops.index["guessed"] == 1).all()
    (folder / "manifest.csv").unlink()  # without it the pictures are asked, one by one
    assert len(set(open_dataset(import_folder(folder, tmp_path / "alone", DatasetSettings(crop_px=96))).crops.index["full_scale"])) > 1


@pytest.mark.parametrize("um", [0.0, 1.3])
def test_white_of_a_picture_is_that_of_its_values(annotated: Path, um: float) -> None:
    data = open_dataset(build(annotated, DatasetSettings(crop_px=96, pixel_size_um=um)))
    for bits in (8, 16):
        assert picture_of(data.crops, 0, bits).max() <= white_of(data.crops, 0, bits)
    values, shown = data.crops.values(0)
    inside = picture_of(data.crops, 0)[data.crops.mask(0)]
    np.testing.assert_allclose(inside / white_of(data.crops, 0), values[shown], atol=1e-4)


def picture_folder(root: Path, names: list[str]) -> Path:
    from PIL import Image

    rng = np.random.default_rng(0)
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(1, 255, (24, 24)).astype(np.uint8)).save(root / name)
    return root


def test_a_folder_without_validation_gets_one_from_training(tmp_path: Path) -> None:
    names = [f"{s}/{c}/{i}.png" for s in ("train", "test") for c in ("cycling", "senescent") for i in range(40)]
    folder = picture_folder(tmp_path / "pictures", names)
    data = open_dataset(import_folder(folder, tmp_path / "out", DatasetSettings(crop_px=0, validation=0.2)))
    assert data.statistics["crop_px"] == 24
    assert (data.manifest["split"] == "test").sum() == 80
    assert 5 < (data.manifest["split"] == "validation").sum() < 35
    assert data.manifest.loc[data.manifest["image"].str.contains("senescent"), "class"].eq(1).all()
    assert "Nobody knows which culture" in texts(data.path)


def test_cultures_may_be_folders(tmp_path: Path) -> None:
    folder = picture_folder(tmp_path / "pictures", [f"{c}/MSC{m}/{i}.png" for c in ("0", "1") for m in range(4) for i in range(5)])
    manifest = open_dataset(import_folder(folder, tmp_path / "out", DatasetSettings(crop_px=32))).manifest
    assert (manifest.groupby("sample")["split"].nunique() == 1).all()
    assert set(manifest["split"]) == {"train", "validation", "test"}


def test_a_black_or_broken_picture_is_left_out(tmp_path: Path) -> None:
    from PIL import Image

    folder = picture_folder(tmp_path / "pictures", [f"{s}/{c}/{i}.png" for s in ("train", "val", "test") for c in "01" for i in range(3)])
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(folder / "train" / "0" / "black.png")
    (folder / "train" / "1" / "text.png").write_text("no picture", encoding="utf-8")
    made = import_folder(folder, tmp_path / "out", DatasetSettings(crop_px=0))
    assert len(open_dataset(made).manifest) == 18
    assert open_dataset(made).statistics["crop_px"] == 24
    failures = read_csv(made / "failures.csv", FAILURES)
    assert failures["file"].tolist() == ["train/0/black.png", "train/1/text.png"]
    assert failures["error"].iloc[0] == "train/0/black.png: the picture is all black."
    assert failures["error"].iloc[1].startswith("train/1/text.png: ")
    assert json.loads((made / "report.json").read_text(encoding="utf-8"))["left_out"] == {"the picture could not be used": 2}


@pytest.mark.parametrize(("bad", "text"), [("01", "none of the 8 pictures could be used"), ("1", "none of the 4 senescent pictures could be used")])
@pytest.mark.parametrize("crop_px", [0, 32])
def test_an_import_that_loses_a_class_is_refused(tmp_path: Path, bad: str, text: str, crop_px: int) -> None:
    folder = picture_folder(tmp_path / "pictures", [f"{c}/{i}.png" for c in "01" for i in range(4)])
    for c in bad:
        for file in (folder / c).iterdir():
            file.write_text("junk", encoding="utf-8")
    with pytest.raises(InputError, match=text) as said:
        import_folder(folder, tmp_path / "out", DatasetSettings(crop_px=crop_px))
    assert f"{bad[0]}/0.png: " in str(said.value)


def test_an_interrupted_import_still_lists_what_could_not_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = picture_folder(tmp_path / "pictures", [f"{c}/{i}.png" for c in "01" for i in range(20)])
    (folder / "0" / "0.png").write_text("junk", encoding="utf-8")
    monkeypatch.setattr("core.stages.crop_folders.MANY", 10)

    def progress(done: float, total: float, item: str) -> None:
        if done == 20:
            raise Cancelled

    with pytest.raises(Cancelled):
        import_folder(folder, tmp_path / "out", DatasetSettings(crop_px=32), progress=progress)
    made = import_folder(folder, tmp_path / "out", DatasetSettings(crop_px=32))
    assert read_csv(made / "failures.csv", FAILURES)["file"].tolist() == ["0/0.png"]


@pytest.mark.parametrize(
    ("names", "more", "text"),
    [
        (["a/1.png", "b/1.png"], {}, "which of a and b is the senescent class"),
        (["a/1.png", "b/1.png"], {"positive": "c"}, "no class folder 'c'"),
        (["a/1.png", "b/1.png", "c/1.png"], {}, "wanted two class folders, found 3"),
        (["1.png"], {}, "wanted pictures in class folders"),
        (["0/1.png", "1/1.png"], {"only": "("}, "not a regular expression"),
        (["train/0/1.png", "train/1/1.png", "1/1.png"], {}, "lies in no set"),
    ],
)
def test_other_folders_are_refused(tmp_path: Path, names: list[str], more: dict, text: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(InputError, match=text):
        import_folder(picture_folder(tmp_path / "pictures", names), tmp_path / "out", DatasetSettings(), **more)


@pytest.mark.parametrize(
    ("settings", "text"), [(DatasetSettings(controls=False), "leave negative controls out when"), (DatasetSettings(pixel_size_um=1), "pixel size")]
)
def test_wishes_that_ready_crops_cannot_fulfil_are_refused(tmp_path: Path, settings: DatasetSettings, text: str) -> None:
    with pytest.raises(InputError, match=text):
        import_folder(picture_folder(tmp_path / "pictures", ["0/1.png", "1/1.png"]), tmp_path / "out", settings)


def test_the_command_line(annotated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(["dataset", str(annotated), "--out", str(tmp_path / "out"), "--crop-size", "64", "--assign", "MSC1=test", "--export", str(tmp_path / "png")]) == 0
    )
    shown = capsys.readouterr()
    made = Path(shown.out.splitlines()[-1])
    assert made.parent == tmp_path / "out" / "datasets"
    assert "warning: " in shown.err
    assert (tmp_path / "png" / "test").is_dir()
    assert set(open_dataset(made).manifest.query("sample == 'MSC1'")["split"]) == {"test"}


@pytest.mark.parametrize("words", [["dataset"], ["dataset", "a", "b"], ["dataset", "a", "--assign", "MSC1"], ["dataset", "--from-folder", "x"]])
def test_a_command_that_is_not_complete(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_a_split_can_be_checked_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("train.csv", "test.csv"):
        (tmp_path / name).write_text("File,Mask,Cell,Class\na.tif,a_seg.npy,1,0\na.tif,a_seg.npy,2,1\n", encoding="utf-8")
    assert main(["dataset", "--split-from", str(tmp_path / "train.csv"), str(tmp_path / "test.csv")]) == 0
    shown = capsys.readouterr().out
    assert "error: 1 of 1 test fields are also in training" in shown
    assert "2 cells stand in more than one set" in shown


@pytest.mark.parametrize("common", [1.3, 0.0])
def test_what_a_picture_does_not_show_of_its_cell_comes_back_too(annotated: Path, tmp_path: Path, common: float) -> None:
    first = build(annotated, replace(SMALL, pixel_size_um=common))
    folder = export_folder(first, tmp_path / first.name)
    second = import_folder(folder, tmp_path / "second", DatasetSettings(crop_px=0))
    one, two = (open_dataset(path) for path in (first, second))
    assert two.statistics["pixel_size_um"] == one.statistics["pixel_size_um"] == (common or None)
    known, back = (data.manifest.sort_values("cell_id", ignore_index=True) for data in (one, two))
    for column in OF_THE_CELL:
        assert known[column].tolist() == back[column].tolist(), column
    assert known["rescaled"].all() == bool(common)
    assert known["touches_border"].any()


def test_a_smaller_crop_cuts_more_cells_off_than_the_manifest_tells(annotated: Path, tmp_path: Path) -> None:
    folder = export_folder(build(annotated), tmp_path / "crops")
    before, after = (open_dataset(import_folder(folder, tmp_path / str(px), DatasetSettings(crop_px=px))).manifest["cut_off"] for px in (0, 16))
    assert before.sum() < after.sum()


def test_pictures_of_two_pixel_sizes_are_refused(annotated: Path, tmp_path: Path) -> None:
    folder = export_folder(build(annotated), tmp_path / "crops")
    table = read_csv(folder / "manifest.csv", EXPORTED_CROPS)
    table.loc[0, "common_pixel_size_um"] = 2.0
    write_csv(folder / "manifest.csv", table)
    with pytest.raises(InputError, match="different pixel sizes"):
        import_folder(folder, tmp_path / "second", DatasetSettings(crop_px=0))


def test_an_export_of_before_is_taken_too(annotated: Path, tmp_path: Path) -> None:
    folder = export_folder(build(annotated), tmp_path / "crops")
    table = pd.read_csv(folder / "manifest.csv").drop(columns="common_pixel_size_um")
    table.to_csv(folder / "manifest.csv", index=False)
    made = open_dataset(import_folder(folder, tmp_path / "second", DatasetSettings(crop_px=0)))
    assert made.statistics["pixel_size_um"] is None
    assert made.manifest["pixel_size_um"].notna().all()
