"""How large the cells are, and which crop size keeps them whole."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

STEP_PX = 32  # EfficientNets halve the picture five times
SIZES = (64, 2048)
ENOUGH = 0.98


def whole_shares(extents: ArrayLike, sizes: ArrayLike | None = None) -> pd.DataFrame:
    """Share of cells whose bounding box fits a crop, for each crop size: columns ``crop_px``, ``whole``.

    ``extents`` (N,) are the longer sides of the bounding boxes in px, after rescaling where cells are rescaled.
    """
    longer = np.sort(np.asarray(extents, float))
    tried = np.arange(SIZES[0], SIZES[1] + 1, STEP_PX) if sizes is None else np.asarray(sizes)
    share = np.searchsorted(longer, tried, side="right") / max(len(longer), 1)
    table = pd.DataFrame({"crop_px": tried, "whole": share})
    return table if sizes is not None else table.iloc[: int(np.argmax(share >= share.max())) + 2]


def advised_crop_px(extents: ArrayLike, enough: float = ENOUGH) -> int:
    """The smallest multiple of 32 px from 64 on that keeps the share ``enough`` of the cells whole; 380 without cells."""
    longer = np.asarray(extents, float)
    if not len(longer):
        return 380
    needed = float(np.quantile(longer, enough, method="inverted_cdf"))
    return int(min(max(np.ceil(needed / STEP_PX) * STEP_PX, SIZES[0]), SIZES[1]))
