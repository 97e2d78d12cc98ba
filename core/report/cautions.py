"""What a reader must know before trusting the numbers."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from core.report.doubts import doubts
from core.report.words import count, culture, named
from core.tables import JOIN

FEW_FIELDS, FEW_CELLS = 3, 50
_NAMED = 6  # cultures named in one caution; the tables name the others


def cautions(
    settings: Mapping[str, Any], samples: pd.DataFrame, fields: pd.DataFrame, cells: pd.DataFrame, failures: pd.DataFrame, notes: Sequence[str]
) -> list[str]:
    """That cells were simulated, the ``notes`` of the stage, what the tables themselves show; a subject that a note covers is not repeated."""
    said = " ".join(notes).lower()
    found = [note for note in dict.fromkeys(notes) if note.strip()]
    if "simulated" not in said:
        found = [*_simulated(settings.get("models") or {}), *found]  # graver than any note: nothing is measured
    if "pixel size" not in said:
        found += _pixel_size(cells)
    return [*found, *doubts(settings, fields), *_failed(fields, failures), *_mixed(samples), *_little_reference(samples), *_few(samples)]


def _simulated(models: Mapping[str, Any]) -> Iterable[str]:
    for kind, model in models.items():
        if isinstance(model, Mapping) and model.get("simulated"):
            yield f"The {kind} {model.get('name', '')} was trained on simulated cells. Its numbers show how the app works; they are no measurement."


def _pixel_size(cells: pd.DataFrame) -> Iterable[str]:
    unknown = cells.loc[cells["area_um2"].isna(), "fov_id"].nunique()
    if unknown:
        yield (
            f"The pixel size of {count(unknown, 'field')} of {cells['fov_id'].nunique()} is unknown: cells were not rescaled to the scale "
            "the classifier was trained at, and areas are in pixels only."
        )


def _failed(fields: pd.DataFrame, failures: pd.DataFrame) -> Iterable[str]:
    if len(failures):
        yield f"{count(len(failures), 'file')} could not be assessed and {'is' if len(failures) == 1 else 'are'} not in the numbers; see “What was left out”."
    empty = int((fields["n_scored"].fillna(0) == 0).sum())
    if empty:
        yield f"In {count(empty, 'field')} no cell could be scored."


def _mixed(samples: pd.DataFrame) -> Iterable[str]:
    """Cultures whose fields are not of one passage or condition: most often a slip in the field table."""
    for column in ("passage", "condition"):
        names = [f"{row['sample']} ({row[column]})" for row in samples.to_dict("records") if JOIN in str(row.get(column) or "")]
        if names:
            yield (
                f"Fields of one culture differ in {column}: {named(names, _NAMED)}. Their fraction is of all these fields together, "
                f"and a comparison by {column} leaves such a culture out. Correct the field table, or name them as cultures of their own."
            )


def _little_reference(samples: pd.DataFrame) -> Iterable[str]:
    """Too few annotated cultures or cells behind a correction, as the notes of its estimate say."""
    of: dict[str, list[str]] = {}
    for row in samples.to_dict("records"):
        for note in str(row.get("reported_notes") or "").split(JOIN):
            if "known from" in note:
                of.setdefault(note, []).append(culture(row))
    for note, names in of.items():
        counted = note.startswith("not corrected")
        so = "the fraction called senescent is given" if counted else "the corrected interval is wide and itself uncertain"
        yield f"{note[0].upper()}{note[1:]}: that does not show how much the classifier's errors differ between cultures, so {so} for {named(names, _NAMED)}."


def _few(samples: pd.DataFrame) -> Iterable[str]:
    rows = [row for row in samples.to_dict("records") if row["n_fields"] < FEW_FIELDS or row["n_scored"] < FEW_CELLS]
    if not rows:
        return
    which = [f"{culture(row)} ({count(row['n_fields'], 'field')}, {count(row['n_scored'], 'cell')})" for row in rows]
    yield (
        f"Fewer than {FEW_FIELDS} fields or {FEW_CELLS} scored cells, so the interval is wide and itself uncertain: "
        f"{named(which, _NAMED)}. More fields help more than more cells a field."
    )
