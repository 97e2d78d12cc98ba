import numpy as np
import pytest

from core.errors import InputError
from core.registration import Registration, coverage, nudged, warp
from core.simulate import SimulatedField


def shift(tx: float, ty: float) -> Registration:
    return Registration(np.array([[1, 0, tx], [0, 1, ty]]), "translation", 20.0, 0.1, "pass", "")


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "uint32", "float32", "float64", "bool"])
def test_a_shift_looks_up_the_stain_at_the_shifted_place(dtype: str) -> None:
    image = np.random.default_rng(0).integers(0, 2 if dtype == "bool" else 200, (40, 50)).astype(dtype)
    moved = warp(image, shift(3, -2), image.shape, order=0, cval=0)
    assert moved.dtype == image.dtype
    np.testing.assert_array_equal(moved[2:, :-3], image[:-2, 3:])
    assert not moved[:2].any()
    assert not moved[:, -3:].any()


def test_label_ids_beyond_16_bit_are_kept() -> None:
    labels = np.full((20, 20), 70_001, np.int32)
    assert set(np.unique(warp(labels, shift(0.4, 0.4), labels.shape, order=0))) <= {0, 70_001}


def test_colour_and_fill() -> None:
    image = np.full((30, 30, 3), 7, np.uint8)
    moved = warp(image, shift(10, 0), (30, 30), cval=255)
    assert moved.shape == image.shape
    assert (moved[:, :20] == 7).all()
    assert (moved[:, 21:] == 255).all()


def test_half_a_pixel_is_between_neighbours() -> None:
    ramp = np.tile(np.arange(20, dtype=np.float32), (20, 1))
    np.testing.assert_allclose(warp(ramp, shift(0.5, 0), ramp.shape)[:, :18], ramp[:, :18] + 0.5, atol=1e-5)


def test_the_truth_brings_the_stain_onto_the_phase(pairs: dict[str, SimulatedField]) -> None:
    pair = pairs["stained"]
    true = Registration(np.array(pair.registration["matrix"])[:2], "similarity", 1.0, 0.0, "pass", "")
    seen = coverage(true, pair.stain.shape, pair.phase.shape)
    moved = warp(pair.stain, true, pair.phase.shape)
    stained = np.isin(pair.labels, pair.cells.loc[pair.cells["stain_density"] > 0.3, "label"])
    assert moved[stained & seen].mean() < 0.8 * moved[(pair.labels == 0) & seen].mean()  # dye darkens


def test_coverage_is_where_the_stain_image_is() -> None:
    seen = coverage(shift(3, -2), (40, 50), (40, 50))
    assert seen[2:, :47].all()
    assert not seen[:2].any()
    assert not seen[:, 47:].any()
    assert coverage(shift(0, 0), (40, 50), (40, 50)).all()


def test_coverage_agrees_with_the_warp(pairs: dict[str, SimulatedField]) -> None:
    truth = Registration(np.array(pairs["stained"].registration["matrix"])[:2], "similarity", 1.0, 0.0, "pass", "")
    filled = warp(np.ones((640, 640), np.float32), truth, (640, 640), cval=-1)
    seen = coverage(truth, (640, 640), (640, 640))
    assert (filled[seen] > 0.9).all()
    assert ((filled > 0.99) & ~seen).sum() < 0.002 * seen.size


def test_another_size_is_padded_only_when_asked() -> None:
    image = np.ones((30, 40), np.uint8)
    with pytest.raises(InputError, match=r"phase image has 50 x 50 px, the stain image 40 x 30"):
        warp(image, shift(0, 0), (50, 50))
    padded = warp(image, shift(0, 0), (50, 50), pad=True)
    np.testing.assert_array_equal(padded, np.pad(image, ((0, 20), (0, 10))))


def test_an_unknown_order_is_refused() -> None:
    with pytest.raises(InputError, match="order of 0, 1 or 3, found 2"):
        warp(np.ones((9, 9)), shift(0, 0), (9, 9), order=2)


def test_a_nudge_moves_what_is_seen_down_and_right() -> None:
    image = np.zeros((41, 41), np.uint8)
    image[10, 12] = 200
    moved = warp(image, nudged(shift(0, 0), 3, 5, shape=image.shape), image.shape)
    assert np.argwhere(moved).tolist() == [[13, 17]]


def test_a_nudge_turns_clockwise_about_the_middle() -> None:
    image = np.zeros((41, 41), np.uint8)
    image[20, 30] = 200  # right of the middle
    moved = warp(image, nudged(shift(0, 0), 0, 0, 90, shape=image.shape), image.shape)
    assert np.argwhere(moved > 100).tolist() == [[30, 20]]  # below it


def test_a_nudge_enlarges() -> None:
    image = np.zeros((41, 41), np.uint8)
    image[20, 25] = 200
    moved = warp(image, nudged(shift(0, 0), 0, 0, 0, 2.0, shape=image.shape), image.shape)
    assert np.unravel_index(moved.argmax(), moved.shape) == (20, 30)


def test_a_nudge_is_undone_by_its_opposite_and_marked() -> None:
    start = Registration(np.array([[1.01, -0.02, 5], [0.02, 1.01, -3]]), "similarity", 20.0, 0.1, "pass", "")
    there = nudged(start, 2, -4, shape=(100, 200))
    back = nudged(there, -2, 4, shape=(100, 200))
    np.testing.assert_allclose(back.matrix, start.matrix, atol=1e-12)
    assert (there.source, there.verdict) == ("manual", "check")
    assert np.isnan(there.residual_px)


@pytest.mark.parametrize("bad", [{"dy": np.nan, "dx": 0}, {"dy": 0, "dx": 0, "scale": 0.0}, {"dy": 0, "dx": 0, "rotation_deg": np.inf}])
def test_a_nudge_that_is_no_move_is_refused(bad: dict[str, float]) -> None:
    with pytest.raises(InputError, match="by hand"):
        nudged(shift(0, 0), **bad, shape=(10, 10))
