"""What a classifier makes of the cells that it was trained and validated on: the reference that is kept in its file."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.classifier.checkpoint import Checkpoint
from core.classifier.focus import sharpness
from core.classifier.looks import Looks, appearance, fit_looks
from core.classifier.prediction import Classifier
from core.classifier.reference import Reference, fit_reference
from core.progress import Progress, silent

MOST: Final = 1000  # cells of each set that are looked at; more change little
MOST_FIELDS: Final = 100  # of each set, whose images are looked at,
MOST_OF_FIELD: Final = 40  # and cells of each of these
WORTH_COMPILING: Final = 200  # cells; for fewer, PyTorch is done before another engine is ready
BATCH: Final = 8


@dataclass(frozen=True)
class Seen:
    """The cells of one set; all arrays have one entry a cell."""

    crops: Callable[[NDArray[np.int64]], NDArray[np.float32]]  # row numbers (N,) -> normalised crops (N, S, S)
    rows: NDArray[np.int64]  # the cells' row numbers
    classes: NDArray[np.int64]
    fields: NDArray  # name of the field of view
    numbers: Mapping[str, NDArray[np.float64]]  # "brightness", "confluence", "median_area"; NaN is unknown

    def some(self) -> NDArray[np.int64]:
        """Places of at most ``MOST`` cells, the same ones each time."""
        n = len(self.rows)
        return np.arange(n) if n <= MOST else np.sort(np.random.default_rng(0).choice(n, MOST, replace=False))

    def by_fields(self) -> NDArray[np.int64]:
        """Places of at most ``MOST_OF_FIELD`` cells of at most ``MOST_FIELDS`` fields, the same ones each time."""
        order = np.random.default_rng(0).permutation(len(self.rows))
        table = pd.Series(np.asarray(self.fields, object)[order])
        rank, field = table.groupby(table, sort=False).cumcount().to_numpy(), pd.factorize(table)[0]
        return np.sort(order[(rank < MOST_OF_FIELD) & (field < MOST_FIELDS)])


def learn_reference(checkpoint: Checkpoint, train: Seen, held: Seen, device: str | None = None, progress: Progress = silent) -> Reference:
    """Look at training cells to say what is usual, and at held-out ones to say what is far (``reference.fit_reference``).

    Focus, brightness, confluence and area of like fields are read off both: the classifier was chosen on the one and
    learned from the other. Held-out cells must be of other cultures than the training cells.
    """
    chosen = train.some(), held.some()
    total = sum(map(len, chosen))
    classifier = Classifier(checkpoint, device, engine="auto" if total >= WORTH_COMPILING else "pytorch")
    features, focus, done = list[NDArray](), list[NDArray](), 0
    for cells, some in zip((train, held), chosen, strict=True):
        for start in range(0, len(some), BATCH):
            progress(done, total, f"what the training images look like: cell {done + 1} of {total}")
            crops = cells.crops(cells.rows[some[start : start + BATCH]])
            features.append(classifier.predict_with_features(crops)[1])
            focus.append(sharpness(crops))
            done += len(crops)
    both = np.concatenate(features)
    names = train.numbers.keys() & held.numbers.keys()
    numbers = {name: np.concatenate([cells.numbers[name][some] for cells, some in zip((train, held), chosen, strict=True)]) for name in sorted(names)}
    fields = np.concatenate([cells.fields[some] for cells, some in zip((train, held), chosen, strict=True)])
    n = len(chosen[0])
    found = fit_reference(both[:n], train.classes[chosen[0]], both[n:], {"focus": np.concatenate(focus), **numbers}, fields)
    return replace(found, looks=learn_looks(train, held, progress))


def learn_looks(train: Seen, held: Seen, progress: Progress = silent) -> Looks | None:
    """How the images of both sets look, from more fields and without the network."""
    numbers, fields = list[NDArray](), list[NDArray]()
    for cells in (train, held):
        some = cells.by_fields()
        batches = [some[start : start + BATCH] for start in range(0, len(some), BATCH)]
        progress(len(numbers), 2, "how the training images look")
        numbers.append(np.concatenate([appearance(cells.crops(cells.rows[one])) for one in batches]))
        fields.append(cells.fields[some])
    return fit_looks(numbers[0], fields[0], numbers[1], fields[1])
