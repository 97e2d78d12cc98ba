"""How well the fast network agrees with the exact one on this machine: measured once, kept in the cache folder."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np

from core.exported import cache_folder
from core.inference import processor

ENOUGH: Final = 20  # cells

Measured = dict[str, int]
"""cells: of the exact outlines; matched: of them, with a fast outline at IoU >= 0.9; extra: fast outlines without an exact one."""


def remembered(about: str, weights: str, measure: Callable[[], tuple[np.ndarray, np.ndarray]]) -> Measured:
    """The agreement of engine ``about`` with fp32 for the weights of that hash.

    ``measure`` gives the exact and the fast labels of one field; it is called while fewer than `ENOUGH` cells of earlier
    fields are known, and counted with them. A damaged or unwritable record means measuring again.
    """
    name = hashlib.sha256(f"{about} {weights} {processor()}".encode()).hexdigest()[:24]
    path = cache_folder() / "agreement" / f"{name}.json"
    known = _read(path)
    if known["cells"] >= ENOUGH:
        return known
    found = agreement(*measure())
    found = {key: known[key] + found[key] for key in known}
    _keep(path, found)
    return found


def agreement(exact: np.ndarray, fast: np.ndarray) -> Measured:
    """Compare two label images of the same field (int, (Y, X)) at IoU 0.9."""
    from cellpose.metrics import average_precision

    cells, others = int(exact.max()), int(fast.max())
    matched = int(average_precision([exact], [fast], threshold=[0.9])[1][0, 0]) if cells and others else 0
    return {"cells": cells, "matched": matched, "extra": others - matched}


def in_words(found: Measured) -> str:
    """One phrase for people; AP is TP / (TP + FP + FN) as in Cellpose."""
    if not found["cells"]:
        return "no cells to compare with fp32 yet"
    precision = found["matched"] / (found["cells"] + found["extra"])
    return f"on this machine {found['matched']} of {found['cells']} cells as in fp32 at IoU 0.9, AP {precision:.3f}"


def _read(path: Path) -> Measured:
    nothing = {"cells": 0, "matched": 0, "extra": 0}
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        return known if isinstance(known, dict) and set(known) == set(nothing) and all(isinstance(v, int) for v in known.values()) else nothing
    except (OSError, ValueError):
        return nothing


def _keep(path: Path, found: Measured) -> None:
    scratch = path.parent / f".{secrets.token_hex(6)}.part"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch.write_text(json.dumps(found), encoding="utf-8")
        scratch.replace(path)
    except OSError:  # it is measured again next time
        scratch.unlink(missing_ok=True)
