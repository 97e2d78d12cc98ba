"""Not one decision of a person is lost: not by a new threshold, not by new outlines; what cannot come along is listed."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.errors import InputError
from core.images import read_labels, write_labels
from core.report import read_csv
from core.settings import AnnotateSettings
from core.stages.annotating import annotate
from core.stages.annotation_decisions import add_decisions, curation, curation_file, decisions_on
from core.stages.importing import import_labels
from core.stain.curation import decision
from core.tables import ANNOTATED_CELLS, CELLS, CURATION, LOST_DECISIONS, UNDO
from core.workspace import Experiment, Product, read_json

PLAIN = AnnotateSettings(register="none", threshold="0.1")


@pytest.fixture
def experiment(dishes: Callable[..., Path]) -> Experiment:
    return Experiment(dishes({"f1": {"stained": {2: 12, 40: 30}}, "f2": {"stained": {5: 20}, "sample": "B"}}))


def decide(experiment: Experiment, label: int, what: str, rater: str = "Åse", fov_id: str = "f1", on: Product | None = None) -> None:
    product = on or experiment.products("segmentations")[-1]
    cells = read_csv(product.path / "cells.csv", CELLS)
    cell = cells[(cells["fov_id"] == fov_id) & (cells["label"] == label)].iloc[0]
    add_decisions(experiment, decision(product.id, cell, what, rater))


def row_of(made: Path, label: int, fov_id: str = "f1") -> pd.Series:
    return read_csv(made / "cells.csv", ANNOTATED_CELLS).set_index(["fov_id", "label"]).loc[(fov_id, label)]


def new_outlines(experiment: Experiment, change: Callable[[np.ndarray], np.ndarray]) -> Product:
    for file in (experiment.path / "labels").iterdir():
        write_labels(file, change(read_labels(file)))
    made = import_labels(experiment, [str(p) for p in sorted((experiment.path / "labels").iterdir())])
    return experiment.product("segmentations", made.name)


def test_decisions_outlive_a_new_threshold(experiment: Experiment) -> None:
    before = annotate(experiment.path, PLAIN)
    for label, what in ((2, "negative"), (9, "positive"), (40, "exclude"), (41, "cannot tell")):
        decide(experiment, label, what)
    made = annotate(experiment.path, PLAIN)
    assert made != before  # other decisions, another product
    for folder in (made, annotate(experiment.path, replace(PLAIN, threshold="0.4"))):
        assert [row_of(folder, label)["class"] for label in (2, 9)] == [0, 1]
        assert row_of(folder, 40)["class"] is pd.NA
        assert row_of(folder, 41)[["decision", "curated_class"]].tolist() == ["cannot tell", pd.NA]
    assert row_of(made, 2)["automatic_class"] == 1
    assert len(read_csv(made / "curation.csv", CURATION)) == 4
    decide(experiment, 2, UNDO)
    assert row_of(annotate(experiment.path, PLAIN), 2)["class"] == 1
    assert len(curation(experiment)) == 5  # nothing is ever taken out of the file
    for label in (9, 40, 41):
        decide(experiment, label, UNDO)
    assert annotate(experiment.path, PLAIN) == before


def test_decisions_come_along_to_new_outlines(experiment: Experiment) -> None:
    first = experiment.products("segmentations")[0]
    for label, what in ((2, "negative"), (9, "positive"), (40, "positive"), (41, "exclude")):
        decide(experiment, label, what)

    def change(labels: np.ndarray) -> np.ndarray:
        out = np.where(labels > 0, labels + 1000, 0)  # other numbers
        out[(labels == 2) & (np.indices(labels.shape)[0] < 20)] = 0  # a bit smaller
        out[labels == 9] = 0  # gone
        out[(labels == 40) & (np.indices(labels.shape)[1] < 35)] = 7  # cut in two: 20 and 10 columns
        out[(labels == 41) & (np.indices(labels.shape)[1] % 2 == 0)] = 1000 + 5  # no cell has more than half of it
        return out

    second = new_outlines(experiment, change)
    decide(experiment, 1300, "positive", on=second)
    found = decisions_on(experiment, second)
    assert found.current[["label", "decision", "carried_from"]].to_numpy().tolist() == [
        [1002, "negative", f"{first.id}:2"],
        [7, "positive", f"{first.id}:40"],
        [1300, "positive", ""],
    ]
    assert found.n_carried == 2
    made = annotate(experiment.path, PLAIN)
    assert read_json(made / "settings.json")["upstream"]["segmentation"] == second.id
    assert [row_of(made, label)["class"] for label in (1002, 7, 1300)] == [0, 1, 1]
    lost = read_csv(made / "lost_decisions.csv", LOST_DECISIONS)
    assert lost["label"].tolist() == [9, 41]
    assert lost["reason"].tolist()[0] == "no cell lies there any more"
    assert "2 decisions could not be carried over" in (made / "notes.txt").read_text(encoding="utf-8")
    assert annotate(experiment.path, PLAIN) == made
    assert row_of(annotate(experiment.path, PLAIN, segmentation_id=first.id), 9)["class"] == 1


def test_what_was_decided_on_these_outlines_counts_first(experiment: Experiment) -> None:
    decide(experiment, 2, "negative", "A")
    first = experiment.products("segmentations")[0]
    second = new_outlines(experiment, lambda labels: np.where(labels > 0, labels + 1, 0))
    decide(experiment, 3, "positive", "B", on=second)
    decide(experiment, 2, "exclude", "A", on=first)  # later, but elsewhere
    assert decisions_on(experiment, second).current["decision"].tolist() == ["positive"]
    decide(experiment, 3, UNDO, "B", on=second)
    assert decisions_on(experiment, second).current["decision"].tolist() == ["exclude"]


def test_outlines_that_are_gone_and_cells_that_never_were(experiment: Experiment) -> None:
    import shutil

    decide(experiment, 2, "negative")
    old = experiment.products("segmentations")[0]
    second = new_outlines(experiment, lambda labels: labels[::-1].copy())
    shutil.rmtree(old.path)
    add_decisions(experiment, decision(second.id, {"fov_id": "f1", "label": 77}, "positive", "B"))
    lost = decisions_on(experiment, second).lost
    assert lost["reason"].tolist() == ["the segmentation has no such cell", f"the outlines of segmentation {old.id} are not there any more"]


def test_the_file_is_only_added_to(experiment: Experiment) -> None:
    decide(experiment, 2, "negative")
    before = curation_file(experiment).read_bytes()
    curation_file(experiment).write_bytes(before.rstrip(b"\n"))  # somebody's editor took the last line's end away
    decide(experiment, 9, "positive")
    assert curation_file(experiment).read_bytes().startswith(before)
    assert curation(experiment)["label"].tolist() == [2, 9]
    with pytest.raises(InputError, match="name of the rater"):
        decide(experiment, 9, "positive", " ")
