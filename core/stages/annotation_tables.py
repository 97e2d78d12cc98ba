"""The tables of an annotation: cells, fields, lines, and what the reader must be told."""

from collections.abc import Mapping
from typing import Final

import numpy as np
import pandas as pd

from core.report.words import count
from core.settings import AnnotateSettings
from core.stages.annotation_decisions import Decisions
from core.stages.annotation_threshold import CONTROL, GIVEN, Chosen, usable
from core.stages.stained import Stain
from core.stain.counting import stained_area
from core.stain.curation import with_decisions
from core.stain.summary import STEP, classes_at, control_positivity, moved_threshold
from core.statistics import sample_table, wilson
from core.tables import ANNOTATED_CELLS, ANNOTATED_FIELDS, ANNOTATED_LINES, ASSESSED_FIELDS, typed

MOVES_MUCH: Final = 0.05  # a fraction that moves more than this at +-10 % threshold is worth a word
OF_STAIN: Final = ("mean_signal", "critical_threshold", "critical_low", "critical_high", "covered_fraction")


def annotated_cells(stain: Stain, every: pd.DataFrame, measured: pd.DataFrame, settings: AnnotateSettings, chosen: Chosen) -> pd.DataFrame:
    """``tables.ANNOTATED_CELLS`` without decisions: one row a cell of ``every`` (``tables.CELLS`` with sample and role).

    ``measured``: ``Stain.cells``. Cells of fields that were not measured, or that the stain image covers too little, have no class.
    """
    at = np.array([chosen.of(sample) for sample in measured["sample"]], float)
    positive = at < measured["critical_threshold"].to_numpy(float)
    fragile = (measured["critical_low"].to_numpy(float) <= at) & (at < measured["critical_high"].to_numpy(float))
    seen = usable(measured, settings)
    table = measured[["fov_id", "label", *OF_STAIN]].assign(
        automatic_class=pd.array(positive.astype(int), "Int64"), fragile=fragile & seen, stained_area_px=_stained(stain, measured, chosen)
    )
    table.loc[~seen, "automatic_class"] = pd.NA
    out = every.merge(table, on=["fov_id", "label"], how="left").assign(marker=settings.marker)
    out["stained_fraction"] = out["stained_area_px"] / out["area_px"].replace(0, pd.NA)
    out["fragile"] = out["fragile"].astype("boolean").fillna(False)
    return typed(out.replace({c: {-np.inf: pd.NA} for c in OF_STAIN[1:4]}), ANNOTATED_CELLS)[list(ANNOTATED_CELLS)]


def _stained(stain: Stain, measured: pd.DataFrame, chosen: Chosen) -> np.ndarray:
    """Stained pixels of every row of ``measured``, whose fields follow each other with cells by rising label."""
    parts = [
        stained_area(stain.counts(str(fov_id)), chosen.of(str(sample)))
        for fov_id, sample in measured[["fov_id", "sample"]].drop_duplicates("fov_id").itertuples(index=False)
    ]
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)


def decided(cells: pd.DataFrame, decisions: Decisions) -> pd.DataFrame:
    """``cells`` with the columns that people's decisions give."""
    return typed(with_decisions(cells, decisions.current), ANNOTATED_CELLS)[list(ANNOTATED_CELLS)]


def field_rows(cells: pd.DataFrame, described: pd.DataFrame, stain: Stain | None, chosen: Chosen | None) -> pd.DataFrame:
    """``tables.ANNOTATED_FIELDS``, one row a field of ``described`` (fov_id, sample, role)."""
    counted = _counted(cells, "fov_id")
    table = described[["fov_id", "sample", "role"]].merge(counted, left_on="fov_id", right_index=True, how="left")
    if stain is not None and chosen is not None:
        table = table.merge(stain.fields[["fov_id", "spot_px", "spot_um2", "verdict", "warnings"]], on="fov_id", how="left")
        measured = table["fov_id"].isin(stain.fields["fov_id"])
        table["threshold"] = [chosen.of(sample) if there else None for sample, there in zip(table["sample"], measured, strict=True)]
    table[list(counted)] = table[list(counted)].fillna(0)
    table = typed(table, ANNOTATED_FIELDS)
    table["positive_fraction"] = table["n_positive"] / table["n_annotated"].replace(0, pd.NA)
    pairs = [wilson(int(k), int(n)) if n else (None, None) for k, n in zip(table["n_positive"], table["n_annotated"], strict=True)]
    table["ci_low"], table["ci_high"] = [low for low, _ in pairs], [high for _, high in pairs]
    return typed(table, ANNOTATED_FIELDS)[list(ANNOTATED_FIELDS)]


def _counted(cells: pd.DataFrame, by: str) -> pd.DataFrame:
    """Cells of every kind by ``by`` (fov_id or sample), whole numbers."""
    kinds = {
        "n_cells": cells["label"].notna(),
        "n_annotated": cells["class"].notna(),
        "n_positive": (cells["class"] == 1).fillna(False),
        "n_curated": cells["decision"] != "",
        "n_fragile": cells["fragile"].fillna(False),
    }
    return pd.DataFrame({name: of_kind.astype("int64") for name, of_kind in kinds.items()}).groupby(cells[by], sort=False).sum()


def line_rows(cells: pd.DataFrame, fields: pd.DataFrame, described: pd.DataFrame, chosen: Chosen | None) -> pd.DataFrame:
    """``tables.ANNOTATED_LINES``: fraction positive of every culture with its interval, and how far it hangs on the threshold."""
    renamed = {"n_annotated": "n_scored", "n_positive": "n_senescent"}
    counted = fields[["fov_id", "n_cells", *renamed]].rename(columns=renamed)
    table = sample_table(typed(described[["fov_id", "sample", "role", "passage", "condition"]].merge(counted, on="fov_id"), ASSESSED_FIELDS))
    table = table.rename(columns={"senescent_fraction": "positive_fraction"} | {new: old for old, new in renamed.items()})
    more = _counted(cells, "sample")[["n_curated", "n_fragile"]]
    table = table.merge(more, left_on="sample", right_index=True, how="left")
    if chosen is not None:
        table["threshold"] = [chosen.of(sample) for sample in table["sample"]]
        for name, share in (("fraction_lower_threshold", -STEP), ("fraction_higher_threshold", STEP)):
            table[name] = [_fraction_at(cells[cells["sample"] == s], moved_threshold(chosen.of(s), share)) for s in table["sample"]]
    return typed(table, ANNOTATED_LINES)[list(ANNOTATED_LINES)]


def _fraction_at(cells: pd.DataFrame, threshold: float) -> float | None:
    found = classes_at(cells, threshold).dropna()
    return float(found.mean()) if len(found) else None


def notes(cells: pd.DataFrame, lines: pd.DataFrame, decisions: Decisions, settings: AnnotateSettings, stain: Stain | None, chosen: Chosen | None) -> list[str]:
    """What the reader must be told, a sentence or two each."""
    out: list[str] = []
    if stain is not None and chosen is not None:
        proposal = "" if chosen.how == GIVEN else f', proposal "{chosen.how}"'
        out.append(f"Threshold {chosen.threshold:.4g} {stain.unit}{proposal}. {chosen.why}")
        out += [*chosen.notes, *_about_extent(cells), *_about_controls(cells, settings), *_about_alignment(stain), *_about_steps(lines), *_about_images(stain)]
        hidden = int((cells["covered_fraction"].notna() & cells["automatic_class"].isna()).sum())
        if hidden:
            out.append(f"{count(hidden, 'cell')} without a class: the aligned stain image covers less than {100 * settings.min_covered:.3g} % of each.")
        shaky = int(cells["fragile"].sum())
        if shaky:
            out.append(f"{shaky} of {int(cells['automatic_class'].notna().sum())} cells are fragile: their class changes within the error of the alignment.")
    return out + _about_decisions(cells, decisions)


def _about_extent(cells: pd.DataFrame) -> list[str]:
    """Cells that are all alike, and a single field: both are easily taken for a result."""
    known = cells[cells["automatic_class"].notna()]
    if known.empty:
        return []
    found, out = known["automatic_class"].unique().tolist(), []
    if len(known) > 1 and found == [1]:
        out.append(
            f"All {len(known)} cells are positive: either all are stained, or the threshold lies below the signal of unstained cells. Look at the fields."
        )
    if len(known) > 1 and found == [0]:
        out.append(
            f"Not one of {len(known)} cells is positive: either none is stained, or the threshold lies above the signal of the stain. Look at the fields."
        )
    if known["fov_id"].nunique() == 1:
        out.append("One field only: fraction and interval speak of the cells of this field, not of the culture. Three fields or more show how fields differ.")
    return out


def _about_controls(cells: pd.DataFrame, settings: AnnotateSettings) -> list[str]:
    positive, counted = control_positivity(cells)
    if not counted:
        return ["No negative control: nothing says how many unstained cells the threshold calls positive."]
    text = f"{positive} of {counted} negative-control cells are positive ({100 * positive / counted:.3g} %)."
    allowed = settings.control_positive
    return [text + (f" That is more than the {100 * allowed:.3g} % allowed." if positive > allowed * counted else "")]


def _about_alignment(stain: Stain) -> list[str]:
    verdicts: Mapping[str, int] = stain.registration["verdict"].value_counts().to_dict()
    taken = int((stain.registration["source"] == "consensus").sum())
    out = [f"The alignment of {count(verdicts['check'], 'image')} should be looked at."] if verdicts.get("check") else []
    return out + ([f"{count(taken, 'image')} took the alignment of the imaging session."] if taken else [])


def _about_steps(lines: pd.DataFrame) -> list[str]:
    out = []
    for row in lines.to_dict("records"):
        around = [row["fraction_lower_threshold"], row["fraction_higher_threshold"]]
        if any(pd.notna(f) and pd.notna(row["positive_fraction"]) and abs(f - row["positive_fraction"]) > MOVES_MUCH for f in around):
            low, here, high = (f"{100 * f:.3g} %" for f in (around[0], row["positive_fraction"], around[1]))
            out.append(f"{row['sample']}: the fraction hangs on the threshold: {low} at 10 % less, {here}, {high} at 10 % more.")
    return out


def _about_images(stain: Stain) -> list[str]:
    return [f"{row['fov_id']}: {row['warnings']}" for row in stain.fields.to_dict("records") if row["warnings"]]


def _about_decisions(cells: pd.DataFrame, decisions: Decisions) -> list[str]:
    made = int((cells["decision"] != "").sum())
    carried = f", {decisions.n_carried} of them on other outlines and carried over" if decisions.n_carried else ""
    out = [f"{count(made, 'cell')} decided on by people{carried}."] if made else []
    lost = len(decisions.lost)
    return out + ([f"{count(lost, 'decision')} could not be carried over to these outlines: see lost_decisions.csv."] if lost else [])


def controls(cells: pd.DataFrame) -> dict[str, int]:
    """For ``settings.json``: cells of the negative controls with a class, and positive ones."""
    positive, counted = control_positivity(cells)
    return {"control_cells": counted, "control_positive_cells": positive}


__all__ = ["CONTROL", "annotated_cells", "controls", "decided", "field_rows", "line_rows", "notes"]
