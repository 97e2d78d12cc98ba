"""How good the calls of an assessment are: its classifier on annotated cells that it did not learn from."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from core.errors import InputError
from core.models.model import sha256_of
from core.report import read_csv
from core.stages.assessed import Assessed
from core.stages.judging import fields_of, rates
from core.stages.lineage import CALIBRATED, experiments_near
from core.statistics.calibration import apply_temperature
from core.statistics.estimators import Rate
from core.tables import PREDICTIONS
from core.workspace import Experiment, Product, read_json

AUTO, NONE = "auto", "none"


@dataclass(frozen=True)
class Reference:
    """Annotated cells that the classifier did not learn from, called at the threshold of the assessment.

    ``cells``: ``sample, field, class`` (0 or 1), ``called`` (bool). ``source``: where they come from, in words; ``id``: the evaluation,
    if it is one.
    """

    source: str
    id: str
    cells: pd.DataFrame
    remarks: tuple[str, ...] = ()

    def rates(self, sample: str) -> tuple[Rate, Rate] | None:
        """Sensitivity and specificity for a culture, from the other cultures; from all where the others lack a class.

        A culture of the same name is taken for the same culture, also where the cells are of another experiment and the names are alike by
        chance: leaving one out too many costs certainty, while a culture that vouches for itself hides how the classifier errs elsewhere.
        """
        others = self.cells[self.cells["sample"] != sample]
        some = others if set(others["class"]) == {0, 1} else self.cells
        return rates(some) if set(some["class"]) == {0, 1} else None


def evaluations_for(assessed: Assessed) -> list[tuple[Experiment, Product]]:
    """Evaluations of the classifier of the assessment (the same hash), those of the same experiment first, newest first."""
    wanted = assessed.classifier.get("sha256", "")
    return [(e, p) for e in experiments_near(assessed.experiment) for p in e.products("evaluations") if wanted and _judges(p, wanted)]


def _judges(evaluation: Product, sha256: str) -> bool:
    try:
        return evaluation.settings.get("models", {}).get("classifier", {}).get("sha256") == sha256 or _kept(evaluation, sha256)
    except InputError:  # a damaged record
        return False


def _kept(evaluation: Product, sha256: str) -> bool:
    """Whether the classifier is the calibrated model that the evaluation has written."""
    file = evaluation.path / CALIBRATED
    return file.is_file() and sha256_of(file) == sha256


def find_reference(assessed: Assessed, wanted: str) -> tuple[Reference | None, list[str]]:
    """Sensitivity and specificity from the evaluation that is ``wanted`` ("auto": the first that can be used), and why others were not.

    Raises
    ------
    InputError
        The evaluation named does not exist, judges another classifier, or only cells that the classifier learned from.
    """
    if wanted == NONE or assessed.threshold is None:
        return None, []
    if wanted != AUTO:
        return read_reference(assessed, *_named_evaluation(assessed, wanted)), []
    passed = list[str]()
    for experiment, evaluation in evaluations_for(assessed):
        try:
            return read_reference(assessed, experiment, evaluation), passed
        except InputError as error:
            passed.append(f"The evaluation {evaluation.id} was not used: {error}")
    return None, passed


def _named_evaluation(assessed: Assessed, wanted: str) -> tuple[Experiment, Product]:
    head, _, tail = wanted.replace("\\", "/").rstrip("/").rpartition("/")
    place = Path(head).expanduser()
    is_folder = place.name == "evaluations"
    homes = [Experiment(place.absolute().parent)] if is_folder else [e for e in experiments_near(assessed.experiment) if head in ("", e.name)]
    found = [(e, p) for e in homes for p in e.products("evaluations") if p.id == tail]
    if not found:
        known = [f"{e.name}/{p.id}" for e, p in evaluations_for(assessed)]
        raise InputError(f"Evaluation {wanted!r}: there is none of that name. Of this classifier there is: {', '.join(known) or 'none'}.")
    judged = str(assessed.classifier.get("sha256", ""))
    if not judged or not _judges(found[0][1], judged):
        raise InputError(f"Evaluation {wanted!r}: wanted one of the classifier of the assessment (SHA-256 {judged[:12]}…), but it judges another one.")
    return found[0]


def read_reference(assessed: Assessed, experiment: Experiment, evaluation: Product) -> Reference:
    """The held-out cells of an evaluation, called at the threshold of the assessment. InputError where it has none, or is damaged."""
    cells, remarks = _held_out(read_csv(evaluation.path / "predictions.csv", PREDICTIONS), evaluation)
    own = _kept(evaluation, str(assessed.classifier.get("sha256", "")))
    temperature = 1.0 if own else float(read_json(evaluation.path / "metrics.json").get("temperature", 1.0))
    assert assessed.threshold is not None
    # The evaluation's probabilities are calibrated once more: the same cells lie above the threshold moved in the same way.
    threshold = float(apply_temperature([assessed.threshold], temperature)[0])
    called = cells["senescence_probability"].to_numpy(dtype=float) >= threshold
    table = pd.DataFrame({"sample": cells["sample"], "field": fields_of(cells), "class": cells["class"].astype(int), "called": called})
    if set(table["class"]) != {0, 1}:
        raise InputError(f"{evaluation.id}: wanted held-out cells of both classes, found only one.")
    where = evaluation.id if experiment.path.resolve() == assessed.experiment.path.resolve() else f"{experiment.name}/{evaluation.id}"
    return Reference(f"evaluation {where}", where, table.reset_index(drop=True), remarks)


def _held_out(cells: pd.DataFrame, evaluation: Product) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Test cells; where there are none, validation cells, with a remark."""
    for split in ("test", "validation"):
        some = cells[cells["split"] == split]
        if len(some):
            remark = "Sensitivity and specificity are of validation cells, which chose the threshold: they are flattered, and so is the correction."
            return some, () if split == "test" else (remark,)
    raise InputError(f"{evaluation.id}: wanted cells that the classifier did not learn from, found only training cells.")


def reference_from_stain(cells: pd.DataFrame, marker: str, controls: Collection[str] = ()) -> Reference | None:
    """Stained fields of the experiment itself, where no evaluation is known and the classifier did not learn from them.

    ``cells``: scored cells with ``marker_class`` and ``learned``. ``controls``: fields that are negative controls and do not count: in a dish
    that was not stained every cell that is rightly called senescent would pass for an error. An evaluation is taken as it is: whether
    controls are in it was decided when its dataset was built (``DatasetSettings.controls``).
    """
    known = cells[cells["marker_class"].notna() & ~cells["learned"] & ~cells["fov_id"].isin(controls)]
    if set(known["marker_class"]) != {0, 1}:
        return None
    called = known["senescent"].astype(int) == 1
    table = pd.DataFrame({"sample": known["sample"], "field": known["fov_id"], "class": known["marker_class"].astype(int), "called": called})
    return Reference(f"the stained fields of this experiment ({marker})", "", table.reset_index(drop=True))
