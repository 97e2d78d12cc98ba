"""One cell in its surroundings with its outline in the colour of its call, small enough for a gallery."""

import cv2
import numpy as np

from core.report.overlay import OUTLINE_NOT_SENESCENT, OUTLINE_SENESCENT, inner_outline, jpeg

SHOWN_PX = 132


def cell_picture(crop: np.ndarray, mask: np.ndarray, senescent: bool) -> bytes:
    """JPEG of ``SHOWN_PX`` squared.

    ``crop``: float (S, S), grey values for the eye, 0 to 255; ``mask``: bool (S, S), the cell.
    """
    grey = cv2.resize(np.clip(crop, 0, 255).astype(np.uint8), (SHOWN_PX, SHOWN_PX), interpolation=cv2.INTER_AREA)
    inside = cv2.resize(mask.astype(np.uint8), (SHOWN_PX, SHOWN_PX), interpolation=cv2.INTER_NEAREST)
    picture = cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB)
    colour = OUTLINE_SENESCENT if senescent else OUTLINE_NOT_SENESCENT
    picture[inner_outline(inside, 1)] = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return jpeg(picture, quality=80)
