"""The true bit depth: cameras of 10, 12 or 14 bits store their values in 16."""

import re
from collections.abc import Iterable

import numpy as np

DEPTHS = (8, 10, 12, 14, 16, 24, 32, 48, 64)

_WORDS = re.compile(
    r"(?:significant[ _]?bits(?:perpixel|persample)?|bits[ _]?per[ _]?(?:pixel|component)(?:significant)?|bit[ _]?depth)"
    r"[\"']?\s*[=:>]\s*[\"']?(\d{1,2})\b",
    re.IGNORECASE,
)


def stated_in(text: str) -> int | None:
    """The smallest bit depth that a free text states ("SignificantBits=12", "BitDepth": 12, ...), or None."""
    found = [int(bits) for bits in _WORDS.findall(text)]
    return min((bits for bits in found if 1 <= bits <= 64), default=None)


def of_maximum(values: Iterable[int]) -> int | None:
    """Bit depth from a stated largest sample value: 4095 is 12 bits. None where it is no 2**n - 1."""
    highest = max(values, default=0)
    return highest.bit_length() if highest > 0 and highest & (highest + 1) == 0 else None


def guess(highest: int) -> int:
    """The smallest depth of ``DEPTHS`` that holds ``highest``."""
    return next(bits for bits in DEPTHS if highest < 2**bits)


def true_bits(pixels: np.ndarray, stated: int | None) -> tuple[int, bool]:
    """Bit depth of ``pixels`` and whether it is a guess.

    Parameters
    ----------
    pixels : bool, integer or floating point array of any shape
    stated : what the metadata say; not believed where a pixel value exceeds it

    Returns
    -------
    (bits, guessed) : 0 bits for floating point; 1 for bool; 8 for one byte; else ``stated``, else a guess from the range.
    """
    if pixels.dtype.kind == "f":
        return 0, False
    if pixels.dtype.kind == "b":
        return 1, False
    highest = int(pixels.max()) if pixels.size else 0
    if stated and highest < 2**stated:
        return stated, False
    if pixels.dtype.itemsize == 1:
        return 8, False
    return guess(max(highest, 0)), True
