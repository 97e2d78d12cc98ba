"""Outlines of cells with a Cellpose 3 network (Stringer et al. 2021, doi 10.1038/s41592-020-01018-x).

The network is built here and fed by hand, with the steps of ``CellposeModel.eval`` in the same order and precision, because
that function takes a default model for an unknown one and holds all tiles of a field in memory at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np

from core.cells.diameter import IMAGES, estimate
from core.cells.weights import WIDTHS, Weights, read_weights
from core.errors import InputError
from core.progress import Progress, silent

TILE: Final = 224  # px at the working scale, as in training
OVERLAP: Final = 0.1  # of a tile
BATCH: Final = 8  # tiles
STEPS: Final = 200  # of flow following at the working scale
LARGEST_SHARE: Final = 0.4  # of the field; a larger object is background
MOST_PIXELS: Final = 150_000_000  # of an enlarged field
NETWORK_SHARE: Final = 0.8  # of the time of a field, for the progress bar


def load_segmenter(weights: Path, device: str | None = None) -> Segmenter:
    """Read and check a Cellpose 3 weight file; ``device`` is a torch device, by default the best one present.

    Raises
    ------
    InputError
        The file is not a Cellpose 3 network (see `core.cells.weights.read_weights`).
    """
    return Segmenter(read_weights(Path(weights)), device)


class Segmenter:
    """A Cellpose 3 network ready to outline cells on the CPU, a CUDA or an MPS device.

    Attributes
    ----------
    diameter_px : float
        Mean diameter of the cells that the network was trained on, px.
    """

    def __init__(self, weights: Weights, device: str | None = None) -> None:
        import torch

        self.device = torch.device(device or _best_device())
        self.channels = weights.channels
        self.working_diameter_px = weights.diam_mean  # cells are rescaled to this diameter
        self.diameter_px = weights.diam_labels
        # fp32 either way; on a CPU this order of memory is nearly twice as fast (differences of 5e-7 in the flows)
        self._order = torch.channels_last if self.device.type == "cpu" else torch.contiguous_format
        self._network = _build(weights).to(self.device, memory_format=self._order)

    def segment(
        self,
        image: np.ndarray,
        diameter_px: float = 0.0,
        flow_threshold: float = 0.4,
        cell_probability: float = 0.0,
        min_area_px: int = 15,
        progress: Progress = silent,
    ) -> np.ndarray:
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
        int32 (Y, X)
            Labels 1..N, 0 is background. An image without contrast has no cells.

        Raises
        ------
        InputError
            Not a finite (Y, X) array, or a diameter that would enlarge the field beyond the memory.
        """
        image = _checked(image)
        normalised = normalise(image)
        progress(0.0, 1.0, "network")
        if normalised is None:
            progress(1.0, 1.0, "outlines")
            return np.zeros(image.shape, np.int32)
        rescale = self.working_diameter_px / (diameter_px or self.diameter_px)
        flows = self._flows(normalised, rescale, progress)
        progress(NETWORK_SHARE, 1.0, "outlines")
        labels = _outlines(flows, int(1 / rescale * STEPS), flow_threshold, cell_probability, min_area_px)
        progress(1.0, 1.0, "outlines")
        return labels

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
        part = _resize(part, *_scaled(part.shape, rescale))
        labels = _outlines(self._flows(part, 1.0, silent), STEPS, 0.4, 0.0, 15)
        return np.bincount(labels.ravel())[1:] / rescale**2

    def _flows(self, image: np.ndarray, rescale: float, progress: Progress) -> np.ndarray:
        """Flow along y, flow along x and cell probability, float32 (3, Y, X) at the scale of the normalised ``image``."""
        height, width = image.shape
        if rescale != 1.0:
            image = _resize(image, *_scaled(image.shape, rescale))
        output = self._run(image, progress)
        if rescale == 1.0:
            return output
        return np.stack([_resize(plane, height, width) for plane in output])

    def _run(self, image: np.ndarray, progress: Progress) -> np.ndarray:
        """The network over overlapping tiles, averaged with tapered edges, float32 (3, Y, X); as in ``cellpose.core.run_net``."""
        from cellpose.transforms import _taper_mask, get_pad_yx

        top, bottom, left, right = get_pad_yx(*image.shape)
        padded = np.pad(image, ((top, bottom), (left, right)))
        corners, tile = _tiles(padded.shape)
        taper = _taper_mask(*tile)
        total = np.zeros((3, *padded.shape), np.float32)
        weight = np.zeros(padded.shape)
        for start in range(0, len(corners), BATCH):
            progress(NETWORK_SHARE * start / len(corners), 1.0, "network")
            batch = corners[start : start + BATCH]
            for (y, x), out in zip(batch, self._forward(padded, batch, tile), strict=True):
                rows, columns = slice(y, y + tile[0]), slice(x, x + tile[1])
                total[:, rows, columns] += out * taper
                weight[rows, columns] += taper
        total /= weight
        return total[:, top : padded.shape[0] - bottom, left : padded.shape[1] - right]

    def _forward(self, padded: np.ndarray, corners: list[tuple[int, int]], tile: tuple[int, int]) -> Iterator[np.ndarray]:
        """Run one batch of tiles: the grey image is the first channel, the others stay 0."""
        import torch

        data = np.zeros((len(corners), self.channels, *tile), np.float32)
        for k, (y, x) in enumerate(corners):
            data[k, 0] = padded[y : y + tile[0], x : x + tile[1]]
        with torch.inference_mode():
            out = self._network(torch.from_numpy(data).to(self.device, memory_format=self._order))[0]
        yield from out.float().cpu().numpy()


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


def _build(weights: Weights) -> Any:
    from cellpose.resnet_torch import CPnet

    network = CPnet([weights.channels, *WIDTHS], 3, sz=3, mkldnn=False, diam_mean=weights.diam_mean)
    optional = {k: v for k, v in network.state_dict().items() if k.endswith("num_batches_tracked") or k.startswith("diam_")}
    state = {k: v.reshape(optional[k].shape) if k in optional else v for k, v in weights.state.items()}
    wanted = set(network.state_dict())
    network.load_state_dict({**optional, **{k: v for k, v in state.items() if k in wanted}}, strict=True)
    return network.eval().requires_grad_(False)


def _best_device() -> str:
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


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


def _resize(image: np.ndarray, height: int, width: int) -> np.ndarray:
    import cv2

    return cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)


def _centre(image: np.ndarray, side: int) -> np.ndarray:
    y, x = (max(0, (n - side) // 2) for n in image.shape)
    return image[y : y + side, x : x + side]


def _tiles(shape: tuple[int, ...]) -> tuple[list[tuple[int, int]], tuple[int, int]]:
    """Top left corners of evenly spread tiles that overlap by about a tenth, row by row, and the size of a tile."""
    tile = (min(TILE, shape[0]), min(TILE, shape[1]))
    counts = [1 if n <= TILE else int(np.ceil((1 + 2 * OVERLAP) * n / TILE)) for n in shape]
    ys, xs = (np.linspace(0, n - t, count).astype(int) for n, t, count in zip(shape, tile, counts, strict=True))
    return [(int(y), int(x)) for y in ys for x in xs], tile


def _outlines(flows: np.ndarray, steps: int, flow_threshold: float, cell_probability: float, min_area_px: int) -> np.ndarray:
    from core.cells.dynamics import outlines

    return outlines(flows[:2], flows[2], steps, cell_probability, flow_threshold, min_area_px, LARGEST_SHARE)
