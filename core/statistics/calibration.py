"""Temperature scaling: one number that makes a classifier's probabilities mean what they say."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit

from core.errors import InputError
from core.statistics.metrics import checked

_EDGE = 1e-7  # float32 probabilities of exactly 0 or 1 stand for logits of about 16
_BOUNDS = (np.log(0.05), np.log(20.0))


def fit_temperature(classes: ArrayLike, probability: ArrayLike) -> float:
    """The temperature of smallest negative log-likelihood: logits are divided by it.

    Above 1 the classifier was too sure, below 1 not sure enough; the order of cells, and so the ROC curve, stays.

    Parameters
    ----------
    classes, probability : array-like of shape (cells,)
        Of cells that were not trained on (the validation split).

    Raises
    ------
    InputError
        A class is missing.

    References
    ----------
    Guo C et al. (2017) On calibration of modern neural networks. ICML, section 4.2.
    """
    truth, scores = checked(classes, probability)
    if truth.all() or not truth.any():
        raise InputError("Calibration: wanted cells of both classes, found only one class.")
    logits, sign = _logits(scores), np.where(truth, -1.0, 1.0)
    found = minimize_scalar(lambda log_t: float(np.logaddexp(0, sign * logits * np.exp(-log_t)).mean()), bounds=_BOUNDS, method="bounded")
    return float(np.exp(found.x))


def apply_temperature(probability: ArrayLike, temperature: float) -> NDArray[np.float64]:
    """Probabilities at a temperature; 1 leaves them as they are.

    Raises
    ------
    InputError
        The temperature is not above 0.
    """
    if not temperature > 0:
        raise InputError(f"Temperature: wanted a number above 0, found {temperature}.")
    scores = np.asarray(probability, dtype=float)
    return scores if temperature == 1 else np.asarray(expit(_logits(scores) / temperature))


def _logits(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(logit(np.clip(scores, _EDGE, 1 - _EDGE)))
