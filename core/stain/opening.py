"""Area opening: smaller spots are levelled, for every threshold at once."""

import numpy as np
from numba import njit

from core.errors import InputError

FOUR, EIGHT = 4, 8


def area_opening(signal: np.ndarray, min_spot_px: int, connectivity: int = EIGHT) -> np.ndarray:
    """Lower every bright spot of fewer than ``min_spot_px`` pixels to the level at which it is large enough.

    Area opening is a flat operator: ``area_opening(signal, s) > t`` is, for every ``t``, ``signal > t`` without its
    connected components of fewer than ``s`` pixels, ``remove_small_objects(signal > t, max_size=s - 1)`` in scikit-image.

    Parameters
    ----------
    signal : uint8 or uint16 (Y, X)
        Larger is more stain.
    min_spot_px : int
        Smallest spot that stays, in pixels, at least 1 (which changes nothing).
    connectivity : 8 or 4
        8: pixels that touch at a corner are one spot (as in Fiji's particle analysis); 4: only along an edge.

    Returns
    -------
    Array of the shape and dtype of ``signal``. Where the whole field is smaller than the smallest spot, all zero.

    Raises
    ------
    InputError
        Another dtype, not two-dimensional, a spot below 1 px or another connectivity.

    References
    ----------
    Vincent L (1993) Morphological area openings and closings for grey-scale images. NATO ASI Series F 126:197-208.
    Meijster A, Wilkinson MHF (2002) A comparison of algorithms for connected set openings and closings. IEEE TPAMI
    24:484-494 (union-find).
    """
    _check(signal, min_spot_px, connectivity)
    if min_spot_px == 1:
        return signal.copy()
    if signal.size < min_spot_px:
        return np.zeros_like(signal)
    flat = np.ascontiguousarray(signal).ravel()
    return _opened(flat, _falling(flat), signal.shape[0], signal.shape[1], min_spot_px, connectivity == EIGHT).reshape(signal.shape)


def _check(signal: np.ndarray, min_spot_px: int, connectivity: int) -> None:
    if signal.ndim != 2 or signal.dtype not in (np.uint8, np.uint16):
        raise InputError(f"Area opening: wanted a stain signal of 8 or 16 bits (Y, X), found {signal.dtype} of shape {signal.shape}.")
    if min_spot_px < 1 or connectivity not in (FOUR, EIGHT):
        raise InputError(f"Smallest stain spot: wanted at least 1 px and 4 or 8 neighbours, found {min_spot_px} px and {connectivity}.")


def _falling(flat: np.ndarray) -> np.ndarray:
    """Positions of the pixels from the highest value to the lowest, int32; numpy sorts 8 and 16 bits by radix."""
    return np.argsort(np.iinfo(flat.dtype).max - flat, kind="stable").astype(np.int32)


@njit(cache=True, nogil=True)
def _root(parent: np.ndarray, pixel: int) -> int:
    root = pixel
    while parent[root] != root:
        root = parent[root]
    while parent[pixel] != root:
        parent[pixel], pixel = root, parent[pixel]
    return root


@njit(cache=True, nogil=True)
def _opened(flat: np.ndarray, order: np.ndarray, height: int, width: int, smallest: int, corners: bool) -> np.ndarray:
    """Flood from the highest value down. Trees hold spots; a spot that is large enough keeps its value and stops growing.

    ``area`` of a root counts its pixels up to ``smallest``: that is all one needs to know.
    """
    parent = np.full(flat.size, -1, np.int32)
    area = np.zeros(flat.size, np.int32)
    for k in range(flat.size):
        pixel = order[k]
        parent[pixel], area[pixel] = pixel, 1
        y, x = pixel // width, pixel % width
        for yy in range(max(y - 1, 0), min(y + 2, height)):
            for xx in range(max(x - 1, 0), min(x + 2, width)):
                other = yy * width + xx
                if other == pixel or parent[other] < 0 or not (corners or yy == y or xx == x):
                    continue
                root = _root(parent, other)
                if root == pixel:
                    continue
                if flat[root] == flat[pixel] or area[root] < smallest:
                    area[pixel] = min(area[pixel] + area[root], smallest)
                    parent[root] = pixel
                else:  # a finished spot beside this pixel: what is lower belongs to a spot that is large enough
                    area[pixel] = smallest
    out = np.empty_like(flat)
    for k in range(flat.size - 1, -1, -1):
        pixel = order[k]
        root = parent[pixel]
        out[pixel] = flat[pixel] if root == pixel else out[root]
    return out
