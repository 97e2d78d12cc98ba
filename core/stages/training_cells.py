"""The validation cells of a training with their probabilities, the threshold that belongs to these, and what they cast doubt on."""

from pathlib import Path

import pandas as pd

from core.report import read_csv
from core.report.run_figures import best_row
from core.stages.training_card import doubts, simple_predictors
from core.stages.training_run import OUTCOME
from core.statistics.baselines import outdone
from core.statistics.calibration import apply_temperature
from core.tables import TRAINING_HISTORY, VALIDATED_CELLS
from core.workspace import read_json


def validated_cells(folder: Path) -> tuple[pd.DataFrame, float]:
    """``tables.VALIDATED_CELLS`` of the best epoch, and the probability from which a cell is called senescent.

    Of a finished run the probabilities are calibrated, as those that its classifier gives; of a training on its way they are as
    the network gives them, with the threshold of that epoch: a temperature is fitted at the end only.

    Raises
    ------
    InputError
        No epoch is finished yet, or a file is damaged or just being published.
    """
    cells = read_csv(folder / "validation.csv", VALIDATED_CELLS)
    if not (folder / OUTCOME).is_file():
        return cells, float(best_row(read_csv(folder / "history.csv", TRAINING_HISTORY))["threshold"])
    outcome = read_json(folder / OUTCOME)
    calibrated = apply_temperature(cells["senescence_probability"].to_numpy(dtype=float), outcome["temperature"])
    return cells.assign(senescence_probability=calibrated), float(outcome["threshold"])


def remarks_of(folder: Path) -> list[str]:
    """The remarks of a finished run, with the doubts and what outdoes it also where it is from before these were written down."""
    outcome = read_json(folder / OUTCOME)
    simple = {} if "val_simple" in outcome else _simple(folder)
    if "val_auc_se" in outcome:
        return [*outdone(outcome["val_auc"], simple), *outcome["remarks"]]
    se = best_row(read_csv(folder / "history.csv", TRAINING_HISTORY))["val_auc_se"]
    found = outcome | {"val_auc_se": None if pd.isna(se) else float(se), "val_simple": simple}
    return [*doubts(found, validated_cells(folder)[0]["senescence_probability"]), *outcome["remarks"]]


def _simple(folder: Path) -> dict[str, float | None]:
    """``simple_predictors`` of the dataset of a run; nothing where it is gone."""
    report = folder.parents[1] / "datasets" / read_json(folder / "settings.json")["upstream"]["dataset"] / "report.json"
    return simple_predictors(read_json(report)) if report.is_file() else {}
