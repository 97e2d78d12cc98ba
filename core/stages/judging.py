"""From scored cells of a dataset to the tables and sentences of an evaluation. No files."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from natsort import natsorted, ns

from core.errors import InputError
from core.settings import EvaluateSettings
from core.stages.datasets import OpenDataset
from core.statistics.agreement import agreement_sentence, agreement_table
from core.statistics.baselines import (
    CULTURE,
    MORPHOLOGY,
    NUMBERS,
    SEEN_CULTURE,
    baseline_sentence,
    baseline_table,
    best_culture_scores,
    culture_scores,
    regression_scores,
)
from core.statistics.curves import calibration_table, classification_report, confusion_table, precision_recall_table, roc_table
from core.statistics.estimators import CORRECTED, FEWEST_CULTURES, Rate, corrected_fraction, plain_count
from core.statistics.metrics import cluster_of, metric_table
from core.statistics.ranking import areas, cumulative_counts
from core.statistics.resampling import LEAST_CLUSTERS
from core.statistics.sentences import few_clusters, interval_sentence, verdict
from core.statistics.shape import SHAPE, cell_shape
from core.statistics.thresholds import Threshold, every_threshold, thin
from core.tables import EVALUATED_CULTURES, PREDICTIONS, typed

MOST_FITTED = 5000  # cells for the morphology regression; more change nothing


@dataclass(frozen=True)
class Judged:
    """Tables by the name of their file, and what they say."""

    tables: dict[str, pd.DataFrame]
    sentence: str
    remarks: list[str]
    baseline_sentence: str
    agreement_sentence: str
    interval_sentence: str
    classification_report: str
    intervals_over: str
    prevalence: float
    n_cells: int
    n_cultures: int


def judge(dataset: OpenDataset, scores: np.ndarray, rows: np.ndarray, threshold: Threshold, settings: EvaluateSettings) -> Judged:
    """Everything that an evaluation says of the cells ``rows``, from the (calibrated) probabilities of all cells."""
    cells = dataset.manifest.iloc[rows]
    classes, found = dataset.classes[rows], scores[rows]
    clusters, word = cluster_of(cells["sample"].to_numpy(), (cells["experiment"] + "/" + cells["fov_id"]).to_numpy())
    metrics = metric_table(classes, found, clusters, threshold.value, prevalence=settings.prevalence or None, samples=settings.bootstrap, seed=settings.seed)
    scored_baselines, left_out = _baselines(dataset, rows)
    baselines = baseline_table(classes, found, scored_baselines, clusters, settings.bootstrap, settings.seed)
    cultures = culture_table(dataset, scores, rows, threshold.value)
    agreement = agreement_table(cultures["stained_fraction"], cultures["predicted_fraction"])
    tables = {
        "predictions": predictions(cells, classes, found, threshold.value),
        "cultures": cultures,
        "metrics": metrics,
        "baselines": baselines,
        "agreement": agreement,
        "roc": thin(roc_table(classes, found)),
        "precision_recall": thin(precision_recall_table(classes, found)),
        "calibration": calibration_table(classes, found),
        "confusion": confusion_table(classes, found, threshold.value),
        "thresholds": thin(every_threshold(classes, found)),
    }
    remarks = [text for text in (few_clusters(len(set(clusters)), word), *left_out) if text]
    return Judged(
        tables=tables,
        sentence=verdict(metrics, baselines, agreement, len(rows), word),
        remarks=remarks,
        baseline_sentence=baseline_sentence(baselines),
        agreement_sentence=agreement_sentence(agreement),
        interval_sentence=interval_sentence(int(cultures["n_fields"].min())),
        classification_report=classification_report(classes, found, threshold.value),
        intervals_over=word,
        prevalence=settings.prevalence or float(classes.mean()),
        n_cells=len(rows),
        n_cultures=len(cultures),
    )


def predictions(cells: pd.DataFrame, classes: np.ndarray, scores: np.ndarray, threshold: float) -> pd.DataFrame:
    """``tables.PREDICTIONS``, one row a judged cell."""
    table = cells[["cell_id", "fov_id", "label", "sample", "split"]].reset_index(drop=True)
    return typed(table.assign(**{"class": classes, "senescence_probability": scores, "predicted": (scores >= threshold).astype(int)}), PREDICTIONS)


def fields_of(judged: pd.DataFrame) -> pd.Series:
    """The field of each judged cell (``tables.PREDICTIONS``): its id without the label, which tells fields of one name in two experiments apart."""
    return judged["cell_id"].str.rpartition(":")[0]


def culture_table(dataset: OpenDataset, scores: np.ndarray, rows: np.ndarray, threshold: float) -> pd.DataFrame:
    """``tables.EVALUATED_CULTURES``: stained, called and corrected fraction of each culture.

    Sensitivity and specificity for the correction of a culture come from the other cultures that are scored and were not
    trained on: its own stain is what the corrected fraction is compared with.
    """
    cells = dataset.manifest.assign(
        called=scores >= threshold, scored=~np.isnan(scores), field=dataset.manifest["experiment"] + "/" + dataset.manifest["fov_id"]
    )
    judged = cells.iloc[rows].assign(score=scores[rows])
    known = cells[cells["scored"] & (cells["split"] != "train") | cells.index.isin(judged.index)]
    codes, names = pd.factorize(known["sample"])  # numbers are quick to pick out again and again, texts are not
    others = pd.DataFrame(
        {"sample": codes, "field": pd.factorize(known["field"])[0], "class": known["class"].to_numpy(dtype=int), "called": known["called"].to_numpy()}
    )
    places = {name: code for code, name in enumerate(names)}
    groups = dict(list(judged.groupby("sample", sort=False)))
    table = [_culture_row(name, groups[name], others[codes != places[name]]) for name in natsorted(groups, alg=ns.IGNORECASE)]
    return typed(pd.DataFrame(table, columns=list(EVALUATED_CULTURES)), EVALUATED_CULTURES)


def _culture_row(name: str, cells: pd.DataFrame, others: pd.DataFrame) -> dict[str, object]:
    fields = cells.groupby("field", sort=False)
    n, stained, called = fields.size().to_numpy(), fields["class"].sum().to_numpy(dtype=int), fields["called"].sum().to_numpy(dtype=int)
    truth, predicted = plain_count(stained, n), plain_count(called, n)
    sensitivity, specificity = rates(others)
    corrected, few = corrected_fraction(called, n, sensitivity, specificity), _too_few(sensitivity, specificity)
    own_sensitivity, own_specificity = rates(cells)
    row: dict[str, object] = {"sample": name, **{c: "; ".join(natsorted(set(cells[c]) - {""})) for c in ("role", "passage", "condition")}}
    row |= {"n_fields": len(n), "n_scored": int(n.sum()), "n_stained": int(stained.sum()), "n_predicted": int(called.sum())}
    row |= {"stained_fraction": truth.fraction, "stained_low": truth.low, "stained_high": truth.high}
    row |= {"predicted_fraction": predicted.fraction, "predicted_low": predicted.low, "predicted_high": predicted.high}
    low, high = (np.nan, np.nan) if few else (corrected.low, corrected.high)
    row |= {"corrected_fraction": corrected.fraction, "ci_low": low, "ci_high": high}
    row |= {"ci_method": "; ".join((CORRECTED, *corrected.notes, *few)), "auc": _auc(cells)}
    row |= {"sensitivity": own_sensitivity.value, "specificity": own_specificity.value}
    return {key: None if isinstance(value, float) and np.isnan(value) else value for key, value in row.items()}


def _too_few(*known: Rate) -> list[str]:
    """Why the corrected fraction gets no interval: what a classifier errs in so few cultures or fields says nothing of another one."""
    enough = all(one.clusters >= LEAST_CLUSTERS and one.cultures >= FEWEST_CULTURES for one in known)
    return [] if enough else ["too few other cultures or fields for an interval"]


def rates(cells: pd.DataFrame) -> tuple[Rate, Rate]:
    """Sensitivity and specificity of ``called`` against ``class``, counted by culture (by field where there is one culture)."""
    by_field = cells["sample"].nunique() < 2
    out = []
    for kind in (1, 0):
        some = cells[cells["class"] == kind].groupby("field" if by_field else "sample", sort=False)["called"]
        right = some.sum() if kind else some.size() - some.sum()
        out.append(Rate(tuple(int(v) for v in right), tuple(int(v) for v in some.size()), by_field))
    return out[0], out[1]


def _auc(cells: pd.DataFrame) -> float:
    counts = cumulative_counts(cells["class"].to_numpy(dtype=bool), cells["score"].to_numpy(dtype=float), np.zeros(len(cells), np.int64), 1)
    return float(areas(*counts, np.ones((1, 1)))[0])


def _baselines(dataset: OpenDataset, rows: np.ndarray) -> tuple[dict[str, np.ndarray], list[str]]:
    """Scores of each baseline on the judged cells, and why one could not be had."""
    manifest, classes = dataset.manifest, dataset.classes
    train = np.setdiff1d(dataset.rows("train"), rows)
    found: dict[str, np.ndarray] = {CULTURE: best_culture_scores(manifest["sample"].iloc[rows], classes[rows])}
    left_out = []
    if set(manifest["sample"].iloc[train]) & set(manifest["sample"].iloc[rows]):
        found[SEEN_CULTURE] = culture_scores(manifest["sample"].iloc[train], classes[train], manifest["sample"].iloc[rows])
    shapes = _shapes(dataset, np.concatenate([fitted := _some(train), rows]))
    numbers = _numbers(dataset, np.concatenate([fitted, rows]))
    tables = {name: numbers[[column]] for name, column in NUMBERS.items()} | {MORPHOLOGY: pd.concat([numbers, shapes], axis=1)}
    for name, table in tables.items():
        try:
            found[name] = regression_scores(table.iloc[: len(fitted)], classes[fitted], table.iloc[len(fitted) :])
        except InputError as error:
            left_out.append(f"No baseline “{name}”: {error}")
    return found, left_out


def _some(rows: np.ndarray) -> np.ndarray:
    """At most ``MOST_FITTED`` rows, the same every time."""
    return rows if len(rows) <= MOST_FITTED else np.sort(np.random.default_rng(0).choice(rows, MOST_FITTED, replace=False))


def _numbers(dataset: OpenDataset, rows: np.ndarray) -> pd.DataFrame:
    """Area and mean intensity; areas in px² where a pixel size is unknown."""
    cells = dataset.manifest.iloc[rows].reset_index(drop=True)
    area = cells["area_um2"] if cells["area_um2"].notna().all() else cells["area_px"]
    return pd.DataFrame({"area_um2": area.astype("Float64"), "mean_intensity": cells["mean_intensity"]})


def _shapes(dataset: OpenDataset, rows: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame([cell_shape(*dataset.crops.values(int(i))) for i in rows], columns=list(SHAPE))
