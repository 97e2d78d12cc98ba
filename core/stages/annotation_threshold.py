"""Which threshold an annotation uses, and why."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
import pandas as pd

from core.errors import InputError
from core.settings import PROPOSALS, AnnotateSettings
from core.stain.kinds import threshold_of
from core.stain.proposals import Proposal, proposals, proposed
from core.workspace import plain

GIVEN: Final = "given"
CONTROL: Final = "negative control"
PER_LINE: Final = "Every line has its own threshold, so their fractions cannot be compared with each other."
LAYER_THRESHOLD: Final = 0.5
LAYER: Final = "A ready layer: 0 is unstained, everything else is stained."


@dataclass(frozen=True)
class Chosen:
    """``threshold`` in signal units and where it comes from ("given" or one of ``settings.PROPOSALS``); ``by_line``: sample ->
    threshold where every line has its own."""

    threshold: float
    how: str
    why: str
    by_line: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def of(self, sample: str) -> float:
        return self.by_line.get(sample, self.threshold)

    def record(self) -> dict[str, Any]:
        """What ``settings.json`` keeps."""
        out = {"threshold_used": self.threshold, "threshold_from": self.how, "threshold_why": self.why}
        return out | ({"threshold_by_line": plain(self.by_line)} if self.by_line else {})


def usable(cells: pd.DataFrame, settings: AnnotateSettings) -> np.ndarray:
    """Which cells (of ``Stain.cells``) the stain image covers enough to have a class, bool (N,)."""
    return cells["covered_fraction"].to_numpy(float) >= settings.min_covered


def proposed_thresholds(cells: pd.DataFrame, settings: AnnotateSettings) -> list[Proposal]:
    """One proposal a method for the cells of all fields together (``Stain.cells``); InputError where no cell is covered.

    A ready layer (``settings.signal`` "binary") has one answer whatever its cells: cells of other kinds that have two values only
    are no layer.
    """
    kept = cells[usable(cells, settings)]
    if settings.signal == "binary":
        return [Proposal(name, LAYER_THRESHOLD, LAYER) for name in PROPOSALS]
    return proposals(kept["critical_threshold"].to_numpy(float), (kept["role"] == CONTROL).to_numpy(bool), settings.control_positive)


def choose(cells: pd.DataFrame, settings: AnnotateSettings) -> Chosen:
    """The threshold that the settings name or propose, over the cells of all fields (``Stain.cells``).

    ``settings.threshold``: "auto", a number, or with ``per_line`` one a line, as in "MSC1=0.05; MSC2=0.08" (the other lines take
    the one that is proposed).

    Raises
    ------
    InputError
        Neither of these; an unknown line; nothing can be proposed.
    """
    if settings.proposal not in PROPOSALS:
        raise InputError(f"Proposed threshold: wanted one of {', '.join(PROPOSALS)}, found {settings.proposal!r}.")
    if "=" in settings.threshold:
        return _named_lines(cells, settings)
    given = threshold_of(settings)
    if given is not None:
        if settings.per_line:
            raise InputError("A threshold for every line: wanted 'auto', or one a line as in 'MSC1=0.05; MSC2=0.08', found one number for all.")
        return Chosen(given, GIVEN, "Entered by hand.")
    chosen = _proposed(cells, settings)
    return _by_line(cells, settings, chosen) if settings.per_line else chosen


def _proposed(cells: pd.DataFrame, settings: AnnotateSettings) -> Chosen:
    if settings.signal == "binary":
        return Chosen(LAYER_THRESHOLD, settings.proposal, LAYER)
    kept = cells[usable(cells, settings)]
    found = proposed(settings.proposal, kept["critical_threshold"].to_numpy(float), (kept["role"] == CONTROL).to_numpy(bool), settings.control_positive)
    assert found.threshold is not None  # ``proposed`` refuses
    return Chosen(found.threshold, settings.proposal, found.why)


def _by_line(cells: pd.DataFrame, settings: AnnotateSettings, shared: Chosen) -> Chosen:
    """Each line with the negative controls; a line that shows nothing, and the controls, take the shared threshold."""
    found, notes = dict[str, float](), [PER_LINE]
    for sample in dict.fromkeys(cells["sample"]):
        mine = (cells["sample"] == sample) & (cells["role"] != CONTROL)
        if not mine.any():
            continue
        try:
            found[sample] = _proposed(cells[mine | (cells["role"] == CONTROL)], settings).threshold
        except InputError as error:
            notes.append(f"{sample}: the shared threshold is used. {error}")
    return replace(shared, by_line=found, notes=tuple(notes))


def _named_lines(cells: pd.DataFrame, settings: AnnotateSettings) -> Chosen:
    if not settings.per_line:
        raise InputError(f"Stain threshold: {settings.threshold!r} names lines; ask for a threshold for every line (--per-line) too.")
    lines = set(cells["sample"])
    named: dict[str, float] = {}
    for pair in filter(str.strip, settings.threshold.split(";")):
        sample, _, text = (word.strip() for word in pair.rpartition("="))
        value = threshold_of(replace(settings, threshold=text))
        if sample not in lines or value is None:
            raise InputError(f"Stain threshold: wanted a line and a number (MSC1=0.05), found {pair.strip()!r}; the lines are {', '.join(sorted(lines))}.")
        named[sample] = value
    left = lines - set(named)
    if not left:
        return Chosen(float(np.median(list(named.values()))), GIVEN, "Entered by hand for every line.", named, (PER_LINE,))
    shared = _proposed(cells, settings)
    return replace(shared, by_line=named, why=f"Entered by hand for {', '.join(sorted(named))}; for the others: {shared.why}", notes=(PER_LINE,))
