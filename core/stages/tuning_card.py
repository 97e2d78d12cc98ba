"""The model card of a fine-tuned model: what it was made from, what it gained, and what to beware of."""

from datetime import datetime

import pandas as pd

from core.models import Model
from core.report.words import count
from core.stages.corrected import HELD_BACK, MODEL, ORIGINS, TRAIN, Material

SCORES = {"ap50": "AP at IoU 0.5", "ap75": "AP at IoU 0.75", "ap_mean": "AP 0.5–0.95", "f1_50": "F1 at 0.5", "merges": "Merges", "splits": "Splits"}
SHOWN = ("ap50", "ap75", "f1_50", "merges", "splits")


def means(scores: pd.DataFrame) -> pd.DataFrame:
    """Mean of every score over the fields, merges and splits summed: one row "before", one "after", or no row."""
    how = {name: "sum" if name in ("merges", "splits") else "mean" for name in SCORES}
    return scores.groupby("model", sort=False).agg({"fov_id": "count", **how}).rename(columns={"fov_id": "fields"})


def best_epoch(history: pd.DataFrame) -> int:
    """The epoch whose weights were kept: of the lowest held-back loss, the last one where nothing was held back."""
    trained = history[history["epoch"] > 0]
    if trained["held_back_loss"].isna().all():
        return int(trained["epoch"].iloc[-1])
    return int(trained.loc[trained["held_back_loss"].idxmin(), "epoch"])


def learnt(history: pd.DataFrame) -> bool:
    """False where no epoch had a lower loss on the held-back fields than the start."""
    losses = history.set_index("epoch")["held_back_loss"]
    return bool(losses.isna().all() or losses.loc[1:].min() < losses.loc[0])


def cautions(found: Material, fields: pd.DataFrame, history: pd.DataFrame, scores: pd.DataFrame, note: str) -> list[str]:
    """What a user must know before trusting the new model, the worst first."""
    lines = []
    table, n_held = means(scores), int((fields["part"] == HELD_BACK).sum())
    if n_held and bool(table["ap50"].notna().all()):
        before, after = (float(table.loc[side, "ap50"]) for side in ("before", "after"))
        if after < before:
            lines.append(f"Worse than before: AP at IoU 0.5 on the held-back fields fell from {before:.3f} to {after:.3f}. Keep the model it started from.")
        elif after == before:
            lines.append(f"No better than before: AP at IoU 0.5 on the held-back fields stayed at {before:.3f}.")
    if not learnt(history):
        lines.append("In no epoch was the loss on the held-back fields lower than at the start. Correct more fields, or take a lower learning rate.")
    if n_held == 0:
        lines.append(f"Not measured, so nobody knows whether it is better than before. {note}")
    elif n_held == 1:
        lines.append("Measured on one field only: the numbers may be chance.")
    if found.origin == MODEL:
        lines.append("The outlines it was trained on came from a model and were not corrected.")
    return lines


def card(
    name: str,
    start: Model,
    found: Material,
    fields: pd.DataFrame,
    history: pd.DataFrame,
    scores: pd.DataFrame,
    warnings: list[str],
    diameter_px: float,
    experiment: str,
    how: str,
    note: str,
) -> str:
    """The card as markdown."""
    parts = [f"# {name}", *(f"**{line}**" for line in warnings)]
    parts.append(f"A Cellpose 3 model: {start.name}, trained further on outlines of the experiment {experiment}. It opens in the Cellpose 3 programs too.")
    best = best_epoch(history)
    facts = [
        f"Start: {start.name} (SHA-256 {start.sha256[:12]})",
        f"Outlines: {ORIGINS[found.origin]} (segmentation {found.segmentation.id})",
        *(f"{side.capitalize()}: {_side(fields, side)}" for side in (TRAIN, HELD_BACK)),
        note,
        f"Epochs: {int(history['epoch'].max())}; the weights are those of epoch {best}",
        f"Mean cell diameter in the training fields: {diameter_px:.1f} px",
        f"Licence: {start.licence or 'not stated'}, as that of the start",
        f"Made: {datetime.now().astimezone():%Y-%m-%d}",
        f"Command: `{how}`",
    ]
    parts.append("\n".join(f"- {fact}" for fact in facts))
    if len(scores):
        parts += ["## Before and after, on the held-back fields", _table(scores), _measured(history)]
    return "\n\n".join(parts) + "\n"


def _side(fields: pd.DataFrame, side: str) -> str:
    some = fields[fields["part"] == side]
    if some.empty:
        return "none"
    corrected = f", {count(int(some['corrections'].sum()), 'correction')}" if some["corrections"].notna().any() else ""
    names = ", ".join(some["fov_id"][:12]) + (", …" if len(some) > 12 else "")
    return f"{count(len(some), 'field')}, {count(int(some['n_cells'].sum()), 'cell')}{corrected} ({names})"


def _table(scores: pd.DataFrame) -> str:
    columns = [f"{SCORES[name]} {side}" for name in SHOWN for side in ("before", "after")]
    lines = [f"| field | true cells | {' | '.join(columns)} |", "|" + "---|" * (len(columns) + 2)]
    sides = [scores[scores["model"] == side].set_index("fov_id") for side in ("before", "after")]
    for fov_id in sides[0].index:
        lines.append(f"| {fov_id} | {sides[0].loc[fov_id, 'true_cells']} | {' | '.join(_number(s.loc[fov_id, n]) for n in SHOWN for s in sides)} |")
    table = means(scores)
    values = [_number(table.loc[side, n]) for n in SHOWN for side in ("before", "after")]
    return "\n".join([*lines, f"| **mean (merges, splits: sum)** | {int(sides[0]['true_cells'].sum())} | {' | '.join(values)} |"])


def _number(value: object) -> str:
    return "–" if pd.isna(value) else f"{value:.3f}" if isinstance(value, float) else str(value)


def _measured(history: pd.DataFrame) -> str:
    return (
        "Both models outlined these fields with the same settings and the same cell diameter, that of the training fields. "
        f"Of {int(history['epoch'].max())} epochs the one with the lowest loss on these very fields was kept, "
        "so the numbers after training are slightly flattering."
    )
