"""Pixels for the screen."""

import numpy as np

LOW, HIGH = 0.2, 99.8
_SAMPLES = 2**20


def preview(pixels: np.ndarray, low: float = LOW, high: float = HIGH) -> np.ndarray:
    """Stretch the range between two percentiles to 0..255.

    Parameters
    ----------
    pixels : (Y, X) or (Y, X, 3), any real dtype; NaN is shown as black
    low, high : percentiles, of all samples of a colour together, so that hues stay. On large images they are
        estimated from a regular grid of about a million pixels.

    Returns
    -------
    uint8 array of the same shape; middle grey where all values are equal.
    """
    step = max(1, int(np.sqrt(pixels.shape[0] * pixels.shape[1] / _SAMPLES)))
    sample = pixels[::step, ::step]
    sample = sample[np.isfinite(sample)] if sample.dtype.kind == "f" else sample
    if sample.size == 0:
        return np.zeros(pixels.shape, np.uint8)
    bottom, top = (float(value) for value in np.percentile(sample, (low, high)))
    if top <= bottom:
        bottom, top = float(sample.min()), float(sample.max())
    if top <= bottom:
        return np.full(pixels.shape, 128, np.uint8)
    if pixels.dtype in (np.uint8, np.uint16):
        return _stretched(np.arange(np.iinfo(pixels.dtype).max + 1), bottom, top)[pixels]
    return _stretched(pixels, bottom, top)


def _stretched(values: np.ndarray, bottom: float, top: float) -> np.ndarray:
    out = (values.astype(np.float32) - np.float32(bottom)) * np.float32(255 / (top - bottom))
    np.nan_to_num(out, copy=False, nan=0.0)
    return np.rint(np.clip(out, 0, 255, out=out)).astype(np.uint8)
