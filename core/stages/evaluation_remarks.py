"""What an evaluation says of the model and of the choice of cells, beside its numbers."""

import numpy as np
import pandas as pd

from core.classifier.checkpoint import Checkpoint
from core.classifier.scores import roc_auc
from core.dataset.sentences import nobody_knows
from core.report.words import count
from core.settings import EvaluateSettings
from core.stages.datasets import OpenDataset


def warnings(settings: EvaluateSettings, dataset: OpenDataset, learned: str) -> list[str]:
    """What makes the numbers too good to be believed; shown in red, and kept in the report.

    ``learned``: that the model was trained on the judged cultures, where its file says so; "" where it does not.
    """
    said = [learned] if learned else []
    if settings.threshold_on == "evaluated" and settings.rule != "model":
        said.append("The threshold was chosen on the very cells that are judged here: accuracy, sensitivity, specificity and F1 are flattered.")
    elif settings.split in ("validation", "all") and settings.rule != "model":
        said.append("The validation cells, on which the threshold was chosen, are among the judged cells: the numbers are flattered.")
    if settings.split in ("train", "all") and not learned:
        said.append("A model that was trained on this dataset has seen these cells; then the numbers say nothing of new cultures.")
    shared = sorted(set(dataset.manifest.loc[dataset.manifest["split"] == "train", "sample"]) & set(_judged_samples(dataset, settings)) - {""})
    if shared and settings.split in ("test", "validation") and not learned:
        said.append(f"Cells of {', '.join(shared[:5])} lie in training and in the judged set both: the numbers say nothing of new cultures.")
    return said


def _judged_samples(dataset: OpenDataset, settings: EvaluateSettings) -> pd.Series:
    return dataset.manifest.loc[dataset.manifest["split"] == settings.split, "sample"]


def unknown_origin(judged: pd.DataFrame) -> list[str]:
    """A warning where nothing says which judged cells (``tables.MANIFEST``) belong together, so that the intervals are too narrow.

    Crops that were taken over from folders have the name of their file for a field: fields of one cell each are none.
    """
    if not nobody_knows(judged, "sample"):
        return []
    alone = not judged.duplicated(["experiment", "fov_id"]).any()
    what, each = ("culture or field", "cell") if alone else ("culture", "field")
    return [f"Nobody knows which {what} each cell comes from, so the intervals treat each {each} as independent and are too narrow."]


def at_the_border(judged: pd.DataFrame, predictions: pd.DataFrame) -> list[str]:
    """What the numbers are of the cells that an assessment would score: it leaves out those that touch the border of their field.

    ``judged``: ``tables.MANIFEST``; ``predictions``: ``tables.PREDICTIONS`` of the same cells in the same order.
    """
    border = judged["touches_border"].fillna(False).to_numpy(dtype=bool)
    if not border.any():
        return []
    whole = predictions[~border]
    said = f"{border.sum()} of {count(len(border), 'cell')} touch the border of their field; an assessment leaves such cells out."
    truth, called = (whole[column].to_numpy(dtype=np.int64) for column in ("class", "predicted"))
    if not 0 < truth.sum() < len(truth):
        return [said]
    auc = roc_auc(truth, whole["senescence_probability"].to_numpy(dtype=float))
    sensitivity, specificity = called[truth == 1].mean(), 1 - called[truth == 0].mean()
    return [f"{said} Of the other {len(whole)} alone AUC is {auc:.2f}, sensitivity {sensitivity:.2f}, specificity {specificity:.2f}."]


def about_model(checkpoint: Checkpoint) -> list[str]:
    """What must be known of the model to read the numbers."""
    said = ["The classifier was trained on simulated cells. Its numbers show how the app works; they are no measurement."] if checkpoint.simulated else []
    if checkpoint.mean is None or checkpoint.std is None:
        said.append("The classifier's file holds no training mean and standard deviation; crops were normalised with those of the dataset's training cells.")
    return said
