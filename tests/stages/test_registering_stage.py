from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.__main__ import main
from core.errors import InputError
from core.images import read, write_image
from core.registration import from_row, nudged, unregistered
from core.report import read_csv
from core.settings import RegisterSettings, SimulateSettings
from core.stages.registering import current_registrations, decide, register_pairs, with_consensus
from core.stages.simulating import simulate
from core.tables import FAILURES, REGISTRATIONS
from core.workspace import Experiment, Product


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    made = simulate(tmp_path_factory.mktemp("registering") / "e", SimulateSettings(samples=1, fields=2, size=400, seed=3))
    return Experiment(made)


@pytest.fixture(scope="module")
def product(experiment: Experiment) -> Product:
    made = register_pairs(experiment.path, RegisterSettings())
    return experiment.product("registrations", made.name)


def test_every_pair_has_a_row_that_agrees_with_the_truth(experiment: Experiment, product: Product) -> None:
    table = read_csv(product.path / "registration.csv", REGISTRATIONS)
    assert list(table.columns) == list(REGISTRATIONS)
    assert table[["fov_id", "image"]].to_numpy().tolist() == [[f, i] for f in experiment.fields()["fov_id"] for i in ("stain", "colour")]
    truth = read_csv(experiment.path / "truth" / "registration.csv", {"fov_id": "str", "m02": "Float64", "m12": "Float64"}).set_index("fov_id")
    passed = table[table["verdict"] == "pass"]
    assert len(passed) >= 2
    for row in passed.to_dict("records"):
        assert abs(row["tx"] - truth.loc[row["fov_id"], "m02"]) < 2
        assert abs(row["ty"] - truth.loc[row["fov_id"], "m12"]) < 2
    assert product.settings["settings"]["method"] == "similarity"


def test_the_same_images_give_the_same_product(experiment: Experiment, product: Product) -> None:
    assert register_pairs(experiment.path, RegisterSettings()) == product.path


def test_an_interrupted_run_goes_on(experiment: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, asked = RegisterSettings(images="colour", method="translation"), []

    def stop(done: float, total: float, item: str = "") -> None:
        if done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        register_pairs(experiment.path, settings, progress=stop)
    monkeypatch.setattr("core.stages.registering.register", lambda *a, **k: asked.append(1) or unregistered("black"))
    made = register_pairs(experiment.path, settings)
    assert len(asked) == 1
    assert len(read_csv(made / "registration.csv", REGISTRATIONS)) == 2


def test_one_bad_pair_does_not_stop_the_others(tmp_path: Path, experiment: Experiment) -> None:
    other = Experiment(tmp_path / "e")
    fields = experiment.fields()
    for column in ("phase", "stain", "colour"):
        fields[column] = [str(experiment.path / ref) for ref in fields[column]]
    fields.loc[0, "stain"] = str(tmp_path / "small.tif")
    write_image(tmp_path / "small.tif", np.arange(10_000, dtype=np.uint16).reshape(100, 100))
    fields.loc[1, "colour"] = ""
    other.path.mkdir()
    other.save_fields(fields)
    made = register_pairs(other.path, RegisterSettings())
    failures = read_csv(made / "failures.csv", FAILURES)
    assert failures["fov_id"].tolist() == [fields.loc[0, "fov_id"]]
    assert "100 x 100" in failures.loc[0, "error"]
    assert read_csv(made / "registration.csv", REGISTRATIONS)["image"].tolist() == ["colour", "stain"]
    fields["stain"] = ""
    other.save_fields(fields)
    with pytest.raises(InputError, match="no field has a stain image"):
        register_pairs(other.path, RegisterSettings(images="stain"))


def test_a_failed_pair_takes_the_consensus_of_its_culture(product: Product) -> None:
    row = next(r for r in read_csv(product.path / "own.csv", REGISTRATIONS).to_dict("records") if r["verdict"] == "pass")
    row |= {"sample": "A", "height": 400, "width": 400, "image": "stain"}
    lost = row | unregistered("All black.").row() | {"fov_id": "lost"}
    table = with_consensus(pd.DataFrame([row, row, row, lost, lost | {"fov_id": "other", "image": "colour"}]))
    taken = table[table["fov_id"] == "lost"].iloc[0]
    assert (taken["source"], taken["verdict"]) == ("consensus", "check")
    assert taken["tx"] == pytest.approx(row["tx"])
    assert taken["reason"].startswith("All black. Taken from 3 pairs")
    assert table[table["fov_id"] == "other"].iloc[0]["verdict"] == "fail"  # another camera


def test_decisions_lie_on_top_and_can_be_taken_back(experiment: Experiment, product: Product) -> None:
    before = current_registrations(experiment, product)
    first, second = (before.iloc[k].to_dict() for k in (0, 2))
    by_hand = nudged(from_row(first), 2, 0, shape=(400, 400))
    decide(experiment, first["fov_id"], "stain", by_hand, "nudged", 'Åse; "B", C')
    decide(experiment, second["fov_id"], "stain", from_row(second), "excluded", "Åse")
    now = current_registrations(experiment, product)
    np.testing.assert_allclose(now.loc[0, ["a", "b", "tx", "c", "d", "ty"]].astype(float), by_hand.matrix.ravel())
    assert now.loc[0, ["verdict", "source", "residual_px", "rater"]].tolist() == ["pass", "manual", 1.0, 'Åse; "B", C']
    assert (now.loc[2, "verdict"], now.loc[2, "reason"]) == ("fail", "Excluded by Åse.")
    decide(experiment, first["fov_id"], "stain", by_hand, "undo", "Åse")
    decide(experiment, second["fov_id"], "stain", from_row(second), "accepted", "Åse")
    again = current_registrations(experiment, product)
    assert again.iloc[0].drop("decision").equals(before.iloc[0].drop("decision"))
    assert again.loc[2, "verdict"] == "pass"
    assert again.loc[2, "residual_px"] == second["residual_px"]


@pytest.mark.parametrize(("decision", "rater"), [("maybe", "A"), ("accepted", " ")])
def test_odd_decisions_are_refused(experiment: Experiment, decision: str, rater: str) -> None:
    with pytest.raises(InputError, match="Alignment: wanted"):
        decide(experiment, "f", "stain", unregistered(""), decision, rater)


def test_the_command_prints_the_product(experiment: Experiment, product: Product, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["register", str(experiment.path)]) == 0
    assert capsys.readouterr().out.strip() == str(product.path)
    assert main(["register", str(experiment.path), "--method", "rigid"]) == 2
    assert "wanted one of translation, similarity, affine, found 'rigid'" in capsys.readouterr().err


def test_raw_images_stay(experiment: Experiment, product: Product) -> None:
    assert read(experiment.path / experiment.fields().loc[0, "stain"]).pixels.shape == (400, 400)
