"""Outlines of cells with a Cellpose 3 network (Stringer et al. 2021, doi 10.1038/s41592-020-01018-x).

The network is built here and fed by hand, with the steps of ``CellposeModel.eval`` in the same order and precision, because
that function takes a default model for an unknown one and holds all tiles of a field in memory at once.

An image may have any unit and bit depth: only its own 1st and 99th percentiles count, so that 12 bits in a 16-bit file give
the labels of the same numbers in any other container, and an 8-bit version those of its coarser grey levels. Dark and bright
are not exchangeable: phase contrast has bright rims, so an inverted image must be inverted back when it is read (as the
readers of `core.images` do where the file says so).
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from core.cells import tiles
from core.cells.diameter import IMAGES, estimate
from core.cells.engines import Engine, Speed, best_device
from core.cells.fast_agreement import ENOUGH, Measured, in_words, remembered
from core.cells.tiles import TILE
from core.cells.weights import Weights, read_weights
from core.errors import InputError
from core.exported import weights_hash
from core.progress import Progress, silent

if TYPE_CHECKING:
    from core.cells.dynamics import Outlined

STEPS: Final = 200  # of flow following at the working scale
LARGEST_SHARE: Final = 0.4  # of the field; a larger object is background
MOST_PIXELS: Final = 150_000_000  # of an enlarged field
NETWORK_SHARE: Final = 0.8  # of the time of a field, for the progress bar
COMPARED_FIELDS: Final = 3  # at most, by one segmenter
COMPARED_PX: Final = 448  # side of the part of a field, at the working scale, on which fast and exact are compared


def load_segmenter(weights: Path, device: str | None = None, speed: Speed = "exact") -> Segmenter:
    """Read and check a Cellpose 3 weight file.

    ``device`` is a torch device, by default the best one present. ``speed``: "exact" is fp32 and gives Cellpose's labels;
    "fast" is bf16 on a processor that has it in hardware, compared once per machine and model with fp32.

    Raises
    ------
    InputError
        The file is not a Cellpose 3 network (see `core.cells.weights.read_weights`); another ``speed``.
    """
    return Segmenter(read_weights(Path(weights)), device, speed)


class Segmenter:
    """A Cellpose 3 network ready to outline cells on the CPU, a CUDA or an MPS device.

    Attributes
    ----------
    diameter_px : float
        Mean diameter of the cells that the network was trained on, px.
    agreement : dict or None
        Of the fast network with the exact one, once it has seen a field: see `core.cells.fast_agreement`.
    """

    agreement: Measured | None = None
    _fields_compared = 0

    def __init__(self, weights: Weights, device: str | None = None, speed: Speed = "exact") -> None:
        self.device = device or best_device()
        self.channels = weights.channels
        self.working_diameter_px = weights.diam_mean  # cells are rescaled to this diameter
        self.diameter_px = weights.diam_labels
        self._weights = weights
        self._engine = Engine(weights, self.device, speed)

    @property
    def engine(self) -> str:
        """What runs the network: "openvino 2026.4.1 fp32"; with the agreement once the fast network has been compared."""
        return self._engine.about + (f" ({in_words(self.agreement)})" if self.agreement else "")

    def outline(
        self,
        image: np.ndarray,
        diameter_px: float = 0.0,
        flow_threshold: float = 0.4,
        cell_probability: float = 0.0,
        min_area_px: int = 15,
        progress: Progress = silent,
    ) -> Outlined:
        """Outline the cells of one field.

        Parameters
        ----------
        image : float (Y, X)
            Grey image in any unit; its 1st and 99th percentiles become 0 and 1.
        diameter_px : float
            Cell diameter in px of ``image``; 0: the network's own.
        flow_threshold : float
            Largest mean squared difference between the flows of an outline and those of the network; 0 keeps all.
        cell_probability : float
            Pixels with a logit above this belong to cells.
        min_area_px : int
            Smaller cells are dropped, px².
        progress : callable
            Told a fraction of 1; may raise Cancelled.

        Returns
        -------
        Outlined
            Labels 1..N, 0 is background, and the flow error of each. An image without contrast has no cells.

        Raises
        ------
        InputError
            Not a finite (Y, X) array, or a diameter that would enlarge the field beyond the memory.
        """
        image = _checked(image)
        normalised = normalise(image)
        progress(0.0, 1.0, "looking for cells")
        if normalised is None:
            progress(1.0, 1.0, "drawing outlines")
            return _no_cells(image.shape)
        rescale = self.working_diameter_px / (diameter_px or self.diameter_px)
        steps = int(1 / rescale * STEPS)
        self._compare(normalised, rescale, steps)
        flows = self._flows(normalised, rescale, _share_of(progress, NETWORK_SHARE))
        del normalised
        progress(NETWORK_SHARE, 1.0, "drawing outlines")
        found = _outlines(flows, steps, flow_threshold, cell_probability, min_area_px)
        progress(1.0, 1.0, "drawing outlines")
        return found

    def segment(self, *given: Any, **named: Any) -> np.ndarray:
        """The labels of ``outline``, int32 (Y, X); takes the same."""
        return self.outline(*given, **named).labels

    def estimate_diameter(self, images: Iterable[np.ndarray], progress: Progress = silent) -> float:
        """Cell diameter (px) common to up to three images (float (Y, X)); the network's own where no cell is found.

        See `core.cells.diameter.estimate`. ``progress`` is told a fraction of 1.
        """
        chosen = [_checked(image) for image in islice(images, IMAGES)]
        return estimate(chosen, self.diameter_px, self._areas_in_centre, progress)

    def _areas_in_centre(self, image: np.ndarray, diameter: float, side: int) -> np.ndarray:
        """Areas (px² of ``image``), measured at the working scale in a square of ``side`` px there."""
        rescale = self.working_diameter_px / diameter
        part = normalise(_centre(image, int(np.ceil(side / rescale))))
        if part is None:
            return np.zeros(0)
        part = _resize(part, *_scaled(part.shape, rescale), self.channels)
        labels = _outlines(self._flows(part, 1.0, silent), STEPS, 0.4, 0.0, 15).labels
        return np.bincount(labels.ravel())[1:] / rescale**2

    def _flows(self, image: np.ndarray, rescale: float, progress: Progress, engine: Engine | None = None) -> np.ndarray:
        """Flow along y, flow along x and cell probability, float32 (3, Y, X) at the scale of the normalised ``image``."""
        height, width = image.shape
        if rescale != 1.0:
            image = _resize(image, *_scaled(image.shape, rescale), self.channels)
        output = tiles.flows_in_tiles(image, self.channels, (engine or self._engine).stream, progress, TILE)
        if rescale == 1.0:
            return output
        out = np.empty((len(output), height, width), np.float32)
        for plane, full in zip(output, out, strict=True):
            _resize_into(plane, full)
        return out

    def _compare(self, image: np.ndarray, rescale: float, steps: int) -> None:
        """Compare the fast network with the exact one on the centre of a normalised field, unless this machine has seen enough."""
        if self._engine.speed != "fast" or self._fields_compared == COMPARED_FIELDS or (self.agreement and self.agreement["cells"] >= ENOUGH):
            return
        self._fields_compared += 1

        def measure() -> tuple[np.ndarray, np.ndarray]:
            centre = _centre(image, int(np.ceil(COMPARED_PX / rescale)))
            engines = Engine(self._weights, self.device, "exact"), self._engine
            exact, fast = (_outlines(self._flows(centre, rescale, silent, one), steps, 0.4, 0.0, 15).labels for one in engines)
            return exact, fast

        self.agreement = remembered(self._engine.about, weights_hash(self._weights.state), measure)


def normalise(image: np.ndarray) -> np.ndarray | None:
    """Bring the 1st and 99th percentiles to 0 and 1: float32 (Y, X), or None where the two are equal (no contrast).

    The arithmetic of ``cellpose.transforms.normalize99``, but for any unit: that function takes a difference below 0.001 for none.
    """
    out = image.astype(np.float32)
    sample = out
    if out.size > TILE**3:
        sample = out[:: max(1, out.shape[0] // TILE), :: max(1, out.shape[1] // TILE)]
    low, high = np.percentile(sample, 1), np.percentile(sample, 99)
    if not high > low:
        return None
    out -= low
    out /= high - low
    return out


def _checked(image: np.ndarray) -> np.ndarray:
    image = np.asarray(image)
    if image.ndim != 2 or 0 in image.shape:
        raise InputError(f"Segmentation: wanted one grey image (Y, X), found an array of shape {image.shape}.")
    if not np.isfinite(image).all():
        raise InputError("Segmentation: wanted finite intensities, found NaN or infinite values in the image.")
    return image


def _scaled(shape: tuple[int, ...], rescale: float) -> tuple[int, int]:
    height, width = (max(1, int(n * rescale)) for n in shape)
    if rescale > 1 and height * width > MOST_PIXELS:
        raise InputError(
            f"Segmentation: the cell diameter given is {rescale:.3g} times smaller than the network works at; a field of "
            f"{shape[1]} x {shape[0]} px would have to be enlarged to {width} x {height} px. Give the diameter of a cell in px of the image."
        )
    return height, width


def _resize(image: np.ndarray, height: int, width: int, channels: int) -> np.ndarray:
    """Bilinear; OpenCV's last bits depend on the number of channels, and Cellpose resizes all of them, the empty ones too."""
    import cv2

    stack = np.zeros((*image.shape, channels), np.float32)
    stack[..., 0] = image
    out = cv2.resize(stack, (width, height), interpolation=cv2.INTER_LINEAR).reshape(height, width, channels)
    return np.ascontiguousarray(out[..., 0])


def _resize_into(plane: np.ndarray, out: np.ndarray) -> None:
    import cv2

    cv2.resize(plane, out.shape[::-1], dst=out, interpolation=cv2.INTER_LINEAR)


def _share_of(progress: Progress, share: float) -> Progress:
    return lambda done, total, item: progress(share * done / total, 1.0, item)


def _centre(image: np.ndarray, side: int) -> np.ndarray:
    y, x = (max(0, (n - side) // 2) for n in image.shape)
    return image[y : y + side, x : x + side]


def _no_cells(shape: tuple[int, ...]) -> Outlined:
    from core.cells.dynamics import Outlined

    return Outlined(np.zeros(shape, np.int32), np.zeros(0))


def _outlines(flows: np.ndarray, steps: int, flow_threshold: float, cell_probability: float, min_area_px: int) -> Outlined:
    from core.cells.dynamics import outlines

    return outlines(flows[:2], flows[2], steps, cell_probability, flow_threshold, min_area_px, LARGEST_SHARE)
