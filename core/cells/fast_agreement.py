"""How well the fast network agrees with the exact one on this machine: measured once, kept in the cache folder."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from core.inference import cache_folder, processor

Measured = dict[str, Any]
"""cells (of the exact outlines), matched (of them, with a fast outline at IoU >= 0.9), precision (AP at 0.9, or None without cells)."""


def remembered(about: str, weights: str, measure: Callable[[], tuple[np.ndarray, np.ndarray]]) -> Measured:
    """The agreement of engine ``about`` with fp32 for the weights of that hash; ``measure`` gives exact and fast labels where it is not known.

    Kept only where there were cells to compare; a damaged or unwritable file means measuring again.
    """
    name = hashlib.sha256(f"{about} {weights} {processor()}".encode()).hexdigest()[:24]
    path = cache_folder() / "agreement" / f"{name}.json"
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(known, dict) and {"cells", "matched", "precision"} <= set(known):
            return known
    except (OSError, ValueError):
        pass
    found = agreement(*measure())
    if found["cells"]:
        _keep(path, found)
    return found


def agreement(exact: np.ndarray, fast: np.ndarray) -> Measured:
    """Compare two label images of the same field (int, (Y, X)) at IoU 0.9; AP = TP / (TP + FP + FN) as in Cellpose."""
    from cellpose.metrics import average_precision

    cells = int(exact.max())
    if not cells and not fast.max():
        return {"cells": 0, "matched": 0, "precision": None}
    precision, matched, _, _ = average_precision([exact], [fast], threshold=[0.9])
    return {"cells": cells, "matched": int(matched[0, 0]), "precision": round(float(precision[0, 0]), 4)}


def in_words(found: Measured) -> str:
    """One phrase for people."""
    if not found["cells"]:
        return "no cells to compare with fp32 yet"
    return f"{found['matched']} of {found['cells']} cells as in fp32 at IoU 0.9 on this machine"


def _keep(path: Path, found: Measured) -> None:
    scratch = path.parent / f".{secrets.token_hex(6)}.part"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch.write_text(json.dumps(found), encoding="utf-8")
        scratch.replace(path)
    except OSError:  # it is measured again next time
        scratch.unlink(missing_ok=True)
