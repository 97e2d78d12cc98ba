import numpy as np
import pytest

from core.errors import InputError
from core.registration import blink, checkerboard, false_colour, flattened

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


def test_even_light_and_faint_cells_beside_dark_dye() -> None:
    x = np.mgrid[:200, :240][1]
    field = 1000.0 + 5 * x
    field[50:60, 50:60] *= 0.2  # dye
    field[120:130, 150:160] *= 0.95  # a pale cell
    shown = flattened(field)
    assert shown.dtype == np.uint8
    assert abs(int(np.median(shown[:, :60])) - int(np.median(shown[:, -60:]))) < 12  # the tilt of the light is gone
    assert shown[55, 55] < 20
    assert shown[125, 155] < np.median(shown) - 15


@pytest.mark.parametrize("value", [0, 700])
def test_nothing_to_see_stays_grey(value: int) -> None:
    assert np.ptp(flattened(np.full((40, 50, 3), value, np.uint16))) == 0
