"""What would make a test result look better than it is: the same field, culture or cell on both sides, and predictors that
need no look at the cell."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from core.dataset.split import SPLITS

MOST_BITS = 6  # of 64 that may differ between near-duplicates
LEAST_CORRELATION = 0.95
EXAMPLES = 20
BLOCK = 2**22  # comparisons at a time
PREDICTORS = {"culture": "group", "cell area": "area_px", "mean intensity": "mean_intensity", "confluence": "confluence"}


def shared(manifest: pd.DataFrame, column: str, within: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """Values of ``column`` that occur in more than one set: name and cells of each set. Empty texts do not count.

    ``within`` are columns that make the value unique, e.g. ``("experiment",)`` for fields.
    """
    known = manifest[manifest[column].astype(str) != ""]
    keys = [*within, column]
    counts = known.groupby([*keys, "split"], sort=False).size().unstack("split", fill_value=0)
    counts = counts.reindex(columns=list(SPLITS), fill_value=0)
    both = counts[(counts > 0).sum(axis=1) > 1]
    return [
        {"name": str(name[-1] if isinstance(name, tuple) else name), **{s: int(n) for s, n in row.items()}}
        for name, row in zip(both.index, both.to_dict("records"), strict=True)
    ]


def hashes(thumbs: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Average hash of small pictures (N, 16, 16): 64 bits each, one for every 2 x 2 pixels, set where they are brighter than
    the cell's mean (128)."""
    small = thumbs.reshape(-1, 8, 2, 8, 2).astype(np.float32).mean(axis=(2, 4))
    return np.packbits((small > 128).reshape(-1, 64), axis=1).view(np.uint64)[:, 0]


def near_duplicates(thumbs: NDArray[np.uint8], splits: ArrayLike) -> pd.DataFrame:
    """Pairs of cells in different sets that look alike: columns ``first``, ``second`` (rows), ``correlation``.

    Candidates differ in at most 6 of 64 bits of the average hash; a pair counts where the small pictures correlate
    with 0.95 or more. Finds copies under other names and the same cell in overlapping fields, also after a change of
    brightness or compression; not rotated or mirrored copies. Cells without any contrast are left out.
    """
    sets = np.asarray(splits).astype(str)
    flat = thumbs.reshape(len(thumbs), -1).astype(np.float32) - 128
    norms = np.linalg.norm(flat, axis=1)
    bits = hashes(thumbs)
    rows = [np.flatnonzero((sets == s) & (norms > 0)) for s in SPLITS]
    found = [_alike(bits, flat, norms, rows[a], rows[b]) for a, b in ((0, 1), (0, 2), (1, 2))]
    table = pd.concat([pd.DataFrame(part, columns=["first", "second", "correlation"]) for part in found], ignore_index=True)
    return table.astype({"first": int, "second": int, "correlation": float})


def _alike(bits: NDArray, flat: NDArray, norms: NDArray, first: NDArray, second: NDArray) -> NDArray[np.float64]:
    out = [np.zeros((0, 3))]
    step = max(1, BLOCK // max(len(second), 1))
    for start in range(0, len(first), step):
        part = first[start : start + step]
        differ = np.bitwise_count(bits[part][:, None] ^ bits[second][None, :])
        a, b = np.nonzero(differ <= MOST_BITS)
        for some in np.array_split(np.arange(len(a)), max(1, len(a) // 50_000)):
            one, other = part[a[some]], second[b[some]]
            correlation = np.einsum("ij,ij->i", flat[one], flat[other]) / (norms[one] * norms[other])
            keep = correlation >= LEAST_CORRELATION
            out.append(np.column_stack([one[keep], other[keep], correlation[keep]]).astype(np.float64))
    return np.concatenate(out)


def rank_auc(classes: ArrayLike, scores: ArrayLike) -> float:
    """Area under the ROC curve by ranks (Mann and Whitney 1947), ties counting half; NaN where a class is missing."""
    truth, value = np.asarray(classes).astype(bool), np.asarray(scores, np.float64)
    positive, negative = int(truth.sum()), int((~truth).sum())
    if not positive or not negative:
        return float("nan")
    ranks = pd.Series(value).rank().to_numpy()
    return float((ranks[truth].sum() - positive * (positive + 1) / 2) / (positive * negative))


def confounding(manifest: pd.DataFrame) -> dict[str, dict[str, float | None]]:
    """AUC, in each set, of predictors that do not look at the cell: {"cell area": {"train": 0.7, ...}, ...}.

    A number (area, mean intensity, confluence of the field) may point either way: which way is decided on the training cells.
    The culture's predictor knows the fraction of senescent cells of each culture, also of those in the test set: the
    best that can be reached by telling cultures apart. None where a set lacks a class or the number is unknown.
    """
    out: dict[str, dict[str, float | None]] = {}
    for name, column in PREDICTORS.items():
        scores = _scores(manifest, column)
        known = ~np.isnan(scores)
        train = rank_auc(*_of(manifest, scores, known, "train"))
        sign = -1.0 if column != "group" and train < 0.5 else 1.0
        found = {split: rank_auc(*_of(manifest, sign * scores, known, split)) for split in SPLITS}
        out[name] = {split: None if np.isnan(auc) else round(auc, 4) for split, auc in found.items()}
    return out


def _scores(manifest: pd.DataFrame, column: str) -> NDArray[np.float64]:
    if column == "group":
        return manifest.groupby("group")["class"].transform(lambda c: c.astype(float).mean()).to_numpy(float)
    return manifest[column].astype("Float64").to_numpy(dtype=float, na_value=np.nan)


def _of(manifest: pd.DataFrame, scores: NDArray, known: NDArray, split: str) -> tuple[NDArray, NDArray]:
    rows = known & (manifest["split"] == split).to_numpy()
    return manifest["class"].to_numpy(dtype=int)[rows], scores[rows]
