"""From flows to labels: every step gives exactly what Cellpose's gives on a CPU."""

import numpy as np
import pytest
import torch
from cellpose import dynamics as original
from cellpose import metrics, utils

from core.cells import dynamics


@pytest.mark.parametrize("steps", [0, 1, 7, 200, 401])
def test_following_is_cellpose(flows: tuple[np.ndarray, np.ndarray], steps: int) -> None:
    field, probability = flows
    inside = probability > 0
    wanted = original.follow_flows(field * inside / 5.0, np.nonzero(inside), niter=steps)
    assert np.array_equal(dynamics.follow(field, inside, steps), wanted.astype(np.int32))


@pytest.mark.parametrize("noise", [0.5, 5.0])
def test_gathering_is_cellpose(noise: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Random flows: many small peaks, some on the border, some equally high (which torch orders by chance unless told)."""
    monkeypatch.setattr(torch.Tensor, "argsort", lambda self: torch.argsort(self, stable=True))
    random = np.random.default_rng(1)
    field = (random.normal(0, noise, (2, 90, 110)) * 5).astype(np.float32)
    inside = random.random((90, 110)) < 0.9
    ends = dynamics.follow(field, inside, 50)
    with torch.sparse.check_sparse_tensor_invariants(False):
        wanted = original.get_masks_torch(torch.from_numpy(ends.copy()), np.nonzero(inside), inside.shape)
    found = dynamics.without_large(dynamics.gather(inside, ends), 0.4)
    assert wanted.max() > 20
    assert np.array_equal(found, wanted)


def test_flow_errors_are_cellpose(discs: np.ndarray, flows: tuple[np.ndarray, np.ndarray]) -> None:
    wanted, _ = metrics.flow_error(discs, flows[0], torch.device("cpu"))
    assert np.array_equal(dynamics.flow_errors(discs, flows[0]), wanted)


def test_flow_error_of_an_absent_label(discs: np.ndarray, flows: tuple[np.ndarray, np.ndarray]) -> None:
    gapped = np.where(discs == 3, 0, discs)
    errors = dynamics.flow_errors(gapped, flows[0])
    assert np.isinf(errors[2])
    assert np.isfinite(np.delete(errors, 2)).all()


@pytest.mark.parametrize("min_area_px", [1, 15, 60, 2000])
def test_filling_and_dropping_small_cells_is_cellpose(discs: np.ndarray, min_area_px: int) -> None:
    """Cells with holes, in holes of others, in pieces, of a few pixels."""
    labels, random = discs.copy(), np.random.default_rng(2)
    labels[random.random(labels.shape) < 0.2] = 0
    for label, (y, x) in enumerate(random.integers(5, 110, (60, 2)), start=labels.max() + 1):
        labels[y : y + random.integers(1, 9), x : x + random.integers(1, 9)] = label
    labels = dynamics._renumbered(labels)
    wanted = utils.fill_holes_and_remove_small_masks(labels.copy(), min_size=min_area_px)
    found = dynamics.without_holes_and_small(labels.copy(), min_area_px)
    assert found.dtype == np.int32
    assert np.array_equal(found, wanted)
    assert (found > 0).any() == (min_area_px < 2000)


@pytest.mark.parametrize("flow_threshold", [0.0, 0.03, 0.4])
def test_outlines_are_cellpose(flows: tuple[np.ndarray, np.ndarray], flow_threshold: float) -> None:
    with torch.sparse.check_sparse_tensor_invariants(False):
        wanted = original.resize_and_compute_masks(*flows, niter=200, flow_threshold=flow_threshold, min_size=1)
    found = dynamics.outlines(*flows, 200, 0.0, flow_threshold, 1, 0.4).labels
    assert found.dtype == np.int32
    assert np.array_equal(found, wanted)


def test_outlines_find_the_cells(discs: np.ndarray, flows: tuple[np.ndarray, np.ndarray]) -> None:
    found = dynamics.outlines(*flows, 200, 0.0, 0.4, 15, 0.4).labels
    assert metrics.average_precision([discs], [found], threshold=[0.7])[0][0, 0] == 1.0


def test_small_cells_go_and_the_others_stay(flows: tuple[np.ndarray, np.ndarray]) -> None:
    """With gaps in the labels, as after the flow check, Cellpose's own chain may drop a large cell instead of the small one."""
    every = dynamics.outlines(*flows, 200, 0.0, 0.4, 1, 0.4).labels
    areas = np.bincount(every.ravel())[1:]
    limit = int(np.median(areas)) + 1
    found = dynamics.outlines(*flows, 200, 0.0, 0.4, limit, 0.4).labels
    kept = np.bincount(found.ravel())[1:]
    assert sorted(kept) == sorted(areas[areas >= limit])
    assert found.max() == len(kept)


@pytest.mark.parametrize(("flow_threshold", "min_area_px"), [(0.0, 1), (0.4, 1), (0.05, 15), (0.0, 150)])
def test_each_label_has_its_flow_error(flows: tuple[np.ndarray, np.ndarray], flow_threshold: float, min_area_px: int) -> None:
    found = dynamics.outlines(*flows, 200, 0.0, flow_threshold, min_area_px, 0.4)
    assert found.labels.max() > 0
    inside = flows[1] > 0
    unfilled = dynamics.gather(inside, dynamics.follow(flows[0], inside, 200))
    was = [np.bincount(unfilled[(found.labels == k) & (unfilled > 0)]).argmax() for k in range(1, found.labels.max() + 1)]
    assert np.array_equal(found.flow_error, dynamics.flow_errors(unfilled, flows[0])[np.array(was) - 1])
    if flow_threshold:
        assert (found.flow_error <= flow_threshold).all()


def test_first_pixels_of_cells_with_and_without_holes() -> None:
    labels = np.zeros((9, 9), np.int32)
    labels[1:6, 1:6] = 2
    labels[3, 3] = 0
    labels[7, 2:] = 1
    assert dynamics._first_pixels(labels).tolist() == [7 * 9 + 2, 10]
    assert dynamics._first_pixels(np.zeros((3, 3), np.int32)).size == 0


def test_nothing_inside() -> None:
    empty = dynamics.outlines(np.zeros((2, 9, 9), np.float32), np.full((9, 9), -1, np.float32), 200, 0.0, 0.4, 15, 0.4)
    assert empty.labels.dtype == np.int32
    assert not empty.labels.any()
    assert empty.flow_error.size == 0


def test_the_whole_field_is_not_a_cell() -> None:
    yy, xx = np.mgrid[-20:21, -20:21].astype(np.float32)
    away = np.stack([-yy, -xx]) / np.maximum(np.hypot(yy, xx), 1) * 5
    probability = np.full((41, 41), 3, np.float32)
    assert not dynamics.outlines(away, probability, 200, 0.0, 0.0, 1, 0.4).labels.any()
    assert dynamics.outlines(away, probability, 200, 0.0, 0.0, 1, 1.0).labels.max() == 1


def test_one_thread_is_enough(monkeypatch: pytest.MonkeyPatch, flows: tuple[np.ndarray, np.ndarray]) -> None:
    many = dynamics.outlines(*flows, 200, 0.0, 0.4, 15, 0.4).labels
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert np.array_equal(dynamics.outlines(*flows, 200, 0.0, 0.4, 15, 0.4).labels, many)
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    monkeypatch.setattr(dynamics, "PIECE", 100)
    assert np.array_equal(dynamics.outlines(*flows, 200, 0.0, 0.4, 15, 0.4).labels, many)
