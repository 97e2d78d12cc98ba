"""From a dataset and a classifier to an evaluation, with a stand-in for the network that sees one known thing."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import core.stages.crop_scoring as scoring
from core.__main__ import main
from core.classifier.checkpoint import load_checkpoint
from core.classifier.learned_from import CARD_KEY, learned_from, seen
from core.dataset.crops import cut_crops, normalise
from core.dataset.folders import png
from core.dataset.store import CropWriter, Scaling
from core.errors import Cancelled, InputError
from core.pairing import DEFAULT_SAMPLE
from core.report import read_csv, write_csv
from core.settings import DatasetSettings, EvaluateSettings
from core.stages import judging
from core.stages.crop_folders import import_folder
from core.stages.crop_scoring import crop_for
from core.stages.datasets import open_dataset
from core.stages.evaluating import default_model, evaluate, unfit
from core.stages.evaluation_remarks import at_the_border, unknown_origin
from core.stages.pictured import SHOWN
from core.statistics.baselines import MORPHOLOGY
from core.tables import BASELINES, ERROR_KINDS, ERRORS, EVALUATED_CULTURES, HEAT_MAPS, MANIFEST, METRICS, PREDICTIONS, typed
from core.workspace import Experiment, publish, write_json

CROP, FIELDS, CELLS = 24, 2, 20
SETS = {"train": 4, "validation": 2, "test": 4}
QUICK = {"bootstrap": 200, "rule": "youden"}


def sided(crops: np.ndarray) -> np.ndarray:
    """The stand-in: left half brighter than right half."""
    half = crops.shape[2] // 2
    return 1 / (1 + np.exp(-0.8 * (crops[:, :, :half].sum((1, 2)) - crops[:, :, half:].sum((1, 2)))))


def bright(crops: np.ndarray) -> np.ndarray:
    """Another one: how bright the cell is."""
    return 1 / (1 + np.exp(-0.4 * crops.sum((1, 2))))


class StandIn:
    """In place of the network."""

    look: Callable[[np.ndarray], np.ndarray] = staticmethod(sided)
    seen = 0

    def __init__(self, checkpoint: object) -> None:
        pass

    def predict(self, crops: np.ndarray) -> np.ndarray:
        StandIn.seen += len(crops)
        return StandIn.look(crops).astype(np.float32)


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> type[StandIn]:
    monkeypatch.setattr(scoring, "Classifier", StandIn)
    monkeypatch.setattr(StandIn, "look", staticmethod(sided))
    monkeypatch.setattr(StandIn, "seen", 0)
    return StandIn


def picture(rng: np.random.Generator, sides: float, level: float) -> np.ndarray:
    one = rng.normal(100 + level, 6, (12, 12))
    one[:, :6] += sides
    one[:, 6:] -= sides
    return one.clip(1, 255).astype(np.uint8)


def laid_out(pictures: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """A field with the pictures side by side, and its label image."""
    image, labels = np.zeros((16, 14 * len(pictures)), np.uint8), np.zeros((16, 14 * len(pictures)), np.int32)
    for i, one in enumerate(pictures):
        place = slice(2, 14), slice(14 * i + 1, 14 * i + 13)
        image[place], labels[place] = one, i + 1
    return image, labels


def build(path: Path, trap: bool = False, sets: dict[str, int] = SETS, intensity: str = "range", pixel_size: float | None = None) -> Path:
    """A dataset whose class shows in the sides of a cell; with ``trap`` only whole cultures differ, and by brightness."""
    rng = np.random.default_rng(5)
    rows, how = [], Scaling(0.0, 255.0, 255.0)
    experiment = Experiment(path)
    with publish(experiment, "datasets", "d", {}) as partial:
        writer = CropWriter(partial.path / "crops", CROP, "black")
        names = []
        for split, cultures in sets.items():
            for culture in range(cultures):
                for field in range(FIELDS):
                    senescent = np.full(CELLS, culture % 2) if trap else (rng.random(CELLS) < 0.25 + 0.1 * culture).astype(int)
                    level = 30 * senescent if trap else np.zeros(CELLS)
                    pictures = [picture(rng, 0 if trap else 0.7 * (2 * c - 1), b) for c, b in zip(senescent, level, strict=True)]
                    name = f"{split}{culture}_{field}"
                    writer.add_field(name, *laid_out(pictures), list(range(1, CELLS + 1)), how)
                    names.append(name)
                    rows += [
                        {
                            "cell_id": f"{name}:{i}",
                            "experiment": path.name,
                            "fov_id": name,
                            "label": i,
                            "sample": f"{split}{culture}",
                            "class": c,
                            "split": split,
                        }
                        for i, c in enumerate(senescent, 1)
                    ]
        index = writer.finish(names)
        table = pd.DataFrame(rows).assign(
            area_px=index["area"], extent_px=index["extent"], mean_intensity=index["total"] / index["n"], pixel_size_um=pixel_size
        )
        write_csv(partial.path / "manifest.csv", typed(table, MANIFEST)[list(MANIFEST)])
        about = {"mean": 0.39, "std": 0.04, "crop_px": CROP, "intensity": intensity, "background": "black", "pixel_size_um": pixel_size, "counts": {}}
        write_json(partial.path / "statistics.json", about)
        write_json(partial.path / "report.json", {})
    return path


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    return build(tmp_path / "judged")


@pytest.fixture
def model(classifier_file: Callable[..., Path]) -> Path:
    return classifier_file(crop_px=CROP, mean=0.39, std=0.04, intensity="range", pixel_size_um=None)


def evaluated(path: Path, model: Path, **settings: object) -> tuple[Path, dict]:  # type: ignore[type-arg]
    made = evaluate(path, EvaluateSettings(model=str(model), **(QUICK | settings)))  # type: ignore[arg-type]
    return made, json.loads((made / "metrics.json").read_text(encoding="utf-8"))


def test_what_is_written(experiment: Path, model: Path, network: type[StandIn]) -> None:
    made, found = evaluated(experiment, model)
    predictions = read_csv(made / "predictions.csv", PREDICTIONS)
    assert len(predictions) == SETS["test"] * FIELDS * CELLS
    assert set(predictions["split"]) == {"test"}
    assert (predictions["predicted"] == (predictions["senescence_probability"] >= found["threshold"]["value"])).all()
    truth = open_dataset(experiment / "datasets" / "d").manifest.set_index("cell_id")["class"]
    assert (predictions["class"].to_numpy() == truth[predictions["cell_id"]].to_numpy()).all()
    cultures = read_csv(made / "cultures.csv", EVALUATED_CULTURES)
    assert cultures["n_scored"].to_list() == [FIELDS * CELLS] * SETS["test"]
    for column in ("stained_fraction", "predicted_fraction", "corrected_fraction", "ci_low", "ci_high"):
        assert cultures[column].between(0, 1).all()
    assert (cultures["stained_fraction"] * cultures["n_scored"] == cultures["n_stained"]).all()
    assert not list(made.glob("scores*"))
    html = (made / "report.html").read_text(encoding="utf-8")
    assert found["sentence"] in html.replace("&#39;", "'")
    assert "Wilson" in html


def test_a_model_that_sees_the_cell_is_better_than_every_baseline(experiment: Path, model: Path, network: type[StandIn]) -> None:
    made, found = evaluated(experiment, model)
    metrics = read_csv(made / "metrics.csv", METRICS).set_index("metric")
    assert metrics.loc["auc", "value"] > 0.9
    assert metrics.loc["auc", "ci_low"] < metrics.loc["auc", "value"]
    assert set(read_csv(made / "baselines.csv", BASELINES)["verdict"]) == {"better"}
    assert "better than every baseline" in found["baseline_sentence"]
    assert found["warnings"] == []
    assert "good for the fraction" in found["sentence"]


def test_the_culture_trap_is_said(tmp_path: Path, model: Path, network: type[StandIn], monkeypatch: pytest.MonkeyPatch) -> None:
    """Classes that differ only by the brightness of their culture: a perfect AUC, and nothing learnt of cells."""
    monkeypatch.setattr(StandIn, "look", staticmethod(bright))
    made, found = evaluated(build(tmp_path / "trap", trap=True), model)
    assert found["metrics"][0]["value"] > 0.95
    table = read_csv(made / "baselines.csv", BASELINES).set_index("baseline")
    assert table.loc["culture only", "verdict"] == "not shown to be better" or table.loc["culture only", "verdict"] == "worse"
    assert "not better than culture only" in found["baseline_sentence"]
    assert "not been shown to see more than a simple number" in found["sentence"]
    assert found["baseline_sentence"].split(" (")[0] in (made / "report.html").read_text(encoding="utf-8")


def test_a_model_that_is_worse_than_one_number_is_warned_of(tmp_path: Path, model: Path, network: type[StandIn], monkeypatch: pytest.MonkeyPatch) -> None:
    """Each culture is brighter where it is of the other class, and the network sees that the wrong way round."""
    monkeypatch.setattr(StandIn, "look", staticmethod(lambda crops: 1 - bright(crops)))
    made, found = evaluated(build(tmp_path / "trap", trap=True), model)
    [warning] = [text for text in found["warnings"] if "better than this model" in text]
    assert "mean intensity alone (AUC 1.00)" in warning
    assert f"(AUC {found['metrics'][0]['value']:.2f})" in warning
    assert warning in (made / "report.html").read_text(encoding="utf-8")


def trap_folder(root: Path) -> Path:
    """Somebody else's pictures, ``SET/CLASS/CULTURE/picture``: a culture is of one class, and its cells differ from others by brightness alone."""
    rng = np.random.default_rng(0)
    for split, number in (("train", 4), ("val", 2), ("test", 4)):
        for culture in range(number):
            folder = root / split / ("not_senescent", "senescent")[culture % 2] / f"{split} {culture}"
            folder.mkdir(parents=True)
            for cell in range(CELLS):
                one = np.zeros((CROP, CROP), np.uint8)
                one[4:20, 4:20] = rng.normal(90 + 40 * (culture % 2), 6, (16, 16)).clip(1, 255)
                (folder / f"{cell:02d}.png").write_bytes(png(one))
    return root


def test_the_culture_trap_in_a_folder_from_elsewhere(tmp_path: Path, model: Path, network: type[StandIn], monkeypatch: pytest.MonkeyPatch) -> None:
    """From the pictures to the report by the commands: a network that sees brightness is perfect, and the report does not believe it."""
    monkeypatch.setattr(StandIn, "look", staticmethod(lambda crops: bright(crops / 20)))
    folder, out = trap_folder(tmp_path / "theirs"), tmp_path / "trap"
    assert main(["dataset", "--from-folder", str(folder), "--out", str(out), "--crop-size", str(CROP), "--intensity", "range"]) == 0
    assert main(["evaluate", str(out), "--model", str(model), "--bootstrap", "200"]) == 0
    [made] = Experiment(out).products("evaluations")
    found = json.loads((made.path / "metrics.json").read_text(encoding="utf-8"))
    assert found["metrics"][0]["value"] > 0.95
    assert "not better than culture only" in found["baseline_sentence"]
    assert "not been shown to see more than a simple number" in found["sentence"]
    assert "the model is not better than culture only" in (made.path / "report.html").read_text(encoding="utf-8")


def test_crops_of_which_nobody_knows_the_culture_have_intervals_that_are_too_narrow(tmp_path: Path, model: Path, network: type[StandIn]) -> None:
    folder, out = tmp_path / "theirs", tmp_path / "out"
    for number, file in enumerate(sorted(trap_folder(tmp_path / "trap").rglob("*.png"))):  # the same cells without folders of cultures
        to = folder / file.parents[2].name / file.parents[1].name / f"{number}.png"
        to.parent.mkdir(parents=True, exist_ok=True)
        file.rename(to)
    import_folder(folder, out, DatasetSettings(crop_px=CROP, intensity="range"))
    made, found = evaluated(out, model)
    warning = "Nobody knows which culture or field each cell comes from, so the intervals treat each cell as independent and are too narrow."
    assert warning in found["warnings"]
    assert warning in (made / "report.html").read_text(encoding="utf-8")


def test_the_origin_of_cells_is_unknown_where_nothing_says_it() -> None:
    cells = pd.DataFrame({"experiment": "e", "fov_id": ["a", "a", "b"], "sample": ""})
    assert "which culture each cell comes from, so the intervals treat each field as independent" in unknown_origin(cells)[0]
    assert unknown_origin(cells.assign(sample=["", "MSC1", "MSC2"])) == []


def test_what_the_numbers_are_without_cells_at_the_border_is_said() -> None:
    """An assessment scores whole cells only. Here the two at the border are called wrongly, the others rightly."""
    judged = pd.DataFrame({"touches_border": [True, False, False, True]}, dtype="boolean")
    found = pd.DataFrame({"class": [1, 1, 0, 0], "predicted": [0, 1, 0, 1], "senescence_probability": [0.1, 0.9, 0.2, 0.8]})
    [said] = at_the_border(judged, found)
    assert said.startswith("2 of 4 cells touch the border")
    assert said.endswith("Of the other 2 alone AUC is 1.00, sensitivity 1.00, specificity 1.00.")
    assert at_the_border(judged.assign(touches_border=False), found) == []
    assert at_the_border(judged, found.assign(**{"class": 1}))[0].endswith("leaves such cells out.")


def test_the_border_is_in_the_remarks_of_an_evaluation(experiment: Path, model: Path, network: type[StandIn]) -> None:
    file = experiment / "datasets" / "d" / "manifest.csv"
    write_csv(file, read_csv(file, MANIFEST).assign(touches_border=True))
    assert any("touch the border of their field" in one for one in evaluated(experiment, model)[1]["remarks"])


def test_baselines_are_fitted_on_training_cultures_alone(experiment: Path) -> None:
    """Their scores of the judged cells do not move when the judged classes do."""
    dataset = open_dataset(experiment / "datasets" / "d")
    rows = dataset.rows("test")
    before, _ = judging._baselines(dataset, rows)
    turned = dataset.manifest.copy()
    turned.loc[rows, "class"] = 1 - turned.loc[rows, "class"]
    after, _ = judging._baselines(replace(dataset, manifest=turned), rows)
    fitted = [MORPHOLOGY, "mean intensity only"]
    assert set(fitted) <= set(before)
    for name in fitted:
        np.testing.assert_array_equal(before[name], after[name])
    train = dataset.rows("train")
    turned.loc[train, "class"] = 1 - turned.loc[train, "class"]
    moved, _ = judging._baselines(replace(dataset, manifest=turned), rows)
    assert not np.allclose(before[MORPHOLOGY], moved[MORPHOLOGY])


def test_the_worst_errors_are_kept_with_what_the_model_looked_at(experiment: Path, model: Path, network: type[StandIn]) -> None:
    made, _ = evaluated(experiment, model, rule="sensitivity", target=0.99)
    errors, predictions = read_csv(made / "errors.csv", ERRORS), read_csv(made / "predictions.csv", PREDICTIONS)
    wrong = predictions[predictions["predicted"] != predictions["class"]]
    assert set(errors["cell_id"]) <= set(wrong["cell_id"])
    false = errors[errors["kind"] == ERROR_KINDS[0]]
    assert len(false) == min(SHOWN, (wrong["class"] == 0).sum())
    assert false["senescence_probability"].iloc[0] == wrong.loc[wrong["class"] == 0, "senescence_probability"].max()
    assert false["rank"].to_list() == list(range(1, len(false) + 1))
    maps = read_csv(made / "heat_maps.csv", HEAT_MAPS)
    assert set(maps["cell_id"]) == set(errors["cell_id"])
    for name in (*errors["picture"], *errors["heat_map"]):
        assert (made / name).stat().st_size
    html = (made / "report.html").read_text(encoding="utf-8")
    assert html.count("data:image/jpeg") == 2 * len(errors)
    assert "Show what the model looked at" in html


def test_the_heat_map_of_a_cell_is_that_of_the_calibrated_model(experiment: Path, classifier_file: Callable[..., Path]) -> None:
    """Without a stand-in: the contributions and the bias add up to the logit of the probability in the table."""
    file = classifier_file(crop_px=CROP, mean=0.39, std=0.04, intensity="range", pixel_size_um=None)
    made, _ = evaluated(experiment, file, split="validation")
    errors, maps = read_csv(made / "errors.csv", ERRORS), read_csv(made / "heat_maps.csv", HEAT_MAPS)
    assert len(errors)
    logits = maps.groupby("cell_id", sort=False)["contribution"].sum()[errors["cell_id"]].to_numpy(float) + errors["bias"].to_numpy(float)
    np.testing.assert_allclose(1 / (1 + np.exp(-logits)), errors["senescence_probability"].to_numpy(float), atol=1e-4)


def test_the_threshold_comes_from_validation(experiment: Path, model: Path, network: type[StandIn]) -> None:
    dataset = open_dataset(experiment / "datasets" / "d")
    _, found = evaluated(experiment, model, calibrate=False)
    rows = dataset.rows("validation")
    checkpoint = load_checkpoint(model)
    scores = sided(np.stack([crop_for(dataset, checkpoint, int(i)) for i in rows]))
    called, truth = scores >= found["threshold"]["value"], dataset.classes[rows] == 1
    gain = called[truth].mean() - called[~truth].mean()
    best = max((scores >= t)[truth].mean() - (scores >= t)[~truth].mean() for t in scores)
    assert gain == pytest.approx(best)
    assert found["threshold"]["chosen_on"] == "validation"
    assert found["temperature"] == 1


def test_choosing_on_the_judged_cells_is_possible_and_said_in_red(experiment: Path, model: Path, network: type[StandIn]) -> None:
    made, found = evaluated(experiment, model, threshold_on="evaluated")
    assert any("very cells that are judged" in text for text in found["warnings"])
    assert 'class="remarks"' in (made / "report.html").read_text(encoding="utf-8")


def test_calibration_is_fitted_kept_and_changes_no_rank(experiment: Path, model: Path, network: type[StandIn]) -> None:
    made, found = evaluated(experiment, model, save_model=True)
    _, plain = evaluated(experiment, model, calibrate=False)
    assert found["temperature"] != 1
    assert found["metrics"][0]["value"] == pytest.approx(plain["metrics"][0]["value"], abs=1e-3)  # float32 ties may part
    kept = load_checkpoint(made / "classifier.pt")
    assert kept.temperature == pytest.approx(found["temperature"])
    assert kept.threshold == pytest.approx(found["threshold"]["value"])


def test_the_models_own_threshold_needs_no_validation(tmp_path: Path, model: Path, network: type[StandIn]) -> None:
    path = build(tmp_path / "two", sets={"train": 2, "test": 2})
    with pytest.raises(InputError, match="wanted validation cells of both classes"):
        evaluated(path, model)
    _, found = evaluated(path, model, rule="model")
    assert found["threshold"]["value"] == 0.5
    assert found["temperature"] == 1


def test_one_culture_is_resampled_by_field(tmp_path: Path, model: Path, network: type[StandIn]) -> None:
    _, found = evaluated(build(tmp_path / "one", sets={"train": 2, "validation": 1, "test": 1}), model)
    assert found["intervals_over"] == "field"
    assert any("2 fields only: too few for an interval" in text for text in found["remarks"])
    assert "too few fields for an interval; 50 % is chance" in found["sentence"]
    assert all(row["ci_low"] is None for row in found["metrics"])


def test_a_correction_by_one_other_culture_of_two_fields_has_no_interval(tmp_path: Path, model: Path, network: type[StandIn]) -> None:
    """What the classifier errs in two fields says nothing of how it errs elsewhere: "100 % (98 to 100 %)" came of it."""
    made, _ = evaluated(build(tmp_path / "one", sets={"train": 2, "validation": 1, "test": 1}), model)
    [row] = read_csv(made / "cultures.csv", EVALUATED_CULTURES).to_dict("records")
    assert pd.notna(row["corrected_fraction"])
    assert pd.isna(row["ci_low"])
    assert "too few other cultures or fields for an interval" in row["ci_method"]


def test_an_interrupted_evaluation_goes_on(experiment: Path, model: Path, network: type[StandIn]) -> None:
    def until(done: float, total: float, item: str) -> None:
        if "41 of" in item:
            raise Cancelled

    settings = EvaluateSettings(model=str(model), **QUICK)  # type: ignore[arg-type]
    with pytest.raises(Cancelled):
        evaluate(experiment, settings, None, until)
    before = network.seen
    made = evaluate(experiment, settings)
    assert before == 40
    assert network.seen == (SETS["test"] + SETS["validation"]) * FIELDS * CELLS
    assert evaluate(experiment, settings) == made
    assert network.seen == (SETS["test"] + SETS["validation"]) * FIELDS * CELLS


@pytest.mark.parametrize("size", [12, 17, 24, 31, 40])
def test_crops_of_another_size_are_those_that_would_have_been_cut(tmp_path: Path, size: int, classifier_file: Callable[..., Path]) -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(1, 255, (60, 60)).astype(np.uint8)
    labels = np.zeros((60, 60), np.int32)
    labels[10:29, 5:32], labels[50:60, 52:60], labels[40:42, 3:6] = 1, 2, 3
    folder = tmp_path / "d"
    writer = CropWriter(folder / "crops", 24, "black")
    writer.add_field("f", image, labels, [1, 2, 3], Scaling(0.0, 255.0, 255.0))
    index = writer.finish(["f"])
    about = {"mean": 0.5, "std": 0.2, "crop_px": 24, "intensity": "range", "pixel_size_um": None}
    write_json(folder / "statistics.json", about)
    write_json(folder / "report.json", {})
    table = typed(pd.DataFrame({"fov_id": ["f"] * 3, "label": index["label"], "class": [0, 1, 0]}), MANIFEST)
    write_csv(folder / "manifest.csv", table)
    checkpoint = load_checkpoint(classifier_file(crop_px=size, mean=0.3, std=0.1, intensity="range", pixel_size_um=None))
    found = np.stack([crop_for(open_dataset(folder), checkpoint, i) for i in range(3)])
    wanted = cut_crops(normalise(image.astype(np.float32) / 255, 0.3, 0.1), labels, [1, 2, 3], size)
    middle = slice(max(0, size // 2 - 12), size // 2 + 12)  # the stored crop has 24 px: what lies outside it is lost
    np.testing.assert_allclose(found[:, middle, middle], wanted[:, middle, middle], atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"intensity": "field"}, "--intensity field"), ({"pixel_size_um": 0.65}, "--pixel-size 0.65, but its pixels have an unknown size")],
)
def test_crops_that_the_model_cannot_use_are_refused(experiment: Path, classifier_file: Callable[..., Path], changes: dict, words: str) -> None:  # type: ignore[type-arg]
    file = classifier_file(**({"crop_px": CROP, "intensity": "range", "pixel_size_um": None} | changes))
    with pytest.raises(InputError, match=words):
        evaluated(experiment, file)


def test_that_a_model_does_not_fit_is_known_beforehand_in_the_words_of_the_app(experiment: Path, model: Path, classifier_file: Callable[..., Path]) -> None:
    assert unfit(experiment, EvaluateSettings(model=str(model))) == ""
    other = classifier_file(crop_px=CROP, intensity="field", pixel_size_um=1.0)
    said = unfit(experiment, EvaluateSettings(model=str(other)))
    assert "needs a dataset made with crop size 24 px, intensity “field” and common pixel size 1 µm, but its crops have intensity “range”" in said
    assert "--" not in said


def test_a_run_is_named_by_its_id(experiment: Path, model: Path, network: type[StandIn]) -> None:
    run = experiment / "runs" / "first"
    run.mkdir(parents=True)
    with pytest.raises(InputError, match="finished training run"):
        evaluated(experiment, Path("first"))
    (run / "best.pt").write_bytes(model.read_bytes())
    made, _ = evaluated(experiment, Path("first"))
    assert made.name.startswith("first")
    (experiment / "runs" / "half.partial").mkdir()
    with pytest.raises(InputError, match="--resume half --finish"):
        evaluated(experiment, Path("half.partial"))


def test_the_newest_run_is_the_default_of_the_command(experiment: Path) -> None:
    assert default_model(experiment) == EvaluateSettings.model
    for name, created in (("old", "2026-01-01"), ("new", "2026-02-01")):
        with publish(Experiment(experiment), "runs", name, {}):
            pass
        record = experiment / "runs" / name / "settings.json"
        record.write_text(json.dumps(json.loads(record.read_text(encoding="utf-8")) | {"created": created}), encoding="utf-8")
    assert default_model(experiment) == "new"


def test_command_line(experiment: Path, model: Path, network: type[StandIn], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(experiment), "--model", str(model), "--bootstrap", "100", "--dataset", "d"]) == 0
    said = capsys.readouterr()
    assert (Path(said.out.splitlines()[-1]) / "cultures.csv").is_file()
    assert "pairs" in said.err
    assert main(["evaluate", str(experiment), "--model", str(model), "--split", "training"]) == 2
    assert main(["evaluate", str(experiment), "--model", str(model), "--dataset", "none"]) == 2
    assert main(["evaluate", str(experiment / "nowhere"), "--model", str(model)]) == 2


def cultures(*names: str, experiment: str = "judged") -> list[dict[str, str]]:
    return [{"experiment": experiment, "sample": name} for name in names]


def knowing(classifier_file: Callable[..., Path], **uses: list[dict[str, str]]) -> Path:
    """A model whose card says what it learned from."""
    card = {CARD_KEY: {"train": [], "validation": []} | uses}
    return classifier_file(crop_px=CROP, mean=0.39, std=0.04, intensity="range", pixel_size_um=None, card=card)


def test_a_model_that_learned_from_the_judged_cultures_is_said_in_red(experiment: Path, classifier_file: Callable[..., Path], network: type[StandIn]) -> None:
    model = knowing(classifier_file, train=cultures("test0", "test2"), validation=cultures("test2", "test3"))
    made, found = evaluated(experiment, model)
    [warning] = found["warnings"]
    assert "learned from test0, test2 (80 of the 160 judged cells are of cultures that it was trained on)" in warning
    assert "cultures it never saw" in warning
    assert "another experiment" not in warning
    assert warning in (made / "report.html").read_text(encoding="utf-8")
    assert "chosen on test3 (40 of the 160 judged cells" in found["remarks"][0]
    assert found["seen"] == {"train": {"cultures": ["test0", "test2"], "n_cells": 80}, "validation": {"cultures": ["test3"], "n_cells": 40}}


def test_other_cultures_of_the_same_dataset_give_no_warning(experiment: Path, classifier_file: Callable[..., Path], network: type[StandIn]) -> None:
    manifest = open_dataset(experiment / "datasets" / "d").manifest
    _, found = evaluated(experiment, knowing(classifier_file, **learned_from(manifest)))
    assert found["warnings"] == []
    assert not any("were chosen on" in text for text in found["remarks"])


def test_a_threshold_chosen_on_cultures_that_the_model_learned_from_is_said(
    experiment: Path, classifier_file: Callable[..., Path], network: type[StandIn]
) -> None:
    model = knowing(classifier_file, train=cultures("validation1"))
    _, found = evaluated(experiment, model)
    assert found["warnings"] == []
    assert "threshold was chosen on validation1, which the model learned from (40 of the 80 validation cells)" in found["remarks"][0]
    _, own = evaluated(experiment, model, rule="model")
    assert not any("which the model learned from" in text for text in own["remarks"])


def test_a_culture_of_that_name_in_another_experiment_is_the_same_and_this_is_said(
    experiment: Path, classifier_file: Callable[..., Path], network: type[StandIn]
) -> None:
    _, found = evaluated(experiment, knowing(classifier_file, train=cultures("test1", experiment="old")))
    assert "saw test1 in another experiment" in found["warnings"][0]


def test_the_name_of_files_without_one_tells_no_culture_of_another_experiment() -> None:
    judged = pd.DataFrame({"experiment": ["judged", "other", "judged"], "sample": [DEFAULT_SAMPLE, DEFAULT_SAMPLE, ""]})
    found = seen(judged, {CARD_KEY: {"train": cultures(DEFAULT_SAMPLE, ""), "validation": []}}, DEFAULT_SAMPLE)
    assert found["train"].n_cells == 1


def test_a_model_calibrated_on_further_cultures_knows_of_them(experiment: Path, classifier_file: Callable[..., Path], network: type[StandIn]) -> None:
    made, _ = evaluated(experiment, knowing(classifier_file, train=cultures("A")), save_model=True)
    assert load_checkpoint(made / "classifier.pt").card[CARD_KEY] == {"train": cultures("A"), "validation": cultures("validation0", "validation1")}
