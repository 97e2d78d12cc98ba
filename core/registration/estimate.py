"""Register one pair: coarse to fine on edges and ripples, always judged at the end."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from core.errors import InputError
from core.registration.evidence import Fit, fine_fit, rough_fit
from core.registration.features import edges, grey_for_registration, reduced, ripples
from core.registration.fitting import Frame, Numbers, climb, frame_of, matrix_of, search_grid
from core.registration.judging import chance, judged, uninformative
from core.registration.tiles import Surfaces, surfaces
from core.registration.values import IDENTITY, METHODS, Registration, combined, covered, unregistered

NUMBERS: Final = {"translation": 2, "similarity": 4, "affine": 6}
Pictures = tuple[list[NDArray], list[NDArray]]
SMALLEST_SIDE: Final = 64  # px
LARGEST_SIDE: Final = 2600  # px; larger fields are registered on averaged pixels
FARTHEST_SHIFT: Final = 64  # px (of at most LARGEST_SIDE) that the coarse search looks
COARSE: Final = 4
ROUGH: Final = (2, 10, 0.7)  # step, reach of the search (both px) and softness of the peak
FINE: Final = (1, 8, 0.5)
WIDEST: Final = 0.06  # radians (3.4 degrees), and growth
SETTLED_PX: Final = 0.3


def register(phase: NDArray, stain: NDArray, method: str = "similarity", *, pad: bool = False) -> Registration:
    """Find where the stain image lies on the phase image.

    Tiles of the phase are correlated with the stain in two kinds of contrast (see ``features``); the transform is the one
    on which all tiles together agree best, first over a grid of shifts, rotations and scales, then twice finer with the
    stain warped by what is known. Found are shifts up to about 60 px, rotations up to 3 degrees and scales within 5 %.
    What remains is estimated from independent halves of the tiles and from the agreement of the two kinds of contrast.

    Parameters
    ----------
    phase : (Y, X) finite numbers.
    stain : (Y, X) or RGB (Y, X, 3) finite numbers; of the same size, unless ``pad``.
    method : "translation", "similarity" (and rotation and one scale) or "affine" (and shear: two cameras).
    pad : allow a stain image of another size (same magnification); the middles are then expected to lie on each other.

    Returns
    -------
    Registration, with the verdict "fail" where nothing could be found (an image without contrast, unrelated images).

    Raises
    ------
    InputError
        Another size, NaN or infinite values, an image under 64 px, an unknown method.
    """
    _check(phase, stain, method, pad)
    stain_size = stain.shape[:2]
    shape = phase.shape
    for image, name in ((phase, "phase"), (stain, "stain")):
        reason = uninformative(image, name)
        if reason:
            return unregistered(reason)
    step = -(-max(shape) // LARGEST_SIDE)
    small_phase, small_stain = (reduced(grey_for_registration(image), step) for image in (phase, stain))
    start = _middles(small_phase.shape, small_stain.shape)
    count = NUMBERS[method]
    matrix = _rough(small_phase, small_stain, _coarse(small_phase, small_stain, start, count), count)
    matrix, fit, pictures = _fine(small_phase, small_stain, matrix, count)
    if fit.moved() > SETTLED_PX:  # the stain was warped by too rough a transform: once more
        matrix, fit, pictures = _fine(small_phase, small_stain, matrix, count)
    score = chance(*pictures)  # aligned but for the last fraction of a pixel
    return judged(enlarged(matrix, step), method, score, fit, step, shape, stain_size)


def _check(phase: NDArray, stain: NDArray, method: str, pad: bool) -> None:
    if method not in METHODS:
        raise InputError(f"Registration: wanted one of {', '.join(METHODS)}, found {method!r}.")
    if phase.ndim != 2 or not (stain.ndim == 2 or (stain.ndim == 3 and stain.shape[2] == 3)):
        raise InputError(f"Registration: wanted a phase image (Y, X) and a stain image (Y, X) or (Y, X, 3), found {phase.shape} and {stain.shape}.")
    if not pad and phase.shape != stain.shape[:2]:
        raise InputError(f"Registration: the phase image has {sized(phase)} px, the stain image {sized(stain)}. {ANOTHER_SIZE}")
    for image, name in ((phase, "phase"), (stain, "stain")):
        if min(image.shape[:2]) < SMALLEST_SIDE:
            raise InputError(f"Registration: wanted at least {SMALLEST_SIDE} x {SMALLEST_SIDE} px, found a {name} image of {sized(image)}.")
        if image.dtype.kind == "f" and not np.isfinite(image).all():
            raise InputError(f"Registration: the {name} image holds {int((~np.isfinite(image)).sum())} values that are not numbers (NaN or infinite).")


ANOTHER_SIZE: Final = "Take both with the same camera settings (binning, region), or bring them to one size; where only the border differs, ask for padding."


def sized(image: NDArray) -> str:
    return f"{image.shape[1]} x {image.shape[0]}"


def _middles(shape: tuple[int, ...], stain_shape: tuple[int, ...]) -> NDArray[np.float64]:
    """The matrix (2, 3) that lays the middles of two images on each other."""
    matrix = np.array(IDENTITY)
    matrix[:, 2] = (stain_shape[1] - shape[1]) / 2, (stain_shape[0] - shape[0]) / 2
    return matrix


def enlarged(matrix: NDArray, step: int) -> NDArray[np.float64]:
    """The matrix between full images, from that between images averaged over ``step`` px."""
    offset = np.array([[1, 0, (step - 1) / 2], [0, 1, (step - 1) / 2]])
    full = matrix.copy()
    full[:, 2] *= step
    return combined(combined(offset, full), np.array([[1, 0, -offset[0, 2]], [0, 1, -offset[1, 2]]]))


def _laid(stain: NDArray[np.float32], matrix: NDArray, shape: tuple[int, ...]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The stain on the grid of the phase, its border mirrored, and where it really is (1, elsewhere 0)."""
    side = (shape[1], shape[0])
    laid = cv2.warpAffine(stain, matrix, side, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(laid, np.float32), covered(matrix, stain.shape, shape).astype(np.float32)


def _pictures(phase: NDArray[np.float32], stain: NDArray[np.float32], matrix: NDArray, step: int) -> Pictures:
    """Edges and ripples of the phase, and those of the stain laid on it, both averaged over ``step`` px."""
    laid, there = _laid(stain, matrix, phase.shape)
    inside = cv2.erode(reduced(there, step), np.ones((9, 9), np.uint8)) > 0.99
    first, second = reduced(phase, step), reduced(laid, step)
    return [edges(first, 1.5), ripples(first, 1.0)], [edges(second, 1.5) * inside, ripples(second, 1.0) * inside]


def _coarse(phase: NDArray[np.float32], stain: NDArray[np.float32], start: NDArray, count: int) -> NDArray[np.float64]:
    """The best of the grid search on edges at a quarter of the size, matrix (2, 3)."""
    half_phase, half_stain = (reduced(image, COARSE // 2) for image in (phase, _laid(stain, start, phase.shape)[0]))
    reach = int(FARTHEST_SHIFT + 0.05 * np.hypot(phase.shape[0], phase.shape[1]) / 2) // COARSE
    reach = min(reach, min(phase.shape) // (2 * COARSE))
    kinds = [surfaces(*_coarse_edges(half_phase, half_stain, sigma), reach) for sigma in (1.5, 0.8)]
    both = Surfaces(sum(kind.values / (kind.values.std() + np.float32(1e-9)) for kind in kinds), kinds[0].centres, reach)
    frame = frame_of(reduced(phase, COARSE).shape)
    starts = search_grid(both, frame, WIDEST if count > 2 else 0.0, keep=4)
    best = max((climb(both, numbers[:count], frame, softness=1.0) for _, numbers in starts), key=lambda found: found[1])
    return combined(start, _moved(best[0], frame, COARSE))


def _coarse_edges(half_phase: NDArray[np.float32], half_stain: NDArray[np.float32], sigma: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    return reduced(edges(half_phase, sigma), COARSE // 2), reduced(edges(half_stain, sigma), COARSE // 2)


def _moved(numbers: Numbers, frame: Frame, step: int) -> NDArray[np.float64]:
    return enlarged(matrix_of(numbers, frame), step)


def _rough(phase: NDArray[np.float32], stain: NDArray[np.float32], matrix: NDArray, count: int) -> NDArray[np.float64]:
    """The better matrix (2, 3) at half the size."""
    step, reach, softness = ROUGH
    kinds = [surfaces(a, b, reach) for a, b in zip(*_pictures(phase, stain, matrix, step), strict=True)]
    frame = frame_of((phase.shape[0] // step, phase.shape[1] // step))
    return combined(matrix, _moved(rough_fit(kinds, frame, count, softness), frame, step))


def _fine(phase: NDArray[np.float32], stain: NDArray[np.float32], matrix: NDArray, count: int) -> tuple[NDArray[np.float64], Fit, Pictures]:
    """The better matrix (2, 3) at full size, and what the judgement needs."""
    step, reach, softness = FINE
    pictures = _pictures(phase, stain, matrix, step)
    kinds = [surfaces(a, b, reach) for a, b in zip(*pictures, strict=True)]
    frame = frame_of(phase.shape)
    fit = fine_fit(kinds, frame, count, softness)
    return combined(matrix, _moved(fit.numbers, frame, step)), fit, pictures
