"""Report: from an assessment and what is known beside it to tables and one HTML file.

An assessment writes these files when it is made, with what is known then; ``reports/<id>`` holds them as of later, beside the assessment,
which stays as it is: ``samples.csv`` (``tables.REPORTED_SAMPLES``), ``fields.csv``, ``cells.csv`` (with ``MARKED_CELLS``), ``failures.csv``,
``group_units.csv``, ``groups.csv``, ``comparisons.csv``, ``trend.csv``, ``shapes.csv``, ``gallery.csv``, ``reference.csv``, ``evidence.json``, ``report.html``.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import pandas as pd

from core.errors import InputError
from core.options import command, settings_from
from core.progress import Progress, silent
from core.report import html_report, write_csv
from core.report.sections import Sections
from core.settings import AcceptanceLimits, ReportSettings
from core.stages.assessed import NOTES, OVERLAYS, Assessed, open_assessment
from core.stages.common import part
from core.stages.galleries import chosen_cells, pictures
from core.stages.grouping import compare, culture_metadata, described_fields, donors_shared, totals
from core.stages.lineage import Lineage, lineage
from core.stages.marked import STEPS, Marked, find_marked, with_classes
from core.stages.reference import AUTO, NONE, Reference, find_reference, reference_from_stain
from core.stages.shapes import class_shapes
from core.stages.signing import current_limits, head_of, limits_history, problems, signoffs
from core.stages.unused import unused_words
from core.statistics.acceptance import verdict_table
from core.statistics.comparing import Comparison
from core.statistics.cultures import control_fields, estimate_table, reference_table, why_reported
from core.statistics.sentences import interval_sentence
from core.tables import CLASS_SHAPES, REFERENCE_CULTURES, typed
from core.workspace import AlreadyPublished, Experiment, fingerprint, plain, product_id, publish, write_json

EVIDENCE: Final = "evidence.json"


@dataclass(frozen=True)
class Evidence:
    """What is known beside the calls; ``remarks``: what the reader must be told of it."""

    reference: Reference | None = None
    marked: Marked | None = None
    second: Marked | None = None
    lineage: Lineage | None = None
    remarks: tuple[str, ...] = ()
    cells: pd.DataFrame = field(default_factory=pd.DataFrame)  # of the assessment, with tables.MARKED_CELLS, ``STEPS`` and ``learned``

    def upstream(self) -> dict[str, str]:
        """Ids of what was used."""
        named = {
            "evaluation": self.reference.id if self.reference else "",
            "annotation": self.marked.annotation.id if self.marked else "",
            "second_annotation": self.second.annotation.id if self.second else "",
        }
        return {key: value for key, value in named.items() if value}


def run(params: dict[str, Any], progress: Progress) -> Path:
    """``params``: ``experiment``, ``assessment`` (an id), ``settings`` (ReportSettings)."""
    return report(Path(params["experiment"]), params["assessment"], settings_from(ReportSettings, params.get("settings") or {}), progress)


def report(path: Path, assessment: str, settings: ReportSettings, progress: Progress = silent) -> Path:
    """Make a report of an assessment and return its folder; one of the same inputs is returned at once.

    Raises
    ------
    InputError
        No such assessment; an evaluation, annotation, column or reference group named that does not exist or does not fit.
    """
    experiment = Experiment(path)
    product = experiment.product("assessments", assessment)
    assessed = open_assessment(experiment, product)
    progress(0, 1, "looking for evaluations and stained fields")
    found = gather(assessed, settings)
    _, version = current_limits()
    described = described_fields(assessed).to_dict("records")
    inputs = {"signoffs": head_of(experiment, assessment), "limits_version": version, "fields": fingerprint({"rows": described})}
    about: dict[str, Any] = {
        "command": command("report", product.path, settings),
        "upstream": {"assessment": assessment, "segmentation": assessed.outlines, **found.upstream()},
        "models": assessed.about.get("models"),
        "inputs": inputs,
    }
    id = product_id(f"report-{assessment}", {"settings": vars(settings), **about["upstream"], **inputs})
    try:
        with publish(experiment, "reports", id, settings, **about) as partial:
            heading = {"report": {"id": id, "operator": settings.operator, "command": about["command"]}}
            here = replace(assessed, about=assessed.about | heading)
            write_results(partial.path, here, found, settings, part(progress, 0.2, 0.8, 1.0))
    except AlreadyPublished as ready:
        return ready.path
    progress(1, 1, "done")
    return partial.final


def gather(assessed: Assessed, settings: ReportSettings) -> Evidence:
    """Find what the settings name. With "auto" what cannot be used is passed over with a remark, and nothing is an error."""
    origin = lineage(assessed.experiment, str(assessed.classifier.get("sha256", "")))
    learned = origin.learned if origin else frozenset()
    marked, second, passed = find_marked(assessed, settings.annotation, settings.second_annotation, origin.marker if origin else "")
    cells = with_classes(assessed.cells, marked, second, learned, assessed.experiment.name)
    reference, unused = find_reference(assessed, settings.evaluation)
    if reference is None and marked is not None and settings.evaluation == AUTO:
        reference = reference_from_stain(cells[cells["senescent"].notna()], marked.marker, control_fields(assessed.fields))
    remarks = [*passed, *unused, *(marked.remarks if marked else ()), *(second.remarks if second else ()), *(reference.remarks if reference else ())]
    flattered = cells.loc[cells["learned"] & cells["marker_class"].notna(), "fov_id"].nunique()
    if flattered:
        remarks.append(f"The classifier learned from {flattered} of the stained fields: there the agreement of stained and called cells is flattered.")
    return Evidence(reference, marked, second, origin, tuple(remarks), cells)


def gather_again(assessed: Assessed, words: Mapping[str, Any]) -> Evidence:
    """What ``evidence.json`` (``words``) of an assessment or report was made from. InputError where it is not there any more."""
    reference, stain, second = (words.get(name) or {} for name in ("reference", "stain", "second"))
    settings = ReportSettings(
        evaluation=(reference.get("evaluation") or AUTO) if reference else NONE,
        annotation=stain.get("annotation", NONE),
        second_annotation=second.get("annotation", NONE),
    )
    return gather(assessed, settings)


def write_results(folder: Path, assessed: Assessed, found: Evidence, settings: ReportSettings, progress: Progress = silent) -> None:
    """Write all tables, ``evidence.json`` and ``report.html`` into ``folder``."""
    rates = found.reference.rates if found.reference else lambda _: None
    samples = estimate_table(assessed.samples, assessed.fields, found.cells, rates, assessed.threshold)
    limits, version = current_limits()
    samples = verdict_table(samples, limits, version, assessed.simulated)
    compared = compare(assessed, samples, found.cells, rates, settings)
    progress(0.1, 1, "choosing cells for the galleries")
    chosen = chosen_cells(found.cells, assessed.threshold, settings.gallery, settings.seed)
    shown, missing = pictures(assessed, chosen)
    progress(0.6, 1, "writing tables and the report")
    shapes, unmeasured = _shapes(assessed)
    found = replace(found, remarks=(*found.remarks, *missing, *unmeasured))
    reference = reference_table(found.reference.cells) if found.reference else typed(pd.DataFrame(), REFERENCE_CULTURES)
    tables = {
        "samples": samples,
        "fields": assessed.fields,
        "cells": found.cells.drop(columns=["learned", *STEPS]),
        "failures": assessed.failures,
        "group_units": compared.units,
        "groups": compared.groups,
        "comparisons": compared.comparisons,
        "trend": compared.trend,
        "shapes": shapes,
        "gallery": chosen,
        "reference": reference,
    }
    for name, table in tables.items():
        write_csv(folder / f"{name}.csv", table, decimal_comma=settings.decimal_comma)
    (folder / NOTES).write_text("\n".join(assessed.notes), encoding="utf-8", newline="\n")
    words = _words(assessed, found, compared, samples, settings)
    write_json(folder / EVIDENCE, plain(words))
    sections = _sections(assessed, words, tables, shown, version, limits)
    overlays = {fov_id: file.read_bytes() for fov_id in assessed.fields["fov_id"] if (file := assessed.folder / OVERLAYS / f"{fov_id}.jpg").is_file()}
    about = assessed.about | {"experiment": assessed.experiment.name}
    html_report(folder / "report.html", about, samples, assessed.fields, assessed.cells, assessed.failures, overlays, assessed.notes, sections)


def _shapes(assessed: Assessed) -> tuple[pd.DataFrame, list[str]]:
    try:
        return class_shapes(assessed), []
    except InputError as error:  # the outlines are gone, or their table is damaged: the rest of the report stands
        return typed(pd.DataFrame(), CLASS_SHAPES), [f"Size and shape of the cells are missing: {error}"]


def _words(assessed: Assessed, found: Evidence, compared: Comparison, samples: pd.DataFrame, settings: ReportSettings) -> dict[str, Any]:
    """What ``evidence.json`` holds: where the numbers beside the calls come from, and what they say."""
    described = described_fields(assessed)
    methods = [method for method in dict.fromkeys(samples["reported_method"]) if method]
    fewest = assessed.fields[assessed.fields["n_scored"].fillna(0) > 0].groupby("sample").size().min()
    return {
        "reference": {"source": found.reference.source, "evaluation": found.reference.id} if found.reference else None,
        "stain": _stain(found.marked),
        "second": _stain(found.second),
        "training": _training(found.lineage),
        "reasons": [_reason(method, samples.loc[samples["reported_method"] == method, "reported_notes"]) for method in methods],
        "intervals": interval_sentence(int(fewest)) if pd.notna(fewest) else "",
        "remarks": list(found.remarks),
        "comparison": {"column": compared.column, "unit": compared.unit, "method": compared.method, "reference": settings.reference}
        | {"sentences": list(compared.sentences), "warnings": [*compared.warnings, *filter(None, [donors_shared(described, compared.unit, compared.column)])]},
        "totals": totals(samples, described),
    }


def _reason(method: str, notes: pd.Series) -> dict[str, Any]:
    """``notes``: of the cultures that are reported by this method."""
    return {"method": method, "why": why_reported(method, notes), "cultures": len(notes)}


def _stain(marked: Marked | None) -> dict[str, Any] | None:
    return None if marked is None else marked.stain | {"marker": marked.marker, "annotation": marked.annotation.id, "n_cells": len(marked.classes)}


def _training(origin: Lineage | None) -> dict[str, Any] | None:
    if origin is None:
        return None
    return {"run": origin.run, "dataset": origin.dataset, "marker": origin.marker, "why": origin.why, "stains": list(origin.stains)}


def _sections(
    assessed: Assessed, words: dict[str, Any], tables: Mapping[str, pd.DataFrame], shown: dict[str, bytes], version: int | None, limits: AcceptanceLimits | None
) -> Sections:
    id = str(assessed.about.get("id", ""))
    history = limits_history()
    return Sections(
        words=words,
        tables=tables,
        pictures=shown,
        metadata=culture_metadata(described_fields(assessed)),
        limits=asdict(limits) | history.iloc[-1][["name", "time"]].to_dict() | {"version": version} if limits else {},
        signoffs=signoffs(assessed.experiment, id) if id else None,
        signoff_problems=problems(assessed.experiment, id) if id else [],
        unused=unused_words(assessed.experiment),
    )
