"""The report of a dataset in plain sentences, worst first."""

from typing import Any

import pandas as pd

from core.dataset.leakage import PREDICTORS
from core.dataset.split import SPLITS, unit_of
from core.settings import DatasetSettings
from core.tables import ROLES

ERROR, WARNING, NOTE = "error", "warning", "note"
CONTROL = ROLES[1]  # the role of a field, and why its cells are left out
WITHOUT_CONTROLS = "Leave out negative controls"  # on the page
FEW = 20  # cells of a class in a set
CONFOUNDED = 0.7
CUT_OFF, NOISY = 0.05, 0.1
MUCH = 1 / 3  # of the not senescent cells of a set, from which on it rests on the controls
USES = {
    "train": "from which the classifier would learn what is not senescent",
    "validation": "where they would choose epoch and threshold",
    "test": "where they would decide how good the classifier looks",
}
NAMES = {"train": "training", "validation": "validation", "test": "test"}
CLASSES = {0: "not senescent", 1: "senescent"}


def warnings_of(manifest: pd.DataFrame, report: dict[str, Any]) -> list[dict[str, str]]:
    """What a user must know before training: [{"level": "error" | "warning" | "note", "text": ...}, ...], worst first.

    ``report`` holds ``unit``, ``counts``, ``fields_in_test``, ``shared_fields``, ``shared_cultures``, ``near_duplicates``,
    ``mixed_depths``, ``confounding`` and ``left_out``, as ``report.describe`` makes them.
    """
    found = [
        *_balance(report["counts"], report["unit"]),
        *_leaks(report),
        *_lonely(manifest, report["unit"]),
        *_cells(manifest),
        *_depths(report["mixed_depths"]),
        *_confounded(report["confounding"], report["unit"]),
        *_left_out(report),
    ]
    return _sorted(found)


def split_sentences(check: dict[str, Any]) -> list[dict[str, str]]:
    """The same of a split that is known from its files alone (``original.check_split``)."""
    found = [*_balance(check["counts"], unit_of(DatasetSettings.group)), *_leaks({**check, "shared_cultures": [], "near_duplicates": {"pairs": 0}})]
    if check["shared_cells"]:
        found.append((ERROR, f"{check['shared_cells']} cells stand in more than one set."))
    cells = ", ".join(f"{sum(n.values())} cells of {check['fields'][s]} fields in {NAMES[s]}" for s, n in check["counts"].items() if sum(n.values()))
    return _sorted([*found, (NOTE, f"{cells}.")])


def _sorted(found: list[tuple[str, str]]) -> list[dict[str, str]]:
    order = (ERROR, WARNING, NOTE)
    return [{"level": level, "text": text} for level, text in sorted(found, key=lambda one: order.index(one[0]))]


def _balance(counts: dict[str, dict[str, int]], unit: str) -> list[tuple[str, str]]:
    out = []
    for c in (0, 1):
        if not sum(counts[s][str(c)] for s in SPLITS):
            out.append((ERROR, f"No cell of the dataset is {CLASSES[c]}: a classifier cannot be trained or tested on one class."))
    if out:
        return out
    for split in SPLITS:
        if not sum(counts[split].values()):
            out.append((ERROR if split == "train" else WARNING, _empty(split, unit)))
            continue
        for c in (0, 1):
            n = counts[split][str(c)]
            if n == 0:
                out.append((ERROR, f"The {NAMES[split]} set has no {CLASSES[c]} cell. Move a {unit} that has some, or annotate more."))
            elif n < FEW:
                out.append((WARNING, f"The {NAMES[split]} set has only {n} {CLASSES[c]} cell{'s' * (n != 1)}; numbers that rest on so few are rough."))
    return out


def _empty(split: str, unit: str) -> str:
    if split == "train":
        return f"There is no {unit} to train on."
    use = "to choose the best epoch and the threshold" if split == "validation" else "to test the finished classifier"
    return f"There is no {unit} left {use}. Add a {unit}, or split by something finer."


def _leaks(report: dict[str, Any]) -> list[tuple[str, str]]:
    out = []
    fields, cultures, twins = report["shared_fields"], report["shared_cultures"], report["near_duplicates"]
    both = sum(1 for f in fields if f["test"] and f["train"])
    if both:
        whole = f"{both} of {report['fields_in_test']} test fields are also in training"
        out.append((ERROR, f"{whole}: cells of one image are alike, so the test set is not independent and its results will look too good."))
    elif fields:
        out.append((ERROR, f"{_several(len(fields), 'field')} on both sides of the split: cells of one image are alike, results will look too good."))
    if cultures:
        names = ", ".join(c["name"] for c in cultures[:5]) + (", …" if len(cultures) > 5 else "")
        out.append((ERROR, f"{_several(len(cultures), 'culture')} on both sides of the split ({names}): the classifier may recognise the culture."))
    if twins["pairs"]:
        out.append(
            (
                WARNING,
                f"{twins['cells_in_test']} test and {twins['cells_in_validation']} validation cells look the same as a cell of another set: "
                "overlapping fields, or a file twice?",
            )
        )
    return out


def _several(n: int, noun: str) -> str:
    return f"{n} {noun} lies" if n == 1 else f"{n} {noun}s lie"


def nobody_knows(manifest: pd.DataFrame, column: str) -> bool:
    """True where no cell of the manifest says its ``column`` ("sample": which culture it is of), as in crops from folders without cultures."""
    return set(manifest[column]) == {""}


def _lonely(manifest: pd.DataFrame, unit: str) -> list[tuple[str, str]]:
    """A culture (or what else the split keeps together) that is the only one of its class: culture and class cannot be told apart."""
    out = []
    for c in (0, 1):
        groups = manifest.loc[manifest["class"] == c, "group"].unique()
        if len(groups) == 1 and manifest["group"].nunique() > 1:
            out.append((WARNING, f"Every {CLASSES[c]} cell comes from one {unit} ({groups[0] or 'unnamed'}): the classifier may learn that {unit} instead."))
    if nobody_knows(manifest, "group"):
        out.append((WARNING, f"Nobody knows which {unit} each cell comes from: cells of one {unit} may lie on both sides of the split."))
    elif manifest["group"].nunique() == 1:
        out.append((WARNING, f"All cells come from one {unit}: nothing can be said about how the classifier does on another one."))
    return out


def _cells(manifest: pd.DataFrame) -> list[tuple[str, str]]:
    out = []
    cut, fragile, border = (float(manifest[c].fillna(False).astype(float).mean()) for c in ("cut_off", "fragile", "touches_border"))
    if cut >= 1:
        out.append((ERROR, "Every cell is larger than the crop: the classifier sees only their middles. Choose a larger crop."))
    elif cut > CUT_OFF:
        out.append((WARNING, f"{cut:.0%} of the cells are larger than the crop and cut off. Choose a larger crop."))
    if fragile > NOISY:
        out.append((WARNING, f"{fragile:.0%} of the classes are fragile: they change within the error of the alignment of stain and phase (label noise)."))
    if border > 0.2:
        out.append((NOTE, f"{border:.0%} of the cells touch the border of their field and are incomplete."))
    out += _controls(manifest)
    scales = manifest["pixel_size_um"].dropna()
    if len(scales) and not manifest["rescaled"].fillna(False).any() and scales.max() / max(scales.min(), 1e-9) > 1.1:
        out.append((WARNING, f"Pixel sizes differ ({scales.min():g} to {scales.max():g} µm) and cells are not brought to a common one."))
    return out


def _controls(manifest: pd.DataFrame) -> list[tuple[str, str]]:
    """How many cells are of controls, and the sets that rest on them."""
    controls = manifest["role"] == CONTROL
    n = int(controls.sum())
    if not n:
        return []
    negative, where = manifest["class"] == 0, []
    for split in SPLITS:
        both = negative & (manifest["split"] == split)
        theirs = int((both & controls).sum())
        if theirs and theirs >= MUCH * both.sum():
            where.append(f"{theirs} of {both.sum()} not senescent cells in {NAMES[split]}, {USES[split]}")
    shares = f" They are {'; '.join(where)}." if where else ""
    how = f"leave them out (“{WITHOUT_CONTROLS}”; on the command line --no-controls)"
    return [
        (WARNING, f"{n} cell{' comes' if n == 1 else 's come'} from negative controls. If these were not stained, their class says nothing: {how}.{shares}")
    ]


def _depths(mixed: dict[str, list[float]]) -> list[tuple[str, str]]:
    return [
        (
            WARNING,
            f"The images of {name} do not say their bit depth, and it looks different from field to field (white {whites[0]:g} to {whites[-1]:g}): "
            "their brightness cannot be compared. Choose the intensity “field”.",
        )
        for name, whites in mixed.items()
    ]


def _confounded(confounding: dict[str, dict[str, float | None]], unit: str) -> list[tuple[str, str]]:
    out = []
    for name, aucs in confounding.items():
        known = [(s, aucs[s]) for s in ("test", "validation", "train") if aucs[s] is not None]
        if known and (known[0][1] or 0) >= CONFOUNDED:
            split, auc = known[0]
            who = (unit if PREDICTORS[name] == "group" else name).capitalize()
            out.append((WARNING, f"{who} alone tells the classes apart (AUC {auc:.2f} on {NAMES[split]}): a classifier must do better than that."))
    return out


def _left_out(report: dict[str, Any]) -> list[tuple[str, str]]:
    hints = {CONTROL: f". To use them, take the tick off “{WITHOUT_CONTROLS}” (on the command line --controls)"}
    return [(NOTE, f"{n} cell{'s' * (n != 1)} left out: {reason}{hints.get(reason, '')}.") for reason, n in report["left_out"].items()]
