"""Evaluate: score the cells of a dataset with a classifier, and say what its numbers are worth."""

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from core.classifier.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from core.classifier.learned_from import CARD_KEY, chosen_by, learned_from, seen, threshold_on_known, trained_on
from core.errors import InputError
from core.models import find_model
from core.models.model import Model
from core.options import command, settings_from
from core.pairing import DEFAULT_SAMPLE
from core.progress import Progress, silent
from core.report import write_csv
from core.report.evaluation import evaluation_report
from core.settings import EvaluateSettings
from core.stages.common import part
from core.stages.crop_scoring import SCORES, check_fit, misfit, score_crops
from core.stages.datasets import OpenDataset, open_dataset
from core.stages.evaluation_remarks import about_model, at_the_border, unknown_origin, warnings
from core.stages.judging import Judged, judge
from core.stages.pictured import error_table, with_heat_maps, with_pictures, worst_errors
from core.statistics.baselines import outdone_by
from core.statistics.calibration import apply_temperature, fit_temperature
from core.statistics.thresholds import Threshold, choose_threshold
from core.workspace import AlreadyPublished, Experiment, Product, product_id, publish, read_json, write_json
from core.workspace.layout import PARTIAL

CHECKPOINTS: Final = ("best.pt", "classifier.pt", "weights.pt")  # of a run, in this order
VERSION: Final = 4  # of what an evaluation holds: with another one the same inputs are judged anew
MODEL: Final = "classifier.pt"  # the calibrated model in the evaluation's folder, where it is asked for


def run(params: dict[str, Any], progress: Progress) -> Path:
    """``params``: ``experiment``, ``settings`` (EvaluateSettings), ``dataset`` (an id, or none: the newest)."""
    settings = settings_from(EvaluateSettings, params.get("settings") or {})
    return evaluate(Path(params["experiment"]), settings, params.get("dataset"), progress)


def evaluate(path: Path, settings: EvaluateSettings, dataset_id: str | None = None, progress: Progress = silent) -> Path:
    """Judge a classifier on the annotated cells of a dataset and return the folder of the evaluation.

    The probabilities are calibrated and the threshold is chosen on the validation cells, then both are applied to the judged cells.
    A finished evaluation of the same inputs is returned at once; an interrupted one goes on where it stopped.
    """
    experiment = Experiment(path)
    product = chosen_dataset(experiment, dataset_id)
    model = chosen_model(experiment, settings.model)
    assert model.path is not None
    checkpoint, dataset = load_checkpoint(model.path), open_dataset(product.path)
    check_fit(dataset, checkpoint)
    judged, validation = _rows(dataset, settings)
    about: dict[str, Any] = {
        "command": command("evaluate", path, settings, dataset=dataset_id),
        "upstream": {"dataset": product.id},
        "models": {"classifier": model.record()},
        "seed": settings.seed,
    }
    payload = {"settings": vars(settings) | {"model": model.sha256}, "dataset": product.id, "temperature": checkpoint.temperature}
    payload |= {"version": VERSION}
    try:
        with publish(experiment, "evaluations", product_id(model.name, payload), settings, **about) as partial:
            scores = score_crops(dataset, checkpoint, np.union1d(judged, validation), partial.path, part(progress, 0, 0.95, 1.0))
            _write(partial.path, experiment, dataset, checkpoint, scores, judged, validation, settings, part(progress, 0.95, 0.05, 1.0))
    except AlreadyPublished as ready:
        return ready.path
    progress(1.0, 1.0, "done")
    return partial.final


def unfit(path: Path, settings: EvaluateSettings, dataset_id: str | None = None) -> str:
    """Why ``evaluate`` would refuse the crops of the dataset for this model, in the words of the app; "" where they fit."""
    experiment = Experiment(path)
    model = chosen_model(experiment, settings.model)
    assert model.path is not None
    return _unfit(chosen_dataset(experiment, dataset_id).path, model.path, model.sha256)


@lru_cache(maxsize=32)
def _unfit(dataset: Path, model: Path, sha256: str) -> str:
    """A page asks at every click: ``sha256`` says whether the model is still the same, and a finished dataset never changes."""
    return misfit(open_dataset(dataset), load_checkpoint(model))


def chosen_dataset(experiment: Experiment, dataset_id: str | None) -> Product:
    """The dataset named, else the newest. InputError where there is none."""
    if dataset_id:
        return experiment.product("datasets", dataset_id)
    known = experiment.products("datasets")
    if not known:
        raise InputError(f"{experiment.path}: no dataset yet. Build one from annotated cells first (python -m core dataset {experiment.name}).")
    return known[0]


def default_model(path: Path) -> str:
    """The newest training run of the experiment, else the default of the settings."""
    runs = Experiment(path).products("runs")
    return runs[0].id if runs else EvaluateSettings.model


def chosen_model(experiment: Experiment, name: str) -> Model:
    """A run of the experiment by its id, else a model of the library or a file."""
    folder = experiment.path / "runs" / name
    if name and "/" not in name and "\\" not in name and folder.is_dir():
        if name.endswith(PARTIAL):
            finish = f"python -m core train {experiment.name} --resume {name.removesuffix(PARTIAL)} --finish"
            raise InputError(f"{folder}: wanted a finished training run, found an unfinished one. Keep its best epoch first: {finish}")
        file = next((folder / f for f in CHECKPOINTS if (folder / f).is_file()), None)
        if file is None:
            raise InputError(f"{folder}: wanted a finished training run, found no {' or '.join(CHECKPOINTS)} in it.")
        return replace(find_model(str(file), "classifier"), name=name)
    return find_model(name, "classifier")


def _rows(dataset: OpenDataset, settings: EvaluateSettings) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the judged cells and of the validation cells; InputError where a set that is needed is empty."""
    judged = np.arange(len(dataset.manifest)) if settings.split == "all" else dataset.rows(settings.split)
    if not judged.size:
        raise InputError(f"{dataset.path.name}: wanted cells of the set {settings.split!r} to judge the model on, found none. Choose another set.")
    validation = dataset.rows("validation")
    chosen = settings.rule != "model" and settings.threshold_on == "validation"
    if chosen and len(set(dataset.classes[validation])) < 2:
        raise InputError(
            f"{dataset.path.name}: wanted validation cells of both classes to choose the threshold on, found {validation.size} cells of "
            f"{len(set(dataset.classes[validation]))} class. Use the model's own threshold (--rule model), or build the dataset with more cultures."
        )
    return judged, validation


def _temperature(dataset: OpenDataset, scores: np.ndarray, validation: np.ndarray, settings: EvaluateSettings) -> float:
    """Of the probabilities as the checkpoint gives them; 1 where it is not asked for or validation lacks a class."""
    if not settings.calibrate or len(set(dataset.classes[validation])) < 2:
        return 1.0
    return fit_temperature(dataset.classes[validation], scores[validation])


def _threshold(dataset: OpenDataset, scores: np.ndarray, judged: np.ndarray, validation: np.ndarray, own: float, settings: EvaluateSettings) -> Threshold:
    if settings.rule == "model":
        return Threshold(own, "model", "as stored with the model")
    rows = judged if settings.threshold_on == "evaluated" else validation
    found = choose_threshold(dataset.classes[rows], scores[rows], settings.rule, settings.target)
    return replace(found, why=f"{found.why}, chosen on the {'judged' if settings.threshold_on == 'evaluated' else 'validation'} cells")


def _write(
    folder: Path,
    experiment: Experiment,
    dataset: OpenDataset,
    checkpoint: Checkpoint,
    raw: np.ndarray,
    judged: np.ndarray,
    validation: np.ndarray,
    settings: EvaluateSettings,
    progress: Progress,
) -> None:
    progress(0.0, 1.0, "intervals and baselines")
    temperature = _temperature(dataset, raw, validation, settings)
    scores = apply_temperature(raw, temperature)
    own = float(apply_temperature([checkpoint.threshold], temperature)[0])  # the same cells lie above it as before
    threshold = _threshold(dataset, scores, judged, validation, own, settings)
    found = judge(dataset, scores, judged, threshold, settings)
    result = _result(found, checkpoint, dataset, judged, temperature, threshold, settings)
    tables = found.tables | _errors(folder, dataset, replace(checkpoint, temperature=checkpoint.temperature * temperature), found, judged, progress)
    for name, table in tables.items():
        write_csv(folder / f"{name}.csv", table)
    write_json(folder / "metrics.json", result)
    if settings.save_model:
        temperature *= checkpoint.temperature
        card = _card(checkpoint, dataset, validation, judged, settings)
        save_checkpoint(folder / MODEL, replace(checkpoint, temperature=temperature, threshold=threshold.value, card=card))
    about = read_json(folder / "settings.json") | {"experiment": experiment.name}
    evaluation_report(folder / "report.html", about, result, tables)
    (folder / SCORES).unlink(missing_ok=True)


def _card(checkpoint: Checkpoint, dataset: OpenDataset, validation: np.ndarray, judged: np.ndarray, settings: EvaluateSettings) -> dict[str, Any]:
    """The model's card, which knows that the temperature and the threshold were chosen on further cultures."""
    if CARD_KEY not in checkpoint.card:  # a record of these alone would look as if it were the whole one
        return checkpoint.card
    chosen = settings.rule != "model" and settings.threshold_on == "evaluated"
    rows = np.concatenate([validation, judged]) if chosen else validation
    return checkpoint.card | {CARD_KEY: learned_from(dataset.manifest.iloc[rows].assign(split="validation"), checkpoint.card[CARD_KEY])}


def _errors(folder: Path, dataset: OpenDataset, calibrated: Checkpoint, found: Judged, judged: np.ndarray, progress: Progress) -> dict[str, pd.DataFrame]:
    """The worst errors with their pictures and what the model looked at."""
    cells = with_pictures(folder, dataset, worst_errors(found.tables["predictions"], judged))
    cells, maps = with_heat_maps(folder, dataset, calibrated, cells, part(progress, 0.3, 0.5, 1.0))
    return {"errors": error_table(cells), "heat_maps": maps}


def _result(
    found: Judged,
    checkpoint: Checkpoint,
    dataset: OpenDataset,
    judged: np.ndarray,
    temperature: float,
    threshold: Threshold,
    settings: EvaluateSettings,
) -> dict[str, Any]:
    """What metrics.json holds."""
    cells = dataset.manifest.iloc[judged]
    known = seen(cells, checkpoint.card, DEFAULT_SAMPLE)
    said = [*warnings(settings, dataset, trained_on(known["train"])), *outdone_by(found.tables["baselines"]), *unknown_origin(cells)]
    notes = [chosen_by(known["validation"]), *at_the_border(cells, found.tables["predictions"])]
    if settings.rule != "model" and settings.threshold_on == "validation":
        chosen_on = dataset.manifest.iloc[dataset.rows("validation")]
        notes.append(threshold_on_known(seen(chosen_on, checkpoint.card, DEFAULT_SAMPLE)["train"]))
    return {
        "sentence": found.sentence,
        "warnings": said,
        "seen": {use: one.record() for use, one in known.items()},
        "remarks": [*(text for text in notes if text), *found.remarks, *about_model(checkpoint)],
        "baseline_sentence": found.baseline_sentence,
        "agreement_sentence": found.agreement_sentence,
        "interval_sentence": found.interval_sentence,
        "split": settings.split,
        "n_cells": found.n_cells,
        "n_cultures": found.n_cultures,
        "intervals_over": found.intervals_over,
        "prevalence": found.prevalence,
        "threshold": {"value": threshold.value, "rule": threshold.rule, "why": threshold.why, "chosen_on": settings.threshold_on},
        "temperature": temperature,
        "metrics": _records(found.tables["metrics"]),
        "baselines": _records(found.tables["baselines"]),
        "agreement": _records(found.tables["agreement"])[0],
        "confusion": _records(found.tables["confusion"]),
        "classification_report": found.classification_report,
    }


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(key): None if pd.isna(value) else value for key, value in row.items()} for row in table.astype(object).to_dict("records")]
