from collections.abc import Callable

import cv2
import numpy as np
import pytest

from core.registration import Registration, register
from core.registration import estimate as estimating
from core.simulate import SimulatedField

Off = Callable[[Registration, SimulatedField], float]


@pytest.mark.parametrize("kind", ["stained", "faint", "control"])
@pytest.mark.parametrize("image", ["stain", "colour"])
def test_pairs_lie_on_each_other(pairs: dict[str, SimulatedField], off: Off, kind: str, image: str) -> None:
    pair = pairs[kind]
    found = register(pair.phase, getattr(pair, image))
    assert off(found, pair) < 0.5
    assert found.verdict == "pass", found.reason
    assert found.source == "own"
    assert found.residual_px < 0.6
    assert found.score > 10


def test_the_matrix_carries_phase_to_stain_x_before_y(pairs: dict[str, SimulatedField]) -> None:
    phase = pairs["stained"].phase
    moved = np.roll(phase, (7, -12), axis=(0, 1))  # what lay at (y, x) lies at (y + 7, x - 12)
    found = register(phase, moved, "translation")
    np.testing.assert_allclose(found.matrix, [[1, 0, -12], [0, 1, 7]], atol=0.05)


def test_the_direction_is_that_of_the_simulated_truth(pairs: dict[str, SimulatedField]) -> None:
    pair = pairs["control"]
    truth = np.array(pair.registration["matrix"])[:2]
    found = register(pair.phase, pair.stain)
    np.testing.assert_allclose(found.matrix[:, :2], truth[:, :2], atol=2e-3)
    np.testing.assert_allclose(found.matrix[:, 2], truth[:, 2], atol=1.5)


def test_affine_finds_what_a_similarity_cannot(pairs: dict[str, SimulatedField], off: Off) -> None:
    pair = pairs["control"]
    sheared = np.array([[1.012, 0.006, -4.0], [0.0, 0.99, 3.0]])
    back = np.linalg.inv(np.vstack([sheared, [0, 0, 1]]))[:2]
    stain = cv2.warpAffine(pair.phase, back, pair.phase.shape[::-1], flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REFLECT)
    similar, affine = register(pair.phase, stain, "similarity"), register(pair.phase, stain, "affine")
    np.testing.assert_allclose(affine.matrix[:, :2], sheared[:, :2], atol=1e-3)
    assert affine.verdict == "pass"
    assert similar.residual_px > 3 * affine.residual_px


def test_too_simple_a_method_does_not_pass(pairs: dict[str, SimulatedField], off: Off) -> None:
    found = register(pairs["control"].phase, pairs["control"].stain, "translation")
    assert off(found, pairs["control"]) > 1
    assert found.verdict != "pass"


def test_unrelated_images_fail(pairs: dict[str, SimulatedField]) -> None:
    for one, other in (("stained", "faint"), ("faint", "control"), ("control", "stained")):
        found = register(pairs[one].phase, pairs[other].stain)
        assert found.verdict == "fail", (one, other, found)
        assert "do not agree" in found.reason


def test_noise_alone_fails(pairs: dict[str, SimulatedField]) -> None:
    noise = np.random.default_rng(0).normal(1000, 10, pairs["stained"].phase.shape)
    assert register(pairs["stained"].phase, noise).verdict == "fail"


def test_a_shift_beyond_the_search_does_not_pass(pairs: dict[str, SimulatedField]) -> None:
    phase = pairs["stained"].phase
    assert register(phase, np.roll(phase, (150, 200), axis=(0, 1))).verdict == "fail"


def test_the_same_pair_gives_the_same_answer_and_stays_untouched(pairs: dict[str, SimulatedField]) -> None:
    phase, stain = pairs["faint"].phase.astype(np.float32), pairs["faint"].stain.astype(np.float32)
    phase.flags.writeable = stain.flags.writeable = False
    first, second = register(phase, stain), register(phase, stain)
    np.testing.assert_array_equal(first.matrix, second.matrix)
    assert first.row() == second.row()


def test_inverted_and_dimmed_stain_registers_as_well(pairs: dict[str, SimulatedField], off: Off) -> None:
    stain = 40 + 0.002 * (65535 - pairs["control"].stain.astype(np.float32))
    found = register(pairs["control"].phase, stain)
    assert off(found, pairs["control"]) < 0.5
    assert found.verdict == "pass"


def test_large_fields_are_registered_on_averaged_pixels(pairs: dict[str, SimulatedField], off: Off, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimating, "LARGEST_SIDE", 400)
    found = register(pairs["control"].phase, pairs["control"].stain)
    assert off(found, pairs["control"]) < 0.5
    assert found.verdict == "pass"


def test_a_stain_of_another_size_is_explained_and_padded_only_when_asked(pairs: dict[str, SimulatedField]) -> None:
    phase = pairs["stained"].phase
    larger = np.pad(phase, ((20, 30), (50, 10)), mode="reflect")
    with pytest.raises(estimating.InputError, match=r"640 x 640 px, the stain image 700 x 690\..*padding"):
        register(phase, larger)
    found = register(phase, larger, "translation", pad=True)
    np.testing.assert_allclose(found.matrix[:, 2], [50, 20], atol=0.05)
    assert found.verdict == "pass"


def test_a_stain_that_covers_little_of_the_field_is_to_be_checked(pairs: dict[str, SimulatedField]) -> None:
    phase = pairs["stained"].phase
    found = register(phase, phase[120:520, 120:520], "translation", pad=True)
    np.testing.assert_allclose(found.matrix[:, 2], [-120, -120], atol=0.1)
    assert found.verdict == "check"
    assert "39%" in found.reason


@pytest.mark.parametrize(
    ("value", "word"),
    [(0, "all black"), (1000, "one grey value")],
)
def test_an_image_without_contrast_says_so(pairs: dict[str, SimulatedField], value: int, word: str) -> None:
    blank = np.full_like(pairs["stained"].phase, value)
    for phase, stain, name in ((pairs["stained"].phase, blank, "stain"), (blank, pairs["stained"].stain, "phase")):
        found = register(phase, stain)
        assert (found.verdict, found.source, found.method) == ("fail", "none", "none")
        assert word in found.reason
        assert name in found.reason
        np.testing.assert_array_equal(found.matrix, [[1, 0, 0], [0, 1, 0]])


def test_a_saturated_stain_fails(pairs: dict[str, SimulatedField]) -> None:
    stain = np.full_like(pairs["stained"].stain, 65535)
    stain[:5, :5] = 60000
    found = register(pairs["stained"].phase, stain)
    assert found.verdict == "fail"
    assert "saturated" in found.reason


def test_a_half_saturated_stain_still_registers(pairs: dict[str, SimulatedField], off: Off) -> None:
    pair = pairs["stained"]
    colour = np.minimum(pair.colour, np.percentile(pair.colour, 60).astype(np.uint8))
    found = register(pair.phase, colour)
    assert off(found, pair) < 1
    assert found.verdict != "fail"


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_numbers_are_refused(pairs: dict[str, SimulatedField], bad: float) -> None:
    stain = pairs["stained"].stain.astype(np.float32)
    stain[3, 4:6] = bad
    with pytest.raises(estimating.InputError, match="stain image holds 2 values"):
        register(pairs["stained"].phase, stain)


def test_a_tiny_image_is_refused() -> None:
    with pytest.raises(estimating.InputError, match="at least 64 x 64 px, found a phase image of 63 x 80"):
        register(np.eye(80, 63), np.eye(80, 63))


@pytest.mark.parametrize("shape", [(64, 64), (64, 300), (301, 97)])
def test_small_and_oblong_images_run(shape: tuple[int, int]) -> None:
    pixels = np.random.default_rng(1).normal(size=shape)
    for method in ("translation", "similarity", "affine"):
        assert register(pixels, pixels, method).verdict in ("pass", "check", "fail")


def test_odd_input_is_refused(pairs: dict[str, SimulatedField]) -> None:
    phase = pairs["stained"].phase
    with pytest.raises(estimating.InputError, match="one of translation, similarity, affine, found 'rigid'"):
        register(phase, phase, "rigid")
    with pytest.raises(estimating.InputError, match=r"wanted a phase image \(Y, X\)"):
        register(phase, np.zeros((640, 640, 2)))
