"""Two evaluations of the same cells become a comparison; of other cells they are refused."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.__main__ import main
from core.dataset.store import CropWriter, Scaling
from core.errors import InputError
from core.report import read_csv, write_csv
from core.settings import CompareSettings
from core.stages.comparing import compare
from core.tables import COMPARED_CELLS, DISAGREEMENTS, FLIPS, MANIFEST, PAIRED, PREDICTIONS, typed
from core.workspace import Experiment, create_experiment, publish, write_json

CELLS, FIELDS = 40, 6


def manifest() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = [
        {
            "cell_id": f"f{f}:{i}",
            "experiment": "judged",
            "fov_id": f"f{f}",
            "label": i,
            "sample": f"MSC{f % 3}",
            "class": int(rng.random() < 0.4),
            "split": "test",
        }
        for f in range(FIELDS)
        for i in range(1, CELLS + 1)
    ]
    return typed(pd.DataFrame(rows), MANIFEST)


def dataset(experiment: Experiment, name: str = "d", upstream: dict[str, str] | None = None) -> None:
    with publish(experiment, "datasets", name, {}, upstream=upstream) as partial:
        writer = CropWriter(partial.path / "crops", 24, "black")
        labels = np.zeros((12, 12 * CELLS), np.int32)
        for i in range(CELLS):
            labels[2:10, 12 * i + 2 : 12 * i + 10] = i + 1
        image = np.random.default_rng(1).integers(1, 255, labels.shape).astype(np.uint8)
        for f in range(FIELDS):
            writer.add_field(f"f{f}", image, labels, range(1, CELLS + 1), Scaling(0.0, 255.0, 255.0))
        writer.finish([f"f{f}" for f in range(FIELDS)])
        write_csv(partial.path / "manifest.csv", manifest())
        write_json(partial.path / "statistics.json", {"mean": 0.5, "std": 0.2, "crop_px": 24, "intensity": "range", "pixel_size_um": None})
        write_json(partial.path / "report.json", {})


def evaluation(experiment: Experiment, name: str, skill: float, cells: pd.DataFrame | None = None, warnings: tuple[str, ...] = (), of: str = "d") -> None:
    table = manifest() if cells is None else cells
    rng = np.random.default_rng(len(name))
    scores = np.clip(0.5 + skill * (table["class"].to_numpy(float) - 0.5) + rng.normal(0, 0.15, len(table)), 0, 1)
    models = {"classifier": {"name": f"model {name}", "sha256": "ab" * 32, "licence": "BSD-3-Clause"}}
    with publish(experiment, "evaluations", name, {}, upstream={"dataset": of}, models=models) as partial:
        found = table[["cell_id", "fov_id", "label", "sample", "split", "class"]].assign(senescence_probability=scores, predicted=(scores >= 0.5).astype(int))
        write_csv(partial.path / "predictions.csv", typed(found, PREDICTIONS))
        write_json(partial.path / "metrics.json", {"threshold": {"value": 0.5, "why": "so"}, "warnings": list(warnings)})


@pytest.fixture
def experiment() -> Experiment:
    made = create_experiment("judged")
    dataset(made)
    evaluation(made, "poor", 0.1)
    evaluation(made, "goodone", 0.4, warnings=("the threshold was chosen here",))
    return made


QUICK = CompareSettings(bootstrap=200)


def test_what_is_written(experiment: Experiment) -> None:
    made = compare(experiment.path, "poor", "goodone", QUICK)
    found = json.loads((made / "comparison.json").read_text(encoding="utf-8"))
    assert "model goodone ranks cells better than model poor by" in found["sentence"]
    assert found["warnings"] == ["model goodone: the threshold was chosen here"]
    assert "DeLong" in found["check"]
    assert any("3 cultures only" in text for text in found["remarks"])
    metrics, flips = read_csv(made / "metrics.csv", PAIRED), read_csv(made / "flips.csv", FLIPS)
    assert metrics.set_index("metric").loc["auc", "better"] == "second"
    cells = read_csv(made / "cells.csv", COMPARED_CELLS)
    assert len(cells) == CELLS * FIELDS
    assert (cells["kind"] == "only second right").sum() == flips.loc[0, "only_second_right"]
    assert made.parent.name == "comparisons"
    assert compare(experiment.path, "poor", "goodone", QUICK) == made


def test_the_gallery_shows_the_cells_that_differ_most(experiment: Experiment) -> None:
    made = compare(experiment.path, "poor", "goodone", QUICK)
    some, cells = read_csv(made / "disagreements.csv", DISAGREEMENTS), read_csv(made / "cells.csv", COMPARED_CELLS)
    for kind in ("only first right", "only second right"):
        gaps = (some["first_probability"] - some["second_probability"]).abs()[some["kind"] == kind]
        of_kind = cells[cells["kind"] == kind]
        assert gaps.max() == (of_kind["first_probability"] - of_kind["second_probability"]).abs().max()
        assert gaps.is_monotonic_decreasing
    assert all((made / name).is_file() for name in some["picture"])
    html = (made / "report.html").read_text(encoding="utf-8")
    assert html.count("data:image/jpeg") == len(some)
    assert "Only model poor is right" in html


def test_the_report_asks_for_nothing_from_outside_and_escapes_names(experiment: Experiment) -> None:
    evil = "<script>alert(1)</script>"
    evaluation(experiment, "evil", 0.2)
    record = experiment.path / "evaluations" / "evil" / "settings.json"
    record.write_text(record.read_text(encoding="utf-8").replace("model evil", evil), encoding="utf-8")
    html = (compare(experiment.path, "poor", "evil", QUICK) / "report.html").read_text(encoding="utf-8")
    assert evil not in html
    assert "&lt;script&gt;" in html
    assert "default-src 'none'" in html


def test_without_the_dataset_the_numbers_stay(experiment: Experiment) -> None:
    for file in ("manifest.csv", "settings.json"):
        (experiment.path / "datasets" / "d" / file).unlink()
    made = compare(experiment.path, "poor", "goodone", QUICK)
    assert (read_csv(made / "disagreements.csv", DISAGREEMENTS)["picture"] == "").all()
    assert "no longer there" in (made / "report.html").read_text(encoding="utf-8")


def test_fields_of_one_name_in_two_experiments_are_two(experiment: Experiment) -> None:
    """Of one culture, so that fields are resampled: counted as in the evaluation, whose cells bear the experiment's name then."""
    table = manifest().assign(sample="MSC1")
    twice = pd.concat([table.assign(experiment=one, cell_id=f"{one}/" + table["cell_id"]) for one in ("judged", "other")], ignore_index=True)
    for name, skill in (("one", 0.1), ("another", 0.4)):
        evaluation(experiment, name, skill, cells=twice)
    (experiment.path / "datasets" / "d" / "manifest.csv").unlink()  # its cells are others
    made = compare(experiment.path, "one", "another", QUICK)
    assert set(read_csv(made / "metrics.csv", PAIRED)["n_clusters"]) == {2 * FIELDS}
    assert f"cells of {2 * FIELDS} fields" in json.loads((made / "comparison.json").read_text(encoding="utf-8"))["sentence"]


def test_the_same_calls_disagree_nowhere(experiment: Experiment) -> None:
    evaluation(experiment, "rood", 0.1)  # as many letters as "poor": the same numbers
    made = compare(experiment.path, "poor", "rood", QUICK)
    assert "no difference is shown" in json.loads((made / "comparison.json").read_text(encoding="utf-8"))["sentence"]
    assert read_csv(made / "disagreements.csv", DISAGREEMENTS).empty
    assert "make the same calls" in (made / "report.html").read_text(encoding="utf-8")


def test_other_cells_are_refused(experiment: Experiment) -> None:
    table = manifest()
    evaluation(experiment, "fewer", 0.3, table.head(100))
    evaluation(experiment, "changed", 0.3, table.assign(**{"class": 1 - table["class"]}))
    evaluation(experiment, "elsewhere", 0.3, of="other")
    with pytest.raises(InputError, match="found poor twice"):
        compare(experiment.path, "poor", "poor")
    with pytest.raises(InputError, match="the first judged 240 cells, the second 100, and 100 are the same"):
        compare(experiment.path, "poor", "fewer")
    with pytest.raises(InputError, match="240 cells have another class"):
        compare(experiment.path, "poor", "changed")
    with pytest.raises(InputError, match="the first judged on the dataset d, the second on other"):
        compare(experiment.path, "poor", "elsewhere")
    with pytest.raises(InputError, match="no evaluation 'none'"):
        compare(experiment.path, "poor", "none")
    assert not experiment.products("comparisons")


def test_two_datasets_of_one_annotation_hold_the_same_cells(experiment: Experiment) -> None:
    """A model that needs crops of another size is judged on a dataset of its own."""
    for name in ("large", "small"):
        dataset(experiment, name, {"annotation of judged": "a"})
        evaluation(experiment, f"on {name}", 0.3, of=name)
    assert (compare(experiment.path, "on large", "on small", QUICK) / "report.html").is_file()


def test_command_line(experiment: Experiment, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(experiment.path), "poor", "goodone", "--bootstrap", "100"]) == 0
    said = capsys.readouterr()
    made = Path(said.out.splitlines()[-1])
    assert (made / "report.html").is_file()
    assert "ranks cells better" in said.err
    words = json.loads((made / "settings.json").read_text(encoding="utf-8"))["command"]
    assert words.endswith("poor goodone")
    assert "--bootstrap 100" in words
    assert main(["compare", str(experiment.path), "poor", "poor"]) == 2
