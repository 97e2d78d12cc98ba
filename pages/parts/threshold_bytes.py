"""What the browser needs to move a threshold by itself: the stain of every cell, and of every pixel, as bytes.

Critical values, little-endian: uint32 number of cells N, uint32 number of smallest parts F (0 %, 1 %, ... 100 %), uint32
number of bins B, uint32 codes a bin; then int32 (N,) labels, area in px, covered px; int32 (F, N) critical codes, -1: never
positive; uint32 (B,) pixels of cells by code. A cell is positive where its critical code is above the code of the threshold.
"""

import gzip
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from core.stain.counting import CellCounts

BINS, CODES_A_BIN = 32768, 2
MEDIA_TYPE = "application/octet-stream"


def critical(counts: Path) -> tuple[bytes, str]:
    """Gzipped critical values of a field from its ``counts/<fov_id>.npz``. Raises InputError."""
    from core.stages.stained import FRACTIONS, codes_of, read_counts
    from core.stain.counting import critical_threshold

    found = read_counts(counts).counts
    rows = np.stack([codes_of(critical_threshold(found, share), found.scale) for share in FRACTIONS])
    bins = np.bincount(found.levels // CODES_A_BIN, _pixels(found), BINS)
    head = np.array([len(found), len(rows), BINS, CODES_A_BIN], "<u4")
    cells = np.stack([found.labels, found.area, found.covered]).astype("<i4")
    body = b"".join(part.tobytes() for part in (head, cells, rows.astype("<i4"), bins.astype("<u4")))
    return gzip.compress(body, compresslevel=1, mtime=0), MEDIA_TYPE


def _pixels(found: "CellCounts") -> np.ndarray:
    """How many pixels of its cell have each of ``found.levels`` (``above`` counts the higher ones too)."""
    higher = np.append(found.above[1:], 0)[: len(found.above)]
    ends = found.starts[1:] - 1
    higher[ends[found.starts[:-1] <= ends]] = 0  # no higher level of the same cell follows
    return found.above - higher


def signal(opened: Path, longest: int) -> tuple[bytes, str]:
    """Gzipped little-endian uint16 (Y, X): the stain signal without small spots; a field of more than ``longest`` px is reduced to its strongest pixels.

    Raises InputError.
    """
    from core.images import read

    codes = read(opened).pixels
    factor = max(1, -(-max(codes.shape) // longest))
    if factor > 1:
        high, wide = (-(-side // factor) * factor for side in codes.shape)
        room = np.zeros((high, wide), codes.dtype)
        room[: codes.shape[0], : codes.shape[1]] = codes
        codes = room.reshape(high // factor, factor, wide // factor, factor).max(axis=(1, 3))
    return gzip.compress(codes.astype("<u2").tobytes(), compresslevel=1, mtime=0), MEDIA_TYPE
