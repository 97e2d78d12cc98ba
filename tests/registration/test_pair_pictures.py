import numpy as np
import pytest

from core.errors import InputError
from core.registration import blink, checkerboard, false_colour

PHASE = np.full((50, 70), 100, np.uint8)
STAIN = np.full((50, 70), 200, np.uint8)


def test_squares_alternate_from_the_phase_on() -> None:
    picture = checkerboard(PHASE, STAIN, 20)
    assert picture[0, 0] == 100
    assert picture[0, 20] == 200
    assert picture[20, 0] == 200
    assert picture[20, 20] == 100
    assert picture.dtype == np.uint8


def test_a_colour_stain_makes_a_colour_picture() -> None:
    colour = np.stack([STAIN, STAIN, STAIN // 2], axis=-1)
    picture = checkerboard(PHASE, colour, 20)
    assert picture[0, 0].tolist() == [100, 100, 100]
    assert picture[0, 20].tolist() == [200, 200, 100]
    assert false_colour(PHASE, colour)[0, 0].tolist() == [167, 100, 167]


def test_phase_is_green_and_stain_magenta() -> None:
    assert false_colour(PHASE, STAIN)[3, 4].tolist() == [200, 100, 200]


def test_blinking_frames_are_equally_bright() -> None:
    first, second = blink(PHASE, STAIN)
    np.testing.assert_array_equal(first, PHASE)
    assert second.mean() == 100
    assert second.shape == first.shape


@pytest.mark.parametrize("picture", [checkerboard, false_colour, blink])
def test_another_size_or_depth_is_refused(picture: object) -> None:
    for wrong in (STAIN[:20], STAIN.astype(np.uint16)):
        with pytest.raises(InputError, match="two 8-bit images of one size"):
            picture(PHASE, wrong)  # type: ignore[operator]


def test_a_board_without_squares_is_refused() -> None:
    with pytest.raises(InputError, match="at least 1 px"):
        checkerboard(PHASE, STAIN, 0)
