"""The segmenter: the same numbers as Cellpose's own evaluation, in small memory, and calm on odd images."""

from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from core.cells import segmentation
from core.cells.segmentation import Segmenter, load_segmenter, normalise
from core.errors import Cancelled, InputError


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    random = np.random.default_rng(0)
    yy, xx = np.mgrid[:70, :90]
    waves = np.sin(yy / 6) * np.cos(xx / 9)
    return (20_000 + 4_000 * waves + random.normal(0, 500, waves.shape)).astype(np.float32)


@pytest.fixture
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(segmentation, "TILE", 64)
    return 64


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch, discs: np.ndarray, flows: tuple[np.ndarray, np.ndarray]) -> Segmenter:
    """A segmenter whose network always sees the noisy flows of ``discs``."""

    class Ideal(Segmenter):
        def __init__(self) -> None:
            self.working_diameter_px = self.diameter_px = 30.0
            self.channels = 2
            self._engine = SimpleNamespace(speed="exact", about="ideal")  # type: ignore[assignment]

        def _flows(self, image: np.ndarray, rescale: float, progress: object, engine: object = None) -> np.ndarray:
            nearest = np.ix_(*(np.arange(n) * m // n for n, m in zip(image.shape, discs.shape, strict=True)))
            return np.stack([plane[nearest] for plane in (*flows[0], flows[1])])

    return Ideal()


def test_diameter_comes_from_the_file(segmenter: Segmenter) -> None:
    assert (segmenter.diameter_px, segmenter.working_diameter_px, segmenter.channels) == (24.0, 30.0, 2)


@pytest.mark.parametrize("diameter", [30.0, 47.0, 19.0])
def test_network_output_is_cellpose(
    cellpose_models: ModuleType, weights: Path, segmenter: Segmenter, image: np.ndarray, diameter: float, small_tiles: int
) -> None:
    """Several tiles, enlarged and reduced."""
    theirs = cellpose_models.CellposeModel(gpu=False, pretrained_model=str(weights))
    _, (_, flow, probability), _ = theirs.eval(image, channels=[0, 0], diameter=diameter, compute_masks=False, bsize=small_tiles)
    normalised = normalise(image)
    assert normalised is not None
    ours = segmenter._flows(normalised, 30.0 / diameter, segmentation.silent)
    assert ours.shape == (3, *image.shape)
    scale = float(np.abs(flow).max())
    assert scale > 0.1
    np.testing.assert_allclose(ours[:2], flow, atol=2e-5 * scale)
    np.testing.assert_allclose(ours[2], probability, atol=2e-5 * max(scale, float(np.abs(probability).max())))


def test_labels_are_cellpose(cellpose_models: ModuleType, weights: Path, segmenter: Segmenter, image: np.ndarray) -> None:
    from torch.sparse import check_sparse_tensor_invariants

    model = cellpose_models.CellposeModel(gpu=False, pretrained_model=str(weights))
    with check_sparse_tensor_invariants(False):
        theirs, _, _ = model.eval(image, channels=[0, 0], diameter=30.0, flow_threshold=0.0)
    ours = segmenter.segment(image, diameter_px=30.0, flow_threshold=0.0)
    assert theirs.max() > 3
    assert np.mean((ours > 0) == (theirs > 0)) > 0.999  # the last bits of the network depend on the order of its sums


def test_normalising_is_cellpose(image: np.ndarray) -> None:
    from cellpose.transforms import normalize99

    assert np.array_equal(normalise(image), normalize99(image))
    assert np.allclose(normalise(image * 1e-9), normalise(image), atol=1e-5)  # any unit
    assert image.min() > 1000  # the given image stays as it was


def test_large_images_are_normalised_by_a_sample(monkeypatch: pytest.MonkeyPatch, image: np.ndarray) -> None:
    monkeypatch.setattr(segmentation, "TILE", 10)
    from cellpose.transforms import normalize99

    assert not np.array_equal(normalise(image), normalize99(image))


def test_labels_are_dense_and_typed(seen: Segmenter, discs: np.ndarray) -> None:
    found = seen.segment(np.random.default_rng(0).random(discs.shape), diameter_px=30)
    assert found.dtype == np.int32
    assert np.array_equal(np.unique(found), np.arange(found.max() + 1))
    assert found.max() == discs.max()


def test_settings_reach_the_labels(seen: Segmenter, discs: np.ndarray) -> None:
    image = np.random.default_rng(0).random(discs.shape)
    every = seen.segment(image, flow_threshold=0)
    assert seen.segment(image, flow_threshold=1e-6).max() == 0
    assert seen.segment(image, min_area_px=400).max() < every.max()
    assert (seen.segment(image, cell_probability=3.5) > 0).sum() < (every > 0).sum()


def test_deterministic(segmenter: Segmenter, image: np.ndarray, small_tiles: int) -> None:
    assert np.array_equal(segmenter.segment(image, 30), segmenter.segment(image, 30))


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (2, 3), (17, 33)])
def test_tiny_fields(segmenter: Segmenter, shape: tuple[int, int]) -> None:
    found = segmenter.segment(np.random.default_rng(0).random(shape).astype(np.float32), diameter_px=60)
    assert found.shape == shape
    assert found.dtype == np.int32


def test_long_strip(segmenter: Segmenter) -> None:
    """65,536 px wide: reduced so that it is quick, and enlarged back beyond what 16-bit sizes hold."""
    strip = np.random.default_rng(0).random((2, 65_536)).astype(np.float32)
    assert segmenter.segment(strip, diameter_px=600, cell_probability=50).shape == strip.shape


@pytest.mark.parametrize("value", [0.0, 1.0, -3.5, 65_535.0])
def test_constant_images_hold_no_cells(segmenter: Segmenter, value: float) -> None:
    image = np.full((70, 90), value, np.float32)
    assert not segmenter.segment(image).any()
    image[0, 0] += 1000  # one hot pixel is no contrast either
    assert not segmenter.segment(image).any()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float64])
def test_any_number_type(segmenter: Segmenter, image: np.ndarray, dtype: type) -> None:
    segmenter.segment((image / image.max() * 200).astype(dtype)[:60, :60], 30)


def test_refused_arrays(segmenter: Segmenter) -> None:
    for bad in (np.zeros((3, 4, 5)), np.zeros((0, 4)), np.zeros(7)):
        with pytest.raises(InputError, match="wanted one grey image"):
            segmenter.segment(bad)
    with pytest.raises(InputError, match="NaN"):
        segmenter.segment(np.array([[1.0, np.nan]]))


def test_absurd_diameter_is_refused_before_the_memory_is_gone(segmenter: Segmenter) -> None:
    with pytest.raises(InputError, match="enlarged"):
        segmenter.segment(np.random.default_rng(0).random((900, 900)), diameter_px=0.5)


def test_progress_rises_and_cancels(segmenter: Segmenter, image: np.ndarray, small_tiles: int) -> None:
    told: list[float] = []
    segmenter.segment(image, 20.0, progress=lambda done, total, item: told.append(done / total))
    assert told == sorted(told)
    assert (told[0], told[-1]) == (0.0, 1.0)
    assert len(told) > 3

    def stop(done: float, total: float, item: str) -> None:
        if done > 0:
            raise Cancelled

    with pytest.raises(Cancelled):
        segmenter.segment(image, 20.0, progress=stop)


def test_a_field_alone_is_the_field_after_others(segmenter: Segmenter, weights: Path, image: np.ndarray, small_tiles: int) -> None:
    """No trace of what was segmented before, and the same in a fresh segmenter."""
    alone = load_segmenter(weights, "cpu")._flows(image / 30_000, 1.0, segmentation.silent)
    for other in (image[::-1], image[:40, :50]):
        segmenter._flows(other / 20_000, 1.0, segmentation.silent)
    assert np.array_equal(segmenter._flows(image / 30_000, 1.0, segmentation.silent), alone)


def test_estimate_is_the_size_of_the_cells(seen: Segmenter, discs: np.ndarray) -> None:
    image = np.random.default_rng(0).random(discs.shape)
    areas = np.bincount(discs.ravel())[1:]
    assert seen.estimate_diameter([image]) == pytest.approx(2 * np.sqrt(np.median(areas) / np.pi), rel=0.1)


def test_estimate_without_cells_is_the_networks_own(segmenter: Segmenter) -> None:
    assert segmenter.estimate_diameter([]) == segmenter.diameter_px
    assert segmenter.estimate_diameter([np.zeros((40, 50), np.float32)]) == segmenter.diameter_px


def test_estimate_looks_at_three_images(monkeypatch: pytest.MonkeyPatch, segmenter: Segmenter) -> None:
    looked: list[int] = []
    monkeypatch.setattr(Segmenter, "_areas_in_centre", lambda self, image, diameter, side: looked.append(len(image)) or np.full(4, np.pi * 20.0**2))
    assert segmenter.estimate_diameter(np.eye(n) for n in range(2, 9)) == pytest.approx(40)
    assert looked == [2, 3, 4, 2, 3, 4]


def test_wrong_file(tmp_path: Path) -> None:
    (tmp_path / "model").write_text("<html>", encoding="utf-8")
    with pytest.raises(InputError, match="web page"):
        load_segmenter(tmp_path / "model")


def test_three_channel_network(tmp_path: Path, state: dict, image: np.ndarray) -> None:
    """A grey image is the first channel, as in Cellpose; the others stay empty."""
    import torch

    wide = dict(state)
    for name, tensor in state.items():
        if name.startswith("downsample.down.res_down_0.") and 2 in tensor.shape[:2]:
            wide[name] = torch.cat([tensor, tensor[:, :1]], 1) if tensor.ndim == 4 else torch.cat([tensor, tensor[:1]])
    torch.save(wide, tmp_path / "wide.pt")
    assert load_segmenter(tmp_path / "wide.pt", "cpu").segment(image, 30).shape == image.shape
