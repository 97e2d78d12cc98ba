"""Guess the cell diameter of some images with the network that will outline them."""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from core.progress import Progress, silent

IMAGES: Final = 3  # looked at
SIDES: Final = (352, 1024)  # px at the working scale: four tiles, more where few cells are there
CELLS: Final = 10  # enough for a median
ROUNDS: Final = 4
CHANGE: Final = 0.1
STARTS: Final = (0.5, 2.0, 0.25)  # times the network's own diameter
LIMITS: Final = (6.0, 400.0)  # px

AreasInCentre = Callable[[np.ndarray, float, int], np.ndarray]
"""``(image, diameter, side)``: areas (px² of the image) of the cells in a square of ``side`` px at the working scale."""


def estimate(images: Sequence[np.ndarray], own_px: float, areas_in_centre: AreasInCentre, progress: Progress = silent) -> float:
    """Cell diameter (px) common to ``images``; ``own_px``, that of the network's training, where no cell is found.

    Fixed-point iteration: the centre of each image is segmented at the diameter assumed so far; the median over its cells of
    2·sqrt(area/π) (the definition of ``cellpose.utils.diameters``) is the next assumption; it ends when that changes by less
    than 10 %, or after four rounds. It starts at the network's own diameter or, where that finds hardly any cell, at a half,
    two times or a quarter of it. Clamped to 6..400 px.
    """
    search = _Search(images, areas_in_centre, progress)
    diameter, areas = search.start(own_px)
    for round_ in range(ROUNDS):
        if not len(areas):
            break
        before, diameter = diameter, float(np.clip(np.median(2 * np.sqrt(areas / np.pi)), *LIMITS))
        if abs(diameter - before) < CHANGE * before or round_ == ROUNDS - 1:
            break
        areas = search.areas(diameter)
    progress(1.0, 1.0, "cell diameter")
    return diameter


class _Search:
    """Measures rounds and tells the progress; how many rounds there will be is not known, so the bar only never runs back."""

    def __init__(self, images: Sequence[np.ndarray], areas_in_centre: AreasInCentre, progress: Progress) -> None:
        self.images = [image for image in images if np.ptp(image) > 0]
        self._measure, self._progress = areas_in_centre, progress
        self._rounds, self._furthest = 0, 0.0

    def start(self, own_px: float) -> tuple[float, np.ndarray]:
        """The first diameter of several at which there are cells enough, else the one with the most; and the areas found there."""
        diameter, areas = own_px, self.areas(own_px)
        for factor in STARTS:
            if len(areas) >= CELLS or not self.images:
                break
            others = self._look(own_px * factor, SIDES[0])
            if len(others) > len(areas):
                diameter, areas = own_px * factor, others
        return diameter, areas

    def areas(self, diameter: float) -> np.ndarray:
        """Areas (px²) found at a diameter: in a small part of each image first, in a larger one if it holds few cells."""
        found = np.zeros(0)
        for side in SIDES:
            found = self._look(diameter, side)
            if len(found) >= CELLS:
                break
        self._rounds += 1
        return found

    def _look(self, diameter: float, side: int) -> np.ndarray:
        found = [np.zeros(0)]
        for k, image in enumerate(self.images):
            self._furthest = max(self._furthest, (self._rounds + k / len(self.images)) / (ROUNDS + 1))
            self._progress(self._furthest, 1.0, "cell diameter")
            found.append(self._measure(image, diameter, side))
        return np.concatenate(found)
