"""What phase contrast and transmitted light have in common: edges and fine ripples, freed of illumination and contrast.

Phase contrast shows a cell dark with a bright rim, transmitted light shows its refraction and the dye. Grey values do not
agree, places of change do: ``edges`` (magnitude of the gradient) whatever the sign of the contrast, ``ripples`` (a band of
fine detail with its sign) far better where nothing is stained. Both are divided by their local strength, so that a stained
cell or a grain of dust does not outvote ten pale ones.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

Feature = NDArray[np.float32]
CLIP = 3.0
OUTLIER = 16.0  # squares of contrast above so many medians are cut: dust, precipitate


def grey_for_registration(image: NDArray) -> NDArray[np.float32]:
    """One channel float32 (Y, X) of a monochrome (Y, X) or RGB (Y, X, 3) image.

    Of a colour image the mean of green and blue: X-gal takes mostly red, so the cells themselves show best there.
    """
    if image.ndim == 3:
        return image[..., 1:3].mean(axis=2, dtype=np.float32)
    return np.ascontiguousarray(image, np.float32)


def reduced(image: NDArray[np.float32], step: int) -> NDArray[np.float32]:
    """Every ``step`` x ``step`` px averaged to one; rest rows and columns are left out, so that pixel k lies at
    ``step * k + (step - 1) / 2``."""
    if step == 1:
        return image
    height, width = (n // step for n in image.shape)
    return np.asarray(cv2.resize(image[: height * step, : width * step], (width, height), interpolation=cv2.INTER_AREA), np.float32)


def edges(image: NDArray[np.float32], sigma: float) -> Feature:
    """Locally normalised magnitude of the gradient at scale ``sigma`` px, float32 (Y, X), about zero mean."""
    smooth = _blur(image, sigma)
    steepness = cv2.magnitude(cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1))
    strength = _normalised(np.asarray(steepness, np.float32), 13 * sigma)
    return strength - _blur(strength, 6 * sigma)


def ripples(image: NDArray[np.float32], sigma: float) -> Feature:
    """Locally normalised detail between ``sigma`` and three times that, with its sign, float32 (Y, X)."""
    return _normalised(_blur(image, sigma) - _blur(image, 3 * sigma), 12 * sigma)


def _normalised(detail: NDArray[np.float32], reach: float) -> Feature:
    square = detail * detail
    typical = float(np.median(square[::3, ::3]))
    limit = OUTLIER * typical if typical > 0 else float(square.max())
    local = np.sqrt(_blur(np.minimum(square, np.float32(limit)), reach)) + np.float32(1e-3 * np.sqrt(limit) + 1e-12)
    return np.clip(detail / local, -CLIP, CLIP)


def _blur(image: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    step = int(sigma // 4)
    if step < 2 or min(image.shape) < 4 * step:
        return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REFLECT), np.float32)
    small = cv2.resize(image, (image.shape[1] // step, image.shape[0] // step), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigma / step, borderType=cv2.BORDER_REFLECT)
    return np.asarray(cv2.resize(small, image.shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32)
