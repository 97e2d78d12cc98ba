"""The light of the field without stain and cells: a smooth surface that ignores what is darker (or brighter) than it."""

import cv2
import numpy as np

DEGREE = 4
TUKEY = 4.685  # in standard deviations: 95 % efficient on clean noise (Beaton & Tukey 1974)
LITTLE = 0.25  # of the field; less background than that is a guess


def smooth_background(
    image: np.ndarray, scale_px: float = 0.0, *, stain_is: str = "dark", degree: int = DEGREE, tolerance: float = 0.1
) -> tuple[np.ndarray, float]:
    """Estimate the unstained light of a field.

    A polynomial is fitted to block medians with Tukey's weights: first one of degree 1, starting from a quantile beyond the
    median on the side away from the stain, then higher ones up to ``degree``, each starting from the one before, so that
    a large stained part is not taken for uneven light. Up to about two fifths of the field may be stained. What is left over is
    smoothed with a Gaussian of ``scale_px`` over the blocks that the fit took for background.

    Parameters
    ----------
    image : float32 (Y, X)
        Intensities, or their logarithm.
    scale_px : float
        Light changes more slowly than this (px); 0: an eighth of the longer side.
    stain_is : "dark" or "bright"
        On which side of the background the stain lies.
    degree : int
        0 gives one level for the whole field.
    tolerance : float
        Only blocks this near to the surface count as background in ``share`` (units of ``image``).

    Returns
    -------
    (background, share) : float32 (Y, X) in the units of ``image``, and the share of the field (0..1) taken for background.

    References
    ----------
    Beaton AE, Tukey JW (1974) The fitting of power series, meaning polynomials. Technometrics 16:147-185.
    """
    sign = 1.0 if stain_is == "dark" else -1.0
    blocks, step = _block_medians(image)
    values = sign * blocks.ravel()
    degrees = [d for d in (1, 2, degree) if d <= degree] if min(blocks.shape) >= 8 else []
    fitted, weights = _robust_fit([_polynomials(blocks.shape, d) for d in degrees or [0]], values)
    share = float(((weights > 0.5) & (np.abs(values - fitted) < tolerance)).mean())
    surface = fitted.reshape(blocks.shape)
    if degree:
        sigma = (scale_px or max(image.shape) / 8) / step
        surface = surface + _smoothed((values - fitted).reshape(blocks.shape), weights.reshape(blocks.shape), sigma)
    return sign * _enlarged(surface.astype(np.float32), image.shape, step), share


def _block_medians(image: np.ndarray) -> tuple[np.ndarray, int]:
    """Medians of squares, float64, and their side in px: at most about 96 squares along the shorter side."""
    step = max(1, min(image.shape) // 96)
    rows, columns = (size // step for size in image.shape)
    squares = image[: rows * step, : columns * step].reshape(rows, step, columns, step).swapaxes(1, 2).reshape(rows, columns, -1)
    return np.median(squares, axis=2).astype(np.float64), step


def _polynomials(shape: tuple[int, ...], degree: int) -> np.ndarray:
    """Products of Legendre polynomials up to the total degree, (pixels, terms)."""
    y, x = (np.polynomial.legendre.legvander(np.linspace(-1, 1, size) if size > 1 else np.zeros(1), degree) for size in shape)
    terms = [np.outer(y[:, i], x[:, j]).ravel() for i in range(degree + 1) for j in range(degree + 1 - i)]
    return np.stack(terms, axis=1)


def _robust_fit(designs: list[np.ndarray], values: np.ndarray, start: float = 0.75) -> tuple[np.ndarray, np.ndarray]:
    """Fitted values and weights 0..1; low values are the outliers. A quantile regression, then Tukey's weights, design by design."""
    floor = 1e-6 * max(float(np.ptp(values)), 1e-12)
    fitted = np.full_like(values, np.quantile(values, start))
    for _ in range(12):
        rest = values - fitted
        fitted = _weighted(designs[0], values, np.where(rest > 0, start, 1 - start) / np.maximum(np.abs(rest), floor))
    weights = np.ones_like(values)
    for design in designs:
        for _ in range(10):
            rest = values - fitted
            above = rest[rest > 0]
            spread = max(1.4826 * float(np.median(above)) if above.size else 0.0, floor)
            weights = np.clip(1 - (rest / (TUKEY * spread)) ** 2, 0, None) ** 2
            fitted = _weighted(design, values, weights + 1e-9)
    return fitted, weights


def _weighted(design: np.ndarray, values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    weighted = design * weights[:, None]
    normal = weighted.T @ design
    ridge = 1e-12 * np.trace(normal) * np.eye(len(normal))  # a term that no background block sees stays finite
    return design @ np.linalg.solve(normal + ridge, weighted.T @ values)


def _smoothed(rest: np.ndarray, weights: np.ndarray, sigma: float) -> np.ndarray:
    """Weighted Gaussian mean; where little background is near, the polynomial alone is trusted."""
    total, trust = (cv2.GaussianBlur(layer, (0, 0), max(sigma, 0.3), borderType=cv2.BORDER_REFLECT) for layer in (weights * rest, weights))
    return total / (trust + 0.1)


def _enlarged(surface: np.ndarray, shape: tuple[int, ...], step: int) -> np.ndarray:
    """Back to the pixels of the field: block k has its middle at ``step * (k + 0.5) - 0.5``."""
    at_y, at_x = ((np.arange(size, dtype=np.float32) + 0.5) / step - 0.5 for size in shape)
    columns, rows = np.meshgrid(at_x, at_y)
    return cv2.remap(surface, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
