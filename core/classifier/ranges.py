"""Where a number of a field lies that is like others: read off those others."""

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

INSIDE: Final = 0.99  # share of like cells, and of like fields, that count as like
LEAST_FIELDS: Final = 3  # fewer do not show how fields differ
SLACK: Final = 0.02  # relative difference of a median that is none, also where all fields were the same
Floats = NDArray[np.float64]


def field_ranges(quantities: Mapping[str, ArrayLike], fields: ArrayLike) -> dict[str, tuple[float, float]]:
    """By quantity: all fields that were seen, and 99 of 100 further ones: (low, high) of the median over the cells of a field.

    The further ones by a prediction interval (Student's t) for the logarithms of the medians; fewer fields make it wider.
    Quantities that are known in fewer than ``LEAST_FIELDS`` fields, or not above 0, are left out.
    """
    names, number = np.unique(np.asarray(fields), return_inverse=True)
    found = {}
    for quantity, values in quantities.items():
        column = np.asarray(values, np.float64)
        medians = np.array([_median(column[number == k]) for k in range(len(names))])
        medians = medians[np.isfinite(medians) & (medians > 0)]
        if len(medians) >= LEAST_FIELDS:
            found[quantity] = _range(np.log(medians))
    return found


def _median(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else float("nan")


def _range(logs: Floats) -> tuple[float, float]:
    from scipy.stats import t

    n = len(logs)
    reach = float(t.ppf((1 + INSIDE) / 2, n - 1)) * float(logs.std(ddof=1)) * np.sqrt(1 + 1 / n)
    middle, reach = float(logs.mean()), max(reach, SLACK)
    low, high = min(float(logs.min()), middle - reach), max(float(logs.max()), middle + reach)
    return float(np.exp(low)), float(np.exp(high))
