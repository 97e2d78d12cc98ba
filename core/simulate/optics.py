"""From an optical-path map to a phase-contrast camera image."""

import cv2
import numpy as np

RING_AMPLITUDE = 0.34  # what the phase ring lets through of the direct light


def phase_contrast(phase: np.ndarray, pixel_size_um: float) -> np.ndarray:
    """Intensity (Y, X) float32 of positive phase contrast, 1 where nothing lies, for ``phase`` in radians.

    Zernike's picture: the ring holds back the direct light and delays it by a quarter wave. Because the ring has a width,
    it also catches light scattered by small angles, which is the object's own blur: that gives the bright halo and the
    shade-off (Yin, Kanade & Chen 2012, Med Image Anal 16:1047). Thick objects turn bright again by themselves.
    """
    real, imaginary = np.cos(phase), np.sin(phase)
    direct_real, direct_imaginary = _caught(real, pixel_size_um), _caught(imaginary, pixel_size_um)
    # E - D + a * exp(-i pi/2) * D, with E the object's wave and D the part that meets the ring
    out_real = real - direct_real + RING_AMPLITUDE * direct_imaginary
    out_imaginary = imaginary - direct_imaginary - RING_AMPLITUDE * direct_real
    return (out_real**2 + out_imaginary**2) / np.float32(RING_AMPLITUDE**2)


def _caught(wave: np.ndarray, pixel_size_um: float) -> np.ndarray:
    near = wide_blur(wave, 2.8 / pixel_size_um)
    return np.float32(0.66) * near + np.float32(0.34) * wide_blur(near, 9.0 / pixel_size_um)


def wide_blur(image: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur of float32 (Y, X), on a reduced image where ``sigma`` (px) is wide enough for that to be exact to the eye."""
    step = int(sigma // 3)
    if step < 2 or min(image.shape) < 8 * step:
        return cv2.GaussianBlur(image, (0, 0), max(sigma, 0.1), borderType=cv2.BORDER_REFLECT)
    height, width = image.shape
    small = cv2.resize(image, (max(width // step, 1), max(height // step, 1)), interpolation=cv2.INTER_AREA)
    blurred = cv2.GaussianBlur(small, (0, 0), sigma * small.shape[1] / width, borderType=cv2.BORDER_REFLECT)
    return cv2.resize(blurred, (width, height), interpolation=cv2.INTER_LINEAR)


def uneven_light(rng: np.random.Generator, shape: tuple[int, ...], strength: float) -> np.ndarray:
    """A smooth light field (Y, X) float32 with mean near 1: a tilt and an off-centre bowl, about ``strength`` peak to peak."""
    y = np.linspace(-1, 1, shape[0], dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, shape[1], dtype=np.float32)[None, :]
    tilt = rng.uniform(-0.5, 0.5, 2)
    cy, cx = rng.uniform(-0.4, 0.4, 2)
    bowl = (y - cy) ** 2 + (x - cx) ** 2
    return (1 + strength * (tilt[0] * y + tilt[1] * x - 0.35 * (bowl - 0.7))).astype(np.float32)


def camera(rng: np.random.Generator, light: np.ndarray, bits: int, *, level: float, electrons: float, read_noise: float) -> np.ndarray:
    """Record ``light`` (1 is background) as uint16 with shot and read noise.

    ``level`` is the background as a share of full scale, ``electrons`` what a background pixel collects, ``read_noise``
    in electrons. Full scale is ``2**bits - 1``; brighter light saturates.
    """
    signal = np.maximum(light, 0) * np.float32(electrons)
    noise = rng.standard_normal(light.shape, np.float32) * np.sqrt(signal + np.float32(read_noise**2))
    full = 2**bits - 1
    counts = (signal + noise) * np.float32(level * full / electrons)
    return np.clip(np.rint(counts), 0, full).astype(np.uint16)
