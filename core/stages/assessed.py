"""A finished assessment, opened, and how a user names one."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import pandas as pd

from core.errors import InputError
from core.report import read_csv
from core.report.words import decision_threshold
from core.statistics.cultures import with_reported
from core.tables import ASSESSED_CELLS, ASSESSED_FIELDS, FAILURES, MARKED_CELLS, REPORTED_SAMPLES
from core.workspace import Experiment, Product, experiment_path, list_experiments

NOTES: Final = "notes.txt"  # what the reader must be told, one line each
OVERLAYS: Final = "overlays"


@dataclass(frozen=True)
class Assessed:
    """The tables of an assessment or of a report (``tables.REPORTED_SAMPLES``, ``ASSESSED_FIELDS``, ``ASSESSED_CELLS``, ``FAILURES``),
    its notes, and ``about``: what ``settings.json`` holds. ``folder`` keeps the pictures."""

    experiment: Experiment
    about: dict[str, Any]
    folder: Path
    samples: pd.DataFrame
    fields: pd.DataFrame
    cells: pd.DataFrame
    failures: pd.DataFrame
    notes: list[str]

    @property
    def outlines(self) -> str:
        """Id of the segmentation."""
        return str((self.about.get("upstream") or {}).get("segmentation", ""))

    @cached_property
    def segmentation(self) -> Product:
        """InputError where the outlines are not there any more."""
        return self.experiment.product("segmentations", self.outlines)

    @property
    def threshold(self) -> float | None:
        """The decision threshold."""
        return decision_threshold(self.about)

    @property
    def decimal_comma(self) -> bool:
        """Whether its CSV files have semicolons and decimal commas; tables that are made of it later follow them."""
        return bool((self.about.get("settings") or {}).get("decimal_comma"))

    @property
    def classifier(self) -> dict[str, Any]:
        """What the record keeps of the classifier; empty where it keeps nothing."""
        found = (self.about.get("models") or {}).get("classifier")
        return dict(found) if isinstance(found, dict) else {}

    @property
    def simulated(self) -> bool:
        """Whether the classifier was trained on simulated cells, so that its numbers are no measurement."""
        return bool(self.classifier.get("simulated"))

    @property
    def scored(self) -> pd.DataFrame:
        """The cells that count."""
        return self.cells[self.cells["senescent"].notna()]


def open_assessment(experiment: Experiment, product: Product) -> Assessed:
    """Read an assessment (or a report of one). InputError where a file is missing or damaged."""
    path = product.path
    notes = path / NOTES
    lines = notes.read_text(encoding="utf-8").splitlines() if notes.is_file() else []
    return Assessed(
        experiment=experiment,
        about=product.settings,
        folder=path,
        samples=with_reported(read_csv(path / "samples.csv", REPORTED_SAMPLES)),
        fields=read_csv(path / "fields.csv", ASSESSED_FIELDS),
        cells=read_csv(path / "cells.csv", {**ASSESSED_CELLS, **MARKED_CELLS}),
        failures=read_csv(path / "failures.csv", FAILURES),
        notes=[line for line in lines if line],
    )


def find_assessment(text: str) -> tuple[Experiment, Product]:
    """The assessment that a user names: a folder, ``EXPERIMENT/ID``, an id that is unique in the workspace, or an experiment (its newest).

    Raises
    ------
    InputError
        There is none of that name, or more than one.
    """
    found = _named(text.strip().replace("\\", "/").rstrip("/"))
    if len(found) > 1:
        homes = ", ".join(one.name for one, _ in found)
        raise InputError(f"Assessment {text!r}: {homes} have one of that name. Say which: {found[0][0].name}/{found[0][1].id}.")
    if not found:
        known = [f"{e.name}/{p.id}" for e in list_experiments() for p in e.products("assessments")]
        there = ", ".join(known[:8]) or "none yet"
        raise InputError(f"Assessment {text!r}: wanted a folder, EXPERIMENT/ID or an id, found none of that name. There is: {there}.")
    return found[0]


def _named(text: str) -> list[tuple[Experiment, Product]]:
    head, _, tail = text.rpartition("/")
    if head and (home := Experiment(experiment_path(head.removesuffix("/assessments")))).exists:
        return [(home, one) for one in home.products("assessments") if one.id == tail]
    if not head and (found := [(e, p) for e in list_experiments() for p in e.products("assessments") if p.id == text]):
        return found
    home = Experiment(experiment_path(text)) if text else Experiment(Path())
    return [(home, one) for one in home.products("assessments")[:1]] if text and home.exists else []
