"""From a float stain signal to 16 bits, once: whatever follows counts exactly in these steps."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

LEVELS = 2**16


@dataclass(frozen=True)
class Quantisation:
    """``value = offset + code / per_unit`` with code 0..65535, in the units of the stain signal.

    The code nearest to the signal is taken, and the quantised signal is from then on *the* signal. A threshold keeps its
    meaning exactly: ``value > threshold`` holds for the very codes above ``code_of(threshold)``, for every float.
    """

    offset: float
    per_unit: float

    def values(self) -> np.ndarray:
        """Signal of every code, float64 (65536,), rising."""
        return self.value(np.arange(LEVELS))

    def value(self, codes: ArrayLike) -> np.ndarray:
        """Signal of ``codes``, float64; the same numbers as in ``values``."""
        return self.offset + np.asarray(codes, np.float64) / self.per_unit

    def code_of(self, threshold: float) -> int:
        """The largest code whose value is not above ``threshold``, -1 where all are: stained is ``code > code_of(threshold)``."""
        near = (threshold - self.offset) * self.per_unit
        code = int(np.clip(np.floor(near) if near == near else -1, -1, LEVELS - 1))
        while code < LEVELS - 1 and self.value(code + 1) <= threshold:  # rounding may have missed by one
            code += 1
        while code >= 0 and self.value(code) > threshold:
            code -= 1
        return code

    def codes(self, signal: np.ndarray) -> np.ndarray:
        """``signal`` (float, any shape) to uint16; what lies beyond the ends is clipped, NaN (not seen) becomes 0."""
        steps = (np.asarray(signal, np.float64) - self.offset) * self.per_unit
        return np.clip(np.rint(np.nan_to_num(steps, nan=0.0)), 0, LEVELS - 1).astype(np.uint16)


DENSITY = Quantisation(offset=-0.5, per_unit=2.0**14)
"""Optical density -0.5 to 3.5: darker than 3.5 is less than the noise of any camera."""

SHARE = Quantisation(offset=-1 / 16, per_unit=(LEVELS - 1) * 16 / 17)
"""Share of full scale -0.0625 to 1, for a signal with its background taken off."""


def stored(full_scale: float) -> Quantisation:
    """Share of full scale of an image of whole numbers up to ``full_scale`` (at most 16 bits): codes are its pixel values."""
    return Quantisation(0.0, full_scale)
