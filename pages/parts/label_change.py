"""The change of a label image as a message to the viewer: it then loads nothing for a correction."""

from collections.abc import Sequence
from typing import Any

import numpy as np


def labels_change(since: Sequence[str], box: tuple[slice, slice], pixels: np.ndarray, reduction: int) -> dict[str, Any]:
    """The change of a label image as a message: ``pixels`` (integer (h, w)) in ``box`` make each version of ``since`` the new one.

    The pixels are those that the browser keeps, every ``reduction``-th, as runs: label, how often, label, how often, ...
    """
    rows, columns = box
    top, left = -rows.start % reduction, -columns.start % reduction
    kept = pixels[top::reduction, left::reduction]
    starts = np.flatnonzero(np.diff(kept.ravel(), prepend=-1))
    runs = np.stack([kept.ravel()[starts], np.diff(starts, append=kept.size)], axis=1)
    place = [(columns.start + left) // reduction, (rows.start + top) // reduction, kept.shape[1], kept.shape[0]]
    return {"since": list(since), "place": place, "runs": runs.ravel().tolist()}
