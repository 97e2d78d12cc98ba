"""One simulated field: repeatable, with labels, stain and registration that keep their promises."""

import dataclasses

import cv2
import numpy as np
import pytest

from core.errors import InputError
from core.simulate import SimulatedField, simulate_field

SIZE = 256


@pytest.fixture(scope="module")
def dense() -> SimulatedField:
    return simulate_field(11, 512, prevalence=0.5, confluence=0.5)


@pytest.fixture(scope="module")
def many() -> list[SimulatedField]:
    return [simulate_field(100 + k, 512, prevalence=0.4, confluence=0.4, stain=False) for k in range(14)]


def area_under_curve(values: np.ndarray, positive: np.ndarray) -> float:
    return float((values[positive][:, None] > values[~positive][None, :]).mean())


def carried(points_xy: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    return points_xy @ matrix[:2, :2].T + matrix[:2, 2]


def same_bytes(a: SimulatedField, b: SimulatedField) -> bool:
    images = all(np.array_equal(getattr(a, k), getattr(b, k)) for k in ("phase", "stain", "colour", "labels"))
    return images and a.cells.equals(b.cells) and a.registration == b.registration


def test_same_seed_same_bytes():
    assert same_bytes(simulate_field(3, SIZE), simulate_field(3, SIZE))


def test_other_seed_other_picture():
    assert not np.array_equal(simulate_field(3, SIZE, stain=False).phase, simulate_field(4, SIZE, stain=False).phase)


def test_seed_sequence_can_be_used_twice():
    seed = np.random.SeedSequence(7, spawn_key=(1, 2))
    assert same_bytes(simulate_field(seed, SIZE), simulate_field(seed, SIZE))


def test_phase_does_not_depend_on_stain():
    full, quick = simulate_field(5, SIZE), simulate_field(5, SIZE, stain=False)
    assert np.array_equal(full.phase, quick.phase)
    assert np.array_equal(full.labels, quick.labels)
    assert quick.stain.size == 0
    assert quick.colour.shape == (0, 0, 3)


def test_dtypes_and_shapes(dense: SimulatedField):
    assert (dense.phase.dtype, dense.phase.shape) == (np.uint16, (512, 512))
    assert (dense.stain.dtype, dense.stain.shape) == (np.uint16, (512, 512))
    assert (dense.colour.dtype, dense.colour.shape) == (np.uint8, (512, 512, 3))
    assert (dense.labels.dtype, dense.labels.shape) == (np.int32, (512, 512))
    with pytest.raises(dataclasses.FrozenInstanceError):
        dense.bits = 8  # type: ignore[misc]


def test_labels_are_consecutive_whole_and_not_tiny(many: list[SimulatedField], dense: SimulatedField):
    for field in [*many, dense]:
        numbers = np.unique(field.labels[field.labels > 0])
        assert numbers.tolist() == list(range(1, len(field.cells) + 1)) == field.cells["label"].tolist()
        for label in numbers:
            mask = (field.labels == label).astype(np.uint8)
            assert mask.sum() >= 150
            assert cv2.connectedComponents(mask, connectivity=4)[0] == 2, f"label {label} lies in pieces"


def test_cell_table_measures_the_labels(dense: SimulatedField):
    for row in dense.cells.itertuples():
        y, x = np.nonzero(dense.labels == row.label)
        assert len(y) == row.area_px
        assert (y.mean(), x.mean()) == pytest.approx((row.y_px, row.x_px))
        assert row.touches_border == bool(y.min() == 0 or x.min() == 0 or y.max() == 511 or x.max() == 511)


def test_cells_are_darker_than_their_rim_is(dense: SimulatedField):
    """Positive phase contrast: grey background, darker cells, a bright halo just outside."""
    background = np.median(dense.phase[cv2.dilate((dense.labels > 0).astype(np.uint8), np.ones((21, 21))) == 0])
    rim = (cv2.dilate((dense.labels > 0).astype(np.uint8), np.ones((7, 7))) > 0) & (dense.labels == 0)
    assert np.median(dense.phase[dense.labels > 0]) < 0.95 * background
    assert np.median(dense.phase[rim]) > 1.03 * background


@pytest.mark.parametrize("bits", [12, 16])
def test_intensities_fill_the_stated_bits(bits: int):
    field = simulate_field(2, SIZE, bits=bits)
    for image in (field.phase, field.stain):
        assert image.max() <= 2**bits - 1
        assert 0.1 * 2**bits < np.median(image) < 0.9 * 2**bits


def test_prevalence_is_near_the_requested(many: list[SimulatedField]):
    senescent = np.concatenate([f.cells["senescent"] for f in many])
    assert len(senescent) > 100
    assert senescent.mean() == pytest.approx(0.4, abs=0.12)


@pytest.mark.parametrize("prevalence", [0, 1])
def test_pure_cultures(prevalence: int):
    cells = simulate_field(8, SIZE, prevalence=prevalence, n_cells=6, stain=False).cells
    assert len(cells) > 0
    assert (cells["senescent"] == prevalence).all()


def test_area_and_shape_overlap(many: list[SimulatedField]):
    inner = [f.cells[~f.cells["touches_border"]] for f in many]
    positive = np.concatenate([c["senescent"] for c in inner]) == 1
    area, granules, spread = (np.concatenate([c[k] for c in inner]) for k in ("area_px", "granules", "spread"))
    assert 0.72 < area_under_curve(area, positive) < 0.94
    assert 0.65 < area_under_curve(granules, positive) < 0.92
    assert area_under_curve(spread, positive) < 0.99
    assert area[positive].min() < np.median(area[~positive])
    assert np.percentile(area[positive], 30) < area[~positive].max()


def test_registration_carries_stain_into_senescent_cells():
    field = simulate_field(22, 768, prevalence=0.7, confluence=0.4, stain_strength=1.5)
    matrix = np.array(field.registration["matrix"])
    back = cv2.warpAffine(field.colour, matrix[:2], (768, 768), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    blue = back[..., 2].astype(float) - back[..., 0]  # X-gal takes the red light away
    strong = field.cells[(field.cells["stain_density"] > 0.4) & ~field.cells["touches_border"]]
    assert len(strong) >= 3
    for row in strong.itertuples():
        assert blue[field.labels == row.label].mean() > 8
    clean = field.cells.loc[field.cells["stained"] == 0, "label"]
    assert np.median(blue[np.isin(field.labels, clean)]) < 4


def test_registration_is_told_exactly():
    """The recorded transform explains the moved image better than any neighbouring shift."""
    still, moved = (simulate_field(21, 512, prevalence=0.8, confluence=0.5, misaligned=m) for m in (False, True))
    assert np.array_equal(still.phase, moved.phase)
    assert still.registration["shift_y_px"] == 0
    assert still.registration["scale"] == 1
    matrix = np.array(moved.registration["matrix"])

    def agreement(dy: float, dx: float) -> float:
        tried = matrix + np.array([[0, 0, dx], [0, 0, dy], [0, 0, 0]])
        back = cv2.warpAffine(moved.stain.astype(np.float32), tried[:2], (512, 512), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
        dark = [cv2.GaussianBlur(i, (0, 0), 20) - cv2.GaussianBlur(i, (0, 0), 2) for i in (back, still.stain.astype(np.float32))]
        inner = np.s_[40:-40, 40:-40]
        return float(np.corrcoef(dark[0][inner].ravel(), dark[1][inner].ravel())[0, 1])

    assert agreement(0, 0) > max(0.95, *(agreement(*d) for d in [(1, 0), (-1, 0), (0, 1), (0, -1)]))


def test_registration_parameters_make_the_matrix():
    record = simulate_field(1, SIZE, n_cells=1).registration
    centre = np.array([(SIZE - 1) / 2] * 2)
    matrix = np.array(record["matrix"])
    assert carried(centre[None], matrix)[0] == pytest.approx(centre + np.array([record["shift_x_px"], record["shift_y_px"]]))
    right = carried(centre[None] + [[100, 0]], matrix)[0] - carried(centre[None], matrix)[0]
    assert np.hypot(*right) == pytest.approx(100 * record["scale"])
    assert np.rad2deg(np.arctan2(right[1], right[0])) == pytest.approx(record["rotation_deg"])


def test_negative_control_has_no_dye():
    field = simulate_field(9, SIZE, prevalence=1.0, unstained=True)
    blue = field.colour[..., 2].astype(float) - field.colour[..., 0]
    assert (field.cells["stained"] == 0).all()
    assert (field.cells["stain_density"] == 0).all()
    # a colour cast of the lamp is the same everywhere, dust is grey: no place is bluer than the rest
    assert np.percentile(cv2.blur(blue, (7, 7)), 99.9) - np.median(blue) < 8
    stained = simulate_field(9, SIZE, prevalence=1.0)
    blue = stained.colour[..., 2].astype(float) - stained.colour[..., 0]
    assert np.percentile(cv2.blur(blue, (7, 7)), 99.9) - np.median(blue) > 20


def test_stronger_stain_is_darker():
    weak, strong = (simulate_field(9, SIZE, prevalence=1.0, stain_strength=s) for s in (0.3, 1.2))
    assert weak.cells["stain_density"].sum() < strong.cells["stain_density"].sum()
    assert np.percentile(strong.stain / np.median(strong.stain), 2) < np.percentile(weak.stain / np.median(weak.stain), 2)


@pytest.mark.parametrize("n_cells", [0, 1, 3])
def test_small_field_with_few_cells(n_cells: int):
    field = simulate_field(3, 128, n_cells=n_cells)
    assert len(field.cells) <= n_cells
    assert n_cells == 0 or len(field.cells) > 0
    assert field.labels.max() == len(field.cells)
    assert field.stain.shape == (128, 128)


def test_one_cell_of_either_kind_over_many_seeds():
    for seed in range(12):
        field = simulate_field(seed, 256, n_cells=1, prevalence=seed % 2, stain=False)
        assert field.cells["senescent"].tolist() == [seed % 2]


def test_pixel_size_scales_the_cells():
    areas = [
        np.median(np.concatenate([simulate_field(s, 512, pixel_size_um=p, prevalence=0, confluence=0.25, stain=False).cells["area_px"] for s in range(2)]))
        for p in (0.65, 1.3)
    ]
    assert areas[0] / areas[1] == pytest.approx(4, rel=0.45)


def test_full_dish_still_keeps_its_promises():
    field = simulate_field(1, SIZE, confluence=1.0, stain=False)
    assert (field.labels > 0).mean() > 0.35
    assert np.bincount(field.labels.ravel())[1:].min() >= 150


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"size": 10}, "field size"),
        ({"prevalence": 1.5}, "prevalence"),
        ({"prevalence": float("nan")}, "prevalence"),
        ({"pixel_size_um": 0.0}, "pixel size"),
        ({"bits": 32}, "bits"),
        ({"n_cells": -1}, "number of cells"),
    ],
)
def test_values_out_of_range_are_refused(wrong: dict, words: str):
    with pytest.raises(InputError, match=words):
        simulate_field(0, **{"size": 128, **wrong})
