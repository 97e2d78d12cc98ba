"""A ready assessment of hand-made dishes, with an evaluation and an annotation to go with it: no network is asked."""

from pathlib import Path

import numpy as np
import pandas as pd

from core.report import read_csv, write_csv
from core.statistics import field_table, sample_table
from core.tables import ANNOTATED_CELLS, ASSESSED_CELLS, CELLS, FAILURES, PREDICTIONS, typed
from core.workspace import Experiment, Product, publish, write_json

HASH = "ab" * 32
THRESHOLD = 0.5
CLASSIFIER = {"name": "mine", "sha256": HASH, "licence": "CC-BY-4.0", "summary": "B0", "threshold": THRESHOLD}


def outlines(experiment: Experiment) -> Product:
    """The first segmentation."""
    return experiment.products("segmentations")[-1]


def scored_cells(experiment: Experiment, seed: int = 0) -> pd.DataFrame:
    """Every outlined cell with a random probability; the first of each field is not scored."""
    fields = experiment.fields()
    cells = read_csv(outlines(experiment).path / "cells.csv", CELLS).merge(fields[["fov_id", "sample", "pixel_size_um"]], on="fov_id")
    probability = np.random.default_rng(seed).random(len(cells)).round(3)
    first = ~cells.duplicated("fov_id")
    table = cells.assign(
        cell_id=cells["fov_id"] + ":" + cells["label"].astype(str),
        area_um2=cells["area_px"] * cells["pixel_size_um"] ** 2,
        excluded=first,
        exclusion_reason=np.where(first, "too small", ""),
        senescence_probability=pd.array(np.where(first, np.nan, probability), "Float64"),
        senescent=pd.array(probability >= THRESHOLD, "Int64"),
    )
    table.loc[first, ["senescence_probability", "senescent"]] = pd.NA
    return typed(table, ASSESSED_CELLS)[list(ASSESSED_CELLS)]


def assessment(experiment: Experiment, id: str = "mine-1", cells: pd.DataFrame | None = None, comma: bool = False) -> Product:
    """An assessment as an earlier version made it: calls and plain counts, no more."""
    cells = scored_cells(experiment) if cells is None else cells
    fields = field_table(cells, experiment.fields())
    tables = {"cells": cells, "fields": fields, "samples": sample_table(fields, bootstrap=100), "failures": typed(pd.DataFrame(), FAILURES)}
    about = {"upstream": {"segmentation": outlines(experiment).id}, "models": {"classifier": CLASSIFIER}, "command": f"python -m core assess {experiment.name}"}
    with publish(experiment, "assessments", id, {"threshold": -1.0, "seed": 0, "operator": "A. Nilsen"}, **about) as partial:
        for name, table in tables.items():
            write_csv(partial.path / f"{name}.csv", table, decimal_comma=comma)
        (partial.path / "notes.txt").write_text("A note of the stage.\n", encoding="utf-8")
        (partial.path / "report.html").write_text("<html></html>", encoding="utf-8")
        (partial.path / "overlays").mkdir()
    return experiment.product("assessments", id)


def annotation(experiment: Experiment, fov_ids: list[str], id: str, marker: str = "SA-beta-gal", seed: int = 1) -> Product:
    """A class for every cell of ``fov_ids``: five in six as ``scored_cells`` calls them, by a stain threshold of 0.12."""
    every = read_csv(outlines(experiment).path / "cells.csv", CELLS).merge(experiment.fields()[["fov_id", "sample", "role"]], on="fov_id")
    known = every["fov_id"].isin(fov_ids)
    called = np.random.default_rng(0).random(len(every)).round(3) >= THRESHOLD
    classes = np.where(np.random.default_rng(seed).random(len(every)) < 5 / 6, called, ~called).astype(int)
    critical = 0.12 + np.random.default_rng(seed + 1).random(len(every)).round(3) * np.where(classes == 1, 0.03, -0.03)  # at 0.132 and 0.108 some turn
    table = typed(every.assign(marker=marker, critical_threshold=critical, **{"class": pd.array(np.where(known, classes, -1), "Int64")}), ANNOTATED_CELLS)
    table.loc[table["class"] == -1, "class"] = pd.NA
    table["automatic_class"] = table["class"]
    kept = {"marker": marker, "threshold_used": 0.12, "threshold_from": "best", "threshold_why": "Most stable.", "unit": "optical density"}
    kept |= {"spots": [{"px": 20, "um2": 5.0}], "control_cells": 40, "control_positive_cells": 1}
    with publish(experiment, "annotations", id, kept, upstream={"segmentation": outlines(experiment).id}) as partial:
        write_csv(partial.path / "cells.csv", table)
        lines = [{"sample": s, "threshold": 0.12, "positive_fraction": 0.5} for s in set(every["sample"])]
        write_csv(partial.path / "lines.csv", pd.DataFrame(lines))
    return experiment.product("annotations", id)


def evaluation(
    experiment: Experiment, id: str = "judged", sha256: str = HASH, split: str = "test", temperature: float = 1.0, cultures: tuple[str, ...] = ("X", "Y", "Z")
) -> Product:
    """Predictions on 60 cells of each of ``cultures``: sensitivity and specificity near 0.8."""
    rng, rows = np.random.default_rng(5), []
    for sample in cultures:
        truth = rng.integers(0, 2, 60)
        probability = np.where(rng.random(60) < 0.8, truth, 1 - truth) * 0.5 + 0.25
        for i, (true, p) in enumerate(zip(truth, probability, strict=True)):
            fov_id = f"{sample}_{i % 3}"
            row = {"cell_id": f"{fov_id}:{i}", "fov_id": fov_id, "label": i, "sample": sample, "split": split}
            rows.append(row | {"class": true, "senescence_probability": p})
    models = {"classifier": {"name": "mine", "sha256": sha256}}
    with publish(experiment, "evaluations", id, {"split": split}, models=models) as partial:
        write_csv(partial.path / "predictions.csv", typed(pd.DataFrame(rows), PREDICTIONS))
        write_json(partial.path / "metrics.json", {"temperature": temperature})
    return experiment.product("evaluations", id)


def dishes_of(make, samples: dict[str, int], **about: object) -> Experiment:  # type: ignore[no-untyped-def]
    """``make``: the fixture ``dishes``; ``samples``: fields of each culture."""
    fields = {f"{sample}_f{i}": {"sample": sample, **about} for sample, n in samples.items() for i in range(n)}
    return Experiment(Path(make(fields)))
