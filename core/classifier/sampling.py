"""Which crops an epoch sees in which order, and which epoch is the best one."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

T = TypeVar("T")


def epoch_order(classes: ArrayLike, batch: int, seed: int, epoch: int, *, balanced: bool = False, processes: int = 1) -> NDArray[np.int64]:
    """Indices of the crops of an epoch, always the same for a seed and an epoch.

    Every crop once; with ``balanced`` as many draws, with replacement, half of them from each class. A batch that leaves a
    process a single crop, of which batch normalisation has no statistics, is left out at the end.
    """
    truth = np.asarray(classes)
    rng = np.random.default_rng((seed, epoch))
    order = rng.permutation(len(truth))
    if balanced:
        sides = [np.flatnonzero(truth == c) for c in (0, 1)]
        half = len(truth) // 2
        order = rng.permutation(np.concatenate([rng.choice(side, n) for side, n in zip(sides, (len(truth) - half, half), strict=True)]))
    return order[: len(order) - _left_out(len(order), batch, processes)].astype(np.int64)


def steps_of(cells: int, batch: int, processes: int = 1) -> int:
    """Batches of an epoch of ``cells`` crops."""
    return -(-(cells - _left_out(cells, batch, processes)) // batch)


def _left_out(cells: int, batch: int, processes: int) -> int:
    last = cells % batch
    return last if last < 2 * processes else 0


def positive_weight(classes: ArrayLike) -> float:
    """Weight of class 1 in the loss that gives both classes the same say."""
    truth = np.asarray(classes).astype(bool)
    return float((~truth).sum() / truth.sum())


def best_epoch(history: Sequence[Mapping[str, Any]]) -> int:
    """Index of the row of smallest ``val_loss`` among those whose ``val_auc`` is as good as the largest, within its standard error.

    On a few hundred cells the AUC of late epochs differs by chance alone, and the loss, which sees probabilities and not only
    their order, tells them apart (the one-standard-error rule of Breiman et al. 1984, Classification and Regression Trees). It
    is decided as epochs come, since only one's weights are kept: an epoch that was passed over stays so.
    """
    kept = top = 0
    for k, row in enumerate(history):
        top = max(top, k, key=lambda one: history[one]["val_auc"])
        enough = history[top]["val_auc"] - history[top].get("val_auc_se", 0.0)  # histories of before had none
        best = history[kept]
        if row["val_auc"] >= enough and (best["val_auc"] < enough or row["val_loss"] < best["val_loss"]):
            kept = k
    return kept


def stalled(history: Sequence[Mapping[str, Any]], patience: int) -> bool:
    """Whether the last ``patience`` epochs (0: never) brought no better one."""
    return bool(patience) and len(history) - 1 - best_epoch(history) >= patience


def ahead(items: Iterator[T]) -> Iterator[T]:
    """The same items, the next one prepared in a thread while the present one is used."""
    with ThreadPoolExecutor(1) as pool:
        end = object()
        waiting = pool.submit(next, items, end)
        while (item := waiting.result()) is not end:
            waiting = pool.submit(next, items, end)
            yield item  # type: ignore[misc]
