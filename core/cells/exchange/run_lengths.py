"""COCO's run-length encoding of a mask: lengths of runs of 0 and 1 in turn, beginning with 0, down the columns.

The packed text form (six bits a character, differences to the run before the last) is that of the COCO API
(maskApi.c, rleToString and rleFrString; Lin et al. 2014, arXiv 1405.0312).
"""

from typing import Any

import numpy as np

from core.errors import InputError


def counts_of(mask: np.ndarray, box: tuple[slice, slice], shape: tuple[int, int]) -> list[int]:
    """Runs of a mask (bool, within ``box`` of an image of ``shape``)."""
    whole = np.zeros((mask.shape[1], shape[0]), bool)  # columns of the box, full height
    whole[:, box[0]] = mask.T
    flat = whole.ravel()
    turns = np.flatnonzero(np.diff(flat.astype(np.int8))) + 1
    runs = np.diff(np.r_[0, turns, len(flat)]).tolist()
    runs = [0, *runs] if flat[0] else runs
    before, after = box[1].start * shape[0], (shape[1] - box[1].stop) * shape[0]
    runs[0] += before
    if after and len(runs) % 2:
        runs[-1] += after
    elif after:
        runs.append(after)
    return [int(one) for one in runs]


def mask_of(encoded: dict[str, Any], size: tuple[int, int], where: str) -> np.ndarray:
    """The mask, bool (Y, X), of ``{"size": [h, w], "counts": list or text}``; InputError where it is not one of ``size``."""
    if list(encoded.get("size") or ()) != list(size):
        raise InputError(f"{where}: its mask is {encoded.get('size')} px (height, width), the image {list(size)}")
    counts = encoded.get("counts")
    runs = np.asarray(_unpacked(counts, where) if isinstance(counts, str) else counts if isinstance(counts, list) else [-1])
    if runs.dtype.kind not in "iu" or runs.ndim != 1 or (runs < 0).any() or int(runs.sum()) != size[0] * size[1]:
        raise InputError(f"{where}: its run lengths do not fill the image")
    flat = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    return flat.reshape(size[1], size[0]).T


def _unpacked(text: str, where: str) -> list[int]:
    runs: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64:
            raise InputError(f"{where}: its run lengths are damaged")
        value |= (bits & 0x1F) << shift
        shift += 5
        if bits & 0x20:
            continue
        if bits & 0x10:
            value -= 1 << shift
        runs.append(value + runs[-2] if len(runs) > 2 else value)
        value = shift = 0
    return runs
