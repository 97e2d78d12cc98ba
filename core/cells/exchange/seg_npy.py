"""Cellpose's ``_seg.npy`` files: read without running anything in them, and written so that the Cellpose GUI opens them.

Such a file is a pickled dict. A pickle may call any function of the machine that opens it, so only the few that rebuild
arrays and plain containers are let through.
"""

import os
import pickle
from pathlib import Path
from typing import Any, Final

import numpy as np

from core.cells.labels import checked_labels
from core.errors import InputError

LARGEST: Final = 2 << 30  # bytes
WANTED: Final = "a Cellpose _seg.npy file with 'masks'"


def read_seg_npy(path: Path) -> np.ndarray:
    """Labels of a Cellpose ``_seg.npy`` file, or of a plain ``.npy`` of whole numbers; int32 (Y, X), ids kept.

    Raises
    ------
    InputError
        No such file, damaged, asks for code to be run, without masks, or the masks of a stack.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: wanted {WANTED}; there is no such file.")
    if path.stat().st_size > LARGEST:
        raise InputError(f"{path}: wanted {WANTED} of at most 2 GiB, found {path.stat().st_size / 2**30:.1f} GiB.")
    try:
        content = _load(path)
    except _Refused as refused:
        raise InputError(f"{path}: wanted {WANTED}; opening it would run '{refused}', so it was not opened.") from refused
    except Exception as error:  # a damaged pickle raises anything
        raise InputError(f"{path}: wanted {WANTED}; found a damaged file or one of another kind ({type(error).__name__}).") from error
    masks = content.get("masks") if isinstance(content, dict) else content
    if not isinstance(masks, np.ndarray) or masks.dtype.kind not in "iu":
        found = ", ".join(str(k) for k in list(content)[:5]) if isinstance(content, dict) else type(content).__name__
        raise InputError(f"{path}: wanted {WANTED}; found {found or 'nothing'}.")
    return _labels(path, masks)


def write_seg_npy(path: Path, labels: np.ndarray, image_file: str = "", diameter_px: float = 30.0) -> None:
    """Write ``labels`` (integer (Y, X)) for the Cellpose GUI: correct outlines there, and read the file back.

    ``image_file`` is the image that the GUI shows with it: a full path, or a bare name for an image in the folder of ``path``.
    """
    path, labels = Path(path), checked_labels(labels)
    masks: Any = labels.astype(np.uint16 if int(labels.max()) < 2**16 - 1 else np.uint32)
    content = {
        "masks": masks,
        "outlines": np.where(_inner_boundary(masks), masks, 0).astype(masks.dtype),
        "filename": str(image_file),
        "chan_choose": [0, 0],
        "ismanual": np.zeros(np.unique(masks).size - int(not masks.all()), np.bool_),
        "flows": [],
        "diameter": float(diameter_px),
    }
    partial = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with partial.open("wb") as file:
            np.save(file, np.array(content, dtype=object), allow_pickle=True)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _labels(path: Path, masks: np.ndarray) -> np.ndarray:
    if masks.ndim == 3 and masks.shape[0] == 1:
        masks = masks[0]
    if masks.ndim != 2:
        raise InputError(f"{path}: wanted the masks of one image (Y, X), found {masks.shape}: split the stack into planes first.")
    if 0 in masks.shape:
        raise InputError(f"{path}: wanted masks with at least one pixel, found {masks.shape}.")
    if masks.min() == -1:  # early Cellpose: background is -1
        masks = masks.astype(np.int64) + 1
    if int(masks.max()) > np.iinfo(np.int32).max:
        raise InputError(f"{path}: wanted label ids below 2^31, found {masks.max()}.")
    return checked_labels(masks).astype(np.int32)


def _inner_boundary(labels: np.ndarray) -> np.ndarray:
    """Pixels of a cell with one of the four neighbours outside it; bool (Y, X)."""
    around = np.pad(labels, 1)
    here = around[1:-1, 1:-1]
    others = (around[:-2, 1:-1], around[2:, 1:-1], around[1:-1, :-2], around[1:-1, 2:])
    edge = np.zeros(labels.shape, bool)
    for other in others:
        edge |= other != here
    return edge & (labels > 0)


def _load(path: Path) -> Any:
    with path.open("rb") as file:
        version = np.lib.format.read_magic(file)
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = header(file)
        if not dtype.hasobject:
            file.seek(0)
            return np.load(file, allow_pickle=False)
        if shape != ():
            raise ValueError("not one pickled object")
        content = _Restricted(file).load()
    return content.item() if isinstance(content, np.ndarray) and content.shape == () else content


class _Refused(Exception):
    """The pickle asks for something that is not needed to rebuild arrays and containers."""


def _empty(kind: type, shape: tuple[int, ...], typecode: Any) -> np.ndarray:
    """What numpy's pickles start from: an array without elements, filled afterwards."""
    if kind is not np.ndarray or shape != (0,):
        raise _Refused("numpy reconstruct")
    return np.ndarray(shape, typecode)


def _join(*parts: str) -> str:
    return "/".join(map(str, parts))


_ALLOWED: Final[dict[tuple[str, str], Any]] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    # a file name that was given to Cellpose as a path
    **{(module, name): _join for module in ("pathlib", "pathlib._local") for name in ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath")},
}
_FROM_NUMPY: Final = {  # both spellings: numpy 1 'core', numpy 2 '_core'
    *((f"numpy.{core}.multiarray", "scalar") for core in ("core", "_core")),
    *((f"numpy.{core}.numeric", "_frombuffer") for core in ("core", "_core")),
    ("collections", "OrderedDict"),
    ("_codecs", "encode"),
}


class _Restricted(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _ALLOWED:
            return _ALLOWED[module, name]
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name == "_reconstruct":
            return _empty
        if (module, name) in _FROM_NUMPY:
            return super().find_class(module.replace("numpy.core", "numpy._core"), name)
        raise _Refused(f"{module}.{name}")

    def persistent_load(self, pid: Any) -> Any:
        raise _Refused("persistent id")
