"""What a microscope maker's file offers to ``formats``: its description and one plane at a time."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from core.images.picture import Layout


@dataclass(frozen=True)
class Container:
    """An open file. ``pixels(position, {"C": c, "Z": z, "T": t})`` returns (Y, X) or (Y, X, 3), red first."""

    layouts: tuple[Layout, ...]
    dtype: np.dtype
    pixels: Callable[[int, dict[str, int]], np.ndarray]
    bits: int | None = None  # as the file states
    pixel_size_um: float | None = None
    channels: tuple[str, ...] | None = None
    times_h: tuple[float, ...] | None = None
